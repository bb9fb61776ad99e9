# SPDX-License-Identifier: Apache-2.0
"""A command that a phone gives, or a look at a car: the options that each of them takes, and the way to the car."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import typer

from host_tools.cli.answer import Answer
from host_tools.cli.options import (
    PATIENCE,
    Ble,
    Json,
    KeyFile,
    KeyIfAny,
    Port,
    Radio,
    Timeout,
    Vin,
    check_vin,
    is_vin,
    open_car,
)
from host_tools.faults import Misuse, Refused
from host_tools.phone import gossip, keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.phone.view import View
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


class Car(Protocol):
    """Who can say what a car is like: a key's view of it, or the bench."""

    @property
    def vin(self) -> str | None: ...

    def status(self) -> dict[str, Any]: ...

    def keys(self) -> list[dict[str, Any]]: ...

    def log(self, since: int = 0) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Looking:
    """The same for a command that looks at a car, for which a key is one of two ways."""

    answer: Answer
    key: Path | None
    reach: Reach

    @contextlib.contextmanager
    def car(self) -> Iterator[Car]:
        """The car as that key may see it, or without one as the bench does."""
        if self.key is not None:
            with open_phone(self.answer, self.reach, self.key) as phone:
                yield View(phone)
        elif self.reach.ble:
            raise Misuse("over the air a car answers to a key", "give an enrolled one: --key FILE")
        else:
            with open_car(self.reach.port, self.reach.timeout) as bench:
                if self.reach.vin:
                    car_on(bench, self.reach)
                yield bench


def phone_command(work: Callable[..., None]) -> Callable[..., None]:
    """A command out of a function of what was asked and of the command's own options, if it has some.

    :param work: its first parameter is an `Asked`; what it raises is told as the command's answer
    """
    return _command(work, Asked, KeyFile, inspect.Parameter.empty)


def look_command(work: Callable[..., None]) -> Callable[..., None]:
    """The same for a command that looks at a car. Its first parameter is a `Looking`."""
    return _command(work, Looking, KeyIfAny, None)


def keyless_command(work: Callable[..., None]) -> Callable[..., None]:
    """The same for a command of a phone that can do without a key. Its first parameter is a `Looking`."""
    return _command(work, Looking, KeyFile, None)


def _command(
    work: Callable[..., None], told: Callable[[Answer, Any, Reach], object], key_type: Any, key_default: Any
) -> Callable[..., None]:
    def run(
        ctx: typer.Context,
        key: Any,
        port: Port = None,
        vin: Vin = None,
        ble: Ble = False,
        radio: Radio = None,
        timeout: Timeout = PATIENCE,
        as_json: Json = False,
        **own: Any,
    ) -> None:
        if ctx.invoked_subcommand is not None:  # a group's port is its commands' too
            ctx.obj = port
            return
        with Answer(as_json) as answer:
            work(told(answer, key, Reach(port or ctx.obj, vin, timeout, ble, radio)), **own)

    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    shared = [it for it in inspect.signature(run, eval_str=True).parameters.values() if it.name != "own"]
    shared[1] = shared[1].replace(annotation=key_type, default=key_default)
    taken = [it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in [*shared[:1], *own, *shared[1:]]]
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined] # what Typer makes the options from
    run.__annotations__ = {it.name: it.annotation for it in taken}
    run.__name__, run.__doc__ = work.__name__, work.__doc__
    return run


@contextlib.contextmanager
def open_phone(answer: Answer, reach: Reach, key: Path | keyfile.Key) -> Iterator[Phone]:
    """A phone with that key, connected to its car. After what it was asked for it hands over what it carries."""
    loaded = keyfile.load(key) if isinstance(key, Path) else key
    if loaded.warning:
        answer.warn(f"warning: {loaded.warning}")
    cache = SessionCache(loaded.path, answer.warn)
    if reach.ble and not reach.vin:
        reach = replace(reach, vin=_paired_with(cache))
    with reach_car(answer, reach) as (connection, vin):
        phone = Phone(connection, vin, loaded, cache, timeout=reach.timeout)
        yield phone
        gossip.hand_over(phone)


@contextlib.contextmanager
def reach_car(answer: Answer, reach: Reach) -> Iterator[tuple[Connection, str]]:
    """A connection to the car, and its VIN."""
    if reach.ble:
        if reach.vin is None:
            raise Misuse("over the air, which car is meant has to be said", "say --vin VIN")
        check_vin(reach.vin)
        from host_tools.radio.phone_side import BleConnection  # slow to import, and most commands go over the port

        with answer.working(f"looking for {reach.vin} on the air"):
            air = BleConnection(reach.vin, reach.radio, reach.timeout)
        with air:
            yield air, reach.vin
        return
    with open_car(reach.port, reach.timeout) as car:
        name = car_on(car, reach)
        with contextlib.closing(car.connect()) as connection:
            yield connection, name


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
