# SPDX-License-Identifier: Apache-2.0
"""Who may do what: role by command, and nothing that is not in the table (protocol.md, "Roles")."""

from micropython import const

from latchkey.faults import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.record import Record

# MessageFault_E
_INSUFFICIENT_PRIVILEGES = const(7)
# Role
_SERVICE = const(1)
_OWNER = const(2)
_DRIVER = const(3)
_FM = const(4)
_VEHICLE_MONITOR = const(5)
_CHARGING_MANAGER = const(6)
_GUEST = const(8)

_READ = const(1)  # commands, a bit each
_UNLOCK = const(2)
_LOCK = const(4)
_WAKE = const(8)
_START = const(16)
_SECURE = const(32)
_CLOSURES = const(64)
_CHARGE_PORT = const(128)
_ADD_KEY = const(256)
_REMOVE_KEY = const(512)
_CHANGE_KEY = const(1024)

_CHARGE_PORT_NUMBER = const(7)  # in a ClosureMoveRequest
_DRIVE = const(255)  # everything but key management

_ALLOWED = {
    _OWNER: _DRIVE | _ADD_KEY | _REMOVE_KEY | _CHANGE_KEY,
    _DRIVER: _DRIVE,
    _GUEST: _DRIVE,
    _SERVICE: _READ | _UNLOCK | _LOCK | _WAKE | _REMOVE_KEY,
    _CHARGING_MANAGER: _READ | _WAKE | _CHARGE_PORT,
    _VEHICLE_MONITOR: _READ,
    _FM: _READ,  # fleet manager, an owner key in a cloud: commands nothing at the car itself
}

# RKEAction_E: what it takes, and the vehicle's method that does it
RKE = {
    0: (_UNLOCK, "unlock"),
    1: (_LOCK, "lock"),
    20: (_START, "start"),
    29: (_SECURE, "secure"),
    30: (_WAKE, "wake"),
}


def closures(request: dict[int, int]) -> int:
    """What it takes to move these closures: the charge port alone is a lesser thing."""
    return _CHARGE_PORT if list(request) == [_CHARGE_PORT_NUMBER] else _CLOSURES


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
        raise Fault(_INSUFFICIENT_PRIVILEGES, "role", None, command, record.role)
