# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what every message may need.

A table is flat (wire/pb.py): number, kind, and 1 for a member of the message's oneof, of its first field,
then of the next.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_DESTINATION = const((
    1, _UINT, 1,  # domain
    2, _BYTES, 1,  # routing_address
))
_SESSION_INFO_REQUEST = const((
    1, _BYTES, 0,  # public_key
    2, _BYTES, 0,  # challenge
))
SESSION_INFO = (
    1, _UINT, 0,  # counter
    2, _BYTES, 0,  # publicKey
    3, _BYTES, 0,  # epoch
    4, _FIXED32, 0,  # clock_time
    5, _UINT, 0,  # status
    6, _UINT, 0,  # handle
)
_KEY_IDENTITY = const((
    1, _BYTES, 1,  # public_key
    3, _UINT, 1,  # handle
))
_AES_GCM_PERSONALIZED_SIGNATURE_DATA = const((
    1, _BYTES, 0,  # epoch
    2, _BYTES, 0,  # nonce
    3, _UINT, 0,  # counter
    4, _FIXED32, 0,  # expires_at
    5, _BYTES, 0,  # tag
))
_HMAC_SIGNATURE_DATA = const((
    1, _BYTES, 0,  # tag
))
_HMAC_PERSONALIZED_SIGNATURE_DATA = const((
    1, _BYTES, 0,  # epoch
    2, _UINT, 0,  # counter
    3, _FIXED32, 0,  # expires_at
    4, _BYTES, 0,  # tag
))
_AES_GCM_RESPONSE_SIGNATURE_DATA = const((
    1, _BYTES, 0,  # nonce
    2, _UINT, 0,  # counter
    3, _BYTES, 0,  # tag
))
_SIGNATURE_DATA = const((
    1, _KEY_IDENTITY, 0,  # signer_identity
    5, _AES_GCM_PERSONALIZED_SIGNATURE_DATA, 1,  # AES_GCM_Personalized_data
    6, _HMAC_SIGNATURE_DATA, 1,  # session_info_tag
    8, _HMAC_PERSONALIZED_SIGNATURE_DATA, 1,  # HMAC_Personalized_data
    9, _AES_GCM_RESPONSE_SIGNATURE_DATA, 1,  # AES_GCM_Response_data
))
_MESSAGE_STATUS = const((
    1, _UINT, 0,  # operation_status
    2, _UINT, 0,  # signed_message_fault
))
ROUTABLE_MESSAGE = (
    6, _DESTINATION, 0,  # to_destination
    7, _DESTINATION, 0,  # from_destination
    10, _BYTES, 1,  # protobuf_message_as_bytes
    12, _MESSAGE_STATUS, 0,  # signedMessageStatus
    13, _SIGNATURE_DATA, 0,  # signature_data
    14, _SESSION_INFO_REQUEST, 1,  # session_info_request
    15, _BYTES, 1,  # session_info
    50, _BYTES, 0,  # request_uuid
    51, _BYTES, 0,  # uuid
    52, _UINT, 0,  # flags
)
_SIGNED_MESSAGE = const((
    2, _BYTES, 0,  # protobufMessageAsBytes
    3, _UINT, 0,  # signatureType
))
TO_VCSEC = (
    1, _SIGNED_MESSAGE, 0,  # signedMessage
)
_KEY_IDENTIFIER = const((
    1, _BYTES, 0,  # publicKeySHA1
))
_INFORMATION_REQUEST = const((
    1, _UINT, 0,  # informationRequestType
    2, _KEY_IDENTIFIER, 1,  # keyId
    3, _BYTES, 1,  # publicKey
    4, _UINT, 1,  # slot
))
_CLOSURE_MOVE_REQUEST = const((
    1, _UINT, 0,  # frontDriverDoor
    2, _UINT, 0,  # frontPassengerDoor
    3, _UINT, 0,  # rearDriverDoor
    4, _UINT, 0,  # rearPassengerDoor
    5, _UINT, 0,  # rearTrunk
    6, _UINT, 0,  # frontTrunk
    7, _UINT, 0,  # chargePort
    8, _UINT, 0,  # tonneau
))
UNSIGNED_MESSAGE = (
    1, _INFORMATION_REQUEST, 1,  # InformationRequest
    2, _UINT, 1,  # RKEAction
    4, _CLOSURE_MOVE_REQUEST, 1,  # closureMoveRequest
    16, _BYTES, 1,  # WhitelistOperation
)
_CLOSURE_STATUSES = const((
    1, _UINT, 0,  # frontDriverDoor
    2, _UINT, 0,  # frontPassengerDoor
    3, _UINT, 0,  # rearDriverDoor
    4, _UINT, 0,  # rearPassengerDoor
    5, _UINT, 0,  # rearTrunk
    6, _UINT, 0,  # frontTrunk
    7, _UINT, 0,  # chargePort
    8, _UINT, 0,  # tonneau
))
_VEHICLE_STATUS = const((
    1, _CLOSURE_STATUSES, 0,  # closureStatuses
    2, _UINT, 0,  # vehicleLockState
    3, _UINT, 0,  # vehicleSleepStatus
    4, _UINT, 0,  # userPresence
))
_NOMINAL_ERROR = const((
    1, _UINT, 0,  # genericError
))
FROM_VCSEC = (
    1, _VEHICLE_STATUS, 1,  # vehicleStatus
    46, _NOMINAL_ERROR, 1,  # nominalError
)
