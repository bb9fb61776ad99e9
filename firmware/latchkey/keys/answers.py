# SPDX-License-Identifier: Apache-2.0
"""What vehicle security says of keys (vcsec.proto): loaded when somebody asks, or changes one."""

from micropython import const

from latchkey.faults import Fault, KeyRefused
from latchkey.keys import refusals
from latchkey.wire import keymessages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.wire.pb import Fields

# MessageFault_E
_BAD_PARAMETER = const(13)
_ONE_OF = const(0)  # wire/pb.py
# InformationRequest
_INFORMATION_REQUEST_TYPE = const(1)
_KEY_ID = const(2)
_PUBLIC_KEY = const(3)
_SLOT = const(4)
# FromVCSECMessage
_COMMAND_STATUS = const(4)
_WHITELIST_INFO = const(16)
_WHITELIST_ENTRY_INFO = const(17)
# CommandStatus
_OPERATION_STATUS = const(1)
_WHITELIST_OPERATION_STATUS = const(3)

_GET_WHITELIST_INFO = const(5)  # InformationRequestType
_GET_WHITELIST_ENTRY_INFO = const(6)
_WAIT = const(1)  # OperationStatus_E
_ERROR = const(2)
_LISTED = const(32)  # as many as the slot mask has bits; more would not fit a message

WAIT = encode(keymessages.FROM_VCSEC, {_COMMAND_STATUS: {_OPERATION_STATUS: _WAIT}})


def whitelist_status(information: int, signer: bytes | None) -> bytes:
    """The final word on a key operation: information 0 is success; signer is the 4-byte id of who asked."""
    error = _ERROR if information else None
    # WhitelistOperation_status: whitelistOperationInformation, signerOfOperation, operationStatus
    status = {1: information or None, 2: {1: signer} if signer else None, 3: error}
    told = {_OPERATION_STATUS: error, _WHITELIST_OPERATION_STATUS: status}
    return encode(keymessages.FROM_VCSEC, {_COMMAND_STATUS: told})


def information(request: Fields, keychain: Keychain) -> bytes:
    """Answer an InformationRequest about keys. Raises Fault, or KeyRefused for an entry that is not there."""
    kind = request[_INFORMATION_REQUEST_TYPE]
    if kind == _GET_WHITELIST_INFO:
        entries = [{1: key_id} for key_id in keychain.ids(_LISTED)]
        # WhitelistInfo: numberOfEntries, whitelistEntries, slotMask
        info = {1: keychain.count, 2: entries, 3: keychain.slot_mask()}
        return encode(keymessages.FROM_VCSEC, {_WHITELIST_INFO: info})
    if kind != _GET_WHITELIST_ENTRY_INFO:
        raise Fault(_BAD_PARAMETER, "information")
    record = _find(request, keychain)
    if record is None:
        raise KeyRefused(refusals.NOT_ON_WHITELIST, "no such entry")
    # WhitelistEntryInfo: keyId, publicKey, metadataForKey, slot, keyRole
    entry: Fields = {1: {1: record.id}, 2: {1: record.public}, 4: {1: record.form or None}}
    entry[6] = record.slot or None
    entry[7] = record.role
    return encode(keymessages.FROM_VCSEC, {_WHITELIST_ENTRY_INFO: entry})


def _find(request: Fields, keychain: Keychain) -> Record | None:
    by = request.get(_ONE_OF)
    if by == _KEY_ID:
        return keychain.find_id(bytes(request[by].get(1, b""))[:4])
    if by == _PUBLIC_KEY:
        return keychain.find(request[by])
    return keychain.find_slot(request.get(_SLOT, 0))
