# SPDX-License-Identifier: Apache-2.0
"""What vehicle security says of keys (vcsec.proto): loaded when somebody asks, or changes one."""

from micropython import const

from latchkey.faults import Fault, KeyRefused
from latchkey.wire import keymessages
from latchkey.wire.pb import encode
from latchkey.wire.schema import (
    CommandStatus,
    FromVCSECMessage,
    InformationRequest,
    InformationRequestType,
    KeyIdentifier,
    KeyMetadata,
    MessageFault,
    OperationStatus,
    PublicKey,
    WhitelistEntryInfo,
    WhitelistInfo,
    Wire,
)
from latchkey.wire.schema import (
    WhitelistOperation_information as Refusal,
)
from latchkey.wire.schema import (
    WhitelistOperation_status as Status,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.wire.pb import Fields

_LISTED = const(32)  # as many as the slot mask has bits; more would not fit a message

_WAITING = {CommandStatus.operationStatus: OperationStatus.WAIT}
WAIT = encode(keymessages.FROM_VCSEC, {FromVCSECMessage.commandStatus: _WAITING})


def whitelist_status(information: int, signer: bytes | None) -> bytes:
    """The final word on a key operation: information 0 is success; signer is the 4-byte id of who asked."""
    error = OperationStatus.ERROR if information else None
    status = {
        Status.whitelistOperationInformation: information or None,
        Status.signerOfOperation: {KeyIdentifier.publicKeySHA1: signer} if signer else None,
        Status.operationStatus: error,
    }
    told = {CommandStatus.operationStatus: error, CommandStatus.whitelistOperationStatus: status}
    return encode(keymessages.FROM_VCSEC, {FromVCSECMessage.commandStatus: told})


def information(request: Fields, keychain: Keychain) -> bytes:
    """Answer an InformationRequest about keys. Raises Fault, or KeyRefused for an entry that is not there."""
    kind = request[InformationRequest.informationRequestType]
    if kind == InformationRequestType.WHITELIST_INFO:
        info = {
            WhitelistInfo.numberOfEntries: keychain.count,
            WhitelistInfo.whitelistEntries: [{KeyIdentifier.publicKeySHA1: id4} for id4 in keychain.ids(_LISTED)],
            WhitelistInfo.slotMask: keychain.slot_mask(),
        }
        return encode(keymessages.FROM_VCSEC, {FromVCSECMessage.whitelistInfo: info})
    if kind != InformationRequestType.WHITELIST_ENTRY_INFO:
        raise Fault(MessageFault.BAD_PARAMETER, "information")
    record = _find(request, keychain)
    if record is None:
        raise KeyRefused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "no such entry")
    entry: Fields = {
        WhitelistEntryInfo.keyId: {KeyIdentifier.publicKeySHA1: record.id},
        WhitelistEntryInfo.publicKey: {PublicKey.PublicKeyRaw: record.public},
        WhitelistEntryInfo.metadataForKey: {KeyMetadata.keyFormFactor: record.form or None},
        WhitelistEntryInfo.slot: record.slot or None,
        WhitelistEntryInfo.keyRole: record.role,
    }
    return encode(keymessages.FROM_VCSEC, {FromVCSECMessage.whitelistEntryInfo: entry})


def _find(request: Fields, keychain: Keychain) -> Record | None:
    by = request.get(Wire.ONE_OF)
    if by == InformationRequest.keyId:
        return keychain.find_id(bytes(request[by].get(KeyIdentifier.publicKeySHA1, b""))[:4])
    if by == InformationRequest.publicKey:
        return keychain.find(request[by])
    return keychain.find_slot(request.get(InformationRequest.slot, 0))
