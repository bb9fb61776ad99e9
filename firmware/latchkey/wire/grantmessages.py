# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: grants, revocations and what their makers ask: loaded when somebody brings one.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_GRANT = const((
    1, _UINT,  # handle
    2, _UINT,  # number
    3, _BYTES,  # limits
    4, _BYTES,  # tag
))
LIMITS = (
    1, _UINT,  # role
    2, _UINT,  # commands
    3, _UINT,  # not_before
    4, _UINT,  # not_after
    5, _UINT,  # uses
    6, _UINT,  # seconds
    7, _BYTES,  # key
    8, _BYTES,  # label
)
REVOCATION = (
    1, _UINT,  # handle
    2, _UINT,  # maker
    3, _BYTES,  # numbers
    4, _UINT,  # below
    5, _BYTES,  # tag
)
_MAKER_REQUEST = const((
    1, _UINT,  # handle
))
TO_LATCHKEY = (
    -8, _GRANT,  # grant
    -9, REVOCATION,  # revoke
    -10, _MAKER_REQUEST,  # maker
)
_GRANT_ANSWER = const((
    1, _UINT,  # fault
))
_MAKER = const((
    1, _UINT,  # handle
    2, _UINT,  # salt
    3, _UINT,  # next
    4, _UINT,  # time
    5, _UINT,  # time_known
    6, _UINT,  # below
    7, _BYTES,  # spent
))
FROM_LATCHKEY = (
    -8, _GRANT_ANSWER,  # grant
    -9, _GRANT_ANSWER,  # revoke
    -10, _MAKER,  # maker
)
