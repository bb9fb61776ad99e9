# SPDX-License-Identifier: Apache-2.0
"""The fleet: its rules are the firmware's, and they keep it quiet after an outage; other ways do not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from host_tools.build.staging import staged
from host_tools.fleet import rules
from host_tools.fleet.policies import POLICIES
from host_tools.fleet.simulation import MINUTE, RETRY_AFTER, Course, Scenario, simulate, steady
from host_tools.sim.interpreter import find_micropython
from tests.host.command import run

HOUR, DAY, WEEK = 3600, 86_400, 604_800
CARS, INTERVAL, OUTAGE = 200_000, 6 * HOUR, 5 * HOUR
OURS, FIXED, DOUBLING = POLICIES
CASES = 5000
DRIVER = """
import sys
sys.path.insert(0, FOLDER)
from latchkey.sync import polling
for line in open(CORPUS):
    asked, failures, retry_after, number = map(int, line.split())
    interval = polling.interval(asked)
    print(interval, polling.first(interval, number), polling.after_success(interval, number),
          polling.after_failure(interval, failures, retry_after, number))
"""


def corpus(rng: np.random.Generator) -> rules.Integers:
    """Rows of what a roster asks, failures, Retry-After, a random number: ordinary, at the limits, and hostile."""
    edges = np.array([
        -(1 << 40),
        -1,
        0,
        1,
        HOUR - 1,
        HOUR,
        HOUR + 1,
        DAY - 1,
        DAY,
        DAY + 1,
        WEEK - 1,
        WEEK,
        10**9,
        1 << 40,
    ])

    def seconds() -> rules.Integers:
        return np.where(rng.random(CASES) < 0.5, rng.choice(edges, CASES), rng.integers(0, 2 * WEEK, CASES))

    numbers = np.where(rng.random(CASES) < 0.1, (1 << rules.BITS) - 1, rng.integers(0, 1 << rules.BITS, CASES))
    return np.stack([seconds(), rng.choice([1, 2, 3, 4, 5, 1000], CASES), seconds(), numbers], axis=1)


def test_the_firmware_and_the_simulation_wait_equally_long(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    cases = corpus(np.random.default_rng(7))
    file = tmp_path / "corpus"
    file.write_text("".join(f"{' '.join(map(str, row))}\n" for row in cases.tolist()))
    code = DRIVER.replace("FOLDER", repr(str(staged()))).replace("CORPUS", repr(str(file)))
    interpreter = find_micropython(request.config.getoption("--micropython"))
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    firmware = np.array([line.split() for line in done.stdout.splitlines()], np.int64)

    asked, failures, retry_after, numbers = cases.T
    interval = rules.interval(asked)
    ours = [interval, rules.first(interval, numbers), rules.after_success(interval, numbers)]
    ours.append(rules.after_failure(interval, failures, retry_after, numbers))
    assert firmware.shape == (CASES, 4)
    assert np.array_equal(firmware, np.stack(ours, axis=1))


def course(policy_at: int, **changes: float) -> Course:
    """What becomes of a fleet under the policy of that number."""
    told = {"outage": OUTAGE, "capacity": 2.0, **changes}  # the capacity in steady rates
    usual = steady(CARS, INTERVAL)
    scenario = Scenario(CARS, int(told["outage"]), INTERVAL, told["capacity"] * usual, seed=3)
    return simulate(POLICIES[policy_at], scenario, lambda: None)


@pytest.fixture(scope="module")
def courses() -> list[Course]:
    """Each policy through five hours of outage."""
    return [course(at) for at in range(len(POLICIES))]


def test_the_peak_after_five_hours_of_outage_is_at_most_twice_the_steady_rate(courses: list[Course]) -> None:
    ours = courses[0]
    assert 1 < ours.peak <= 2 and ours.peak_during <= 2
    assert not ours.refused.any(), "a server for twice the steady rate has to refuse nobody"
    assert ours.recovered is not None and ours.recovered <= 4 * INTERVAL


def test_the_other_policies_make_waves_that_such_a_server_has_to_refuse(courses: list[Course]) -> None:
    _, fixed, doubling = courses
    assert fixed.peak > 100 and doubling.peak > 5
    assert fixed.refused.sum() > 10 * CARS and doubling.refused.sum() > CARS


@pytest.mark.parametrize("outage", [HOUR, INTERVAL, DAY])
def test_no_other_length_of_an_outage_makes_a_larger_wave(outage: int) -> None:
    ours = course(0, outage=outage)
    assert ours.peak <= 2 and ours.peak_during <= 2


def test_a_server_that_can_hardly_do_it_refuses_some_and_is_asked_no_more_for_it() -> None:
    ours = course(0, capacity=1.1)
    assert ours.refused.sum() > 1000
    assert ours.peak <= 2


def test_all_policies_begin_alike_and_at_the_steady_rate(courses: list[Course]) -> None:
    for each in courses:
        before = each.asked[: each.scenario.begin // MINUTE]
        assert before.mean() / MINUTE == pytest.approx(each.scenario.steady, rel=0.01)
        first, second = np.split(before[: len(before) // 2 * 2], 2)
        assert first.mean() == pytest.approx(second.mean(), rel=0.02)


def test_nobody_is_answered_in_the_outage_nor_above_the_capacity_after_it(courses: list[Course]) -> None:
    for each in courses:
        silent = slice(each.scenario.begin // MINUTE + 1, each.scenario.end // MINUTE)
        assert (np.diff(each.failing[silent]) >= 0).all()
        served = (each.asked - each.refused)[each.scenario.end // MINUTE :]
        for minutes in (1, 10, 60):
            most = np.convolve(served, np.ones(minutes), "valid").max()
            assert most <= each.scenario.capacity * MINUTE * (minutes + 1)


def test_no_car_is_lost(courses: list[Course]) -> None:
    """Long after it all each car polls once in its interval and a quarter, as before."""
    for each in courses:
        last = each.asked[-round(rules.mean_after_success(INTERVAL)) // MINUTE :]
        assert last.sum() == pytest.approx(CARS, rel=0.1)
        assert each.failing[-1] < CARS // 100


def test_the_same_seed_gives_the_same_course_and_another_one_does_not() -> None:
    def asked(seed: int) -> list[int]:
        scenario = Scenario(10_000, HOUR, HOUR, 10.0, seed)
        counts: list[int] = simulate(OURS, scenario, lambda: None).asked.tolist()
        return counts

    assert asked(1) == asked(1) != asked(2)


def test_a_city_whose_power_returns_at_once_is_no_peak() -> None:
    rng = np.random.default_rng(5)

    def numbers() -> rules.Integers:
        return rng.integers(0, 1 << rules.BITS, CARS)

    polls = [rules.first(INTERVAL, numbers())]
    for _ in range(3):
        polls.append(polls[-1] + rules.after_success(INTERVAL, numbers()))
    assert busiest(polls, MINUTE) < 1.5 * steady(CARS, INTERVAL)


def test_a_power_cut_that_takes_the_server_too_keeps_the_bound() -> None:
    """All start in the same second, and nothing answers from then on."""
    cars, rng = 1_000_000, np.random.default_rng(5)
    polls = [rules.first(INTERVAL, rng.integers(0, 1 << rules.BITS, cars))]
    for failures in range(1, 6):
        waits = rules.after_failure(INTERVAL, failures, 0, rng.integers(0, 1 << rules.BITS, cars))
        polls.append(polls[-1] + waits)
    assert 1.8 < busiest(polls, 10 * MINUTE) / steady(cars, INTERVAL) < 2


def busiest(polls: list[rules.Integers], seconds: int) -> float:
    """Requests a second in the busiest such time of four intervals."""
    counts = np.bincount(np.concatenate(polls) // seconds)[: 4 * INTERVAL // seconds]
    return float(counts.max()) / seconds


def test_the_others_do_what_their_names_say() -> None:
    one = np.zeros(1, np.int64)
    assert [int(FIXED.after_failure(INTERVAL, failures, RETRY_AFTER, one)[0]) for failures in (1, 2, 9)] == [30] * 3
    waits = [int(DOUBLING.after_failure(INTERVAL, failures, 0, one)[0]) for failures in range(1, 10)]
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert DOUBLING.after_failure(INTERVAL, 1, RETRY_AFTER, one)[0] == RETRY_AFTER
    assert waits[DOUBLING.levels - 2] < waits[DOUBLING.levels - 1] == waits[-1]


def test_the_command_draws_and_writes_down_what_it_tells(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = run("fleet", "--cars", "10000", "--outage", "1h", "--interval", "1h30m", "--out", out, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["cars"] == 10_000 and told["outage_s"] == HOUR and told["interval_s"] == 5400
    assert told["capacity_per_s"] == pytest.approx(2 * told["steady_per_s"], abs=0.001)
    assert [policy["policy"] for policy in told["policies"]] == [policy.name for policy in POLICIES]
    written = json.loads((out / "fleet.json").read_text())
    assert written.items() >= {name: told[name] for name in ("cars", "policies", "steady_per_s", "end_s")}.items()
    for policy in written["policies"]:
        after = written["asked_by_minute"][policy["policy"]][written["end_s"] // MINUTE :]
        assert policy["peak_after_outage"] == pytest.approx(max(after) / MINUTE / written["steady_per_s"], rel=0.001)
    assert (out / "fleet.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--outage", "5", "is no time"),
        ("--outage", "h", "is no time"),
        ("--outage", "-5h", "is no time"),
        ("--outage", "5h ago", "is no time"),
        ("--outage", "\u0665h", "is no time"),
        ("--outage", "0h", "from 1m to 7d"),
        ("--outage", "999999999d", "from 1m to 7d"),
        ("--interval", "30s", "from 1h to 7d"),
        ("--interval", "8d", "from 1h to 7d"),
        ("--cars", "10", "from 10,000"),
        ("--cars", "1000000000", "to 100,000,000"),
        ("--capacity", "37", "above the 37.04 that this fleet asks"),
        ("--capacity", "nan", "above the 37.04 that this fleet asks"),
        ("--capacity", "inf", "above the 37.04 that this fleet asks"),
    ],
)
def test_what_cannot_be_simulated_is_said_before_anything_is_written(
    option: str, value: str, said: str, tmp_path: Path
) -> None:
    done = run("fleet", option, value, "--out", tmp_path / "out")
    assert done.exit_code == 2 and said in done.stderr
    assert not (tmp_path / "out").exists()
