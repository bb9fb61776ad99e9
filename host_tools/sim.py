# SPDX-License-Identifier: Apache-2.0
"""The simulated board: the firmware in a process of its own, a flash image file, and a serial port that is a pty.

Whenever the process ends, by a reset, a crash or a power cut, a new one starts on the same image, as a board would.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from host_tools import firmware, lines
from host_tools.bench import Bench
from host_tools.faults import LatchkeyError, Misuse, NoAnswer
from host_tools.port import runtime_path
from host_tools.pump import Input, Output

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "boards" / "UNIX"

_PWRON, _HARD, _WATCHDOG, _SOFT = 1, 2, 3, 5  # as machine.reset_cause() tells them
_CRASHES = 5  # so many short lives in a row end the simulation
_SHORT_LIFE = 1.0
_LAST_LINES = 20
_TICK = 0.1
_ARCHITECTURES = {1: "x86", 2: "x64", 3: "armv6"}  # of native code, as sys.implementation._mpy >> 10 tells them


class BoardDied(LatchkeyError):
    """The simulated board cannot run."""

    name = "BOARD_DIED"


def find_micropython(given: str | None = None) -> str:
    """The interpreter: as given, as MICROPYTHON says, or the one that was installed with this program."""
    wanted = given or os.environ.get("MICROPYTHON") or str(Path(sys.executable).parent / "micropython")
    found = shutil.which(wanted) or shutil.which("micropython")
    if found is None:
        raise Misuse(f"no MicroPython interpreter at {wanted}", "run `make setup`, or set MICROPYTHON")
    return found


def heap_option(heap: str) -> str:
    """The interpreter's option for a heap in a board's kilobytes. Its `w` makes it as large again on 64 bits."""
    match = re.fullmatch(r"(\d+)([KkMm]?)", heap)
    if match is None or not int(match[1]):
        raise Misuse(f"a heap size is a number with K or M, not {heap!r}", "for example 160K")
    return f"heapsize={match[1]}w{match[2].upper()}"


@functools.cache
def _build(interpreter: str) -> Path:
    """The firmware, compiled for this interpreter."""
    asked = subprocess.run(
        [interpreter, "-c", "import sys; print(getattr(sys.implementation, '_mpy', 0))"],
        capture_output=True,
        text=True,
        check=True,
    )
    march = _ARCHITECTURES.get(int(asked.stdout) >> 10)
    out = ROOT / "build" / f"sim-{march or 'bytecode'}"
    firmware.build(out, march)
    return out


class SimulatedBoard:
    """`port` becomes a link to the serial port while the board runs; without it the port has a name of its own."""

    def __init__(
        self,
        image: str | os.PathLike[str],
        heap: str = "160K",
        vin: str | None = None,
        *,
        port: str | os.PathLike[str] | None = None,
        radio: str | None = None,
        micropython: str | None = None,
        firmware_dir: Path | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self.image = Path(image).absolute()
        self.heap = heap
        self.vin = vin
        self.boots = 0
        """How often it has started."""
        self.failure: str | None = None
        """Why it cannot run, when it has ended by itself."""
        self.input_lost = 0
        """Bytes that came while the board's input buffer was full."""
        self._link = Path(port).absolute() if port else None
        self._interpreter = find_micropython(micropython)
        self._heap_option = heap_option(heap)
        self._firmware = firmware_dir
        self._radio = radio
        self._on_text = on_text
        self._text: deque[str] = deque(maxlen=2000)
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._cleanup = contextlib.ExitStack()

    # The public face

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
            self._lock_image(stack)
            built = self._firmware or _build(self._interpreter)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-"))
            self._heartbeat = Path(folder, "heartbeat")
            self._master, self._slave = os.openpty()  # the thread closes them
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._device = os.ttyname(self._slave)
            self._wake_read, self._wake_write = os.pipe()
            stack.callback(os.close, self._wake_read)
            stack.callback(os.close, self._wake_write)
            self._environment = {
                **{key: value for key, value in os.environ.items() if not _private(key)},
                "LATCHKEY_IMAGE": str(self.image),
                "LATCHKEY_FIRMWARE": str(built),
                "LATCHKEY_HEARTBEAT": str(self._heartbeat),
                **({"LATCHKEY_RADIO": self._radio} if self._radio else {}),
            }
            self._stop = False
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="simulated board", daemon=True)
            self._thread.start()
            stack.callback(self._halt)
            if self.vin:
                self._provision(self.vin)
            if self._link:
                _link(self._link, self._device)
                stack.callback(_unlink, self._link, self._device)
            self._cleanup = stack.pop_all()
        return self

    def stop(self) -> None:
        """Switch it off."""
        self._cleanup.close()

    def power_cycle(self) -> None:
        """Pull the plug, and put it back."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended by itself; False if it still runs."""
        return self._ended.wait(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Inside

    def _lock_image(self, stack: contextlib.ExitStack) -> None:
        lock = stack.enter_context(runtime_path(str(self.image), "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misuse(f"{self.image} is in use by another simulated board", "end it, or use another image") from None

    def _provision(self, vin: str) -> None:
        try:
            with Bench.open(self._device, timeout=20) as car:
                if not car.info()["provisioned"]:
                    car.provision(vin)
        except NoAnswer as error:
            raise BoardDied(self.failure or f"{error.text}. It said:\n{self._last_lines()}") from None

    def _halt(self) -> None:
        self._stop = True
        os.write(self._wake_write, b"x")
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        short_lives = 0
        cause = _PWRON
        safe = False
        output = Output(self._master)
        try:
            while True:
                started = time.monotonic()
                self.boots += 1
                code, talked, by_watchdog = self._live(output, cause, safe)
                if self._stop:
                    return
                if code == -signal.SIGTERM:
                    self.failure = self._last_lines()
                    return
                short = time.monotonic() - started < _SHORT_LIFE and not talked and code != 0
                short_lives = short_lives + 1 if short else 0
                if short_lives >= _CRASHES:
                    self.failure = f"it died {_CRASHES} times in a row. It said:\n{self._last_lines()}"
                    return
                # Ctrl-D at the prompt ends the process normally; after the raw prompt's, main.py is not run.
                safe = code == 0 and output.raw_repl
                cause = _WATCHDOG if by_watchdog else _SOFT if code == 0 else _HARD
                if code == 0:
                    output.feed(b"MPY: soft reboot\r\n")
        except OSError as error:
            self.failure = f"it cannot be started: {error}"
        finally:
            os.close(self._master)
            os.close(self._slave)
            self._ended.set()

    def _live(self, output: Output, cause: int, safe: bool) -> tuple[int, bool, bool]:
        """One life of the board: its exit code, whether a host worked with it, whether the watchdog ended it."""
        self._heartbeat.unlink(missing_ok=True)
        environment = {**self._environment, "LATCHKEY_RESET_CAUSE": str(cause)}
        if safe:
            environment["LATCHKEY_SAFE"] = "1"
        stdin_read, stdin_write = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, stdin_read)
            stack.callback(os.close, stdin_write)
            process = subprocess.Popen(
                [self._interpreter, "-i", "-X", self._heap_option, str(BOARD / "start.py")],
                stdin=stdin_read,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=environment,
                start_new_session=True,  # Ctrl-C in our terminal is for us
                preexec_fn=_die_with_parent,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            self._process = process
            source = Input(process.pid, stdin_read, stdin_write)
            if safe:
                source.feed(b"\x01")
            talked, by_watchdog = self._pump(process, source, output)
            self.input_lost += source.lost
            self._process = None
            if self._stop:
                process.kill()
            return process.wait(), talked, by_watchdog

    def _pump(self, process: subprocess.Popen[bytes], source: Input, output: Output) -> tuple[bool, bool]:
        assert process.stdout is not None  # noqa: S101 - it is a pipe; this tells mypy
        talked = by_watchdog = False
        decoder = lines.LineDecoder()
        watchdog = _Watchdog(self._heartbeat)
        selector = selectors.DefaultSelector()
        with selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.register(self._master, selectors.EVENT_READ)
            selector.register(process.stdout, selectors.EVENT_READ)
            while not self._stop:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if output.held else 0)
                selector.modify(self._master, events)
                for key, mask in selector.select(_TICK):
                    if key.fileobj is process.stdout:
                        data = os.read(process.stdout.fileno(), 65536)
                        if not data:
                            self._print(decoder.flush())
                            return talked, by_watchdog
                        output.feed(data)
                        for item in decoder.feed(data):
                            if isinstance(item, bytes):
                                self._print(item)
                            elif item.kind == "a":
                                talked = True
                    elif key.fd == self._master and mask & selectors.EVENT_READ:
                        with contextlib.suppress(BlockingIOError):
                            source.feed(os.read(self._master, 4096))
                output.push()
                if not by_watchdog and watchdog.expired():
                    by_watchdog = True
                    self._print(b"watchdog: the board has hung, and restarts\n")
                    process.kill()
        return talked, by_watchdog

    def _print(self, data: bytes) -> None:
        if data:
            text = data.decode(errors="replace").replace("\r", "")
            self._text.append(text)
            if self._on_text:
                self._on_text(text)

    def _last_lines(self) -> str:
        return "\n".join(self.text.splitlines()[-_LAST_LINES:])


class _Watchdog:
    """Watches the file that the board's WDT writes: its timeout in milliseconds, and a count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = ""
        self._since = time.monotonic()

    def expired(self) -> bool:
        try:
            content = self._path.read_text()
        except FileNotFoundError:
            return False
        now = time.monotonic()
        if content != self._seen or not content:
            self._seen, self._since = content, now
            return False
        return now - self._since > int(content.split()[0]) / 1000


def run_foreground(
    image: str,
    port: str,
    vin: str | None = None,
    heap: str = "160K",
    micropython: str | None = None,
) -> int:
    """`latchkey sim`: run a board until Ctrl-C, printing what it prints. The exit code."""

    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    board = SimulatedBoard(image, heap, vin, port=port, micropython=micropython, on_text=show)
    try:
        with board:
            print(f"{port} is the serial port of a simulated board on {image}; Ctrl-C ends it", flush=True)
            while not board.wait(0.5):
                pass
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    raise BoardDied(f"the simulated board has ended: {board.failure}")


def _private(key: str) -> bool:
    """Variables that the child does not inherit: without HOME the REPL keeps no history file."""
    return key == "HOME" or key.startswith(("LATCHKEY_", "MICROPY"))


def _link(link: Path, device: str) -> None:
    """Make `link` point to the port, in place of a link that an earlier run left; a real file stays."""
    if link.is_symlink():
        target = os.readlink(link)
        if not target.startswith("/dev/") and link.exists():
            raise Misuse(f"{link} is a link to {target}, not to a port", "give another --port")
    elif link.exists():
        raise Misuse(f"{link} exists and is not a link", "give another --port")
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(device)
    new.replace(link)


def _unlink(link: Path, device: str) -> None:
    with contextlib.suppress(OSError):
        if os.readlink(link) == device:
            link.unlink()


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child: end when the thread that made it ends. Elsewhere the end of its input ends it."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)
