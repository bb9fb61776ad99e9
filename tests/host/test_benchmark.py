# SPDX-License-Identifier: Apache-2.0
"""make benchmark: it measures all that it names, and a slower computer is not taken for a slower firmware."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.benchmark.__main__ import main
from tests.benchmark.compare import Result
from tests.benchmark.measures import ROOT, Figures

BY = {"interpreter": "one", "computer": "another"}
RUNS = [Figures(10.0, {"a start": 40.0}, {"bytes": 3.0}), Figures(20.0, {"a start": 60.0, "a boot": 5.0}),
        Figures(30.0, {"a start": 150.0}, {"bytes": 4.0})]  # fmt: skip


def test_times_are_medians_and_each_is_divided_by_the_loop_of_its_own_run() -> None:
    result = Result.of(BY, RUNS)
    start = result.times["a start"]
    assert (start.median, start.spread, start.loops) == (60.0, 55.0, 4.0)
    assert result.times["a boot"].spread == 0
    assert result.counts == {"bytes": 3.5}


def test_a_slower_computer_is_not_a_slower_firmware_and_more_work_is() -> None:
    slow = Result.of(
        BY, [Figures(3 * run.reference, {n: 3 * v for n, v in run.times.items()}, run.counts) for run in RUNS]
    )
    assert slow.ratios(Result.of(BY, RUNS)) == {"a start": 1, "a boot": 1, "bytes": 1}
    more = Result.of(BY, [Figures(10.0, {"a start": 80.0}, {"bytes": 7.0})])
    assert more.ratios(Result.of(BY, RUNS)) == {"a start": 2, "bytes": 2}


def test_what_only_one_has_and_what_was_nothing_has_no_ratio() -> None:
    before = Result.of(BY, [Figures(1.0, {"gone": 1.0}, {"nothing": 0.0, "bytes": 2.0})])
    after = Result.of(BY, [Figures(1.0, {"new": 1.0}, {"nothing": 5.0, "bytes": 1.0})])
    assert after.ratios(before) == {"bytes": 0.5}


def test_a_result_comes_back_from_json_as_it_was() -> None:
    result = Result.of(BY, RUNS)
    assert Result.read(json.loads(json.dumps(result.write()))) == result


def test_everything_is_measured_and_stands_in_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "1", "--json", str(tmp_path / "out.json")]) == 0
    content = json.loads((tmp_path / "out.json").read_text())
    found = Result.read(content["result"])
    assert min(time.median for time in found.times.values()) > 0
    assert min(found.counts.values()) > 0
    assert set(content["ratios"]) == set(found.times) | set(found.counts), "make benchmark ARGS=--save"
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*found.times, *found.counts))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another checkout."""
    for folder in ("firmware", "tests/unit", "boards/UNIX"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_another_checkouts_firmware_is_measured_and_not_this_ones(other: Path) -> None:
    router = other / "firmware" / "latchkey" / "router.py"
    text = router.read_text()
    handled = "        reply: Any = None  # a Reply, or a BareReply\n"
    assert handled in text
    router.write_text(text.replace(handled, handled + "        bytearray(10_000)\n"))
    arguments = ["--runs", "1", "--only", "command", "--against", str(other), "--json", str(other / "out.json")]
    assert main(arguments) == 0
    content = json.loads((other / "out.json").read_text())
    name = "bytes allocated by a start"
    assert content["against"]["counts"][name] - content["result"]["counts"][name] >= 10_000
    assert content["ratios"][name] < 1


def test_what_is_no_checkout_or_one_without_these_stand_ins_is_told(
    other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for spoil in (lambda: (other / "tests" / "unit" / "test_router.py").write_text(""),
                  lambda: (other / "firmware" / "latchkey" / "router.py").write_text("?"),
                  lambda: shutil.rmtree(other / "firmware")):  # fmt: skip
        spoil()
        assert main(["--runs", "1", "--only", "command", "--against", str(other)]) == 2
        assert str(other) in capsys.readouterr().err
