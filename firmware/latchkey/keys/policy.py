# SPDX-License-Identifier: Apache-2.0
"""Who may do what: role by command, and nothing that is not in the table (protocol.md, "Roles")."""

from micropython import const

from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault, Permission, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.record import Record

_DRIVE = const(Permission.ADD_KEY - 1)  # everything but key management

_ALLOWED = {
    Role.OWNER: _DRIVE | Permission.ADD_KEY | Permission.REMOVE_KEY | Permission.CHANGE_KEY | Permission.AUDIT,
    Role.DRIVER: _DRIVE,
    Role.GUEST: _DRIVE,
    Role.SERVICE: Permission.READ | Permission.UNLOCK | Permission.LOCK | Permission.WAKE | Permission.REMOVE_KEY,
    Role.CHARGING_MANAGER: Permission.READ | Permission.WAKE | Permission.CHARGE_PORT,
    Role.VEHICLE_MONITOR: Permission.READ,
    Role.FM: Permission.READ,  # fleet manager, an owner key in a cloud: commands nothing at the car itself
}


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
        raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "role", command, record.role)
