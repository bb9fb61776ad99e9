# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what an authority and its couriers say: loaded when one does.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_AUTHORITY = const((
    b"\x01\x02"  # root
    b"\x02\x02"  # seal
    b"\x03\x00"  # role
    b"\x04\x02"  # url
))
PARCEL = (
    b"\x01\x02"  # address
    b"\x02\x00"  # generation
    b"\x03\x00"  # version
    b"\x04\x00"  # part
    b"\x05\x02"  # sealed
)
TO_LATCHKEY = (
    b"\x84\x02"  # roster
    b"\x85\x0f"  # parcel
    b"\x86\x17"  # install
    b"\x87\x02",  # remove
    PARCEL,
    _AUTHORITY,
)
SIGNED = (
    b"\x01\x02"  # body
    b"\x02\x02"  # signature
    b"\x03\x02"  # successor
    b"\x04\x00"  # signer
)
DELEGATION = (
    b"\x01\x02"  # root
    b"\x02\x00"  # generation
    b"\x03\x02"  # signers
)
HEAD = (
    b"\x01\x02"  # vin
    b"\x02\x00"  # generation
    b"\x03\x00"  # version
    b"\x04\x00"  # issued
    b"\x05\x00"  # expires
    b"\x06\x00"  # interval
    b"\x07\x00"  # keys
    b"\x08\x02"  # first
)
PART = (
    b"\x01\x02"  # next
    b"\x02\x02"  # entries
)
_ROSTER_STATUS = const((
    b"\x01\x02"  # address
    b"\x02\x02"  # url
    b"\x03\x00"  # role
    b"\x04\x00"  # generation
    b"\x05\x00"  # version
    b"\x06\x00"  # keys
    b"\x07\x00"  # issued
    b"\x08\x00"  # expires
    b"\x09\x00"  # time
    b"\x0a\x00"  # wishes
    b"\x0b\x00"  # declined
    b"\x0c\x02"  # sync
))
_DELIVERED = const((
    b"\x01\x00"  # declined
    b"\x02\x00"  # generation
    b"\x03\x00"  # version
    b"\x04\x00"  # wanted
))
_AUTHORITY_ANSWER = const((
    b"\x01\x00"  # waiting
    b"\x02\x00"  # information
))
FROM_LATCHKEY = (
    b"\x84\x0f"  # roster
    b"\x85\x17"  # parcel
    b"\x86\x1f"  # install
    b"\x87\x1f",  # remove
    _ROSTER_STATUS,
    _DELIVERED,
    _AUTHORITY_ANSWER,
)
