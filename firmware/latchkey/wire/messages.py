# SPDX-License-Identifier: Apache-2.0
"""Message tables: numbers, names and kinds of the fields that the vehicle reads or writes.

From universal_message.proto, signatures.proto, vcsec.proto and errors.proto of the public vehicle-command protocol;
a test compares every number, kind and oneof with the published descriptors. Names here are those files' own.
"""

from latchkey.wire.pb import BYTES, FIXED32, UINT

DESTINATION = (
    (1, "domain", UINT, "sub_destination"),
    (2, "routing_address", BYTES, "sub_destination"),
)
SESSION_INFO_REQUEST = (
    (1, "public_key", BYTES, None),
    (2, "challenge", BYTES, None),
)
SESSION_INFO = (
    (1, "counter", UINT, None),
    (2, "publicKey", BYTES, None),
    (3, "epoch", BYTES, None),
    (4, "clock_time", FIXED32, None),
    (5, "status", UINT, None),
    (6, "handle", UINT, None),
)
KEY_IDENTITY = (
    (1, "public_key", BYTES, "identity_type"),
    (3, "handle", UINT, "identity_type"),
)
AES_GCM_PERSONALIZED = (
    (1, "epoch", BYTES, None),
    (2, "nonce", BYTES, None),
    (3, "counter", UINT, None),
    (4, "expires_at", FIXED32, None),
    (5, "tag", BYTES, None),
)
HMAC_SIGNATURE = ((1, "tag", BYTES, None),)
HMAC_PERSONALIZED = (
    (1, "epoch", BYTES, None),
    (2, "counter", UINT, None),
    (3, "expires_at", FIXED32, None),
    (4, "tag", BYTES, None),
)
AES_GCM_RESPONSE = (
    (1, "nonce", BYTES, None),
    (2, "counter", UINT, None),
    (3, "tag", BYTES, None),
)
SIGNATURE_DATA = (
    (1, "signer_identity", KEY_IDENTITY, None),
    (5, "AES_GCM_Personalized_data", AES_GCM_PERSONALIZED, "sig_type"),
    (6, "session_info_tag", HMAC_SIGNATURE, "sig_type"),
    (8, "HMAC_Personalized_data", HMAC_PERSONALIZED, "sig_type"),
    (9, "AES_GCM_Response_data", AES_GCM_RESPONSE, "sig_type"),
)
MESSAGE_STATUS = (
    (1, "operation_status", UINT, None),
    (2, "signed_message_fault", UINT, None),
)
ROUTABLE_MESSAGE = (
    (6, "to_destination", DESTINATION, None),
    (7, "from_destination", DESTINATION, None),
    (10, "protobuf_message_as_bytes", BYTES, "payload"),
    (12, "signedMessageStatus", MESSAGE_STATUS, None),
    (13, "signature_data", SIGNATURE_DATA, "sub_sigData"),
    (14, "session_info_request", SESSION_INFO_REQUEST, "payload"),
    (15, "session_info", BYTES, "payload"),
    (50, "request_uuid", BYTES, None),
    (51, "uuid", BYTES, None),
    (52, "flags", UINT, None),
)

SIGNED_MESSAGE = (
    (2, "protobufMessageAsBytes", BYTES, None),
    (3, "signatureType", UINT, None),
)
TO_VCSEC = ((1, "signedMessage", SIGNED_MESSAGE, None),)

KEY_IDENTIFIER = ((1, "publicKeySHA1", BYTES, None),)
KEY_METADATA = ((1, "keyFormFactor", UINT, None),)
PUBLIC_KEY = ((1, "PublicKeyRaw", BYTES, None),)
INFORMATION_REQUEST = (
    (1, "informationRequestType", UINT, None),
    (2, "keyId", KEY_IDENTIFIER, "key"),
    (3, "publicKey", BYTES, "key"),
    (4, "slot", UINT, "key"),
)
CLOSURES = (
    (1, "frontDriverDoor", UINT, None),
    (2, "frontPassengerDoor", UINT, None),
    (3, "rearDriverDoor", UINT, None),
    (4, "rearPassengerDoor", UINT, None),
    (5, "rearTrunk", UINT, None),
    (6, "frontTrunk", UINT, None),
    (7, "chargePort", UINT, None),
    (8, "tonneau", UINT, None),
)
# 1001 is Latchkey's own: a label for people (docs/protocol.md); other implementations skip it.
PERMISSION_CHANGE = (
    (1, "key", PUBLIC_KEY, None),
    (3, "secondsToBeActive", UINT, None),
    (4, "keyRole", UINT, None),
    (1001, "label", BYTES, None),
)
REPLACE_KEY = (
    (1, "publicKeyToReplace", PUBLIC_KEY, "keyToReplace"),
    (2, "slotToReplace", UINT, "keyToReplace"),
    (3, "keyToAdd", PUBLIC_KEY, None),
    (4, "keyRole", UINT, None),
    (5, "impermanent", UINT, None),
)
WHITELIST_OPERATION = (
    (1, "addPublicKeyToWhitelist", PUBLIC_KEY, "sub_message"),
    (2, "removePublicKeyFromWhitelist", PUBLIC_KEY, "sub_message"),
    (3, "addPermissionsToPublicKey", PERMISSION_CHANGE, "sub_message"),
    (4, "removePermissionsFromPublicKey", PERMISSION_CHANGE, "sub_message"),
    (5, "addKeyToWhitelistAndAddPermissions", PERMISSION_CHANGE, "sub_message"),
    (6, "metadataForKey", KEY_METADATA, None),
    (7, "updateKeyAndPermissions", PERMISSION_CHANGE, "sub_message"),
    (8, "addImpermanentKey", PERMISSION_CHANGE, "sub_message"),
    (9, "addImpermanentKeyAndRemoveExisting", PERMISSION_CHANGE, "sub_message"),
    (16, "removeAllImpermanentKeys", UINT, "sub_message"),
    (17, "replaceKey", REPLACE_KEY, "sub_message"),
)
UNSIGNED_MESSAGE = (
    (1, "InformationRequest", INFORMATION_REQUEST, "sub_message"),
    (2, "RKEAction", UINT, "sub_message"),
    (4, "closureMoveRequest", CLOSURES, "sub_message"),
    (16, "WhitelistOperation", WHITELIST_OPERATION, "sub_message"),
)

VEHICLE_STATUS = (
    (1, "closureStatuses", CLOSURES, None),
    (2, "vehicleLockState", UINT, None),
    (3, "vehicleSleepStatus", UINT, None),
    (4, "userPresence", UINT, None),
)
WHITELIST_STATUS = (
    (1, "whitelistOperationInformation", UINT, None),
    (2, "signerOfOperation", KEY_IDENTIFIER, None),
    (3, "operationStatus", UINT, None),
)
COMMAND_STATUS = (
    (1, "operationStatus", UINT, None),
    (3, "whitelistOperationStatus", WHITELIST_STATUS, "sub_message"),
)
WHITELIST_INFO = (
    (1, "numberOfEntries", UINT, None),
    (2, "whitelistEntries", KEY_IDENTIFIER, None),
    (3, "slotMask", UINT, None),
)
WHITELIST_ENTRY_INFO = (
    (1, "keyId", KEY_IDENTIFIER, None),
    (2, "publicKey", PUBLIC_KEY, None),
    (4, "metadataForKey", KEY_METADATA, None),
    (6, "slot", UINT, None),
    (7, "keyRole", UINT, None),
)
NOMINAL_ERROR = ((1, "genericError", UINT, None),)
FROM_VCSEC = (
    (1, "vehicleStatus", VEHICLE_STATUS, "sub_message"),
    (4, "commandStatus", COMMAND_STATUS, "sub_message"),
    (16, "whitelistInfo", WHITELIST_INFO, "sub_message"),
    (17, "whitelistEntryInfo", WHITELIST_ENTRY_INFO, "sub_message"),
    (46, "nominalError", NOMINAL_ERROR, "sub_message"),
)
