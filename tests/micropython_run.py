# SPDX-License-Identifier: Apache-2.0
"""One MicroPython process for the tests of one file: started late, read as it goes, replaced when it dies.

`Target` knows how to start the runner: under the unix port, or on a board through mpremote, which mounts the compiled
firmware, the folder of the tests and the flash in RAM. `FileRun` reads what
the runner says and has one Result for each function asked for, also when a test hangs or takes the interpreter
down: that test fails with what was printed so far, and the others run in a new process.
"""

import contextlib
import json
import re
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from host_tools.faults import LatchkeyError
from host_tools.serial.port import open_port

_MARK = b"\x1e"
_HEAP = re.compile(rb"^# heapsize: (\w+)$", re.MULTILINE)  # what a test file asks the unix port for
_RUNNER = Path(__file__).parent / "unit" / "runner.py"
_RAM_FLASH = Path(__file__).parents[1] / "boards" / "UNIX" / "flash.py"  # all of the simulation that a board can run
_PATIENCE = 120.0  # seconds for a board that restarts, which takes the slowest a minute
_ANSWER = 5.0  # seconds for one that is asked
# A board that imports from this host takes no Ctrl-C while it waits for an answer (mpremote's kbd_intr(-1)), and waits
# for ever. Here it gives up after 5 s, or when what comes begins no answer, such as a Ctrl-C, and asks no more.
_UNLESS_ALONE = """
def alone(self, type=0):
    micropython.kbd_intr(3)
    RemoteCommand.begin = alone
    raise KeyboardInterrupt
def poll_in(self):
    for _ in self.poller.ipoll(5000):
        return
    alone(self)
def begin(self, type):
    micropython.kbd_intr(-1)
    self.fout.write(bytes((0x18, type)))
    self.poll_in()
    if self.fin.read(1) != b"\\x18":
        alone(self)
RemoteCommand.begin, RemoteCommand.poll_in = begin, poll_in
"""
_REST = bytes(259)  # of an answer: more than the longest has, and less than a board buffers
# The architectures of a .mpy file, by the number in sys.implementation._mpy >> 10 (MicroPython, py/persistentcode.h).
_ARCHITECTURES = (
    None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip


@dataclass
class Result:
    """What became of one test function. `error` is None when it passed."""

    error: str | None = None
    skip: str | None = None
    output: str = ""


@dataclass
class Target:
    """The unix port, or with `port` a board: where tests run, and what they import from."""

    root: Path
    interpreter: str
    port: str | None = None
    path: list[Path] = field(default_factory=list)

    def command(self, test_file: Path, names: list[str]) -> list[str]:
        """The command line that runs these functions of a file."""
        if self.port:
            stage, parts = self._stage(test_file)
            folders = [f"/remote/{part}" for part in parts]  # where mpremote mounts
        else:
            folders = [str(folder) for folder in (test_file.parent, _RUNNER.parent, *self.path)]
        code = f"import sys; sys.path[:1] = {folders!r}; import runner; runner.run({test_file.stem!r}, {names!r})"
        if self.port:  # its boot.py has loaded a part of the firmware that is installed there
            code = (
                "import sys\nfor name in list(sys.modules):\n if name.startswith('latchkey'): del sys.modules[name]\n"
                + _UNLESS_ALONE + code
            )  # fmt: skip
            return self._mpremote("mount", str(stage), "exec", code)
        wanted = _HEAP.search(test_file.read_bytes())
        heap = wanted[1].decode() if wanted else "16M"
        return [self.interpreter, "-X", f"heapsize={heap}", "-c", code]

    def _mpremote(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mpremote", "connect", str(self.port), *arguments]

    def _stage(self, test_file: Path) -> tuple[Path, list[str]]:
        """A folder for the board to mount, and those in it to import from, all compiled for the board."""
        from host_tools.build import compiling  # here, so that unit tests do not need it to be importable
        from host_tools.build.staging import staged

        march = _ARCHITECTURES[self._reach() >> 10]
        stage = self.root / "build" / f"unit-{march or 'bytecode'}"
        tests = {_RUNNER.parent: "helpers", test_file.parent: "tests"}  # one, if they are the same
        for folder, name in tests.items():
            compiling.build(stage / name, march, sources=folder)
        compiling.build(stage / "firmware", march, sources=staged())  # in words: tests look at what is private
        compiling.compile_file(_RAM_FLASH, stage / "flash" / "flash.mpy", march)
        return stage, [*tests.values(), "firmware", "flash"]

    def _reach(self) -> int:
        """Wait for the board, which may be restarting. What .mpy files it loads, as sys.implementation._mpy."""
        deadline = time.monotonic() + _PATIENCE
        command = self._mpremote("exec", "import sys; print(sys.implementation._mpy)")
        while True:
            try:
                asked = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER, check=False)
            except subprocess.TimeoutExpired:
                said = f"nothing in {_ANSWER:g} s"
                self.release()
            else:
                if not asked.returncode:
                    return int(asked.stdout)
                said = asked.stderr.strip() or asked.stdout.strip()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no MicroPython board answers at {self.port}: {said}")
            time.sleep(1)

    def release(self) -> None:
        """A board whose host was stopped in the middle of an answer gets the rest of it."""
        if self.port:
            with contextlib.suppress(LatchkeyError), open_port(self.port) as port:
                port.write(_REST)


class FileRun:
    """The results of one file's functions, run in the order of `names`."""

    def __init__(self, target: Target, test_file: Path, names: list[str], timeout: float) -> None:
        self._target = target
        self._file = test_file
        self._names = names
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._results: dict[str, Result] = {}
        self._first = ""
        self._running: str | None = None
        self._pending = b""
        self._output = ""

    def result(self, name: str) -> Result:
        """Wait for the result of one function, at most the time limit of each function that runs before it."""
        deadline = time.monotonic() + self._timeout
        while name not in self._results:
            if self._process is None:
                self._start()
                deadline = time.monotonic() + self._timeout
            data = self._read(deadline - time.monotonic())
            if data is None:
                self._lost(f"it was still running after {self._timeout:g} s, and was stopped")
            elif not data:
                self._lost(None)
            elif self._take(data):
                deadline = time.monotonic() + self._timeout
        return self._results[name]

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            runs = self._process.poll() is None
            self._process.kill()
            self._process.wait()
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None
            if runs:
                self._target.release()

    def _start(self) -> None:
        names = [name for name in self._names if name not in self._results]
        self._first = names[0]
        self._running, self._pending, self._output = None, b"", ""
        self._process = subprocess.Popen(
            self._target.command(self._file, names), cwd=self._target.root,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
        )  # fmt: skip

    def _read(self, seconds: float) -> bytes | None:
        """What the process printed next; b"" when it has ended, None when time is up."""
        assert self._process and self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, seconds)):
                return None
        return self._process.stdout.read(65536)

    def _take(self, data: bytes) -> bool:
        """Sort what was printed into messages and output. True if a test began or ended."""
        moved = False
        self._pending += data
        while b"\n" in self._pending:
            line, self._pending = self._pending.split(b"\n", 1)
            printed, mark, message = line.partition(_MARK)
            if printed or not mark:
                self._output += printed.decode("utf-8", "replace").rstrip("\r") + "\n"
            if mark:
                moved = True
                self._message(json.loads(message))
        return moved

    def _message(self, message: dict[str, str | None]) -> None:
        if name := message.get("start"):
            self._running = name
        elif name := message.get("end"):
            if self._again(message["error"] or ""):
                self._output += message["error"] or ""  # the runner ends itself now
                return
            self._results[name] = Result(message["error"], message["skip"], self._output)
            self._running, self._output = None, ""
        elif error := message.get("import"):
            self._end_rest(Result(error, output=self._output))
        elif reason := message.get("skip"):
            self._end_rest(Result(skip=reason))

    def _lost(self, why: str | None) -> None:
        """The process hung or died: the running test failed, or the whole file if none ran."""
        assert self._process
        self._output += self._pending.decode("utf-8", "replace")
        self._pending = b""
        process = self._process
        self.close()
        if self._again(self._output):
            return
        why = why or f"the interpreter ended, with exit status {process.returncode}"
        if self._running is None:
            self._end_rest(Result(f"While {self._file.name} was imported: {why}", output=self._output))
        else:
            error = f"{self._running} has no result: {why}. The interpreter printed:\n{self._output}"
            self._results[self._running] = Result(error, output=self._output)

    def _again(self, said: str) -> bool:
        """Whether a board had no memory left for the running test after others: it is run once more, as the first."""
        return bool(self._target.port) and "MemoryError" in said and self._running not in {None, self._first}

    def _end_rest(self, result: Result) -> None:
        for name in self._names:
            self._results.setdefault(name, result)
