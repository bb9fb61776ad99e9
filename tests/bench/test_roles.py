# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every role against every command, as docs/protocol.md has it, and nothing that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain.decode import answer_words
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import new_phone, snapshot, tell

COMMANDS = {
    "unlock": messages.action("unlock"),
    "lock": messages.action("lock"),
    "wake": messages.action("wake"),
    "start": messages.action("start"),
    "secure": messages.action("secure"),
    "open the trunk": messages.move({"trunk": "open"}),
    "open the charge port": messages.move({"charge-port": "open"}),
    "open trunk and charge port": messages.move({"charge-port": "open", "trunk": "open"}),
    "read the state": messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_STATUS),
}
EVERYTHING = set(COMMANDS)
ALLOWED = {
    "owner": EVERYTHING,
    "driver": EVERYTHING,
    "guest": EVERYTHING,
    "charging": {"wake", "open the charge port", "read the state"},
    "monitor": {"read the state"},
    "fm": {"read the state"},
}


@pytest.fixture(scope="module")
def enrolled() -> dict[str, dict[str, Phone]]:
    """A phone of each role, by the owner that enrolled them: after a failure that is another one."""
    return {}


@pytest.fixture
def people(car: Bench, owner: Phone, enrolled: dict[str, dict[str, Phone]]) -> dict[str, Phone]:
    """A phone of each role."""
    if owner.key.id not in enrolled:
        enrolled[owner.key.id] = {role: new_phone(car, role, by=owner) for role in ALLOWED}
    return enrolled[owner.key.id]


@pytest.fixture(autouse=True)
def closed(car: Bench, owner: Phone, people: dict[str, Phone]) -> Iterator[None]:
    owner.secure()
    yield
    owner.secure()


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_do_what_its_row_says_and_no_more(
    car: Bench, owner: Phone, people: dict[str, Phone], role: str
) -> None:
    person, seen = people[role], {}
    for name, command in COMMANDS.items():
        owner.secure()
        before = snapshot(car)
        outcome = told(car, person, command)
        assert outcome in {"done", "INSUFFICIENT_PRIVILEGES"}, outcome
        seen[name] = outcome
        assert outcome == "done" or snapshot(car) == before
    assert {name for name, outcome in seen.items() if outcome == "done"} == ALLOWED[role]


@pytest.mark.parametrize("role", [role for role in ALLOWED if role != "owner"])
def test_only_an_owner_touches_the_keychain(car: Bench, people: dict[str, Phone], role: str) -> None:
    person, victim = people[role], people["monitor" if role != "monitor" else "guest"].key.public
    new = keyfile.generate().public
    before = snapshot(car)
    tries = {
        "NO_PERMISSION_TO_ADD": [messages.add_key(new, "driver"), messages.add_key(new, "guest", impermanent=True)],
        "NO_PERMISSION_TO_CHANGE_PERMISSIONS": [
            messages.update_key(person.key.public, "owner"), messages.update_key(victim, "driver")],
        "NO_PERMISSION_TO_REMOVE": [messages.remove_key(victim), messages.remove_impermanent_keys()],
    }  # fmt: skip
    for refusal, operations in tries.items():
        for operation in operations:
            assert told(car, person, operation) == f"keys not changed: {refusal}"
    assert snapshot(car) == before


def test_a_role_that_is_changed_counts_from_the_next_command_on(
    car: Bench, owner: Phone, people: dict[str, Phone]
) -> None:
    person = people["guest"]
    person.unlock()
    owner.change_keys(messages.update_key(person.key.public, "monitor"))
    assert told(car, person, messages.action("unlock")) == "INSUFFICIENT_PRIVILEGES"
    owner.change_keys(messages.update_key(person.key.public, "guest"))
    person.unlock()


def test_status_and_keychain_are_told_to_anybody(car: Bench, people: dict[str, Phone]) -> None:
    with car.connect() as connection:
        anybody = Phone(connection, people["guest"].vin, keyfile.generate())
        assert anybody.status().vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED
        assert anybody.keychain().numberOfEntries == len(people) + 1
        entry = anybody.entry(key_id=bytes.fromhex(people["monitor"].key.id))
        assert messages.role_name(entry.keyRole) == "monitor"


def told(car: Bench, person: Phone, command: vcsec.UnsignedMessage) -> str:
    """done, or why not."""
    answer = tell(car, person, command)
    if isinstance(answer, str):
        return answer
    return "done" if answer.HasField("vehicleStatus") or not answer.ByteSize() else answer_words(answer)
