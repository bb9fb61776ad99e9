# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what a key asks to see: loaded when one does.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_KEYS_REQUEST = const((
    1, _UINT,  # start
))
_LOG_REQUEST = const((
    1, _UINT,  # since
    2, _UINT,  # raw
))
_RECEIPT_REQUEST = const((
    1, _BYTES,  # hash
))
TO_LATCHKEY = (
    -1, _BYTES,  # status
    -2, _KEYS_REQUEST,  # keys
    -3, _LOG_REQUEST,  # log
    -13, _RECEIPT_REQUEST,  # receipt
    -14, _BYTES,  # head
)
_PENDING_KEY = const((
    1, _BYTES,  # id
    2, _UINT,  # role
    3, _UINT,  # left
))
_CAR_STATUS = const((
    1, _UINT,  # uptime
    2, _BYTES,  # boot
    3, _BYTES,  # version
    4, _BYTES,  # board
    5, _BYTES,  # micropython
    6, _UINT,  # development
    7, _BYTES,  # radio
    8, _UINT,  # locked
    9, _UINT,  # asleep
    10, _UINT,  # user_present
    11, _UINT,  # brake
    12, _UINT,  # start_enabled
    13, _UINT,  # start_left
    14, _UINT,  # open
    15, _PENDING_KEY,  # pending
    16, _UINT,  # collision
))
_KEY_ENTRY = const((
    1, _UINT,  # slot
    2, _BYTES,  # public
    3, _UINT,  # role
    4, _UINT,  # form
    5, _UINT,  # origin
    6, _BYTES,  # label
    7, _UINT,  # impermanent
    8, _UINT,  # seconds
    9, _UINT,  # commands
    10, _UINT,  # not_before
    11, _UINT,  # not_after
    12, _UINT,  # uses
    13, _UINT,  # used
    14, _UINT,  # powered_left
    15, _UINT,  # number
    16, _BYTES,  # signer
))
_KEYS_PAGE = const((
    1, _KEY_ENTRY,  # keys
    2, _UINT,  # next
))
_LOG_ENTRY = const((
    1, _UINT,  # number
    2, _UINT,  # boot
    3, _UINT,  # at
    4, _UINT,  # kind
    5, _UINT,  # link
    6, _BYTES,  # key
    7, _UINT,  # command
    8, _UINT,  # outcome
    9, _UINT,  # detail
    10, _UINT,  # count
    11, _BYTES,  # raw
))
_LOG_HEAD = const((
    1, _UINT,  # number
    2, _BYTES,  # chain
    3, _BYTES,  # signature
))
_LOG_PAGE = const((
    1, _LOG_ENTRY,  # entries
    2, _UINT,  # next
    3, _LOG_HEAD,  # head
))
_RECEIPT = const((
    1, _UINT,  # outcome
    2, _UINT,  # number
    3, _UINT,  # oldest
))
FROM_LATCHKEY = (
    -1, _CAR_STATUS,  # status
    -2, _KEYS_PAGE,  # keys
    -3, _LOG_PAGE,  # log
    -13, _RECEIPT,  # receipt
    -14, _LOG_HEAD,  # head
)
