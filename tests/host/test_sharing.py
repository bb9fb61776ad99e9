# SPDX-License-Identifier: Apache-2.0
"""Sharing from the command line, against a model of the car: links, taking them up, taking them back, and the time."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import segno

from host_tools.cli import qr
from host_tools.explain import checks
from host_tools.faults import GRANTS, Refused
from host_tools.phone import gossip, grants, keyfile, link, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.given import GivenFile
from host_tools.phone.keyfile import Key
from host_tools.phone.link import Link
from host_tools.phone.revocations import Revocations
from tests.host.car_model import VIN, Enrolled
from tests.host.command import run
from tests.host.fake_bench import FakeBench
from tests.host.granting_car import GrantingCar
from tests.host.rosters import public

NOW = int(datetime(2026, 11, 26, 9, 30, tzinfo=UTC).timestamp())  # a Thursday, 10:30 in Paris
BESIDE = ("--port", "PORT")


@pytest.fixture
def car(bench: FakeBench) -> GrantingCar:
    bench.car = GrantingCar()
    bench.hello["vin"] = bench.car.vin
    return bench.car


@pytest.fixture
def owner(car: GrantingCar, folder: Path) -> Key:
    key = keyfile.create(Path("owner.pem"))
    car.enrol(key.public, label="Ann")
    return key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where people stand in these tests: in Paris, on a day in November 2026, and nowhere near the car."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def away(owner: Key, car: GrantingCar, bench: FakeBench, monkeypatch: pytest.MonkeyPatch) -> Key:
    """The owner, who has met the car and is nowhere near it now."""
    said("share", "--key", "owner.pem", *BESIDE)
    Path("owner.pem.given.json").write_text(Path("owner.pem.given.json").read_text())
    monkeypatch.delenv("LATCHKEY_PORT")
    bench.opened.clear()
    return owner


def said(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    assert len(result.stdout.splitlines()) == 1
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def fault(*arguments: str | Path, code: int = 2) -> str:
    """The name and the words of what a command refuses."""
    error = said(*arguments, code=code)["error"]
    assert error["hint"], error
    return f"{error['name']}: {error['text']}"


def shared(*arguments: str) -> Link:
    return link.read(said("share", "--key", "owner.pem", *arguments)["link"])


def allowed(made: Link) -> grants.Allowed:
    assert isinstance(made.message, ours.Grant)
    return grants.allowed(made.message)


def test_a_link_is_made_with_nobody_there(away: Key, car: GrantingCar, bench: FakeBench) -> None:
    told = said("share", "--key", "owner.pem", "--uses", "2", "--until", "sunday", "--label", "Bo")
    made = link.read(told["link"])
    assert (made.vin, made.car_public, told["number"]) == (VIN, car.public, 2)
    got = allowed(made)
    assert (got.role, got.uses, got.label, got.key) == ("guest", 2, "Bo", b"")
    assert told["not_after"] == "2026-11-29T22:59:00Z"
    assert "guest; two starts; until Sunday 2026-11-29 23:59 Europe/Paris" in told["understood"]
    assert bench.opened == []


def test_people_read_what_was_understood_and_what_to_know(away: Key) -> None:
    result = run("share", "--key", "owner.pem", "--uses", "1", "--until", "tomorrow 18:00", "--label", "Bo")
    first, *notes, last = result.stdout.splitlines()
    assert first.startswith(f"Grant 2 for Bo, of car {VIN}: guest; one start; until Friday 2026-11-27 18:00")
    assert any("first" in note for note in notes) and any("does not know the time" in note for note in notes)
    assert last.startswith("latchkey:link#") and result.stderr == ""


def test_a_date_for_a_guest_comes_with_powered_hours_and_a_drivers_does_not(away: Key) -> None:
    assert allowed(shared("--until", "3 days")).seconds == 4 * 86400
    assert allowed(shared("--until", "3 days", "--from", "2 days")).seconds == 2 * 86400
    assert allowed(shared("--until", "3 days", "--hours", "5")).seconds == 5 * 3600
    assert allowed(shared("--until", "3 days", "--role", "driver")).seconds == 0


def test_without_limits_it_is_said_that_there_are_none(away: Key) -> None:
    told = said("share", "--key", "owner.pem", "--role", "driver")
    assert told["understood"] == "driver; for as long as nobody takes it back"


def test_only_some_commands(away: Key) -> None:
    told = said("share", "--key", "owner.pem", "--only", "unlock, LOCK", "--uses", "3")
    assert told["commands"] == ["read", "unlock", "lock"]
    assert told["understood"] == "guest; only unlock, lock; three unlockings"


def test_a_grant_for_a_named_key_is_nobody_elses(away: Key) -> None:
    keyfile.create(Path("bo.pem"))
    made = shared("--for", "bo.pem")
    assert allowed(made).key == keyfile.load(Path("bo.pem")).public
    told = said("share", "--key", "owner.pem", "--for", "bo.pem")
    assert told["key"] == keyfile.load(Path("bo.pem")).id and not any("first" in note for note in told["notes"])


def test_a_page_and_a_picture(away: Key) -> None:
    page = "https://keys.example/open/"
    told = said("share", "--key", "owner.pem", "--page", page, "--png", "link.png")
    assert told["link"].startswith(f"{page}#")
    assert Path("link.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert stat.S_IMODE(Path("link.png").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--until", "yesterday"], "BAD_DATE"),
        (["--until", "2020-01-01"], "BAD_DATE: '2020-01-01' is past: it was Wednesday 2020-01-01 23:59 Europe/Paris"),
        (["--from", "sunday", "--until", "saturday"], "USAGE: --from 'sunday'"),
        (["--label", "x" * 25], "USAGE: the label is 25 bytes"),
        (["--label", "a\x1b[2J"], "USAGE: the label"),
        (["--only", "fly"], "USAGE: there is no command 'fly'"),
        (["--only", ""], "USAGE: there is no command ''"),
        (["--role", "monitor", "--uses", "2"], "USAGE: uses are"),
        (["--only", "lock", "--uses", "2"], "USAGE: uses are"),
        (["--role", "owner"], "USAGE"),
        (["--uses", "0"], "USAGE"),
        (["--hours", "0"], "USAGE"),
        (["--hours", "nan"], "USAGE"),
        (["--for", "nothing.pem"], "KEY_FILE"),
        (["--page", "javascript:alert(1)"], "USAGE"),
        (["--page", "https://a.example/#x"], "USAGE"),
        (["--page", "https://a.example/ b"], "USAGE"),
        (["--vin", "5YJ30123456789XYZ"], "USAGE"),
    ],
)
def test_what_cannot_be_meant_spends_no_number(away: Key, arguments: list[str], what: str) -> None:
    assert fault("share", "--key", "owner.pem", *arguments).startswith(what)
    assert shared().message.number == 2


def test_a_role_that_lacks_what_is_asked_for_is_told(away: Key) -> None:
    assert "may not start" in fault("share", "--key", "owner.pem", "--role", "monitor", "--only", "start")
    assert "may not unlock" in fault("share", "--key", "owner.pem", "--role", "charging", "--only", "wake,unlock")


def test_a_clock_that_is_years_off_shares_no_dates(away: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert fault("share", "--key", "owner.pem", "--until", "sunday").startswith("WRONG_CLOCK: this computer's clock")
    assert shared("--uses", "2").message.number == 2  # which takes no clock


def test_a_clock_that_is_behind_the_cars_shares_no_dates(owner: Key, car: GrantingCar) -> None:
    car.time = NOW + 30 * 86400
    said("share", "--key", "owner.pem")
    assert "the car said" in fault("share", "--key", "owner.pem", "--until", "sunday")


def test_the_car_is_asked_once(owner: Key, car: GrantingCar, bench: FakeBench) -> None:
    assert [shared().message.number for _ in range(3)] == [1, 2, 3]
    assert len(bench.opened) == 1
    assert sum(it.HasField("maker") for it in car.asked if isinstance(it, ours.ToLatchkey)) == 1


def test_an_owner_who_never_met_the_car_is_told_what_to_do(owner: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHKEY_PORT")
    assert "has to ask the car once" in fault("share", "--key", "owner.pem")


def test_who_is_no_owner_shares_nothing(car: GrantingCar, folder: Path) -> None:
    key = keyfile.create(Path("driver.pem"))
    car.enrol(key.public, role=messages.ROLES["driver"])
    assert fault("share", "--key", "driver.pem", code=1).startswith("INSUFFICIENT_PRIVILEGES")


def test_a_car_of_before_says_that_it_cannot(owner: Key, car: GrantingCar) -> None:
    car.old = True
    assert fault("share", "--key", "owner.pem", code=1).startswith("INVALID_COMMAND")


def test_pairing_asks_what_sharing_takes(car: GrantingCar, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said("pair", "--key", "new.pem", "--tap")
    monkeypatch.delenv("LATCHKEY_PORT")
    assert said("share", "--key", "new.pem")["number"] == 1


def test_a_guest_takes_a_link_up(away: Key, car: GrantingCar) -> None:
    given = said("share", "--key", "owner.pem", "--uses", "2", "--until", "sunday", "--label", "Bo")["link"]
    told = said("accept", given, *BESIDE)
    key = keyfile.load(Path("guest.pem"))
    assert (told["created"], told["file"], told["public"]) == (True, "guest.pem", key.public.hex())
    assert stat.S_IMODE(Path("guest.pem").stat().st_mode) == 0o600
    assert told["understood"].startswith("guest; two starts; until Sunday 2026-11-29 23:59 Europe/Paris")
    assert car.keys[key.public].label == "Bo"
    car.use(key.public)
    again = said("accept", given, "--key", "guest.pem", *BESIDE)
    assert (again["created"], again["used"]) == (False, 1) and "one start left" in again["understood"]


def test_the_secret_of_a_link_never_goes_to_the_car(away: Key, car: GrantingCar, bench: FakeBench) -> None:
    given = shared("--uses", "2")
    said("accept", given.url(), *BESIDE)
    assert isinstance(given.message, ours.Grant)
    sent = b"".join(message for connection in bench.connections for message in connection.sent)
    assert given.message.tag not in sent and given.message.limits in sent


def test_a_second_phone_comes_too_late(away: Key, car: GrantingCar) -> None:
    given = shared().url()
    said("accept", given, "--key", "one.pem", *BESIDE)
    assert fault("accept", given, "--key", "two.pem", *BESIDE, code=1).startswith("GRANT_FAULT_SPENT")
    assert len(car.granted) == 1


def test_a_lost_answer_is_asked_for_again(away: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_tools.phone.bare.ASK_AGAIN", 0.05)
    given = shared().url()
    car.drop = 2
    assert said("accept", given, *BESIDE)["created"]


def test_a_busy_car_is_asked_again(away: Key, car: GrantingCar) -> None:
    given = shared().url()
    car.grant_faults = ["BUSY", "BUSY"]
    said("accept", given, *BESIDE)


@pytest.mark.parametrize("why", ["ENCODING", "MAKER", "TAG", "SPENT", "LIMITS", "KEY", "FULL", "FLASH"])
def test_each_refusal_is_told_with_what_to_do(away: Key, car: GrantingCar, why: str) -> None:
    given = shared().url()
    car.grant_faults = [why]
    assert fault("accept", given, *BESIDE, code=1).startswith(f"GRANT_FAULT_{why}: {GRANTS[f'GRANT_FAULT_{why}'][0]}")


def test_every_grant_fault_has_words() -> None:
    names = {name for name, number in ours.GrantFault.items() if number}
    assert names == set(GRANTS)


def test_a_link_is_only_for_its_car(away: Key, car: GrantingCar) -> None:
    given = shared()
    other = Link("5YJ30123456789XYZ", given.car_public, given.message)
    assert "the car on PORT is" in fault("accept", other.url(), *BESIDE)
    assert "is for car" in fault("accept", given.url(), "--vin", other.vin, *BESIDE)
    impostor = Link(given.vin, public(5), given.message)
    assert fault("accept", impostor.url(), "--key", "new.pem", *BESIDE, code=1).startswith("CAR_KEY_CHANGED")
    said("accept", given.url(), "--key", "new.pem", *BESIDE)
    assert "by another key" in fault("accept", impostor.url(), "--key", "new.pem", *BESIDE)


def test_a_key_that_the_car_has_already_takes_no_grant(away: Key, car: GrantingCar) -> None:
    key = keyfile.create(Path("driver.pem"))
    car.enrol(key.public, role=messages.ROLES["driver"])
    assert fault("accept", shared().url(), "--key", "driver.pem", *BESIDE, code=1).startswith("GRANT_FAULT_KEY")


def test_a_link_for_a_named_key_is_taken_up_by_it_alone(away: Key, car: GrantingCar) -> None:
    keyfile.create(Path("bo.pem"))
    given = shared("--for", "bo.pem").url()
    assert "is for the key" in fault("accept", given, *BESIDE) and not Path("guest.pem").exists()
    keyfile.create(Path("guest.pem"))
    assert fault("accept", given, *BESIDE, code=1).startswith("BAD_GRANT: this grant is another key's")
    said("accept", given, "--key", "bo.pem", *BESIDE)


@pytest.mark.parametrize(
    "text", ["hello", "https://example.com/", "WIFI:T:WPA;S:home;;", "latchkey:link#AQE", "x" * 20000, ""]
)  # fmt: skip
def test_what_is_no_link_does_nothing(away: Key, car: GrantingCar, text: str) -> None:
    before = len(car.requests)
    assert fault("accept", text, *BESIDE).startswith("BAD_LINK")
    assert not Path("guest.pem").exists() and len(car.requests) == before


def test_a_link_comes_from_standard_input(away: Key, car: GrantingCar) -> None:
    given = shared().url()
    result = run("accept", "-", *BESIDE, typed=f"Look: {given}.\n")
    assert result.exit_code == 0 and given not in result.stdout


def test_less_is_passed_on_and_never_more(away: Key, car: GrantingCar) -> None:
    given = shared("--uses", "3", "--until", "sunday", "--label", "Bo")
    told = said("share", "--link", given.url(), "--uses", "1", "--until", "tomorrow", "--label", "Bo's son")
    assert told["understood"].startswith("guest; one start; until Friday 2026-11-27 23:59 Europe/Paris")
    assert told["label"] == "Bo's son" and any("one of the two" in note for note in told["notes"])
    said("accept", told["link"], *BESIDE)
    assert fault("accept", given.url(), "--key", "bo.pem", *BESIDE, code=1).startswith("GRANT_FAULT_SPENT")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--uses", "4"], "USAGE: the link has less than that: --uses"),
        (["--until", "monday"], "USAGE: the link has less than that: --until"),
        (["--hours", "500"], "USAGE: the link has less than that: --hours"),
        (["--only", "start,open"], "USAGE: there is no command 'open'"),
        (["--only", "start"], "USAGE: the link has less than that: --only"),
        ([], "USAGE: nothing is said"),
    ],
)
def test_more_than_there_is_to_pass_on_is_told(away: Key, arguments: list[str], what: str) -> None:
    given = shared("--uses", "3", "--until", "sunday", "--only", "unlock,lock").url()
    assert fault("share", "--link", given, *arguments).startswith(what)


def test_a_higher_role_is_not_passed_on(away: Key) -> None:
    assert fault("share", "--link", shared().url(), "--role", "driver", code=1).startswith(
        "BAD_GRANT: the grant's role"
    )


def test_a_driver_who_passes_a_date_on_to_a_guest_gives_hours_with_it(away: Key) -> None:
    given = shared("--role", "driver", "--until", "3 days").url()
    made = link.read(said("share", "--link", given, "--role", "guest")["link"])
    assert allowed(made).seconds == 4 * 86400


def test_a_number_is_on_disk_before_its_link_is_shown(away: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("host_tools.phone.beside.replace", full)
        assert "No space left" in fault("share", "--key", "owner.pem", code=1)
    assert shared().message.number == 2


_SHARE = """
import sys
from pathlib import Path
from host_tools.phone import keyfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.given import GivenFile
file = GivenFile(keyfile.load(Path(sys.argv[1])))
print(*[file.give(sys.argv[2], ours.Limits(role=8), 0).message.number for _ in range(20)])
"""


def test_two_at_once_give_no_number_twice(away: Key) -> None:
    command = [sys.executable, "-c", _SHARE, "owner.pem", VIN]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    given = [int(number) for process in running for number in process.communicate()[0].split()]
    assert sorted(given) == list(range(2, 42))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1, "key": "ID", "cars": 5}',
    '{"version": 1, "key": "ID", "cars": {"V": {"handle": "x"}}}', "[" * 100_000])  # fmt: skip
def test_a_damaged_file_gives_no_number(away: Key, content: str) -> None:
    path = Path("owner.pem.given.json")
    path.write_text(content.replace("ID", away.id))
    assert fault("share", "--key", "owner.pem", code=1).startswith("GIVEN_FILE")
    assert path.read_text() == content.replace("ID", away.id)


def test_a_file_of_another_key_of_that_name_is_none(away: Key, car: GrantingCar) -> None:
    Path("owner.pem").unlink()
    key = keyfile.create(Path("owner.pem"))
    car.enrol(key.public)
    assert said("share", "--key", "owner.pem", *BESIDE)["number"] == 1
    assert len(GivenFile(key).cars()[VIN].given) == 1


def test_an_owner_who_was_enrolled_anew_begins_anew(away: Key, car: GrantingCar) -> None:
    old = shared().url()
    car.makers.clear()
    car.spent(b"another")
    said("shared", "--key", "owner.pem", *BESIDE)
    assert fault("accept", old, *BESIDE, code=1).startswith("GRANT_FAULT_TAG")
    assert said("shared", "--key", "owner.pem", *BESIDE)["grants"] == []
    said("accept", shared().url(), *BESIDE)


def test_the_file_is_for_its_owner_and_holds_no_secret(away: Key) -> None:
    made = shared("--label", "Bo")
    path = Path("owner.pem.given.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert isinstance(made.message, ours.Grant) and made.message.tag.hex() not in path.read_text()


def test_a_thousand_grants_are_made_and_the_oldest_are_forgotten(away: Key) -> None:
    file = GivenFile(away)
    for _ in range(1100):
        file.give(VIN, ours.Limits(role=8, label=b"Bo"), NOW)
    account = file.cars()[VIN]
    assert (len(account.given), account.next, account.given[-1].number) == (1024, 1102, 1101)
    assert file.path.stat().st_size < 300_000


def test_what_was_shared_is_shown_with_what_has_become_of_it(away: Key, car: GrantingCar) -> None:
    links = {name: shared("--uses", "2", "--label", name).url() for name in ("Bo", "Cy", "Di")}
    said("accept", links["Bo"], "--key", "bo.pem", *BESIDE)
    said("accept", links["Cy"], "--key", "cy.pem", *BESIDE)
    bo, cy = (keyfile.load(Path(name)) for name in ("bo.pem", "cy.pem"))
    car.use(bo.public)
    del car.keys[cy.public], car.granted[cy.public]
    told = said("shared", "--key", "owner.pem", *BESIDE)
    assert [(it["number"], it["label"], it["state"]) for it in told["grants"]] == [
        (1, "", "open"), (2, "Bo", "accepted"), (3, "Cy", "over"), (4, "Di", "open")]  # fmt: skip
    assert told["asked"] and f"key {bo.id}: guest; one start left" in told["grants"][1]["now"]
    later = said("shared", "--key", "owner.pem")
    assert not later["asked"] and later["grants"][1]["key"] == bo.id


def test_what_nobody_took_in_time_is_shown(away: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    shared("--until", "2h")
    monkeypatch.setattr(time, "time", lambda: float(NOW + 7201))
    assert [it["state"] for it in said("shared", "--key", "owner.pem")["grants"]] == ["open", "expired"]


def test_a_car_that_is_not_there_is_no_fault_of_looking(away: Key, bench: FakeBench) -> None:
    from host_tools.serial.port import PortMissing

    bench.fail = PortMissing("PORT does not exist")
    result = run("shared", "--key", "owner.pem", *BESIDE)
    assert result.exit_code == 0 and "was not reached" in result.stderr and "nobody has taken it yet" in result.stdout


def test_a_grant_is_taken_back_at_the_car(away: Key, car: GrantingCar) -> None:
    given = shared("--label", "Bo").url()
    said("accept", given, *BESIDE)
    told = said("revoke", "2", "--key", "owner.pem", *BESIDE)
    assert (told["heard"], told["numbers"], told["links"]) == (True, [2], [])
    assert not car.granted
    assert fault("accept", given, *BESIDE, code=1).startswith("GRANT_FAULT_SPENT")
    assert [it["state"] for it in said("shared", "--key", "owner.pem")["grants"]] == ["open", "revoked"]


def test_a_grant_is_taken_back_before_it_was_used(away: Key, car: GrantingCar) -> None:
    given = shared().url()
    said("revoke", "2", "--key", "owner.pem", *BESIDE)
    assert fault("accept", given, *BESIDE, code=1).startswith("GRANT_FAULT_SPENT")


def test_all_of_one_name_and_all_of_all_are_taken_back(away: Key, car: GrantingCar) -> None:
    links = [shared("--label", name).url() for name in ("Bo", "Bo", "Cy")]
    told = said("revoke", "Bo", "--key", "owner.pem", *BESIDE)
    assert told["numbers"] == [2, 3]
    said("accept", links[2], *BESIDE)
    assert said("revoke", "--all", "--key", "owner.pem", *BESIDE)["all"]
    assert not car.granted and car.spent(away.public).below == 5
    said("accept", shared().url(), "--key", "later.pem", *BESIDE)


@pytest.mark.parametrize("arguments", [["9"], ["0"], ["Eve"], [], ["2", "--all"], ["-1"], ["9" * 30]])
def test_what_was_not_shared_is_not_taken_back(away: Key, arguments: list[str]) -> None:
    assert fault("revoke", *arguments, "--key", "owner.pem").startswith("USAGE")


def test_a_phone_that_knows_nothing_of_it_brings_a_revocation(away: Key, car: GrantingCar) -> None:
    given = shared("--label", "Bo").url()
    said("accept", given, "--key", "bo.pem", *BESIDE)
    third = keyfile.create(Path("third.pem"))
    car.enrol(third.public, role=messages.ROLES["driver"])

    told = said("revoke", "Bo", "--key", "owner.pem")
    assert not told["heard"] and said("shared", "--key", "owner.pem")["unheard"] == [2]
    [carried] = told["links"]
    assert said("carry", carried, "--key", "third.pem")["files"] == [{"vin": VIN, "kept": True}]
    assert said("carry", carried, "--key", "third.pem")["files"] == [{"vin": VIN, "kept": False}]
    assert car.granted
    said("unlock", "--key", "third.pem", *BESIDE)
    assert not car.granted and keyfile.load(Path("bo.pem")).public not in car.keys

    told = said("shared", "--key", "owner.pem", *BESIDE)
    assert told["unheard"] == [] and told["grants"][1]["state"] == "revoked"


def test_the_owners_own_phone_brings_it_after_a_command(away: Key, car: GrantingCar) -> None:
    said("accept", shared().url(), "--key", "bo.pem", *BESIDE)
    said("revoke", "2", "--key", "owner.pem")
    said("unlock", "--key", "owner.pem", *BESIDE)
    assert not car.granted
    assert said("shared", "--key", "owner.pem")["unheard"] == []


def test_a_stranger_delivers_a_revocation_at_once(away: Key, car: GrantingCar) -> None:
    said("accept", shared().url(), "--key", "bo.pem", *BESIDE)
    [carried] = said("revoke", "2", "--key", "owner.pem")["links"]
    assert said("deliver", carried, *BESIDE)["vin"] == VIN
    assert not car.granted


def test_a_revocation_is_brought_again_on_later_days_since_anybody_can_say_that_it_was_heard(
    away: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch
) -> None:
    [carried] = said("revoke", "--all", "--key", "owner.pem")["links"]
    third = keyfile.create(Path("third.pem"))
    car.enrol(third.public, role=messages.ROLES["driver"])
    said("carry", carried, "--key", "third.pem")
    brought = []
    for day in range(6):
        for hour in range(2):
            monkeypatch.setattr(time, "time", lambda at=NOW + day * 86400 + hour * 3600: float(at))
            before = len(car.asked)
            said("unlock", "--key", "third.pem", *BESIDE)
            brought.append(len(car.asked) - before)
    assert brought == [1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_busy_or_deaf_car_is_brought_it_another_time(
    away: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gossip, "_PATIENCE", 0.2)
    [carried] = said("revoke", "1", "--key", "owner.pem")["links"]
    third = keyfile.create(Path("third.pem"))
    car.enrol(third.public, role=messages.ROLES["driver"])
    said("carry", carried, "--key", "third.pem")
    car.grant_faults = ["BUSY"] * 9
    said("unlock", "--key", "third.pem", *BESIDE)
    car.grant_faults = []
    assert 1 not in car.spent(away.public).numbers
    said("unlock", "--key", "third.pem", *BESIDE)
    assert 1 in car.spent(away.public).numbers


def test_many_revocations_are_more_than_one_message(away: Key, car: GrantingCar) -> None:
    file = GivenFile(away)
    for _ in range(70):
        file.give(VIN, ours.Limits(role=8, label=b"Bo"), NOW)
    told = said("revoke", "Bo", "--key", "owner.pem")
    assert [len(grants.numbers_of(link.read(it).message)) for it in told["links"]] == [32, 32, 6]
    said("unlock", "--key", "owner.pem", *BESIDE)
    assert car.spent(away.public).numbers == set(range(2, 72))


def test_no_more_is_carried_than_an_owner_makes(away: Key, folder: Path) -> None:
    assert away.path
    carried = Revocations(away.path)
    for number in range(1, 65):
        carried.keep(Link(VIN, public(2), grants.revocation(bytes(32), 1, [number])))
    with pytest.raises(Exception, match="64 revocations"):
        carried.keep(Link(VIN, public(2), grants.revocation(bytes(32), 1, [99])))


@pytest.mark.parametrize("content", ["", "[]", '{"cars": {"V": [{"revocation": "zz"}]}}', '{"cars": {"V": [{"x": 1}]}}',
    '{"cars": {"V": [{"revocation": "ff"}]}}', '{"cars": {"V": [{"revocation": "", "times": "x"}]}}'])  # fmt: skip
def test_damage_to_what_is_carried_hinders_no_command(away: Key, car: GrantingCar, content: str) -> None:
    Path("owner.pem.revocations.json").write_text(content)
    said("unlock", "--key", "owner.pem", *BESIDE)


def test_a_grant_is_not_carried_and_a_revocation_not_accepted(away: Key) -> None:
    given = shared().url()
    [taken] = said("revoke", "2", "--key", "owner.pem")["links"]
    assert "is a secret" in fault("carry", given, "--key", "owner.pem")
    assert "takes grants back" in fault("accept", taken, *BESIDE)
    assert "takes grants back" in fault("share", "--link", taken, "--uses", "1")


def test_an_owner_is_removed_with_what_it_shared(owner: Key, car: GrantingCar) -> None:
    other = keyfile.create(Path("other.pem"))
    car.enrol(other.public)
    said("accept", said("share", "--key", "other.pem")["link"], "--key", "bo.pem")
    given = said("share", "--key", "other.pem")["link"]
    told = said("keys", "remove", "--which", other.id, "--with-grants", "--key", "owner.pem")
    assert told["with_grants"] and other.public not in car.keys and not car.granted
    assert fault("accept", given, code=1).startswith("GRANT_FAULT_MAKER")


def test_the_time_is_shown_and_set(owner: Key, car: GrantingCar) -> None:
    told = said("time", "--key", "owner.pem")
    assert (told["known"], told["set"], told["ahead"]) == (False, False, car.time - NOW)
    told = said("time", "--set", "--key", "owner.pem")
    assert (told["known"], told["set"], told["time"]) == (True, True, "2026-11-26T09:30:00Z")
    assert car.time == NOW
    result = run("time", "--key", "owner.pem")
    assert result.stdout == f"Car {VIN} goes by Thursday 2026-11-26 10:30 Europe/Paris.\n"


def test_a_car_that_is_far_behind_takes_the_time_anyway_only(owner: Key, car: GrantingCar) -> None:
    car.time = NOW - 500 * 86400
    assert fault("time", "--set", "--key", "owner.pem", code=1).startswith("TIME_TOO_FAR")
    assert said("time", "--set", "--anyway", "--key", "owner.pem")["known"] and car.time == NOW


def test_a_car_that_was_told_the_year_2100_goes_back_with_a_card(owner: Key, car: GrantingCar) -> None:
    car.time = 4_102_444_800
    error = fault("time", "--set", "--key", "owner.pem", code=1)
    assert error.startswith("TIME_IS_LATER: the car goes by Friday 2100-01-01 01:00")
    assert said("time", "--set", "--anyway", "--tap", "--key", "owner.pem")["known"] and car.time == NOW


def test_a_wrong_clock_is_not_told_to_the_car(owner: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert fault("time", "--set", "--key", "owner.pem").startswith("WRONG_CLOCK")
    assert fault("time", "--anyway", "--key", "owner.pem").startswith("USAGE")


def test_an_owners_phone_brings_the_time_once_a_day(
    away: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []  # the fixture's first share has done it already
    for hour in (0, 1, 23, 25, 26):
        monkeypatch.setattr(time, "time", lambda at=NOW + hour * 3600: float(at))
        car.asked.clear()
        said("unlock", "--key", "owner.pem", *BESIDE)
        told.append(sum(it.HasField("time") for it in car.asked if isinstance(it, ours.ToLatchkey)))
    assert told == [0, 0, 0, 1, 0] and car.time == NOW + 25 * 3600


def test_a_guest_tells_no_time_and_a_car_of_before_is_told_once(away: Key, car: GrantingCar) -> None:
    said("accept", shared().url(), *BESIDE)
    car.asked.clear()
    said("unlock", "--key", "guest.pem", *BESIDE, code=1)  # the model lets guests do nothing
    assert not any(it.HasField("time") for it in car.asked if isinstance(it, ours.ToLatchkey))
    car.old = True
    for _ in range(2):
        said("unlock", "--key", "owner.pem", *BESIDE)
    assert car.done[-2:] == ["UNLOCK", "UNLOCK"]


def test_what_is_wrong_with_any_of_it_costs_no_command(away: Key, car: GrantingCar) -> None:
    Path("owner.pem.given.json").write_text("damaged")
    said("unlock", "--key", "owner.pem", *BESIDE)
    assert car.done == ["UNLOCK"]


def test_refusals_of_grants_are_explained() -> None:
    assert "GRANT_FAULT_SPENT" in run("explain", "GRANT_FAULT_SPENT").stdout
    assert Refused("GRANT_FAULT_SPENT").hint


def test_the_keychain_shows_what_is_left(away: Key, car: GrantingCar) -> None:
    said("accept", shared("--uses", "2").url(), *BESIDE)
    found = said("keys", "--key", "owner.pem", *BESIDE)["keys"][1]
    assert (found["origin"], found["left"], found["limits"]["number"]) == ("grant", "guest; two starts", 2)
    shown = run("keys", "--key", "owner.pem", *BESIDE).stdout
    assert "two starts" in shown and "limits" in shown


def test_hours_that_are_over_are_told(away: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch) -> None:
    given = shared("--hours", "5").url()
    assert said("accept", given, *BESIDE)["understood"] == "guest; at most 5 h with the car's power on"
    told = GrantingCar._entry

    def later(self: GrantingCar, key: Enrolled) -> ours.KeyEntry:
        entry = told(self, key)
        entry.powered_left = 0
        return entry

    monkeypatch.setattr(GrantingCar, "_entry", later)
    assert said("accept", given, *BESIDE)["understood"] == "guest; no hours left"


def test_a_lost_file_begins_where_the_car_says(away: Key, car: GrantingCar) -> None:
    said("accept", shared().url(), *BESIDE)
    Path("owner.pem.given.json").unlink()
    assert said("share", "--key", "owner.pem", *BESIDE)["number"] == 3


def test_an_owner_without_numbers_is_told(owner: Key, car: GrantingCar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(car, "_about", lambda *_: ours.Maker(handle=1, salt=1, below=grants.ALL))
    assert "no numbers left" in fault("share", "--key", "owner.pem", code=1)


def test_every_refusal_of_a_grant_says_what_was_expected() -> None:
    assert set(checks.GRANT_CHECKS) == set(GRANTS)


def test_a_code_in_a_terminal_is_the_code() -> None:
    url = link.Link(VIN, public(2), grants.make(bytes(32), 1, 1, ours.Limits(role=8))).url()
    code = qr.drawn(url)
    squares = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows: list[list[int]] = []
    for line in code.plain.split("\n"):
        rows += map(list, zip(*(squares[place] for place in line), strict=True))
    whole = [list(map(int, row)) for row in segno.make_qr(url, error="m").matrix_iter(border=2)]
    assert rows[: len(whole)] == whole and not any(map(any, rows[len(whole) :]))
    assert len(whole) < 80, "wider than a terminal"
