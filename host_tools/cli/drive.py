# SPDX-License-Identifier: Apache-2.0
"""What a driver does: pair a phone, unlock, lock, start, wake, secure, open and close."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import typer

from host_tools.cli.answer import Answer
from host_tools.cli.options import Closure, Label, Role, open_car
from host_tools.cli.phones import Asked, Reach, car_on, open_phone, phone_command
from host_tools.faults import LatchkeyError, Misuse, NoAnswer, Refused
from host_tools.phone import keyfile, lookup, messages, pairing, receipt
from host_tools.phone.client import Phone
from host_tools.phone.given import GivenFile
from host_tools.phone.owner import learn
from host_tools.serial.bench import Bench

_CARD_PATIENCE = 3.0  # seconds in which the car must have noted a request before the card is tapped

Tap = Annotated[bool, typer.Option("--tap", help="Tap the card through the bench channel.")]
Form = Annotated[
    Literal["envelope", "present-key"], typer.Option("--form", help="Which of the protocol's two ways to ask.")
]


@phone_command
def pair(asked: Asked, role: Role = "owner", label: Label = "", tap: Tap = False, form: Form = "envelope") -> None:
    """Enrol a phone's key: make the key file if it is missing, ask the car, wait for the card."""
    answer, key, reach = asked.answer, asked.key, asked.reach
    messages.permission_change(bytes(65), role, label)  # a label that is too long is found before a file is made
    with contextlib.ExitStack() as stack:
        bench, reach = shared_bench(stack, reach, tap)
        loaded = keyfile.load_or_create(key)
        if loaded.created:
            answer.say(f"Made the key {loaded.id} in {key}.")
        phone = stack.enter_context(open_phone(answer, reach, loaded))

        with answer.working("waiting for the card"):
            enrolled = pairing.pair(phone, role, label, form, lambda: ask_for_card(answer, bench if tap else None))
        held = _held(phone)
        if held == "owner":
            with contextlib.suppress(LatchkeyError):  # it can be asked another time
                learn(phone, GivenFile(loaded))
        answer.done(
            f"Key {loaded.id} is enrolled{f' as {held}' if held else ''} of car {phone.vin}"
            f"{'' if enrolled else ', and was before'}.",
            did="pair",
            vin=phone.vin,
            key=loaded.id,
            public=loaded.public.hex(),
            role=held,
            asked={"role": role, "label": label},
            enrolled=enrolled,
            created=loaded.created,
            file=str(key),
        )


def _held(phone: Phone) -> str | None:
    """The role that the car gave this key, in its own words. It is enrolled, whether that can be learnt or not."""
    try:
        return messages.role_name(lookup.by_public(phone, phone.key.public).keyRole)
    except LatchkeyError:
        return None


def shared_bench(stack: contextlib.ExitStack, reach: Reach, tap: bool) -> tuple[Bench | None, Reach]:
    """The bench of a car that will wait for a person: its port is shared with its own phone, and with whoever taps the
    card. None over the air. And the way to the car, whose VIN is known then."""
    if reach.ble and not tap:
        return None, reach
    bench = stack.enter_context(open_car(reach.port, reach.timeout, share=True))
    return bench, replace(reach, vin=car_on(bench, reach))


def ask_for_card(answer: Answer, bench: Bench | None) -> None:
    """The car waits for the card: tap it through this bench, or, without one, say that somebody has to."""
    if bench:
        tap_card(bench)
        answer.say("Tapped the card.")
    else:
        answer.say(f"Tap the card on the car's reader within {pairing.TAP_WINDOW:.0f} s.")


def tap_card(car: Bench) -> None:
    """Tap the card as soon as the car waits for it."""
    if car.tap_for(patience=_CARD_PATIENCE) is None:
        raise Misuse("the car waits for no card", "nothing asked to be enrolled")


@phone_command
def unlock(asked: Asked) -> None:
    """Unlock the car."""
    _give(asked, "unlock", Phone.unlock, "Unlocked.")


@phone_command
def lock(asked: Asked) -> None:
    """Lock the car."""
    _give(asked, "lock", Phone.lock, "Locked.")


@phone_command
def start(asked: Asked) -> None:
    """Let the car be driven: the start relay stays on for two minutes, or until the brake is pressed."""
    _give(asked, "start", Phone.start, "Started: press the brake within two minutes to drive.")


@phone_command
def wake(asked: Asked) -> None:
    """Wake the car."""
    _give(asked, "wake", Phone.wake, "Awake.")


@phone_command
def secure(asked: Asked) -> None:
    """Close what closes by itself, and lock."""
    _give(asked, "secure", Phone.secure, "Secured.")


@phone_command
def open_closure(asked: Asked, closure: Closure) -> None:
    """Open a closure: a door, the trunk, the frunk, the charge port or the tonneau."""
    _give(asked, "open", lambda phone: phone.move(closure, "open"), f"Opened the {closure}.", closure=closure)


@phone_command
def close_closure(asked: Asked, closure: Closure) -> None:
    """Close a closure."""
    _give(asked, "close", lambda phone: phone.move(closure, "close"), f"Closed the {closure}.", closure=closure)


def _give(asked: Asked, name: str, deed: Callable[[Phone], None], said: str, **details: str) -> None:
    """One signed command, and how long it took. If its answer is lost, the car is asked what became of it."""
    told: dict[str, Any] = {"did": name, **details}
    sent = b""
    try:
        with asked.phone() as phone:
            began = time.monotonic()
            try:
                deed(phone)
            except LatchkeyError:
                sent = phone.last_sent
                raise
            took = round((time.monotonic() - began) * 1000)
            told |= {"vin": phone.vin, "key": phone.key.id, "ms": took, "resyncs": phone.resyncs}
            asked.answer.done(f"{said} ({took} ms)", **told)
    except (NoAnswer, Refused) as error:
        if not sent or (isinstance(error, Refused) and error.proven):
            raise
        _find_out(asked, error, sent, said, told)


def _find_out(asked: Asked, error: LatchkeyError, sent: bytes, said: str, told: dict[str, Any]) -> None:
    """Come up to the car anew, and ask. It is not told again what it may have done; and anybody can say no in the
    clear."""
    asked.answer.say("Its answer is no proof, or there is none: asking the car whether it was done.")
    try:
        with asked.phone() as phone:
            found = receipt.ask(phone, sent)
            told |= {"vin": phone.vin, "key": phone.key.id, "receipt": found.outcome, "entry": found.number or None}
            if found.outcome == receipt.DONE:
                asked.answer.done(f"{said} (Its answer was lost; entry {found.number} of the log says so.)", **told)
                return
    except LatchkeyError:
        raise error from None
    if isinstance(error, NoAnswer) and found.outcome != receipt.UNKNOWN:
        error = NotDone(found)
    error.details |= told
    raise error


class NotDone(LatchkeyError):
    """The car has answered after all: it did not."""

    name = "NOT_DONE"

    def __init__(self, found: receipt.Receipt) -> None:
        if found.outcome == receipt.REFUSED:
            super().__init__("the car refused it, and its answer was lost", f"see entry {found.number}: `latchkey log`")
        else:
            super().__init__("the command did not reach the car, and never will", "give it again")
