# SPDX-License-Identifier: Apache-2.0
"""The firmware's message tables with the published names, for tests that are to be read.

A table is flat: number, name, kind and oneof of its first field, then of the next. `decode` and `encode` are those of
the firmware's codec, with names for numbers; a test compares the names with the published descriptors.
"""

from latchkey.wire import pb

_UINT = 0
_BYTES = 2
_FIXED32 = 5

# A field a line:
# fmt: off
DESTINATION = (
    1, "domain", _UINT, "sub_destination",
    2, "routing_address", _BYTES, "sub_destination",
)
SESSION_INFO_REQUEST = (
    1, "public_key", _BYTES, None,
    2, "challenge", _BYTES, None,
)
SESSION_INFO = (
    1, "counter", _UINT, None,
    2, "publicKey", _BYTES, None,
    3, "epoch", _BYTES, None,
    4, "clock_time", _FIXED32, None,
    5, "status", _UINT, None,
    6, "handle", _UINT, None,
)
KEY_IDENTITY = (
    1, "public_key", _BYTES, "identity_type",
    3, "handle", _UINT, "identity_type",
)
AES_GCM_PERSONALIZED = (
    1, "epoch", _BYTES, None,
    2, "nonce", _BYTES, None,
    3, "counter", _UINT, None,
    4, "expires_at", _FIXED32, None,
    5, "tag", _BYTES, None,
)
HMAC_SIGNATURE = (1, "tag", _BYTES, None)
HMAC_PERSONALIZED = (
    1, "epoch", _BYTES, None,
    2, "counter", _UINT, None,
    3, "expires_at", _FIXED32, None,
    4, "tag", _BYTES, None,
)
AES_GCM_RESPONSE = (
    1, "nonce", _BYTES, None,
    2, "counter", _UINT, None,
    3, "tag", _BYTES, None,
)
SIGNATURE_DATA = (
    1, "signer_identity", KEY_IDENTITY, None,
    5, "AES_GCM_Personalized_data", AES_GCM_PERSONALIZED, "sig_type",
    6, "session_info_tag", HMAC_SIGNATURE, "sig_type",
    8, "HMAC_Personalized_data", HMAC_PERSONALIZED, "sig_type",
    9, "AES_GCM_Response_data", AES_GCM_RESPONSE, "sig_type",
)
MESSAGE_STATUS = (
    1, "operation_status", _UINT, None,
    2, "signed_message_fault", _UINT, None,
)
ROUTABLE_MESSAGE = (
    6, "to_destination", DESTINATION, None,
    7, "from_destination", DESTINATION, None,
    10, "protobuf_message_as_bytes", _BYTES, "payload",
    12, "signedMessageStatus", MESSAGE_STATUS, None,
    13, "signature_data", SIGNATURE_DATA, "sub_sigData",
    14, "session_info_request", SESSION_INFO_REQUEST, "payload",
    15, "session_info", _BYTES, "payload",
    50, "request_uuid", _BYTES, None,
    51, "uuid", _BYTES, None,
    52, "flags", _UINT, None,
)

SIGNED_MESSAGE = (
    2, "protobufMessageAsBytes", _BYTES, None,
    3, "signatureType", _UINT, None,
)
TO_VCSEC = (1, "signedMessage", SIGNED_MESSAGE, None)

KEY_IDENTIFIER = (1, "publicKeySHA1", _BYTES, None)
KEY_METADATA = (1, "keyFormFactor", _UINT, None)
PUBLIC_KEY = (1, "PublicKeyRaw", _BYTES, None)
INFORMATION_REQUEST = (
    1, "informationRequestType", _UINT, None,
    2, "keyId", KEY_IDENTIFIER, "key",
    3, "publicKey", _BYTES, "key",
    4, "slot", _UINT, "key",
)
CLOSURES = (
    1, "frontDriverDoor", _UINT, None,
    2, "frontPassengerDoor", _UINT, None,
    3, "rearDriverDoor", _UINT, None,
    4, "rearPassengerDoor", _UINT, None,
    5, "rearTrunk", _UINT, None,
    6, "frontTrunk", _UINT, None,
    7, "chargePort", _UINT, None,
    8, "tonneau", _UINT, None,
)
# 1001 is Latchkey's own: a label for people (docs/protocol.md); other implementations skip it.
PERMISSION_CHANGE = (
    1, "key", PUBLIC_KEY, None,
    3, "secondsToBeActive", _UINT, None,
    4, "keyRole", _UINT, None,
    1001, "label", _BYTES, None,
)
REPLACE_KEY = (
    1, "publicKeyToReplace", PUBLIC_KEY, "keyToReplace",
    2, "slotToReplace", _UINT, "keyToReplace",
    3, "keyToAdd", PUBLIC_KEY, None,
    4, "keyRole", _UINT, None,
    5, "impermanent", _UINT, None,
)
WHITELIST_OPERATION = (
    1, "addPublicKeyToWhitelist", PUBLIC_KEY, "sub_message",
    2, "removePublicKeyFromWhitelist", PUBLIC_KEY, "sub_message",
    3, "addPermissionsToPublicKey", PERMISSION_CHANGE, "sub_message",
    4, "removePermissionsFromPublicKey", PERMISSION_CHANGE, "sub_message",
    5, "addKeyToWhitelistAndAddPermissions", PERMISSION_CHANGE, "sub_message",
    6, "metadataForKey", KEY_METADATA, None,
    7, "updateKeyAndPermissions", PERMISSION_CHANGE, "sub_message",
    8, "addImpermanentKey", PERMISSION_CHANGE, "sub_message",
    9, "addImpermanentKeyAndRemoveExisting", PERMISSION_CHANGE, "sub_message",
    16, "removeAllImpermanentKeys", _UINT, "sub_message",
    17, "replaceKey", REPLACE_KEY, "sub_message",
)
UNSIGNED_MESSAGE = (
    1, "InformationRequest", INFORMATION_REQUEST, "sub_message",
    2, "RKEAction", _UINT, "sub_message",
    4, "closureMoveRequest", CLOSURES, "sub_message",
    16, "WhitelistOperation", WHITELIST_OPERATION, "sub_message",
)

VEHICLE_STATUS = (
    1, "closureStatuses", CLOSURES, None,
    2, "vehicleLockState", _UINT, None,
    3, "vehicleSleepStatus", _UINT, None,
    4, "userPresence", _UINT, None,
)
WHITELIST_STATUS = (
    1, "whitelistOperationInformation", _UINT, None,
    2, "signerOfOperation", KEY_IDENTIFIER, None,
    3, "operationStatus", _UINT, None,
)
COMMAND_STATUS = (
    1, "operationStatus", _UINT, None,
    3, "whitelistOperationStatus", WHITELIST_STATUS, "sub_message",
)
WHITELIST_INFO = (
    1, "numberOfEntries", _UINT, None,
    2, "whitelistEntries", KEY_IDENTIFIER, None,
    3, "slotMask", _UINT, None,
)
WHITELIST_ENTRY_INFO = (
    1, "keyId", KEY_IDENTIFIER, None,
    2, "publicKey", PUBLIC_KEY, None,
    4, "metadataForKey", KEY_METADATA, None,
    6, "slot", _UINT, None,
    7, "keyRole", _UINT, None,
)
NOMINAL_ERROR = (1, "genericError", _UINT, None)
FROM_VCSEC = (
    1, "vehicleStatus", VEHICLE_STATUS, "sub_message",
    4, "commandStatus", COMMAND_STATUS, "sub_message",
    16, "whitelistInfo", WHITELIST_INFO, "sub_message",
    17, "whitelistEntryInfo", WHITELIST_ENTRY_INFO, "sub_message",
    46, "nominalError", NOMINAL_ERROR, "sub_message",
)


def plain(table):
    """The table as the firmware has it (wire/pb.py)."""
    out = b""
    inner = ()
    for at in range(0, len(table), 4):
        number, _, kind, group = table[at : at + 4]
        more = number >> 7
        if isinstance(kind, tuple):
            inner += (plain(kind),)
            more = len(inner)
            kind = 7
        member = group and group != "sub_sigData"
        out += bytes((number & 0x7F | (0x80 if member else 0), kind | more << 3))
    return (out,) + inner if inner else out


def numbered(table, values):
    """The fields by number, as the firmware has them. A name that is not in the table is a mistake of the test."""
    known = [table[at + part] for at in range(0, len(table), 4) for part in (1, 3)]  # what was decoded names its oneofs
    for name in values:
        assert name in known, name
    out = {}
    for at in range(0, len(table), 4):
        number, name, kind, group = table[at : at + 4]
        if name not in values:
            continue
        value = values[name]
        if isinstance(kind, tuple) and value is not None:
            many = isinstance(value, list)
            value = [numbered(kind, one) for one in value] if many else numbered(kind, value)
        out[number] = value
        if values.get(group) == name:
            out[0] = number
    return out


def _named(table, values):
    out = {}
    for at in range(0, len(table), 4):
        number, name, kind, group = table[at : at + 4]
        if number in values:
            out[name] = _named(kind, values[number]) if isinstance(kind, tuple) else values[number]
            if values.get(0) == number and group:
                out[group] = name
    return out


def decode(table, data):
    return _named(table, pb.decode(plain(table), data))


def encode(table, values):
    return pb.encode(plain(table), numbered(table, values))
