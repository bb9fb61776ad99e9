# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what an authority and its couriers say: loaded when one does.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_AUTHORITY = const((
    1, _BYTES,  # root
    2, _BYTES,  # seal
    3, _UINT,  # role
    4, _BYTES,  # url
))
PARCEL = (
    1, _BYTES,  # address
    2, _UINT,  # generation
    3, _UINT,  # version
    4, _UINT,  # part
    5, _BYTES,  # sealed
)
TO_LATCHKEY = (
    -4, _BYTES,  # roster
    -5, PARCEL,  # parcel
    -6, _AUTHORITY,  # install
    -7, _BYTES,  # remove
)
SIGNED = (
    1, _BYTES,  # body
    2, _BYTES,  # signature
    3, _BYTES,  # successor
    4, _UINT,  # signer
)
DELEGATION = (
    1, _BYTES,  # root
    2, _UINT,  # generation
    3, _BYTES,  # signers
)
HEAD = (
    1, _BYTES,  # vin
    2, _UINT,  # generation
    3, _UINT,  # version
    4, _UINT,  # issued
    5, _UINT,  # expires
    6, _UINT,  # interval
    7, _UINT,  # keys
    8, _BYTES,  # first
)
PART = (
    1, _BYTES,  # next
    2, _BYTES,  # entries
)
_ROSTER_STATUS = const((
    1, _BYTES,  # address
    2, _BYTES,  # url
    3, _UINT,  # role
    4, _UINT,  # generation
    5, _UINT,  # version
    6, _UINT,  # keys
    7, _UINT,  # issued
    8, _UINT,  # expires
    9, _UINT,  # time
    10, _UINT,  # wishes
    11, _UINT,  # declined
    12, _BYTES,  # sync
))
_DELIVERED = const((
    1, _UINT,  # declined
    2, _UINT,  # generation
    3, _UINT,  # version
    4, _UINT,  # wanted
))
_AUTHORITY_ANSWER = const((
    1, _UINT,  # waiting
    2, _UINT,  # information
))
FROM_LATCHKEY = (
    -4, _ROSTER_STATUS,  # roster
    -5, _DELIVERED,  # parcel
    -6, _AUTHORITY_ANSWER,  # install
    -7, _AUTHORITY_ANSWER,  # remove
)
