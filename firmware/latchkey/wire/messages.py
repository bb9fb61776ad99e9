# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what every message may need.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_DESTINATION = const((
    -1, _UINT,  # domain
    -2, _BYTES,  # routing_address
))
_SESSION_INFO_REQUEST = const((
    1, _BYTES,  # public_key
    2, _BYTES,  # challenge
))
SESSION_INFO = (
    1, _UINT,  # counter
    2, _BYTES,  # publicKey
    3, _BYTES,  # epoch
    4, _FIXED32,  # clock_time
    5, _UINT,  # status
    6, _UINT,  # handle
)
_KEY_IDENTITY = const((
    -1, _BYTES,  # public_key
    -3, _UINT,  # handle
))
_AES_GCM_PERSONALIZED_SIGNATURE_DATA = const((
    1, _BYTES,  # epoch
    2, _BYTES,  # nonce
    3, _UINT,  # counter
    4, _FIXED32,  # expires_at
    5, _BYTES,  # tag
))
_HMAC_SIGNATURE_DATA = const((
    1, _BYTES,  # tag
))
_HMAC_PERSONALIZED_SIGNATURE_DATA = const((
    1, _BYTES,  # epoch
    2, _UINT,  # counter
    3, _FIXED32,  # expires_at
    4, _BYTES,  # tag
))
_AES_GCM_RESPONSE_SIGNATURE_DATA = const((
    1, _BYTES,  # nonce
    2, _UINT,  # counter
    3, _BYTES,  # tag
))
_SIGNATURE_DATA = const((
    1, _KEY_IDENTITY,  # signer_identity
    -5, _AES_GCM_PERSONALIZED_SIGNATURE_DATA,  # AES_GCM_Personalized_data
    -6, _HMAC_SIGNATURE_DATA,  # session_info_tag
    -8, _HMAC_PERSONALIZED_SIGNATURE_DATA,  # HMAC_Personalized_data
    -9, _AES_GCM_RESPONSE_SIGNATURE_DATA,  # AES_GCM_Response_data
))
_MESSAGE_STATUS = const((
    1, _UINT,  # operation_status
    2, _UINT,  # signed_message_fault
))
ROUTABLE_MESSAGE = (
    6, _DESTINATION,  # to_destination
    7, _DESTINATION,  # from_destination
    -10, _BYTES,  # protobuf_message_as_bytes
    12, _MESSAGE_STATUS,  # signedMessageStatus
    13, _SIGNATURE_DATA,  # signature_data
    -14, _SESSION_INFO_REQUEST,  # session_info_request
    -15, _BYTES,  # session_info
    50, _BYTES,  # request_uuid
    51, _BYTES,  # uuid
    52, _UINT,  # flags
)
_SIGNED_MESSAGE = const((
    2, _BYTES,  # protobufMessageAsBytes
    3, _UINT,  # signatureType
))
TO_VCSEC = (
    1, _SIGNED_MESSAGE,  # signedMessage
)
_KEY_IDENTIFIER = const((
    1, _BYTES,  # publicKeySHA1
))
_INFORMATION_REQUEST = const((
    1, _UINT,  # informationRequestType
    -2, _KEY_IDENTIFIER,  # keyId
    -3, _BYTES,  # publicKey
    -4, _UINT,  # slot
))
_CLOSURE_MOVE_REQUEST = const((
    1, _UINT,  # frontDriverDoor
    2, _UINT,  # frontPassengerDoor
    3, _UINT,  # rearDriverDoor
    4, _UINT,  # rearPassengerDoor
    5, _UINT,  # rearTrunk
    6, _UINT,  # frontTrunk
    7, _UINT,  # chargePort
    8, _UINT,  # tonneau
))
UNSIGNED_MESSAGE = (
    -1, _INFORMATION_REQUEST,  # InformationRequest
    -2, _UINT,  # RKEAction
    -4, _CLOSURE_MOVE_REQUEST,  # closureMoveRequest
    -16, _BYTES,  # WhitelistOperation
)
_CLOSURE_STATUSES = const((
    1, _UINT,  # frontDriverDoor
    2, _UINT,  # frontPassengerDoor
    3, _UINT,  # rearDriverDoor
    4, _UINT,  # rearPassengerDoor
    5, _UINT,  # rearTrunk
    6, _UINT,  # frontTrunk
    7, _UINT,  # chargePort
    8, _UINT,  # tonneau
))
_VEHICLE_STATUS = const((
    1, _CLOSURE_STATUSES,  # closureStatuses
    2, _UINT,  # vehicleLockState
    3, _UINT,  # vehicleSleepStatus
    4, _UINT,  # userPresence
))
_NOMINAL_ERROR = const((
    1, _UINT,  # genericError
))
FROM_VCSEC = (
    -1, _VEHICLE_STATUS,  # vehicleStatus
    -46, _NOMINAL_ERROR,  # nominalError
)
