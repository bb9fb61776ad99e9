# SPDX-License-Identifier: Apache-2.0
"""What a driver does: pair a phone, unlock, lock, start, wake, secure, open and close."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.bench import Bench
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
    open_car,
    open_phone,
)
from host_tools.cli.report import Report
from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages, pairing

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
    with Report(as_json) as report:
        messages.permission_change(bytes(65), role, label)  # a label that is too long is found before a file is made
        loaded = keyfile.load_or_create(key)
        if loaded.created:
            report.say(f"Made the key {loaded.id} in {key}.")
        with contextlib.ExitStack() as stack:
            # The bench first: it holds the port, and the phone shares it.
            bench = stack.enter_context(open_car(port, timeout, share=True)) if tap else None
            phone = stack.enter_context(open_phone(report, Reach(port, vin, timeout, ble, radio), loaded))

            def on_wait() -> None:
                if bench:
                    tap_card(bench)
                    report.say("Tapped the card.")
                else:
                    report.say(f"Tap the card on the car's reader within {pairing.TAP_WINDOW:.0f} s.")

            with report.working("waiting for the card"):
                enrolled = pairing.pair(phone, role, label, form, on_wait)
            held = role if enrolled else messages.role_name(phone.entry(key_id=bytes.fromhex(loaded.id)).keyRole)
            report.done(
                f"Key {loaded.id} is enrolled as {held} of car {phone.vin}{'' if enrolled else ', and was before'}.",
                did="pair",
                vin=phone.vin,
                key=loaded.id,
                role=held,
                label=label,
                enrolled=enrolled,
                created=loaded.created,
                file=str(key),
            )


def tap_card(car: Bench) -> None:
    """Tap the card as soon as the car waits for it."""
    deadline = time.monotonic() + _CARD_PATIENCE
    while car.tap()["approved"] is None:
        if time.monotonic() > deadline:
            raise Misuse("the car waits for no card", "nothing asked to be enrolled")
        time.sleep(0.1)


def unlock(
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Unlock the car."""
    _act("unlock", "Unlocked.", key, Reach(port, vin, timeout, ble, radio), as_json)


def lock(
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Lock the car."""
    _act("lock", "Locked.", key, Reach(port, vin, timeout, ble, radio), as_json)


def start(
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Let the car be driven: the start relay stays on for two minutes, or until the brake is pressed."""
    said = "Started: press the brake within two minutes to drive."
    _act("start", said, key, Reach(port, vin, timeout, ble, radio), as_json)


def wake(
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Wake the car."""
    _act("wake", "Awake.", key, Reach(port, vin, timeout, ble, radio), as_json)


def secure(
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Close what closes by itself, and lock."""
    _act("secure", "Secured.", key, Reach(port, vin, timeout, ble, radio), as_json)


def open_closure(
    closure: Closure,
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Open a closure: a door, the trunk, the frunk, the charge port or the tonneau."""
    _move("open", closure, f"Opened the {closure}.", key, Reach(port, vin, timeout, ble, radio), as_json)


def close_closure(
    closure: Closure,
    key: KeyFile,
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Close a closure."""
    _move("close", closure, f"Closed the {closure}.", key, Reach(port, vin, timeout, ble, radio), as_json)


def _act(name: str, said: str, key: Path, reach: Reach, as_json: bool) -> None:
    _command(name, messages.action(name), {}, said, key, reach, as_json)


def _move(name: str, closure: str, said: str, key: Path, reach: Reach, as_json: bool) -> None:
    _command(name, messages.move({closure: name}), {"closure": closure}, said, key, reach, as_json)


def _command(
    name: str,
    payload: vcsec.UnsignedMessage,
    details: dict[str, str],
    said: str,
    key: Path,
    reach: Reach,
    as_json: bool,
) -> None:
    """One signed command, and how long it took."""
    with Report(as_json) as report, open_phone(report, reach, key) as phone:
        began = time.monotonic()
        phone.command(payload)
        took = round((time.monotonic() - began) * 1000)
        result = {"did": name, **details, "vin": phone.vin, "key": phone.key.id, "ms": took, "resyncs": phone.resyncs}
        report.done(f"{said} ({took} ms)", **result)
