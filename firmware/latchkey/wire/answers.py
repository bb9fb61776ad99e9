# SPDX-License-Identifier: Apache-2.0
"""What vehicle security says of the vehicle: FromVCSECMessage payloads (vcsec.proto)."""

from latchkey.wire import messages
from latchkey.wire.pb import encode
from latchkey.wire.schema import (
    ClosureState,
    Destination,
    Domain,
    FromVCSECMessage,
    NominalError,
    RoutableMessage,
    UserPresence,
    VehicleLockState,
    VehicleSleepStatus,
    VehicleStatus,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Vehicle(Protocol):
        """What is told of one (vehicle/state.py)."""

        closures: bytearray
        locked: bool
        asleep: bool
        user_present: bool


def broadcast(payload: bytes) -> bytes:
    """A message to whoever listens, as vehicles send them: from vehicle security, to no address."""
    body = {
        RoutableMessage.to_destination: {Destination.domain: Domain.BROADCAST},
        RoutableMessage.from_destination: {Destination.domain: Domain.VEHICLE_SECURITY},
        RoutableMessage.protobuf_message_as_bytes: payload,
    }
    return encode(messages.ROUTABLE_MESSAGE, body)


def vehicle_status(vehicle: Vehicle) -> bytes:
    """What is 0 (closed, unlocked) is left out."""
    status = {
        VehicleStatus.closureStatuses: {
            i + 1: ClosureState.OPEN for i, is_open in enumerate(vehicle.closures) if is_open
        },
        VehicleStatus.vehicleLockState: VehicleLockState.LOCKED if vehicle.locked else None,
        VehicleStatus.vehicleSleepStatus: VehicleSleepStatus.ASLEEP if vehicle.asleep else VehicleSleepStatus.AWAKE,
        VehicleStatus.userPresence: UserPresence.PRESENT if vehicle.user_present else UserPresence.NOT_PRESENT,
    }
    return encode(messages.FROM_VCSEC, {FromVCSECMessage.vehicleStatus: status})


def nominal_error(code: int) -> bytes:
    """The vehicle's own refusal, a GenericError."""
    return encode(messages.FROM_VCSEC, {FromVCSECMessage.nominalError: {NominalError.genericError: code}})
