# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what is said about keys: loaded when somebody does.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_KEY_IDENTIFIER = const((
    1, _BYTES,  # publicKeySHA1
))
_KEY_METADATA = const((
    1, _UINT,  # keyFormFactor
))
_PUBLIC_KEY = const((
    1, _BYTES,  # PublicKeyRaw
))
_PERMISSION_CHANGE = const((
    1, _PUBLIC_KEY,  # key
    3, _UINT,  # secondsToBeActive
    4, _UINT,  # keyRole
    1001, _BYTES,  # label
))
_REPLACE_KEY = const((
    -1, _PUBLIC_KEY,  # publicKeyToReplace
    -2, _UINT,  # slotToReplace
    3, _PUBLIC_KEY,  # keyToAdd
    4, _UINT,  # keyRole
    5, _UINT,  # impermanent
))
WHITELIST_OPERATION = (
    -1, _PUBLIC_KEY,  # addPublicKeyToWhitelist
    -2, _PUBLIC_KEY,  # removePublicKeyFromWhitelist
    -3, _PERMISSION_CHANGE,  # addPermissionsToPublicKey
    -4, _PERMISSION_CHANGE,  # removePermissionsFromPublicKey
    -5, _PERMISSION_CHANGE,  # addKeyToWhitelistAndAddPermissions
    6, _KEY_METADATA,  # metadataForKey
    -7, _PERMISSION_CHANGE,  # updateKeyAndPermissions
    -8, _PERMISSION_CHANGE,  # addImpermanentKey
    -9, _PERMISSION_CHANGE,  # addImpermanentKeyAndRemoveExisting
    -16, _UINT,  # removeAllImpermanentKeys
    -17, _REPLACE_KEY,  # replaceKey
)
_WHITELIST_OPERATION_STATUS = const((
    1, _UINT,  # whitelistOperationInformation
    2, _KEY_IDENTIFIER,  # signerOfOperation
    3, _UINT,  # operationStatus
))
_COMMAND_STATUS = const((
    1, _UINT,  # operationStatus
    -3, _WHITELIST_OPERATION_STATUS,  # whitelistOperationStatus
))
_WHITELIST_INFO = const((
    1, _UINT,  # numberOfEntries
    2, _KEY_IDENTIFIER,  # whitelistEntries
    3, _UINT,  # slotMask
))
_WHITELIST_ENTRY_INFO = const((
    1, _KEY_IDENTIFIER,  # keyId
    2, _PUBLIC_KEY,  # publicKey
    4, _KEY_METADATA,  # metadataForKey
    6, _UINT,  # slot
    7, _UINT,  # keyRole
))
FROM_VCSEC = (
    -4, _COMMAND_STATUS,  # commandStatus
    -16, _WHITELIST_INFO,  # whitelistInfo
    -17, _WHITELIST_ENTRY_INFO,  # whitelistEntryInfo
)
