# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what infotainment is asked for: loaded when somebody does.

Two bytes a field: its number and its kind (wire/pb.py), then the tables of the messages among them.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_PING = const((
    b"\x01\x00"  # ping_id
))
_VEHICLE_ACTION = const((
    b"\xae\x0f"  # ping
    b"\xbd\x02"  # chargePortDoorClose
    b"\xbe\x02",  # chargePortDoorOpen
    _PING,
))
ACTION = (
    b"\x02\x0f",  # vehicleAction
    _VEHICLE_ACTION,
)
_RESULT_REASON = const((
    b"\x01\x02"  # plain_text
))
_ACTION_STATUS = const((
    b"\x01\x00"  # result
    b"\x02\x0f",  # result_reason
    _RESULT_REASON,
))
RESPONSE = (
    b"\x01\x0f"  # actionStatus
    b"\x89\x17",  # ping
    _ACTION_STATUS,
    _PING,
)
