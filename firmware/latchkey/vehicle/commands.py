# SPDX-License-Identifier: Apache-2.0
"""The table of a driver's commands: what a key needs for each, and what the vehicle does."""

from latchkey.vehicle.state import Vehicle
from latchkey.wire.schema import ClosureMoveRequest, Permission, RKEAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS: dict[int, tuple[int, Callable[[Vehicle], None]]] = {
    RKEAction.UNLOCK: (Permission.UNLOCK, Vehicle.unlock),
    RKEAction.LOCK: (Permission.LOCK, Vehicle.lock),
    RKEAction.REMOTE_DRIVE: (Permission.START, Vehicle.start),
    RKEAction.AUTO_SECURE_VEHICLE: (Permission.SECURE, Vehicle.secure),
    RKEAction.WAKE_VEHICLE: (Permission.WAKE, Vehicle.wake),
}


def closures(moves: dict[int, int]) -> int:
    """The permission that it takes to move these: the charge port alone is a lesser thing."""
    return Permission.CHARGE_PORT if list(moves) == [ClosureMoveRequest.chargePort] else Permission.CLOSURES
