# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what is said about keys: loaded when somebody does.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_KEY_IDENTIFIER = const((
    b"\x01\x02"  # publicKeySHA1
))
_KEY_METADATA = const((
    b"\x01\x00"  # keyFormFactor
))
_PUBLIC_KEY = const((
    b"\x01\x02"  # PublicKeyRaw
))
_PERMISSION_CHANGE = const((
    b"\x01\x0f"  # key
    b"\x03\x00"  # secondsToBeActive
    b"\x04\x00"  # keyRole
    b"\x69\x3a",  # label
    _PUBLIC_KEY,
))
_REPLACE_KEY = const((
    b"\x81\x0f"  # publicKeyToReplace
    b"\x82\x00"  # slotToReplace
    b"\x03\x0f"  # keyToAdd
    b"\x04\x00"  # keyRole
    b"\x05\x00",  # impermanent
    _PUBLIC_KEY,
))
WHITELIST_OPERATION = (
    b"\x81\x0f"  # addPublicKeyToWhitelist
    b"\x82\x0f"  # removePublicKeyFromWhitelist
    b"\x83\x17"  # addPermissionsToPublicKey
    b"\x84\x17"  # removePermissionsFromPublicKey
    b"\x85\x17"  # addKeyToWhitelistAndAddPermissions
    b"\x06\x1f"  # metadataForKey
    b"\x87\x17"  # updateKeyAndPermissions
    b"\x88\x17"  # addImpermanentKey
    b"\x89\x17"  # addImpermanentKeyAndRemoveExisting
    b"\x90\x00"  # removeAllImpermanentKeys
    b"\x91\x27",  # replaceKey
    _PUBLIC_KEY,
    _PERMISSION_CHANGE,
    _KEY_METADATA,
    _REPLACE_KEY,
)
_WHITELIST_OPERATION_STATUS = const((
    b"\x01\x00"  # whitelistOperationInformation
    b"\x02\x0f"  # signerOfOperation
    b"\x03\x00",  # operationStatus
    _KEY_IDENTIFIER,
))
_COMMAND_STATUS = const((
    b"\x01\x00"  # operationStatus
    b"\x83\x0f",  # whitelistOperationStatus
    _WHITELIST_OPERATION_STATUS,
))
_WHITELIST_INFO = const((
    b"\x01\x00"  # numberOfEntries
    b"\x02\x0f"  # whitelistEntries
    b"\x03\x00",  # slotMask
    _KEY_IDENTIFIER,
))
_WHITELIST_ENTRY_INFO = const((
    b"\x01\x0f"  # keyId
    b"\x02\x17"  # publicKey
    b"\x04\x1f"  # metadataForKey
    b"\x06\x00"  # slot
    b"\x07\x00",  # keyRole
    _KEY_IDENTIFIER,
    _PUBLIC_KEY,
    _KEY_METADATA,
))
FROM_VCSEC = (
    b"\x84\x0f"  # commandStatus
    b"\x90\x17"  # whitelistInfo
    b"\x91\x1f",  # whitelistEntryInfo
    _COMMAND_STATUS,
    _WHITELIST_INFO,
    _WHITELIST_ENTRY_INFO,
)
