# SPDX-License-Identifier: Apache-2.0
"""What a phone can ask: requests to vehicle security, built from the protocol's own messages."""

from __future__ import annotations

from google.protobuf.message import Message
from tesla_protocol.command import keys_pb2 as keys
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Misuse
from host_tools.words import plain

FLAG_ENCRYPT_RESPONSE = 1 << universal.FLAG_ENCRYPT_RESPONSE
LABEL_FIELD = 1001  # ours, in PermissionChange: other implementations skip it
LABEL_BYTES = 24
KEY_FORM = vcsec.KEY_FORM_FACTOR_CLOUD_KEY  # what a key is said to be that nothing else is known of

ROLES: dict[str, keys.Role] = {
    "owner": keys.ROLE_OWNER,
    "driver": keys.ROLE_DRIVER,
    "guest": keys.ROLE_GUEST,
    "service": keys.ROLE_SERVICE,
    "fm": keys.ROLE_FM,
    "monitor": keys.ROLE_VEHICLE_MONITOR,
    "charging": keys.ROLE_CHARGING_MANAGER,
}

ACTIONS: dict[str, vcsec.RKEAction_E] = {
    "unlock": vcsec.RKE_ACTION_UNLOCK,
    "lock": vcsec.RKE_ACTION_LOCK,
    "start": vcsec.RKE_ACTION_REMOTE_DRIVE,
    "secure": vcsec.RKE_ACTION_AUTO_SECURE_VEHICLE,
    "wake": vcsec.RKE_ACTION_WAKE_VEHICLE,
}

# What people call a closure -> the field of ClosureMoveRequest and ClosureStatuses.
CLOSURES: dict[str, str] = {
    "driver-door": "frontDriverDoor",
    "passenger-door": "frontPassengerDoor",
    "rear-driver-door": "rearDriverDoor",
    "rear-passenger-door": "rearPassengerDoor",
    "trunk": "rearTrunk",
    "frunk": "frontTrunk",
    "charge-port": "chargePort",
    "tonneau": "tonneau",
}

MOVES: dict[str, vcsec.ClosureMoveType_E] = {
    "move": vcsec.CLOSURE_MOVE_TYPE_MOVE,
    "stop": vcsec.CLOSURE_MOVE_TYPE_STOP,
    "open": vcsec.CLOSURE_MOVE_TYPE_OPEN,
    "close": vcsec.CLOSURE_MOVE_TYPE_CLOSE,
}


def role_number(role: str) -> keys.Role:
    """The protocol's number of a role's name."""
    if role not in ROLES:
        raise Misuse(f"there is no role {role!r}", f"roles are {', '.join(ROLES)}")
    return ROLES[role]


def role_name(number: int) -> str:
    """The name of a role's number."""
    return next((name for name, value in ROLES.items() if value == number), f"role {number}")


def action(name: str) -> vcsec.UnsignedMessage:
    """Unlock, lock, start, secure or wake."""
    return vcsec.UnsignedMessage(RKEAction=ACTIONS[name])


def move(closures: dict[str, str]) -> vcsec.UnsignedMessage:
    """Open, close, move or stop closures: {"trunk": "open"}."""
    request = vcsec.ClosureMoveRequest()
    for closure, movement in closures.items():
        setattr(request, CLOSURES[closure], MOVES[movement])
    return vcsec.UnsignedMessage(closureMoveRequest=request)


def add_key(
    public: bytes,
    role: str,
    label: str = "",
    form: vcsec.KeyFormFactor = KEY_FORM,
    impermanent: bool = False,
) -> vcsec.UnsignedMessage:
    """Add a key with a role: what pairing asks for, and what an owner signs to share the car."""
    change = permission_change(public, role, label)
    operation = vcsec.WhitelistOperation(metadataForKey=vcsec.KeyMetadata(keyFormFactor=form))
    if impermanent:
        operation.addImpermanentKey.CopyFrom(change)
    else:
        operation.addKeyToWhitelistAndAddPermissions.CopyFrom(change)
    return vcsec.UnsignedMessage(WhitelistOperation=operation)


def update_key(public: bytes, role: str, label: str = "") -> vcsec.UnsignedMessage:
    """Give a key that is in the keychain another role."""
    operation = vcsec.WhitelistOperation(updateKeyAndPermissions=permission_change(public, role, label))
    return vcsec.UnsignedMessage(WhitelistOperation=operation)


def remove_key(public: bytes) -> vcsec.UnsignedMessage:
    """Take a key out of the keychain."""
    operation = vcsec.WhitelistOperation(removePublicKeyFromWhitelist=vcsec.PublicKey(PublicKeyRaw=public))
    return vcsec.UnsignedMessage(WhitelistOperation=operation)


def remove_impermanent_keys() -> vcsec.UnsignedMessage:
    """Take every impermanent key out of the keychain."""
    return vcsec.UnsignedMessage(WhitelistOperation=vcsec.WhitelistOperation(removeAllImpermanentKeys=True))


def permission_change(public: bytes, role: str, label: str = "") -> vcsec.PermissionChange:
    """A key with its role, and with a label in our own field that other implementations skip."""
    change = vcsec.PermissionChange(key=vcsec.PublicKey(PublicKeyRaw=public), keyRole=role_number(role))
    if plain(label) != label:
        raise Misuse(f"the label {label} has what cannot be shown", "a label is plain text")
    text = label.encode()
    if len(text) > LABEL_BYTES:
        raise Misuse(f"the label is {len(text)} bytes long", f"at most {LABEL_BYTES} bytes are kept")
    if text:
        tag = LABEL_FIELD << 3 | 2
        raw = bytes((tag & 0x7F | 0x80, tag >> 7, len(text))) + text
        change.MergeFromString(raw)  # an unknown field: kept, and written again when the message is encoded
    return change


def information(
    kind: vcsec.InformationRequestType,
    slot: int | None = None,
    key_id: bytes | None = None,
    public: bytes | None = None,
) -> vcsec.UnsignedMessage:
    """Ask for the status, the keychain's summary, or one of its entries."""
    request = vcsec.InformationRequest(informationRequestType=kind)
    if slot is not None:
        request.slot = slot
    if key_id is not None:
        request.keyId.publicKeySHA1 = key_id
    if public is not None:
        request.publicKey = public
    return vcsec.UnsignedMessage(InformationRequest=request)


def routable(
    payload: Message | None, address: bytes, uuid: bytes, domain: int = universal.DOMAIN_VEHICLE_SECURITY
) -> universal.RoutableMessage:
    """An envelope to a part of the car, not signed yet."""
    message = universal.RoutableMessage(uuid=uuid)
    message.to_destination.domain = domain  # type: ignore[assignment] # one is ours
    message.from_destination.routing_address = address
    if payload is not None:
        message.protobuf_message_as_bytes = payload.SerializeToString()
    return message


def session_info_request(
    public: bytes, address: bytes, uuid: bytes, domain: int = universal.DOMAIN_VEHICLE_SECURITY
) -> universal.RoutableMessage:
    """The handshake's question. The car answers to the request's uuid: that is the challenge of its tag."""
    message = routable(None, address, uuid, domain)
    message.session_info_request.public_key = public
    return message


def present_key(payload: vcsec.UnsignedMessage) -> vcsec.ToVCSECMessage:
    """The older form of pairing: sent bare, without an envelope, and answered only by what the car does."""
    signed = vcsec.SignedMessage(
        protobufMessageAsBytes=payload.SerializeToString(),
        signatureType=vcsec.SIGNATURE_TYPE_PRESENT_KEY,
    )
    return vcsec.ToVCSECMessage(signedMessage=signed)
