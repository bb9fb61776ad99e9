# SPDX-License-Identifier: Apache-2.0
"""What vehicle security says: FromVCSECMessage payloads (vcsec.proto)."""

from micropython import const

from latchkey import faults
from latchkey.faults import Fault, KeyRefused
from latchkey.wire import messages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.vehicle.state import Vehicle
    from latchkey.wire.pb import Fields

_GET_STATUS = const(0)
_GET_WHITELIST_INFO = const(5)
_GET_WHITELIST_ENTRY_INFO = const(6)
_WAIT = const(1)
_ERROR = const(2)
_LISTED = const(32)  # as many as the slot mask has bits; more would not fit a message

WAIT = encode(messages.FROM_VCSEC, {"commandStatus": {"operationStatus": _WAIT}})


def broadcast(payload: bytes) -> bytes:
    """A message to whoever listens, as vehicles send them: from vehicle security, to no address."""
    body = {
        "to_destination": {"domain": 0},
        "from_destination": {"domain": 2},
        "protobuf_message_as_bytes": payload,
    }
    return encode(messages.ROUTABLE_MESSAGE, body)


def vehicle_status(vehicle: Vehicle) -> bytes:
    return encode(messages.FROM_VCSEC, {"vehicleStatus": vehicle.status()})


def nominal_error(code: int) -> bytes:
    return encode(messages.FROM_VCSEC, {"nominalError": {"genericError": code}})


def whitelist_status(information: int, signer: bytes | None) -> bytes:
    """The final word on a key operation: information 0 is success; signer is the 4-byte id of who asked."""
    error = _ERROR if information else None
    status: "dict[str, object]" = {"whitelistOperationInformation": information or None, "operationStatus": error}
    if signer:
        status["signerOfOperation"] = {"publicKeySHA1": signer}
    return encode(
        messages.FROM_VCSEC, {"commandStatus": {"operationStatus": error, "whitelistOperationStatus": status}}
    )


def information(request: Fields, keychain: Keychain, vehicle: Vehicle) -> bytes:
    """Answer an InformationRequest. Raises Fault, or KeyRefused for an entry that is not there."""
    kind = request.get("informationRequestType", _GET_STATUS)
    if kind == _GET_STATUS:
        return vehicle_status(vehicle)
    if kind == _GET_WHITELIST_INFO:
        entries = [{"publicKeySHA1": key_id} for key_id in keychain.ids(_LISTED)]
        info = {"numberOfEntries": keychain.count, "whitelistEntries": entries, "slotMask": keychain.slot_mask()}
        return encode(messages.FROM_VCSEC, {"whitelistInfo": info})
    if kind != _GET_WHITELIST_ENTRY_INFO:
        raise Fault(faults.BAD_PARAMETER, "unknown information request")
    record = _find(request, keychain)
    if record is None:
        raise KeyRefused(faults.KEY_NOT_ON_WHITELIST, "no such entry")
    entry = {
        "keyId": {"publicKeySHA1": record.id},
        "publicKey": {"PublicKeyRaw": record.public},
        "metadataForKey": {"keyFormFactor": record.form or None},
        "slot": record.slot or None,
        "keyRole": record.role,
    }
    return encode(messages.FROM_VCSEC, {"whitelistEntryInfo": entry})


def _find(request: Fields, keychain: Keychain) -> Record | None:
    by = request.get("key")
    if by == "keyId":
        return keychain.find_id(bytes(request["keyId"].get("publicKeySHA1", b""))[:4])
    if by == "publicKey":
        return keychain.find(request["publicKey"])
    return keychain.find_slot(request.get("slot", 0))
