# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what is said about keys: loaded when somebody does.

A table is flat (wire/pb.py): number, kind, and 1 for a member of the message's oneof, of its first field,
then of the next.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_KEY_IDENTIFIER = const((
    1, _BYTES, 0,  # publicKeySHA1
))
_KEY_METADATA = const((
    1, _UINT, 0,  # keyFormFactor
))
_PUBLIC_KEY = const((
    1, _BYTES, 0,  # PublicKeyRaw
))
_PERMISSION_CHANGE = const((
    1, _PUBLIC_KEY, 0,  # key
    3, _UINT, 0,  # secondsToBeActive
    4, _UINT, 0,  # keyRole
    1001, _BYTES, 0,  # label
))
_REPLACE_KEY = const((
    1, _PUBLIC_KEY, 1,  # publicKeyToReplace
    2, _UINT, 1,  # slotToReplace
    3, _PUBLIC_KEY, 0,  # keyToAdd
    4, _UINT, 0,  # keyRole
    5, _UINT, 0,  # impermanent
))
WHITELIST_OPERATION = (
    1, _PUBLIC_KEY, 1,  # addPublicKeyToWhitelist
    2, _PUBLIC_KEY, 1,  # removePublicKeyFromWhitelist
    3, _PERMISSION_CHANGE, 1,  # addPermissionsToPublicKey
    4, _PERMISSION_CHANGE, 1,  # removePermissionsFromPublicKey
    5, _PERMISSION_CHANGE, 1,  # addKeyToWhitelistAndAddPermissions
    6, _KEY_METADATA, 0,  # metadataForKey
    7, _PERMISSION_CHANGE, 1,  # updateKeyAndPermissions
    8, _PERMISSION_CHANGE, 1,  # addImpermanentKey
    9, _PERMISSION_CHANGE, 1,  # addImpermanentKeyAndRemoveExisting
    16, _UINT, 1,  # removeAllImpermanentKeys
    17, _REPLACE_KEY, 1,  # replaceKey
)
_WHITELIST_OPERATION_STATUS = const((
    1, _UINT, 0,  # whitelistOperationInformation
    2, _KEY_IDENTIFIER, 0,  # signerOfOperation
    3, _UINT, 0,  # operationStatus
))
_COMMAND_STATUS = const((
    1, _UINT, 0,  # operationStatus
    3, _WHITELIST_OPERATION_STATUS, 1,  # whitelistOperationStatus
))
_WHITELIST_INFO = const((
    1, _UINT, 0,  # numberOfEntries
    2, _KEY_IDENTIFIER, 0,  # whitelistEntries
    3, _UINT, 0,  # slotMask
))
_WHITELIST_ENTRY_INFO = const((
    1, _KEY_IDENTIFIER, 0,  # keyId
    2, _PUBLIC_KEY, 0,  # publicKey
    4, _KEY_METADATA, 0,  # metadataForKey
    6, _UINT, 0,  # slot
    7, _UINT, 0,  # keyRole
))
FROM_VCSEC = (
    4, _COMMAND_STATUS, 1,  # commandStatus
    16, _WHITELIST_INFO, 1,  # whitelistInfo
    17, _WHITELIST_ENTRY_INFO, 1,  # whitelistEntryInfo
)
