# SPDX-License-Identifier: Apache-2.0
"""What a board can do: heap, boot, cryptography, and a phone's commands, in numbers that can be compared.

First with the agent stopped, at the prompt: each crypto operation, and how long it keeps everything else waiting. Then
the board is reset, and the agent is measured from outside, as a phone and through its bench.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from host_tools.faults import LatchkeyError, NoAnswer, Refused
from host_tools.flash import chip, interrupts, listen
from host_tools.flash.files import Files
from host_tools.flash.repl import Repl
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from host_tools.serial.port import PortError, PortGone

_ROUNDS = 10
_IDLE = 1.0  # seconds in which another phone is served alone
_LABEL = "latchkey measure"

BEGIN = """
import asyncio, gc, json, time
class crypto: pass
class publickey: pass
try:
 from latchkey.bench.measured import KEYS, MESSAGES
 (crypto.random_bytes, crypto.sha256, crypto.hmac_sha256, crypto.gcm_encrypt, crypto.gcm_decrypt) = MESSAGES
 (publickey.generate_private, publickey.public_key, publickey.ecdh,
  publickey.ecdsa_sign, publickey.ecdsa_verify) = KEYS
except ImportError:
 from latchkey import crypto
 from latchkey.crypto import publickey
now, since = time.ticks_us, time.ticks_diff
key, nonce, text, extra, digest = bytes(range(16)), bytes(12), bytes(10), bytes(64), bytes(range(32))
sealed, tag = crypto.gcm_encrypt(key, nonce, extra, text)
def quick(do):
 do()
 count = 25
 took = 0
 while took < 10000:
  count *= 2
  gc.collect()
  begun = now()
  for _ in range(count): do()
  took = since(now(), begun)
 return took / count
async def watch(longest):
 last = now()
 while True:
  await asyncio.sleep_ms(0)
  at = now()
  longest[0] = max(longest[0], since(at, last))
  last = at
async def slowly(make):
 global made
 gc.collect()
 longest = [0]
 watcher = asyncio.create_task(watch(longest))
 await asyncio.sleep_ms(0)
 begun = now()
 made = await make()
 took = since(now(), begun)
 watcher.cancel()
 return took, longest[0]
def slow(make):
 print(json.dumps(asyncio.run(slowly(make))))
"""
QUICK = {
    "random 32 bytes": "crypto.random_bytes(32)",
    "sha256 of 64 bytes": "crypto.sha256(extra)",
    "hmac of 64 bytes": "crypto.hmac_sha256(key, extra)",
    "gcm encrypt 10 bytes": "crypto.gcm_encrypt(key, nonce, extra, text)",
    "gcm decrypt 10 bytes": "crypto.gcm_decrypt(key, nonce, extra, sealed, tag)",
}
# In this order: each uses what those before it made.
SLOW = {
    "p256 public key": ("publickey.public_key(private)", "public = made"),
    "p256 ecdh": ("publickey.ecdh(private, public)", ""),
    "ecdsa sign": ("publickey.ecdsa_sign(private, digest)", "signed = made"),
    "ecdsa verify": ("publickey.ecdsa_verify(public, digest, signed)", ""),
}
_RESET = "import machine\nmachine.reset()"


def measure(
    port: str,
    key: Key | None = None,
    timeout: float = listen.PATIENCE,
    say: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """All of it, as one object. A car that has keys needs one of its owners' for what a phone measures.

    `timeout` is how many seconds the board may take to come back from its reset.

    :raises LatchkeyError: with what was measured until then in its details
    """
    result: dict[str, Any] = {}
    try:
        _measure(port, key, timeout, say, result)
    except LatchkeyError as error:
        error.details = result
        raise
    return result


def _measure(port: str, key: Key | None, timeout: float, say: Callable[[str], None], result: dict[str, Any]) -> None:
    say("at the prompt: cryptography")
    with Repl(port) as repl:
        found = chip.identify(repl)
        result["micropython"], result["machine"] = found.micropython, found.machine
        result["crypto_us"], result["longest_wait_us"] = _cryptography(repl)
        settings = json.loads(Files(repl).read("/data/config.json") or b"{}")
        say("resetting")
        hello, result["boot_ms"] = _reset(repl, port, timeout)
    with Bench.open(port, timeout) as car:
        hello = hello or car.hello
        result.update(board=hello.get("board"), version=hello.get("version"), vin=hello.get("vin"))
        if hello.get("bench") is False:
            result["phone"] = "not measured: this car is built without the bench"
            return
        result["heap"] = car.heap()  # the first thing that it is asked
        result["phone"] = _phone(car, settings, key, say)


def _cryptography(repl: Repl) -> tuple[dict[str, float], dict[str, int]]:
    repl.run(BEGIN)
    took: dict[str, float] = {}
    waited: dict[str, int] = {}
    for name, code in QUICK.items():
        # Again and again for 10 ms, and divided: one of them may take less than a microsecond.
        took[name] = round(repl.ask(f"print(json.dumps(quick(lambda: {code})))"), 3)
    repl.run("from latchkey.crypto import ecdsa\nprivate = asyncio.run(publickey.generate_private())")
    for name, (code, after) in SLOW.items():
        # The best of three: a garbage collection in between, or a busy host under a simulated board, is no property
        # of the operation.
        times = [repl.ask(f"slow(lambda: {code})") for _ in range(3)]
        took[name], waited[name] = (min(column) for column in zip(*times, strict=True))
        repl.run(after)
    return took, waited


def _reset(repl: Repl, port: str, timeout: float) -> tuple[dict[str, Any] | None, int | None]:
    """Hard reset. The agent's hello, and the milliseconds up to it if the port was there to see them."""
    with contextlib.suppress(PortGone):
        repl.start(_RESET)
        return listen.first_words(repl.serial, port, timeout)
    repl.stopped = False  # it went because it restarts
    until = time.monotonic() + timeout
    while True:  # the chip's own port comes back when it has started
        repl.close()
        try:
            with Bench.open(port, 5) as car:
                return car.hello, None
        except (PortError, NoAnswer):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _phone(car: Bench, settings: dict[str, Any], key: Key | None, say: Callable[[str], None]) -> dict[str, Any] | str:
    vin = settings.pop("vin", None)
    if not vin:
        return "not measured: this board is no car yet"
    if car.keys():
        if key is None:
            return "not measured: this car has keys; give one of its owners' with --key"
        try:
            return _commands(car, vin, key, False, say)
        except BaseException:
            with _or_said("the car may be unlocked: `latchkey lock`"), contextlib.closing(car.connect()) as connection:
                Phone(connection, vin, key).lock()
            raise
    try:
        return _commands(car, vin, keyfile.generate(), True, say)
    finally:
        say("making the car new again")
        with _or_said(f"the car may still have the key {_LABEL!r}: `latchkey provision --vin {vin} --force`"):
            car.provision(vin, settings, force=True)


def _commands(car: Bench, vin: str, key: Key, new: bool, say: Callable[[str], None]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    waits: dict[str, int] = {}  # how long each deed kept everything else waiting at most
    car.stretch()
    with contextlib.closing(car.connect()) as connection:
        phone = Phone(connection, vin, key)
        if new:
            say("enrolling a key by its card")
            tapped: list[float] = []

            def tap() -> None:
                tapped.append(time.monotonic())
                car.tap()

            pair(phone, label=_LABEL, on_wait=tap)
            result["card_tap_to_session_ms"] = _ms(tapped[0])
            waits["enrolling"] = car.stretch()["us"]
        say("commands")
        begun = time.monotonic()
        phone.handshake()
        result["handshake_ms"] = _ms(begun)
        result["handshake_us"] = car.stats()["last_us"]
        waits["handshake"] = car.stretch()["us"]
        for name, do in (("unlock", phone.unlock), ("start", phone.start), ("lock", phone.lock)):
            result[name] = _command(car, do, phone.lock if name == "start" else None)
            waits[name] = car.stretch()["us"]
        result["while_enrolling"] = _beside(car, vin, phone, say)
        waits["while_enrolling"] = car.stretch()["us"]
        result["longest_wait_us"] = waits
    return result


def _command(car: Bench, do: Callable[[], None], after: Callable[[], None] | None) -> dict[str, Any]:
    """A command's medians: its round trip, and in the car from its last byte to the relay and to the reply."""
    trips, relays, replies = [], [], []
    for _ in range(_ROUNDS):
        begun = time.monotonic()
        do()
        trips.append(_ms(begun))
        stats = car.stats()
        relays.append(stats["relay_us"])
        replies.append(stats["last_us"])
        if after:
            after()
    return {
        "round_trip_ms": round(statistics.median(trips), 1),
        "to_relay_us": int(statistics.median(relays)),
        "to_reply_us": int(statistics.median(replies)),
    }


def _beside(car: Bench, vin: str, phone: Phone, say: Callable[[str], None]) -> dict[str, Any]:
    """How another phone is served while the car computes with a new key."""
    say("another phone, while a key is added")
    guest = keyfile.generate()
    try:
        with contextlib.closing(car.connect()) as connection:
            other = Phone(connection, vin, guest)
            with _asking(other) as idle:
                time.sleep(_IDLE)
            with _asking(other) as busy:
                begun = time.monotonic()
                phone.change_keys(messages.add_key(guest.public, "driver", _LABEL))
                added = _ms(begun)
            other.handshake()
    finally:
        _forget(car, vin, phone.key, guest)
    return {
        "added_ms": added,
        "answers": len(busy),
        "worst_ms": max(busy, default=None),
        "worst_otherwise_ms": max(idle, default=None),
    }


def _forget(car: Bench, vin: str, owner: Key, guest: Key) -> None:
    """Remove a key that may have been added, over a connection of its own: whatever ended the work may have cut the
    other one off in the middle of a message."""
    with (
        _or_said(f"the car may still have the key {guest.id}: `latchkey keys remove --which {guest.id}`"),
        contextlib.closing(car.connect()) as connection,
    ):
        try:
            Phone(connection, vin, owner).change_keys(messages.remove_key(guest.public))
        except Refused as refused:
            if refused.name != "PUBLIC_KEY_NOT_ON_WHITELIST":
                raise


@contextlib.contextmanager
def _or_said(text: str) -> Iterator[None]:
    """What could not be put in order is told to the person."""
    try:
        yield
    except LatchkeyError as error:
        interrupts.tell(error, text)
        raise


@contextlib.contextmanager
def _asking(phone: Phone) -> Iterator[list[float]]:
    """Ask the car's status over and over: how long each answer took."""
    took: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        with contextlib.suppress(LatchkeyError):
            while not stop.is_set():
                begun = time.monotonic()
                phone.status()
                took.append(_ms(begun))

    thread = threading.Thread(target=ask, name="the other phone", daemon=True)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def _ms(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 1)
