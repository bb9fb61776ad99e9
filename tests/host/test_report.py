# SPDX-License-Identifier: Apache-2.0
"""The acceptance run from outside: what it tells as it goes, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from host_tools.places import ROOT
from host_tools.report import plots, results
from host_tools.report.page import page
from host_tools.serial.bench import Bench
from tests import interrupts
from tests.host import command
from tests.host.fake_bench import FakeBench

GOOD = '''# SPDX-License-Identifier: Apache-2.0
"""Tests that hold."""
import pytest

def test_one_and_one(record_property):
    record_property("note", "counted <two>")
    record_property("measure", {"name": "adding", "unit": "ms", "values": [1.0, 2.0, 40.0]})
    record_property("board", {"board": "TOY", "version": "9.9", "micropython": "1.2.3"})

@pytest.mark.parametrize("number", [1, 2])
def test_numbers_are_numbers(number):
    assert number

@pytest.mark.skip(reason="not on this board")
def test_something_else(): ...
'''
BAD = '''# SPDX-License-Identifier: Apache-2.0
"""Tests that do not."""
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("no such car")

def test_black_is_white():
    assert "<black>" == "white"

def test_with_a_fixture_that_breaks(broken): ...
'''


SLOW = '''"""Tests that take long."""
import pathlib, time

def test_quick(): ...

def test_slow():
    pathlib.Path(__file__).with_name("begun").touch()
    time.sleep(60)
'''


MOODY = """'A board that is ill until somebody says that it is well.'
import pathlib
here = pathlib.Path(__file__).parent

def begins(name):
    with (here / "began").open("a") as file: file.write(name + " ")

def test_good(): begins("good")

def test_bad():
    begins("bad")
    assert (here / "well").exists()

def test_other(): begins("other")
"""


def run(*arguments: str | Path) -> Result:
    return command.run("bench", "run", *arguments)


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("suites")
    for name, text in (("good", GOOD), ("bad", BAD)):
        (folder / f"test_{name}.py").write_text(text)
    return {name: folder / f"test_{name}.py" for name in ("good", "bad")}


class Outline(HTMLParser):
    """Checks that tags are closed, and what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.references += [str(value) for name, value in attrs if name in {"src", "href", "srcset"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed where it is opened."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_run_that_holds_ends_with_0_and_leaves_a_report_and_junit(suites: dict[str, Path], tmp_path: Path) -> None:
    result = run(suites["good"], "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Tests that hold." in result.stdout and "counted <two>" in result.stdout
    assert "3 tests passed, 1 skipped in " in result.stdout
    text = (tmp_path / "out" / "report.html").read_text()
    outline = Outline(text)
    assert (outline.open, outline.references) == ([], [])  # whole, and it needs nothing else
    assert "<script" not in text and "http-equiv" not in text and "url(" not in text
    for words in ("Tests that hold.", "numbers are numbers: 2", "counted &lt;two&gt;", "adding", "TOY", "not on this"):
        assert words in text
    cases = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().findall(".//testcase")
    assert len(cases) == 4


def test_a_run_that_fails_ends_with_1_and_says_where_to_read_on(suites: dict[str, Path], tmp_path: Path) -> None:
    result = run(suites["good"], suites["bad"], "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("BENCH_FAILED: 2 of 6 tests failed; see ") and result.stderr.count("\n") == 1
    assert "FAILED black is white" in result.stdout
    text = (tmp_path / "out" / "report.html").read_text()
    assert Outline(text).open == []
    for words in ("2 failed", "&lt;black&gt;", "no such car", "with a fixture that breaks"):
        assert words in text


def test_json_has_all_of_it_and_nothing_besides(suites: dict[str, Path], tmp_path: Path) -> None:
    document = json.loads(run(suites["good"], suites["bad"], "--out", tmp_path, "--json").stdout)
    assert document["ok"] is False and document["error"]["name"] == "BENCH_FAILED"
    assert [document[name] for name in ("tests", "passed", "failed", "skipped")] == [6, 3, 2, 1]
    assert document["measures"] == {"adding": {"unit": "ms", "median": 2.0}}
    assert document["board"]["board"] == "TOY"


def test_a_selection_that_leaves_nothing_is_wrong_use(suites: dict[str, Path], tmp_path: Path) -> None:
    result = run(suites["good"], "-k", "elephants", "--out", tmp_path)
    assert result.exit_code == 2 and "no test is selected" in result.stderr


def test_a_file_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    result = run(tmp_path / "test_nothing.py", "--out", tmp_path)
    assert result.exit_code == 1 and "test_nothing.py" in result.stderr and result.stderr.count("\n") == 1


def test_a_file_of_the_caller_s_folder_is_found_by_its_name_there(
    suites: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(suites["good"].parent)
    result = run(f"{suites['good'].name}::test_one_and_one", "--out", tmp_path)
    assert result.exit_code == 0 and "1 tests passed" in result.stdout, result.output


def test_what_is_set_for_other_suites_does_not_matter(
    suites: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 2 --cov")
    monkeypatch.setenv("PYTEST_PLUGINS", "nobodys_plugin")
    result = run(suites["good"], "--out", tmp_path)
    assert result.exit_code == 0, result.output


def test_where_nothing_can_be_written_another_place_is_asked_for(suites: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(suites["good"], "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2 and "--out" in result.stderr and result.stderr.count("\n") == 1


def test_a_car_with_keys_is_left_alone_without_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeBench()
    monkeypatch.setattr(Bench, "open", fake.open)
    monkeypatch.setattr(fake, "keys", lambda: [{}])
    result = run("--port", "PORT", "--out", tmp_path)
    assert result.exit_code == 1 and result.stderr.startswith("KEYS_WOULD_BE_LOST: ") and "--force" in result.stderr


def test_a_port_without_a_car_ends_with_3(tmp_path: Path) -> None:
    assert run("--port", tmp_path / "nothing", "--out", tmp_path).exit_code == 3


def test_ctrl_c_ends_it_with_what_there_is(tmp_path: Path) -> None:
    slow = tmp_path / "test_slow.py"
    slow.write_text(SLOW)
    command = [sys.executable, "-c", "from host_tools import cli; cli.main()", "bench", "run", str(slow)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        preexec_fn=interrupts.obeyed,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted after 1 of 2 tests" in out
    assert "did not finish" in (tmp_path / "report.html").read_text()


# A failed test with a car


def test_under_a_failure_stands_what_was_exchanged_decoded(pytester_folder: Path) -> None:
    text = (pytester_folder / "report.html").read_text()
    assert "phone 1 -&gt; unsigned request: get status" in text
    assert "phone 1 &lt;- vehicleStatus: " in text
    assert "no message: 0102" in text
    assert "Events of car" in text and "Log of car" in text and "hello from the car" in text


@pytest.fixture(scope="module")
def pytester_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves in which a test with a car failed."""
    folder = tmp_path_factory.mktemp("failure")
    (folder / "test_car.py").write_text(CAR)
    assert run(folder / "test_car.py", "--out", folder).exit_code == 1
    return folder


CAR = '''# SPDX-License-Identifier: Apache-2.0
"""A test with a car, that fails."""
import pytest
from host_tools.serial.bench import Bench, VehicleConnection
from host_tools.phone import messages, keyfile
from host_tools.phone.client import Phone
from tests.host.car_model import CarModel, VIN

class Channel:
    def __init__(self):
        self.model, self.receiver, self.hello = CarModel(), None, {"boot": "b", "vin": VIN}
    def open(self, receiver):
        self.receiver = receiver
        return 1
    def send(self, conn, message, timeout):
        for answer in self.model.handle(message):
            self.receiver(answer)
        self.receiver(bytes([1, 2]))
    def close_connection(self, conn): ...

class ToyBench(Bench):
    def __init__(self):
        self._channel, self.timeout, self.events = Channel(), 1.0, [{"event": "boot"}]
        self._log = ["hello from the car"]

@pytest.fixture
def car():
    return ToyBench()

def test_that_fails(car):
    with car.connect() as connection:
        Phone(connection, VIN, keyfile.generate()).status()
    assert False
'''


# Drawings


def test_a_plot_has_a_dot_for_each_time_and_says_the_median() -> None:
    drawn = plots.strips([results.Measure("a <b>", "ms", [1.0, 2.0, 300.0]), results.Measure("c", "ms", [0.5])])
    assert drawn.count("<circle") == 4 and drawn.count('class="median"') == 2
    assert "a &lt;b&gt;" in drawn and ">2 ms" in drawn and "100 ms" in drawn
    ElementTree.fromstring(drawn)


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [1e-9, 1e9]])
def test_a_plot_of_odd_values_is_still_one(values: list[float]) -> None:
    drawn = plots.strips([results.Measure("x", "ms", values)]) if values else plots.strips([])
    assert drawn == "" or ElementTree.fromstring(drawn) is not None


def test_bars_of_nothing_are_a_drawing_too() -> None:
    ElementTree.fromstring(plots.bars([]))
    assert plots.bars([("a", 1.0), ("b", 0.0)]).count("<rect") == 2


def told(**fields: Any) -> dict[str, Any]:
    return {
        "event": "result",
        "file": "t.py",
        "text": "",
        "sections": [],
        "properties": [],
        "restarts": [],
        "seconds": 0.1,
        **fields,
    }


def test_a_teardown_that_fails_makes_a_passed_test_a_failure_and_hides_none() -> None:
    done = results.Run(None, "now", {})
    done.take(told(test="t::a", outcome="passed"))
    done.take(told(test="t::a", outcome="error", text="teardown"))
    done.take(told(test="t::b", outcome="failed", text="why"))
    done.take(told(test="t::b", outcome="error", text="teardown"))
    assert {result.test: result.text for result in done.failures} == {"t::a": "teardown", "t::b": "why"}
    assert not done.passed and "2 failed" in page(done, ROOT)


def test_the_longest_stretches_are_a_table_with_what_is_over_its_budget() -> None:
    done = results.Run("/dev/ttyUSB0", "now", {})
    for test, us in (("t::test_a_start", 12_000), ("t::test_a_pairing", 61_500)):
        done.take(told(test=test, outcome="passed", properties=[("stretch", {"us": us, "who": "serial in"})]))
    assert [(stretch.deed, stretch.ms) for stretch in done.stretches] == [("a pairing", 61.5), ("a start", 12.0)]
    text = page(done, ROOT)
    assert "1 took more than the 50 ms" in text and "this computer" not in text
    assert text.index("a pairing</td><td>serial in") < text.index("a start</td><td>serial in")
    assert text.count('class="number failed"') == 1


def test_how_long_the_rest_takes_is_known_from_the_last_run_and_this_board_s_restarts() -> None:
    last = results.Run(None, "then", {}, tests=["t::a", "t::b", "t::c"])
    last.take(told(test="t::a", outcome="passed", seconds=5.0, restarts=[1.0]))
    last.take(told(test="t::b", outcome="passed", seconds=4.0, restarts=[1.0, 1.0]))
    last.take(told(test="t::c", outcome="passed", seconds=2.0))
    now = results.Run(None, "now", {}, tests=list(last.tests), before=last)
    assert now.seconds_left == pytest.approx(11.0)
    now.take(told(test="t::a", outcome="passed", seconds=64.0, restarts=[60.0]))
    assert now.seconds_left == pytest.approx(4.0 + 2 * 59.0 + 2.0)
    assert results.Run(None, "now", {}, tests=["t::a"]).seconds_left is None


def test_a_run_goes_on_with_what_failed_and_what_had_no_turn(tmp_path: Path) -> None:
    suite, out = tmp_path / "test_moody.py", tmp_path / "out"
    suite.write_text(MOODY)
    first = json.loads(run(suite, "--out", out, "--json").stdout)
    assert (first["passed"], first["failed"]) == (2, 1)
    kept = (out / "results.jsonl").read_text().splitlines()
    killed = [line for line in kept if "test_other" not in line or '"tests"' in line] + ['{"event": "resul']
    (out / "results.jsonl").write_text("\n".join(killed))
    (tmp_path / "well").touch()
    rest = run("--resume", "--out", out)
    assert rest.exit_code == 0, rest.output
    assert "3 tests passed" in rest.stdout, "of the whole run, of which two were run now"
    assert (tmp_path / "began").read_text().split() == ["good", "bad", "other", "bad", "other"]
    assert "nothing has failed and nothing is left" in run("--resume", "--out", out).stderr
    assert run("--resume", "--out", tmp_path / "elsewhere").exit_code == 2


def test_a_run_of_no_tests_has_not_passed() -> None:
    assert not results.Run(None, "now", {}).passed
