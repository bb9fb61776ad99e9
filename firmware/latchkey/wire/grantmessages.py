# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: grants, revocations and what their makers ask: loaded when somebody brings one.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_GRANT = const((
    b"\x01\x00"  # handle
    b"\x02\x00"  # number
    b"\x03\x02"  # limits
    b"\x04\x02"  # tag
))
LIMITS = (
    b"\x01\x00"  # role
    b"\x02\x00"  # commands
    b"\x03\x00"  # not_before
    b"\x04\x00"  # not_after
    b"\x05\x00"  # uses
    b"\x06\x00"  # seconds
    b"\x07\x02"  # key
    b"\x08\x02"  # label
)
REVOCATION = (
    b"\x01\x00"  # handle
    b"\x02\x00"  # maker
    b"\x03\x02"  # numbers
    b"\x04\x00"  # below
    b"\x05\x02"  # tag
)
_MAKER_REQUEST = const((
    b"\x01\x00"  # handle
))
TO_LATCHKEY = (
    b"\x88\x0f"  # grant
    b"\x89\x17"  # revoke
    b"\x8a\x1f",  # maker
    _GRANT,
    REVOCATION,
    _MAKER_REQUEST,
)
_GRANT_ANSWER = const((
    b"\x01\x00"  # fault
))
_MAKER = const((
    b"\x01\x00"  # handle
    b"\x02\x00"  # salt
    b"\x03\x00"  # next
    b"\x04\x00"  # time
    b"\x05\x00"  # time_known
    b"\x06\x00"  # below
    b"\x07\x02"  # spent
))
FROM_LATCHKEY = (
    b"\x88\x0f"  # grant
    b"\x89\x0f"  # revoke
    b"\x8a\x17",  # maker
    _GRANT_ANSWER,
    _MAKER,
)
