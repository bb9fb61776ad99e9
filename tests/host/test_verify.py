# SPDX-License-Identifier: Apache-2.0
"""`latchkey log --verify`, `--export` and `--from`, against a model of a car whose log proves itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.phone.view import BadPage, BadSignature, View
from tests.host.car_model import ModelConnection
from tests.host.command import run
from tests.host.fake_bench import FakeBench
from tests.host.logging_car import GAP, LoggingCar, an_entry, link_of


@pytest.fixture
def car(bench: FakeBench) -> LoggingCar:
    bench.car = LoggingCar()
    for _ in range(20):
        bench.car.write()
    return bench.car


@pytest.fixture
def owner(car: LoggingCar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Key:
    monkeypatch.chdir(tmp_path)
    key = keyfile.create(Path("owner.pem"))
    car.enrol(key.public, label="Ann")
    return key


def proved(*arguments: str, code: int = 0, key: str | None = "owner.pem") -> dict[str, Any]:
    more = ("--key", key) if key else ()
    result = run("log", *arguments, *more, "--json")
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def names(told: dict[str, Any]) -> list[str]:
    return [finding["name"] for finding in told["findings"]]


def test_a_whole_log_verifies_and_says_from_where_to_where(car: LoggingCar, owner: Key) -> None:
    told = proved("--verify")
    assert (told["first"], told["count"], told["head"]["number"], told["seen"], told["findings"]) == (
        1,
        20,
        20,
        None,
        [],
    )
    result = run("log", "--verify", "--key", "owner.pem")
    assert "entries 1 to 20 are one chain, which the car says ends there" in result.output
    assert "goes on from entry 20, where this phone saw it end" in result.output.replace("\n", " ")
    car.write()
    assert proved("--verify")["seen"]["number"] == 20
    assert proved("--verify")["seen"]["number"] == 21


def test_an_empty_log_verifies(car: LoggingCar, owner: Key) -> None:
    car.log.clear()
    assert proved("--verify")["count"] == 0


def test_a_ring_that_goes_round_while_it_is_read_is_no_damage(car: LoggingCar, owner: Key) -> None:
    for _ in range(500):
        car.write()
    page = car._page

    def slowly(asked: Any, key: Any) -> Any:
        told = page(asked, key)
        for _ in range(2):
            car.write()
        return told

    car._page = slowly  # type: ignore[method-assign]
    assert proved("--verify")["findings"] == []


def broken(what: list[str]) -> dict[str, Any]:
    told = proved("--verify", code=1)
    assert told["error"]["name"] == "LOG_BROKEN" and names(told) == what
    return told


def test_a_changed_byte_does_not_verify(car: LoggingCar, owner: Key) -> None:
    car.log[9] = an_entry(10, link_of(car.log[8]), tag=b"forged..")
    broken(["ALTERED"])
    result = run("log", "--verify", "--key", "owner.pem")
    assert result.exit_code == 1 and "ALTERED" in result.output and "11" in result.output


def test_a_log_rewritten_as_a_whole_is_found_by_who_saw_it_before_and_goes_on_being_found(
    car: LoggingCar, owner: Key
) -> None:
    proved("--verify")
    car.log[:] = []
    for _ in range(25):
        car.write(tag=b"forged..")
    for _ in range(2):
        broken(["FORKED"])
    del car.log[15:]
    told = broken(["TRUNCATED"])
    assert told["seen"]["number"] == 20 and "was seen to have 20 entries" in told["error"]["text"]


def test_a_car_provisioned_anew_is_another_car(bench: FakeBench, car: LoggingCar, owner: Key) -> None:
    proved("--verify")
    bench.car = LoggingCar()
    bench.car.enrol(owner.public)
    assert proved("--verify")["seen"] is None


def test_a_gap_that_the_car_found_is_told_each_time_and_the_log_behind_it_is_still_held_to_what_was_seen(
    car: LoggingCar, owner: Key
) -> None:
    car.write(GAP)
    car.write()
    broken(["GAP"])
    assert broken(["GAP"])["seen"]["number"] == 22


def test_the_entries_of_an_earlier_firmware_are_told_and_no_fault(car: LoggingCar, owner: Key) -> None:
    car.log[:] = [an_entry(n, bytes(16), version=2) for n in range(1, 6)]
    car.write(GAP)
    car.write()
    assert names(proved("--verify")) == ["EARLIER"]


def test_who_may_not_see_all_is_told_so(car: LoggingCar, owner: Key) -> None:
    driver = keyfile.create(Path("driver.pem"))
    car.enrol(driver.public, role=3)
    told = proved("--verify", key="driver.pem", code=1)
    assert told["error"]["name"] == "INSUFFICIENT_PRIVILEGES" and "owner" in told["error"]["hint"]


@pytest.mark.parametrize(
    "arguments", ["--verify", "--export x.jsonl", "--verify --key owner.pem --since 3", "--from x --key owner.pem",
                  "--verify --from x --export y --key owner.pem"],
)  # fmt: skip
def test_what_cannot_be_asked_is_misuse(owner: Key, arguments: str) -> None:
    result = run("log", *arguments.split())
    assert result.exit_code == 2 and result.stderr.startswith("USAGE: ")


def exported() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]


def test_an_export_is_json_lines_with_the_bytes_and_the_cars_signature(car: LoggingCar, owner: Key) -> None:
    told = proved("--export", "log.jsonl")
    assert (told["count"], told["file"], told["head"]["number"]) == (20, "log.jsonl", 20)
    *lines, last = exported()
    assert [line["seq"] for line in lines] == list(range(1, 21)) and [
        bytes.fromhex(line["raw"]) for line in lines
    ] == car.log
    assert lines[0]["did"] == "unlock" and last["car"] == car.public.hex() and last["vin"] == car.vin
    assert Path("log.jsonl").stat().st_mode & 0o777 == 0o600
    assert proved("--export", "log.jsonl", "--verify")["findings"] == []


def test_an_export_proves_itself_with_no_car_and_with_or_without_a_key(
    bench: FakeBench, car: LoggingCar, owner: Key
) -> None:
    proved("--export", "log.jsonl")
    bench.opened.clear()
    told = proved("--verify", "--from", "log.jsonl", key=None)
    assert told["findings"] == [] and told["car"] == keyfile.key_id(car.public)
    assert proved("--verify", "--from", "log.jsonl")["findings"] == []
    assert bench.opened == []


@pytest.mark.parametrize("what", ["word", "byte", "line", "order", "signature", "car", "vin", "number", "end"])
def test_h15_an_export_with_anything_changed_does_not_verify(car: LoggingCar, owner: Key, what: str) -> None:
    proved("--export", "log.jsonl")
    lines = exported()
    last = lines[-1]
    if what == "word":
        lines[4]["did"] = "lock"
    elif what == "byte":
        raw = bytearray.fromhex(lines[4]["raw"])
        raw[20] ^= 1
        lines[4]["raw"] = raw.hex()
    elif what == "line":
        del lines[4]
    elif what == "order":
        lines[4:6] = lines[5:3:-1]
    elif what == "signature":
        last["head"]["signature"] = ("0" if last["head"]["signature"][0] != "0" else "1") + last["head"]["signature"][
            1:
        ]
    elif what == "car":
        last["car"] = LoggingCar().public.hex()
    elif what == "vin":
        last["vin"] = "5YJ30123456789ABD"
    elif what == "number":
        last["head"]["number"] -= 1
    else:
        del lines[-3:-1]
    Path("log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert proved("--verify", "--from", "log.jsonl", key=None, code=1)["error"]["name"] == "LOG_BROKEN"


def test_an_export_of_another_car_is_no_export_of_the_one_that_the_phone_knows(
    bench: FakeBench, car: LoggingCar, owner: Key
) -> None:
    bench.car = LoggingCar()
    bench.car.enrol(owner.public)
    bench.car.write()
    proved("--export", "log.jsonl")
    bench.car = car
    assert run("unlock", "--key", "owner.pem").exit_code == 0
    assert names(proved("--verify", "--from", "log.jsonl", code=1)) == ["HEAD"]
    assert proved("--verify", "--from", "log.jsonl", key=None)["findings"] == []


@pytest.mark.parametrize(
    "text", ["", "\n", "5\n", "{}\n", "[]\n", "\xff", '{"vin": 1, "car": "", "head": {}}\n', "{", '{"raw": 5}\n' * 2]
)
def test_what_is_no_export_is_told(owner: Key, text: str) -> None:
    Path("log.jsonl").write_text(text, "latin-1")
    assert proved("--verify", "--from", "log.jsonl", key=None, code=1)["error"]["name"] == "BAD_EXPORT"


def test_a_file_that_is_not_there_is_told(owner: Key) -> None:
    assert proved("--verify", "--from", "log.jsonl", key=None, code=2)["error"]["name"] == "USAGE"


def test_a_signature_that_is_not_the_cars_is_not_taken(car: LoggingCar, owner: Key) -> None:
    other = LoggingCar()
    other.write()
    car.head = lambda signed=False: other.head(signed)  # type: ignore[method-assign]
    with pytest.raises(BadSignature):
        View(Phone(ModelConnection(car), car.vin, owner)).head()


def test_pages_that_do_not_go_on_are_told(car: LoggingCar, owner: Key) -> None:
    car.log[3], car.log[4] = car.log[4], car.log[3]
    with pytest.raises(BadPage):
        View(Phone(ModelConnection(car), car.vin, owner)).raw_log()
