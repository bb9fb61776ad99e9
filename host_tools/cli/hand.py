# SPDX-License-Identifier: Apache-2.0
"""The harness's hand: card, brake, doors, reboot, clock."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from host_tools.cli.answer import Answer
from host_tools.cli.options import BENCH_CLOSURES, PATIENCE, Closure, Json, Port, Timeout, open_car
from host_tools.faults import Misuse
from host_tools.serial.wire import AtPrompt


def tap(port: Port = None, timeout: Timeout = PATIENCE, as_json: Json = False) -> None:
    """Tap the card on the reader: approves the key that waits for it."""
    with Answer(as_json) as answer, open_car(port, timeout) as car:
        approved = car.tap()["approved"]
        said = f"Tapped: key {approved} is approved." if approved else "Tapped: no key was waiting for a card."
        answer.done(said, did="tap", approved=approved)


def brake(
    action: Annotated[Literal["press", "release"], typer.Argument(help="What the foot does.", show_choices=True)],
    port: Port = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Press or release the brake."""
    with Answer(as_json) as answer, open_car(port, timeout) as car:
        car.brake(action == "press")
        answer.done(f"The brake is {action}{'d' if action == 'release' else 'ed'}.", did="brake", action=action)


def door(
    closure: Closure,
    action: Annotated[Literal["open", "close"], typer.Argument(help="What the hand does.", show_choices=True)],
    port: Port = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Open or close a door by hand."""
    with Answer(as_json) as answer, open_car(port, timeout) as car:
        car.door(BENCH_CLOSURES[closure], action == "open")
        said = "open" if action == "open" else "closed"
        answer.done(f"The {closure} is {said}.", did="door", closure=closure, action=action)


def reboot(port: Port = None, timeout: Timeout = PATIENCE, as_json: Json = False) -> None:
    """Restart the car, and wait until it is up again."""
    with Answer(as_json) as answer, answer.working("restarting"):
        try:
            with open_car(port, timeout) as car:
                before = car.boot
                car.reboot(timeout)
                answer.done(f"Restarted: boot {car.boot}.", did="reboot", before=before, boot=car.boot)
        except AtPrompt:
            from host_tools.flash.listen import start_agent  # mpremote is slow to import

            boot = start_agent(str(port))["boot"]
            answer.done(f"It was at its prompt, and runs now: boot {boot}.", did="reboot", before=None, boot=boot)


def clock(
    advance: Annotated[str, typer.Argument(metavar="+SECONDS", help="How much time shall pass.")],
    port: Port = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Let time pass in the car."""
    with Answer(as_json) as answer:
        digits = advance.removeprefix("+")
        if not digits.isdecimal() or not digits.isascii() or len(digits) > 9:
            raise Misuse(f"{advance!r} is not a number of seconds", "for example +60; time only moves forward")
        with open_car(port, timeout) as car:
            now = car.clock(int(digits))
            answer.done(f"{int(digits)} s have passed: the car's clock is {now} s.", did="clock", now=now)
