# SPDX-License-Identifier: Apache-2.0
"""What a driver does: pair a phone, unlock, lock, start, wake, secure, open and close."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.cli.answer import Answer
from host_tools.cli.options import (
    PATIENCE,
    Ble,
    Closure,
    Json,
    KeyFile,
    Label,
    Port,
    Radio,
    Reach,
    Role,
    Timeout,
    Vin,
    car_on,
    open_car,
    open_phone,
)
from host_tools.faults import LatchkeyError, Misuse
from host_tools.phone import keyfile, lookup, messages, pairing
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench

_CARD_PATIENCE = 3.0  # seconds in which the car must have noted a request before the card is tapped

Tap = Annotated[bool, typer.Option("--tap", help="Tap the card through the bench channel.")]
Form = Annotated[
    Literal["envelope", "present-key"], typer.Option("--form", help="Which of the protocol's two ways to ask.")
]


def pair(
    key: KeyFile,
    port: Port = None,
    role: Role = "owner",
    label: Label = "",
    tap: Tap = False,
    form: Form = "envelope",
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Enrol a phone's key: make the key file if it is missing, ask the car, wait for the card."""
    with Answer(as_json) as answer:
        reach = Reach(port, vin, timeout, ble, radio)
        messages.permission_change(bytes(65), role, label)  # a label that is too long is found before a file is made
        with contextlib.ExitStack() as stack:
            bench: Bench | None = None
            if tap or not ble:
                # It waits for a person, so the port is shared: with its own phone, and with whoever taps the card.
                bench = stack.enter_context(open_car(port, timeout, share=True))
                reach = replace(reach, vin=car_on(bench, reach))
            loaded = keyfile.load_or_create(key)
            if loaded.created:
                answer.say(f"Made the key {loaded.id} in {key}.")
            phone = stack.enter_context(open_phone(answer, reach, loaded))

            def on_wait() -> None:
                if tap and bench:
                    tap_card(bench)
                    answer.say("Tapped the card.")
                else:
                    answer.say(f"Tap the card on the car's reader within {pairing.TAP_WINDOW:.0f} s.")

            with answer.working("waiting for the card"):
                enrolled = pairing.pair(phone, role, label, form, on_wait)
            held = _held(phone)
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


def tap_card(car: Bench) -> None:
    """Tap the card as soon as the car waits for it."""
    deadline = time.monotonic() + _CARD_PATIENCE
    while car.tap()["approved"] is None:
        if time.monotonic() > deadline:
            raise Misuse("the car waits for no card", "nothing asked to be enrolled")
        time.sleep(0.1)


def _deed(name: str, said: str, about: str) -> Callable[..., None]:
    """A command that is one action of the protocol: they differ in nothing but words."""

    def run(
        key: KeyFile,
        port: Port = None,
        vin: Vin = None,
        ble: Ble = False,
        radio: Radio = None,
        timeout: Timeout = PATIENCE,
        as_json: Json = False,
    ) -> None:
        _command(name, messages.action(name), {}, said, key, Reach(port, vin, timeout, ble, radio), as_json)

    run.__doc__ = about
    return run


unlock = _deed("unlock", "Unlocked.", "Unlock the car.")
lock = _deed("lock", "Locked.", "Lock the car.")
start = _deed(
    "start",
    "Started: press the brake within two minutes to drive.",
    "Let the car be driven: the start relay stays on for two minutes, or until the brake is pressed.",
)
wake = _deed("wake", "Awake.", "Wake the car.")
secure = _deed("secure", "Secured.", "Close what closes by itself, and lock.")


def _movement(name: str, said: str, about: str) -> Callable[..., None]:
    """A command that moves one closure."""

    def run(
        closure: Closure,
        key: KeyFile,
        port: Port = None,
        vin: Vin = None,
        ble: Ble = False,
        radio: Radio = None,
        timeout: Timeout = PATIENCE,
        as_json: Json = False,
    ) -> None:
        reach = Reach(port, vin, timeout, ble, radio)
        told = {"closure": closure}
        _command(name, messages.move({closure: name}), told, f"{said} the {closure}.", key, reach, as_json)

    run.__doc__ = about
    return run


open_closure = _movement(
    "open", "Opened", "Open a closure: a door, the trunk, the frunk, the charge port or the tonneau."
)
close_closure = _movement("close", "Closed", "Close a closure.")


def _command(
    name: str,
    payload: vcsec.UnsignedMessage,
    details: Mapping[str, str],
    said: str,
    key: Path,
    reach: Reach,
    as_json: bool,
) -> None:
    """One signed command, and how long it took."""
    with Answer(as_json) as answer, open_phone(answer, reach, key) as phone:
        began = time.monotonic()
        phone.command(payload)
        took = round((time.monotonic() - began) * 1000)
        result = {"did": name, **details, "vin": phone.vin, "key": phone.key.id, "ms": took, "resyncs": phone.resyncs}
        answer.done(f"{said} ({took} ms)", **result)
