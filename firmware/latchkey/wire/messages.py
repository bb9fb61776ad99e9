# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what every message may need.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_DESTINATION = const((
    b"\x81\x00"  # domain
    b"\x82\x02"  # routing_address
))
_SESSION_INFO_REQUEST = const((
    b"\x01\x02"  # public_key
    b"\x02\x02"  # challenge
))
SESSION_INFO = (
    b"\x01\x00"  # counter
    b"\x02\x02"  # publicKey
    b"\x03\x02"  # epoch
    b"\x04\x05"  # clock_time
    b"\x05\x00"  # status
    b"\x06\x00"  # handle
)
_KEY_IDENTITY = const((
    b"\x81\x02"  # public_key
    b"\x83\x00"  # handle
))
_AES_GCM_PERSONALIZED_SIGNATURE_DATA = const((
    b"\x01\x02"  # epoch
    b"\x02\x02"  # nonce
    b"\x03\x00"  # counter
    b"\x04\x05"  # expires_at
    b"\x05\x02"  # tag
))
_HMAC_SIGNATURE_DATA = const((
    b"\x01\x02"  # tag
))
_HMAC_PERSONALIZED_SIGNATURE_DATA = const((
    b"\x01\x02"  # epoch
    b"\x02\x00"  # counter
    b"\x03\x05"  # expires_at
    b"\x04\x02"  # tag
))
_AES_GCM_RESPONSE_SIGNATURE_DATA = const((
    b"\x01\x02"  # nonce
    b"\x02\x00"  # counter
    b"\x03\x02"  # tag
))
_SIGNATURE_DATA = const((
    b"\x01\x0f"  # signer_identity
    b"\x85\x17"  # AES_GCM_Personalized_data
    b"\x86\x1f"  # session_info_tag
    b"\x88\x27"  # HMAC_Personalized_data
    b"\x89\x2f",  # AES_GCM_Response_data
    _KEY_IDENTITY,
    _AES_GCM_PERSONALIZED_SIGNATURE_DATA,
    _HMAC_SIGNATURE_DATA,
    _HMAC_PERSONALIZED_SIGNATURE_DATA,
    _AES_GCM_RESPONSE_SIGNATURE_DATA,
))
_MESSAGE_STATUS = const((
    b"\x01\x00"  # operation_status
    b"\x02\x00"  # signed_message_fault
))
ROUTABLE_MESSAGE = (
    b"\x06\x0f"  # to_destination
    b"\x07\x0f"  # from_destination
    b"\x8a\x02"  # protobuf_message_as_bytes
    b"\x0c\x17"  # signedMessageStatus
    b"\x0d\x1f"  # signature_data
    b"\x8e\x27"  # session_info_request
    b"\x8f\x02"  # session_info
    b"\x32\x02"  # request_uuid
    b"\x33\x02"  # uuid
    b"\x34\x00",  # flags
    _DESTINATION,
    _MESSAGE_STATUS,
    _SIGNATURE_DATA,
    _SESSION_INFO_REQUEST,
)
_SIGNED_MESSAGE = const((
    b"\x02\x02"  # protobufMessageAsBytes
    b"\x03\x00"  # signatureType
))
TO_VCSEC = (
    b"\x01\x0f",  # signedMessage
    _SIGNED_MESSAGE,
)
_KEY_IDENTIFIER = const((
    b"\x01\x02"  # publicKeySHA1
))
_INFORMATION_REQUEST = const((
    b"\x01\x00"  # informationRequestType
    b"\x82\x0f"  # keyId
    b"\x83\x02"  # publicKey
    b"\x84\x00",  # slot
    _KEY_IDENTIFIER,
))
_CLOSURE_MOVE_REQUEST = const((
    b"\x01\x00"  # frontDriverDoor
    b"\x02\x00"  # frontPassengerDoor
    b"\x03\x00"  # rearDriverDoor
    b"\x04\x00"  # rearPassengerDoor
    b"\x05\x00"  # rearTrunk
    b"\x06\x00"  # frontTrunk
    b"\x07\x00"  # chargePort
    b"\x08\x00"  # tonneau
))
UNSIGNED_MESSAGE = (
    b"\x81\x0f"  # InformationRequest
    b"\x82\x00"  # RKEAction
    b"\x84\x17"  # closureMoveRequest
    b"\x90\x02",  # WhitelistOperation
    _INFORMATION_REQUEST,
    _CLOSURE_MOVE_REQUEST,
)
_CLOSURE_STATUSES = const((
    b"\x01\x00"  # frontDriverDoor
    b"\x02\x00"  # frontPassengerDoor
    b"\x03\x00"  # rearDriverDoor
    b"\x04\x00"  # rearPassengerDoor
    b"\x05\x00"  # rearTrunk
    b"\x06\x00"  # frontTrunk
    b"\x07\x00"  # chargePort
    b"\x08\x00"  # tonneau
))
_VEHICLE_STATUS = const((
    b"\x01\x0f"  # closureStatuses
    b"\x02\x00"  # vehicleLockState
    b"\x03\x00"  # vehicleSleepStatus
    b"\x04\x00",  # userPresence
    _CLOSURE_STATUSES,
))
_NOMINAL_ERROR = const((
    b"\x01\x00"  # genericError
))
FROM_VCSEC = (
    b"\x81\x0f"  # vehicleStatus
    b"\xae\x17",  # nominalError
    _VEHICLE_STATUS,
    _NOMINAL_ERROR,
)
