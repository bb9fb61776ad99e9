# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what an owner says of the time: loaded when one does.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_TIME_TOKEN = const((
    b"\x01\x00"  # seconds
    b"\x02\x00"  # anyway
))
TO_LATCHKEY = (
    b"\x8b\x0f",  # time
    _TIME_TOKEN,
)
_TIME_ANSWER = const((
    b"\x01\x00"  # time
    b"\x02\x00"  # known
    b"\x03\x00"  # waiting
    b"\x04\x00"  # information
))
FROM_LATCHKEY = (
    b"\x8b\x0f",  # time
    _TIME_ANSWER,
)
