# SPDX-License-Identifier: Apache-2.0
"""The folder of the firmware as a board gets it, in text: everything that runs firmware runs what is in it.

And the same with short names: what is compiled, or goes onto a board as text.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host_tools import places
from host_tools.build import theirs
from host_tools.build.shorten import short_names, shorten
from host_tools.build.stage import StageError, numbers, stage

SOURCES = places.ROOT / "firmware"
STAGE = places.ROOT / "build" / "stage"
SHORT = STAGE.with_name("stage-short")
# MicroPython runs these two by name, so they stay text, with all their words; they hold a few lines each.
ENTRY_POINTS = ("boot.py", "main.py")
NAMES = "names.json"
SCHEMA = "latchkey/wire/schema.py"  # the names that the stage puts numbers for: staged for tests, never on a board
# The harness's hand inside the board, and the prompt: a car on the road is built without them.
BENCH_ONLY = (
    "latchkey/bench/__init__.py",
    "latchkey/bench/measured.py",
    "latchkey/bench/meter.py",
    "latchkey/bench/operations.py",
    "latchkey/bench/stretches.py",
    "latchkey/link/requests.py",
    "latchkey/prompt.py",
)


class CompileError(Exception):
    """A file does not compile. The text is what the compiler said."""


def staged(out: Path = STAGE, sources: Path = SOURCES) -> Path:
    """The folder of the firmware as a board gets it, in text; made anew where a source has changed.

    Raises CompileError.
    """
    out.mkdir(parents=True, exist_ok=True)
    schema = sources / SCHEMA
    known, age = names(sources), schema.stat().st_mtime_ns if schema.exists() else 0
    wanted = {out / source.relative_to(sources): source for source in sources.rglob("*.py")}
    with locked(out):
        for target, source in wanted.items():
            changed = max(age, source.stat().st_mtime_ns)
            if target.exists() and target.stat().st_mtime_ns == changed:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                text = source.read_text("utf-8")
                replace(target, (text if source == schema else stage(text, known, str(source))).encode())
            except StageError as error:
                raise CompileError(str(error)) from None
            os.utime(target, ns=(changed, changed))
        for target in set(out.rglob("*.py")) - set(wanted):
            target.unlink(missing_ok=True)
    return out


def shortened(out: Path = SHORT, stage: Path | None = None) -> Path:
    """The folder of what is staged with short names (shorten.py), made anew where something has changed; names.json in
    it has the name of each word.

    Raises CompileError.
    """
    stage = stage or staged()
    texts = {path.relative_to(stage).as_posix(): path.read_text("utf-8") for path in sorted(stage.rglob("*.py"))}
    texts.pop(SCHEMA, None)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        try:
            modules = {name: text for name, text in texts.items() if name not in ENTRY_POINTS}
            programs = [text for name, text in texts.items() if name in ENTRY_POINTS]
            short = short_names(modules, theirs.names(), theirs.asked(programs))
        except StageError as error:
            raise CompileError(str(error)) from None
        for name, text in texts.items():
            target = out / name
            content = (text if name in ENTRY_POINTS else shorten(name, text, short)).encode()
            if not target.exists() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                replace(target, content)
        replace(out / NAMES, json.dumps(short, indent=1, sort_keys=True).encode())
        for target in set(out.rglob("*.py")) - {out / name for name in texts}:
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


def names(sources: Path) -> dict[str, dict[str, int]]:
    """The numbers of the schema's names, by class."""
    schema = sources / SCHEMA
    return numbers(schema) if schema.exists() else {}


def replace(path: Path, content: bytes) -> None:
    """Write a file that is there whole, or as it was."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """One build of a folder at a time: several test processes share one."""
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
