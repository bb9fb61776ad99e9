# SPDX-License-Identifier: Apache-2.0
"""A command that a phone gives: the options that each of them takes, and the way from these to a phone."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from host_tools.cli.answer import Answer
from host_tools.cli.options import PATIENCE, Ble, Json, KeyFile, Port, Radio, Timeout, Vin, check_vin, is_vin, open_car
from host_tools.faults import Misuse, Refused
from host_tools.phone import keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.serial.shape import BadAnswer


@dataclass(frozen=True)
class Reach:
    """How a phone gets to its car: over the board's serial port, or over the air."""

    port: str | None
    vin: str | None
    timeout: float
    ble: bool = False
    radio: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a phone's command was told in the options that all of them take, and whom it answers."""

    answer: Answer
    key: Path
    reach: Reach

    def phone(self) -> contextlib.AbstractContextManager[Phone]:
        """The phone, connected to its car."""
        return open_phone(self.answer, self.reach, self.key)


def phone_command(work: Callable[..., None]) -> Callable[..., None]:
    """A command out of a function of what was asked and of the command's own options, if it has some.

    :param work: its first parameter is an `Asked`; what it raises is told as the command's answer
    """

    def run(
        ctx: typer.Context,
        key: KeyFile,
        port: Port = None,
        vin: Vin = None,
        ble: Ble = False,
        radio: Radio = None,
        timeout: Timeout = PATIENCE,
        as_json: Json = False,
        **own: Any,
    ) -> None:
        with Answer(as_json) as answer:
            work(Asked(answer, key, Reach(port or ctx.obj, vin, timeout, ble, radio)), **own)

    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    shared = [it for it in inspect.signature(run, eval_str=True).parameters.values() if it.name != "own"]
    taken = [it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in [*shared[:1], *own, *shared[1:]]]
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined] # what Typer makes the options from
    run.__annotations__ = {it.name: it.annotation for it in taken}
    run.__name__, run.__doc__ = work.__name__, work.__doc__
    return run


@contextlib.contextmanager
def open_phone(answer: Answer, reach: Reach, key: Path | keyfile.Key) -> Iterator[Phone]:
    """A phone with that key, connected to its car."""
    loaded = keyfile.load(key) if isinstance(key, Path) else key
    if loaded.warning:
        answer.warn(f"warning: {loaded.warning}")
    cache = SessionCache(loaded.path, answer.warn)
    if reach.ble:
        vin = reach.vin or _paired_with(cache)
        check_vin(vin)
        from host_tools.radio.phone_side import BleConnection  # slow to import, and most commands go over the port

        with answer.working(f"looking for {vin} on the air"):
            air = BleConnection(vin, reach.radio, reach.timeout)
        with air:
            yield Phone(air, vin, loaded, cache, timeout=reach.timeout)
        return
    with open_car(reach.port, reach.timeout) as car:
        name = car_on(car, reach)
        with contextlib.closing(car.connect()) as connection:
            yield Phone(connection, name, loaded, cache, timeout=reach.timeout)


def car_on(car: Bench, reach: Reach) -> str:
    """The VIN of the car on the port, before anything is asked of it. It has to be the one that --vin names."""
    if reach.vin:
        check_vin(reach.vin)
    name = car.hello.get("vin")
    if not name:
        raise Refused("NOT_PROVISIONED_WITH_IDENTITY")
    if not is_vin(name):
        raise BadAnswer(f"the board says that it is car {name}, which is no VIN")
    if reach.vin not in (None, name):
        raise Misuse(
            f"the car on {reach.port} is {name}, not {reach.vin}",
            "leave --vin out if that one is meant, else check --port",
        )
    return str(name)


def _paired_with(cache: SessionCache) -> str:
    """The VIN of the one car that this key is paired with."""
    known = cache.vins()
    if len(known) != 1:
        met = f"the key knows {len(known)} cars" if known else "the key knows no car yet"
        raise Misuse(f"which car is meant is not said, and {met}", "say --vin VIN")
    return known[0]
