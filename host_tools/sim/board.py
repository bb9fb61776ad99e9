# SPDX-License-Identifier: Apache-2.0
"""The simulated board: the firmware in a process of its own, a flash image file, and a serial port that is a pty.

Whenever the process ends, by a reset, a crash or a power cut, a new one starts on the same image, as a board would.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from host_tools import words
from host_tools.faults import Misuse, NoAnswer
from host_tools.serial.bench import Bench
from host_tools.sim import portlink
from host_tools.sim.image import BoardDied, claim
from host_tools.sim.interpreter import ask, build_firmware, find_micropython, heap_option
from host_tools.sim.life import HARD, PWRON, SOFT, WATCHDOG, Life, pause
from host_tools.sim.pump import Output

if TYPE_CHECKING:
    from host_tools.radio.car_side import CarRadio

_CRASHES = 5  # so many short lives in a row end the simulation
_SHORT_LIFE = 3.0  # seconds; an agent that fails waits one before it restarts
_LAST_LINES = 20
_PINS = bytes(49)  # as boards/UNIX/machine.py has them; all low

__all__ = ["BoardDied", "SimulatedBoard", "run_foreground"]


class SimulatedBoard:
    """`port` becomes a link to the serial port while the board runs; without it the port has a name of its own.

    `radio` is `virtual` or a Bluetooth adapter as Bumble names it (`usb:0`); without it the board has no radio.
    For tests a board can be slow on purpose: `restart_s` are the seconds from power-on or a reset to its first
    instruction, in which it hears nothing (not when it goes back to the raw prompt), and `baud` is its line's rate.
    """

    def __init__(
        self,
        image: str | os.PathLike[str],
        heap: str = "167K",
        vin: str | None = None,
        *,
        port: str | os.PathLike[str] | None = None,
        radio: str | None = None,
        micropython: str | None = None,
        firmware_dir: Path | None = None,
        on_text: Callable[[str], None] | None = None,
        restart_s: float = 0.0,
        baud: int | None = None,
    ) -> None:
        self.image = Path(image).absolute()
        self.vin = vin
        self.boots = 0
        """How often it has started."""
        self.failure: str | None = None
        """Why it cannot run, when it has ended by itself."""
        self.input_lost = 0
        """Bytes that came while the board's input buffer was full."""
        self.boot_timeout = 20.0 + restart_s
        """Seconds to wait for the board when it is to be provisioned."""
        self.air: str | None = None
        """Where phones join its virtual radio, as Bumble names it; the link LINK.radio leads there too."""
        self.bridge: CarRadio | None = None
        """Its radio."""
        self._link = Path(port).absolute() if port else None
        self._interpreter = find_micropython(micropython)
        self._heap_option = heap_option(heap, ask(self._interpreter)[1])
        self._firmware = firmware_dir
        self._radio = radio
        self._on_text = on_text
        self._restart_s = restart_s
        self._baud = baud
        self._text: deque[str] = deque(maxlen=2000)
        self._life: Life | None = None
        self._stop = False
        self._ended = threading.Event()
        self._cleanup = contextlib.ExitStack()

    @property
    def port(self) -> str:
        """Where to reach it."""
        return str(self._link) if self._link else self._device

    @property
    def text(self) -> str:
        """What it has printed lately."""
        return "".join(self._text)

    def start(self) -> Self:
        """Switch it on; with a VIN, provision it if nobody has. It boots while the caller goes on."""
        with contextlib.ExitStack() as stack:
            if self._link:
                portlink.check(self._link)
            stack.enter_context(claim(self.image, self._interpreter))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-")))
            # A board keeps the firmware that it was flashed with, whatever is compiled meanwhile.
            shutil.copytree(self._firmware or build_firmware(self._interpreter), folder / "firmware")
            environment = {key: value for key, value in os.environ.items() if not _ours(key)}
            environment["LATCHKEY_IMAGE"] = str(self.image)
            environment["LATCHKEY_FIRMWARE"] = str(folder / "firmware")
            environment["LATCHKEY_HEARTBEAT"] = str(folder / "heartbeat")
            self._pins = folder / "pins"
            self._pins.write_bytes(_PINS)
            environment["LATCHKEY_PINS"] = str(self._pins)
            if self._radio:
                self._start_radio(self._radio, environment, stack)
            stop_read, stop_write = os.pipe()
            stack.callback(os.close, stop_read)
            stack.callback(os.close, stop_write)
            master, slave = os.openpty()  # the thread closes them
            tty.setraw(slave)
            os.set_blocking(master, False)
            slave = portlink.high(slave)
            self._device = os.ttyname(slave)
            self._stop = False
            self._ended.clear()
            thread = threading.Thread(
                target=self._run, args=(environment, stop_read, master, slave), name="simulated board", daemon=True
            )
            thread.start()
            stack.callback(self._halt, thread, stop_write)
            if self.vin:
                self._provision(self.vin)
            if self._link:
                stack.callback(portlink.remove, self._link, portlink.put(self._link, slave))
            self._cleanup = stack.pop_all()
        return self

    def _start_radio(self, radio: str, environment: dict[str, str], stack: contextlib.ExitStack) -> None:
        from host_tools.radio.car_side import CarRadio  # late: Bumble is large

        self.bridge = bridge = CarRadio(radio)
        environment.update(bridge.start())
        stack.callback(bridge.stop)
        self.air = bridge.address
        if self.air and self._link:
            beside = self._link.with_name(self._link.name + ".radio")
            if beside.exists() and not beside.is_symlink():
                raise Misuse(f"{beside} exists and is not a link", "give another --port")
            beside.unlink(missing_ok=True)
            beside.symlink_to(self.air.removeprefix("unix:"))
            stack.callback(beside.unlink, missing_ok=True)

    def level(self, pin: int) -> int:
        """What is on that GPIO, seen from outside: 1 while it is driven high."""
        return self._pins.read_bytes()[pin]

    def stop(self) -> None:
        """Switch it off."""
        self._cleanup.close()

    def power_cycle(self) -> None:
        """Pull the plug, and put it back."""
        if self._life is not None:
            self._life.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended by itself; False if it still runs."""
        return self._ended.wait(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _provision(self, vin: str) -> None:
        try:
            with Bench.open(self._device, self.boot_timeout) as car:
                if not car.info()["provisioned"]:
                    car.provision(vin)
        except NoAnswer as error:
            raise BoardDied(self.failure or f"{error.text}. It said:\n{self._last_lines()}") from None

    def _halt(self, thread: threading.Thread, stop_write: int) -> None:
        self._stop = True
        os.write(stop_write, b"x")
        thread.join()

    def _run(self, environment: dict[str, str], stop: int, master: int, slave: int) -> None:
        """Life after life. The child processes die with this thread."""
        try:
            self._lives(environment, stop, Output(master, self._baud))
        except OSError as error:
            self.failure = f"it cannot be started: {error}"
        finally:
            os.close(master)
            os.close(slave)
            self._ended.set()

    def _lives(self, environment: dict[str, str], stop: int, output: Output) -> None:
        command = [self._interpreter, "-i", "-X", self._heap_option]
        heartbeat = Path(environment["LATCHKEY_HEARTBEAT"])
        short_lives = 0
        cause = PWRON
        at_raw_prompt = False
        while True:
            given = environment | {"LATCHKEY_RESET_CAUSE": str(cause)}
            if at_raw_prompt:
                given["LATCHKEY_SAFE"] = "1"
            elif pause(self._restart_s, output.master, stop):
                return
            self._life = life = Life(command, given, heartbeat, self._baud)
            self.boots += 1
            began = time.monotonic()
            life.run(output, stop, self._print, b"\x01" if at_raw_prompt else b"")
            self.input_lost += life.input_lost
            if self._stop:
                return
            if life.code == -signal.SIGTERM:
                self.failure = self._last_lines()  # it has said why it refuses to run
                return
            # A normal end is Ctrl-D at the prompt: a soft reset, after which the raw prompt comes back.
            soft = life.code == 0
            at_raw_prompt = soft and output.raw_repl
            if soft:
                output.feed(b"MPY: soft reboot\r\n")
            cause = WATCHDOG if life.by_watchdog else SOFT if soft else HARD
            if life.killed:
                self._pins.write_bytes(_PINS)
            crashed = time.monotonic() - began < _SHORT_LIFE and not (life.talked or life.killed or soft)
            short_lives = short_lives + 1 if crashed else 0
            if short_lives >= _CRASHES:
                self.failure = f"it died {_CRASHES} times in a row. It said:\n{self._last_lines()}"
                return

    def _print(self, data: bytes) -> None:
        if data:
            text = data.decode(errors="backslashreplace").replace("\r", "")
            self._text.append(text)
            if self._on_text:
                self._on_text(text)

    def _last_lines(self) -> str:
        return "\n".join(self.text.splitlines()[-_LAST_LINES:])


def run_foreground(
    image: str,
    port: str,
    vin: str | None = None,
    heap: str = "167K",
    radio: str | None = None,
    micropython: str | None = None,
) -> None:
    """`latchkey sim`: run a board until Ctrl-C, printing what it prints. Raises BoardDied if it ends by itself."""

    def show(text: str) -> None:
        sys.stdout.write(words.lines(text))  # in one piece: the board speaks from a thread of its own
        sys.stdout.flush()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    board = SimulatedBoard(image, heap, vin, port=port, radio=radio, micropython=micropython, on_text=show)
    try:
        with board:
            show(f"{port} is the serial port of a simulated board on {image}; Ctrl-C ends it\n")
            if radio == "virtual":
                show(f"{port}.radio is its radio, for phones with --ble --radio {port}.radio\n")
            while not board.wait(0.5):
                pass
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)
    raise BoardDied(f"the simulated board has ended: {board.failure}")


def _ours(key: str) -> bool:
    """Variables that the child does not inherit: without HOME the REPL keeps no history file."""
    return key == "HOME" or key.startswith(("LATCHKEY_", "MICROPY"))
