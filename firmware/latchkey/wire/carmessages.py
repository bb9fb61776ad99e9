# SPDX-License-Identifier: Apache-2.0
"""Tables of messages: what infotainment is asked for: loaded when somebody does.

A table is flat (wire/pb.py): number and kind of its first field, then of the next. The number of a member
of the message's oneof is negative.

Generated: `make schema` writes it from the published descriptors and latchkey.proto.
"""

from micropython import const

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_PING = const((
    1, _UINT,  # ping_id
))
_VEHICLE_ACTION = const((
    -46, _PING,  # ping
    -61, _BYTES,  # chargePortDoorClose
    -62, _BYTES,  # chargePortDoorOpen
))
ACTION = (
    2, _VEHICLE_ACTION,  # vehicleAction
)
_RESULT_REASON = const((
    1, _BYTES,  # plain_text
))
_ACTION_STATUS = const((
    1, _UINT,  # result
    2, _RESULT_REASON,  # result_reason
))
RESPONSE = (
    1, _ACTION_STATUS,  # actionStatus
    -9, _PING,  # ping
)
