# SPDX-License-Identifier: Apache-2.0
"""Who may do what: role by command, and nothing that is not in the table (protocol.md, "Roles")."""

from micropython import const

from latchkey import faults
from latchkey.faults import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.record import Record

SERVICE = const(1)
OWNER = const(2)
DRIVER = const(3)
FLEET_MANAGER = const(4)
VEHICLE_MONITOR = const(5)
CHARGING_MANAGER = const(6)
GUEST = const(8)

READ = const(1)
UNLOCK = const(2)
LOCK = const(4)
WAKE = const(8)
START = const(16)
SECURE = const(32)
CLOSURES = const(64)
CHARGE_PORT = const(128)
ADD_KEY = const(256)
REMOVE_KEY = const(512)
CHANGE_KEY = const(1024)

_DRIVE = const(255)  # everything but key management

_ALLOWED = {
    OWNER: _DRIVE | ADD_KEY | REMOVE_KEY | CHANGE_KEY,
    DRIVER: _DRIVE,
    GUEST: _DRIVE,
    SERVICE: READ | UNLOCK | LOCK | WAKE | REMOVE_KEY,
    CHARGING_MANAGER: READ | WAKE | CHARGE_PORT,
    VEHICLE_MONITOR: READ,
    FLEET_MANAGER: READ,  # an owner key in a cloud: commands nothing at the car itself
}

ENROLLABLE = (OWNER, DRIVER, FLEET_MANAGER, VEHICLE_MONITOR, CHARGING_MANAGER, GUEST)
SERVICE_MAY_REMOVE = (DRIVER, GUEST, FLEET_MANAGER)


# RKEAction_E
RKE = {0: UNLOCK, 1: LOCK, 20: START, 29: SECURE, 30: WAKE}


def closures(request: dict[str, int]) -> int:
    """What it takes to move these closures: the charge port alone is a lesser thing."""
    return CHARGE_PORT if list(request) == ["chargePort"] else CLOSURES


def permitted(record: Record, command: int) -> bool:
    """True if the key's role has the command, and its own limits, if it has any, do not take it away."""
    if record.not_before or record.not_after or record.powered or record.uses:
        return False  # limits that this firmware does not count: closed
    allowed = _ALLOWED.get(record.role, 0)
    if record.commands:
        allowed &= record.commands
    return bool(allowed & command)


def check(record: Record, command: int) -> None:
    """Raises Fault unless the key may give this command."""
    if not permitted(record, command):
        raise Fault(faults.INSUFFICIENT_PRIVILEGES, "role may not", None, command, record.role)
