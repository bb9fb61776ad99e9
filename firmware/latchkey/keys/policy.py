# SPDX-License-Identifier: Apache-2.0
"""Who may do what: role by command, and nothing that is not in the table (protocol.md, "Roles")."""

from micropython import const

from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault, Permission, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
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


def allowed(record: Record) -> int:
    """The Permissions that its role has, and its record does not take away."""
    role = _ALLOWED.get(record.role, 0)
    return role & record.commands if record.commands else role


def permitted(record: Record, command: int, keychain: Keychain) -> bool:
    """True if the key may give this command now."""
    try:
        check(record, command, keychain)
        return True
    except Fault:
        return False


def check(record: Record, command: int, keychain: Keychain) -> None:
    """Raises Fault unless the key may give this command now."""
    can = allowed(record)
    if not can & command:
        raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "role", command, record.role)
    if record.limited:
        from latchkey.keys import limits  # rare

        limits.check(record, can, command, keychain)
