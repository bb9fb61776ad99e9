# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what a key asks to see: loaded when one does.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_KEYS_REQUEST = const((
    b"\x01\x00"  # start
))
_LOG_REQUEST = const((
    b"\x01\x00"  # since
    b"\x02\x00"  # raw
))
_RECEIPT_REQUEST = const((
    b"\x01\x02"  # hash
))
TO_LATCHKEY = (
    b"\x81\x02"  # status
    b"\x82\x0f"  # keys
    b"\x83\x17"  # log
    b"\x8d\x1f"  # receipt
    b"\x8e\x02",  # head
    _KEYS_REQUEST,
    _LOG_REQUEST,
    _RECEIPT_REQUEST,
)
_PENDING_KEY = const((
    b"\x01\x02"  # id
    b"\x02\x00"  # role
    b"\x03\x00"  # left
))
_CAR_STATUS = const((
    b"\x01\x00"  # uptime
    b"\x02\x02"  # boot
    b"\x03\x02"  # version
    b"\x04\x02"  # board
    b"\x05\x02"  # micropython
    b"\x06\x00"  # development
    b"\x07\x02"  # radio
    b"\x08\x00"  # locked
    b"\x09\x00"  # asleep
    b"\x0a\x00"  # user_present
    b"\x0b\x00"  # brake
    b"\x0c\x00"  # start_enabled
    b"\x0d\x00"  # start_left
    b"\x0e\x00"  # open
    b"\x0f\x0f"  # pending
    b"\x10\x00",  # collision
    _PENDING_KEY,
))
_KEY_ENTRY = const((
    b"\x01\x00"  # slot
    b"\x02\x02"  # public
    b"\x03\x00"  # role
    b"\x04\x00"  # form
    b"\x05\x00"  # origin
    b"\x06\x02"  # label
    b"\x07\x00"  # impermanent
    b"\x08\x00"  # seconds
    b"\x09\x00"  # commands
    b"\x0a\x00"  # not_before
    b"\x0b\x00"  # not_after
    b"\x0c\x00"  # uses
    b"\x0d\x00"  # used
    b"\x0e\x00"  # powered_left
    b"\x0f\x00"  # number
    b"\x10\x02"  # signer
))
_KEYS_PAGE = const((
    b"\x01\x0f"  # keys
    b"\x02\x00",  # next
    _KEY_ENTRY,
))
_LOG_ENTRY = const((
    b"\x01\x00"  # number
    b"\x02\x00"  # boot
    b"\x03\x00"  # at
    b"\x04\x00"  # kind
    b"\x05\x00"  # link
    b"\x06\x02"  # key
    b"\x07\x00"  # command
    b"\x08\x00"  # outcome
    b"\x09\x00"  # detail
    b"\x0a\x00"  # count
    b"\x0b\x02"  # raw
))
_LOG_HEAD = const((
    b"\x01\x00"  # number
    b"\x02\x02"  # chain
    b"\x03\x02"  # signature
))
_LOG_PAGE = const((
    b"\x01\x0f"  # entries
    b"\x02\x00"  # next
    b"\x03\x17",  # head
    _LOG_ENTRY,
    _LOG_HEAD,
))
_RECEIPT = const((
    b"\x01\x00"  # outcome
    b"\x02\x00"  # number
    b"\x03\x00"  # oldest
))
FROM_LATCHKEY = (
    b"\x81\x0f"  # status
    b"\x82\x17"  # keys
    b"\x83\x1f"  # log
    b"\x8d\x27"  # receipt
    b"\x8e\x2f",  # head
    _CAR_STATUS,
    _KEYS_PAGE,
    _LOG_PAGE,
    _RECEIPT,
    _LOG_HEAD,
)
