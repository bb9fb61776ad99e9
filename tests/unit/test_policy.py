# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the role's commands, less those that the record takes away, while its limits allow them."""

import sys

import codes as faults
from latchkey import forget
from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.wire.schema import Permission
from support import DRIVER, GUEST, Keys, owner

LIMITS = "latchkey.keys.limits"


def refusal(record, command, keys):
    """The fault; 0: it may."""
    try:
        policy.check(record, command, keys)
    except Fault as fault:
        assert not policy.permitted(record, command, keys)
        return fault.code
    assert policy.permitted(record, command, keys)
    return 0


def test_a_command_is_refused_by_the_role_by_the_record_and_by_its_limits():
    keys = Keys()
    keys.clock.advance(10)
    for record, unlock, read in (
        (owner(), 0, 0),
        (owner(role=DRIVER), 0, 0),
        (owner(role=5), faults.INSUFFICIENT_PRIVILEGES, 0),
        (owner(role=0), faults.INSUFFICIENT_PRIVILEGES, faults.INSUFFICIENT_PRIVILEGES),
        (owner(role=DRIVER, commands=Permission.START), faults.INSUFFICIENT_PRIVILEGES, faults.INSUFFICIENT_PRIVILEGES),
        (owner(role=GUEST, seconds=5, powered=5), faults.INACTIVE_KEY, 0),
        (owner(role=GUEST, seconds=60, powered=60), 0, 0),
    ):
        told = refusal(record, Permission.UNLOCK, keys), refusal(record, Permission.READ, keys)
        assert told == (unlock, read), (record.role, record.commands, record.powered)


def test_a_key_without_limits_loads_nothing_for_them():
    forget(LIMITS)
    keys = Keys()
    assert policy.permitted(owner(), Permission.UNLOCK, keys) and LIMITS not in sys.modules
    assert policy.permitted(owner(seconds=60, powered=60), Permission.UNLOCK, keys) and LIMITS in sys.modules
