# SPDX-License-Identifier: Apache-2.0
"""What vehicle security says of the vehicle: FromVCSECMessage payloads (vcsec.proto)."""

from micropython import const

from latchkey.wire import messages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.vehicle.state import Vehicle

# RoutableMessage
_TO_DESTINATION = const(6)
_FROM_DESTINATION = const(7)
_PROTOBUF_MESSAGE_AS_BYTES = const(10)
# Destination
_DOMAIN = const(1)
# FromVCSECMessage
_VEHICLE_STATUS = const(1)
_NOMINAL_ERROR = const(46)
# VehicleStatus
_CLOSURE_STATUSES = const(1)
_VEHICLE_LOCK_STATE = const(2)
_VEHICLE_SLEEP_STATUS = const(3)
_USER_PRESENCE = const(4)
# NominalError
_GENERIC_ERROR = const(1)


def broadcast(payload: bytes) -> bytes:
    """A message to whoever listens, as vehicles send them: from vehicle security, to no address."""
    body = {_TO_DESTINATION: {_DOMAIN: 0}, _FROM_DESTINATION: {_DOMAIN: 2}, _PROTOBUF_MESSAGE_AS_BYTES: payload}
    return encode(messages.ROUTABLE_MESSAGE, body)


def vehicle_status(vehicle: Vehicle) -> bytes:
    """What is 0 (closed, unlocked) is left out; of the others awake and absent are 1, asleep and present 2."""
    status = {
        _CLOSURE_STATUSES: {i + 1: 1 for i, is_open in enumerate(vehicle.closures) if is_open},
        _VEHICLE_LOCK_STATE: 1 if vehicle.locked else None,
        _VEHICLE_SLEEP_STATUS: 1 + vehicle.asleep,
        _USER_PRESENCE: 1 + vehicle.user_present,
    }
    return encode(messages.FROM_VCSEC, {_VEHICLE_STATUS: status})


def nominal_error(code: int) -> bytes:
    return encode(messages.FROM_VCSEC, {_NOMINAL_ERROR: {_GENERIC_ERROR: code}})
