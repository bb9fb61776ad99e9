# SPDX-License-Identifier: Apache-2.0
"""Firmware onto a board, in an order that survives being interrupted anywhere.

main.py goes first and comes back last: a board that lost its cable in the middle starts no agent at all, so it is
locked, and no mixture of two versions ever serves a car. Whatever was left half done, the next run finds by hash.
Keys, settings and the access log (/data) are not touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_tools.build import firmware
from host_tools.build.boards import Board
from host_tools.faults import Misuse, Refused
from host_tools.flash import aioble, chip, interrupts
from host_tools.flash.files import CopyDamaged, Files, Found, check_room
from host_tools.flash.listen import first_words
from host_tools.flash.repl import Repl, ScriptFailed

_LAST = "/main.py"
_ROOT_FILES = ("/boot.py", _LAST, "/board.mpy")
_IN_THE_WAY = ["/board.py", *(f"{path}.new" for path in _ROOT_FILES)]
_CODE = "/latchkey"
_SETTINGS = "/data/config.json"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how many bytes of how many are done."""


@dataclass(frozen=True)
class Job:
    """What is to be on the board."""

    board: Board
    production: bool = False
    vin: str | None = None
    """The car that a new board becomes."""
    settings: dict[str, Any] = field(default_factory=dict)
    radio: bool = True
    """Install what the radio needs when it is missing."""
    index: str = ""
    """Where mip finds packages, if not where it looks by itself."""
    sources: Path | None = None
    """Another firmware than the project's own, staged."""
    build: Path = firmware.BUILD
    """Where compiled files are kept from one run to the next."""

    def compile(self) -> dict[str, bytes]:
        """What goes onto the board, by its path there."""
        files = firmware.for_board(self.board, self.production, self.sources, self.build)
        return {f"/{name}": file.read_bytes() for name, file in files.items()}


@dataclass
class Installed:
    """What was done, and who answered afterwards."""

    micropython: str = ""
    copied: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    aioble: str = "skipped"
    """present, installed, missing (see `radio_trouble`) or skipped."""
    radio_trouble: str = ""
    hello: dict[str, Any] = field(default_factory=dict)
    first_answer_ms: int = 0
    needs_provisioning: bool = False
    """A VIN was given, and the board is to be told it through its bench."""


def install(port: str, job: Job, progress: Progress = lambda what, done, total: None) -> Installed:
    """Compile, compare, copy, verify, start, and wait for the agent's first words."""
    progress("compiling", 0, 0)
    wanted = job.compile()
    done = Installed()
    progress("getting the board's attention", 0, 0)
    with Repl(port, job.board.readme) as repl:
        found_chip = chip.identify(repl)
        chip.check(found_chip, job.board)
        done.micropython = found_chip.micropython
        files = Files(repl)
        vin = _vin(files)
        _check_vin(job, vin)
        progress("comparing", 0, 0)
        _copy(files, wanted, done, progress)
        if job.radio and job.settings.get("radio", True):
            progress("looking for aioble", 0, 0)
            done.aioble, done.radio_trouble = aioble.install(repl, files, job.index)
        if job.vin and not vin:
            text = _settings(repl, job)
            done.needs_provisioning = not job.production
            if job.production:
                files.put(_SETTINGS, text)  # the agent draws the identity that goes with it
        progress("starting", 0, 0)
        repl.restart()
        done.hello, done.first_answer_ms = first_words(repl.serial, port)
    return done


def _vin(files: Files) -> str | None:
    """Which car this board is already."""
    content = files.read(_SETTINGS)
    if content is None:
        return None
    try:
        return str(json.loads(content)["vin"])
    except (ValueError, KeyError, TypeError):
        return "with damaged settings"


def _check_vin(job: Job, known: str | None) -> None:
    if job.vin and known and known != job.vin:
        raise Refused(
            "ALREADY_PROVISIONED",
            f"this board is car {known}, not {job.vin}",
            "leave --vin out to update it; `latchkey firmware erase` makes it a new board, without its keys",
        )
    if job.production and not known and not job.vin:
        raise Misuse("a production build cannot be provisioned later, and this board is no car yet", "give --vin")


def _copy(files: Files, wanted: dict[str, bytes], done: Installed, progress: Progress) -> None:
    found = files.look(_CODE, [*_ROOT_FILES, *_IN_THE_WAY])
    stale = [path for path in found if path not in wanted]
    changed = _changed(wanted, found)
    done.unchanged = len(wanted) - len(changed)
    if not stale and not changed:
        return
    if _LAST not in changed:
        changed.append(_LAST)
        done.unchanged -= 1
    changed.sort(key=lambda path: path == _LAST)
    replaced = [found[path].size for path in {*stale, *changed} & found.keys()]
    check_room([len(wanted[path]) for path in changed], replaced, files.free())
    total = sum(len(wanted[path]) for path in changed)
    count = 0

    def moved(more: int) -> None:
        nonlocal count
        count += more
        progress(path.removeprefix("/"), count, total)

    try:
        if _LAST in found:
            files.remove(_LAST)
        for path in stale:
            files.remove(path)
            done.removed.append(path)
        for path in changed:
            files.put(path, wanted[path], moved)
            done.copied.append(path)
        progress("verifying", total, total)
        wrong = _changed(wanted, files.look(_CODE, [*_ROOT_FILES]))
        if wrong:
            files.remove(_LAST)
            raise CopyDamaged(
                f"{wrong[0]} is damaged in the board's flash", "run it again; if it stays, the flash is bad"
            )
    except BaseException as error:
        interrupts.tell(error, "the copy was cut short: the board runs no agent until this is run again; its keys stay")
        raise


def _changed(wanted: dict[str, bytes], found: dict[str, Found]) -> list[str]:
    return [
        path
        for path, content in wanted.items()
        if path not in found or found[path].sha256 != hashlib.sha256(content).hexdigest()
    ]


def _settings(repl: Repl, job: Job) -> bytes:
    """The settings as the board will read them; it is asked whether it will take them before anything is written."""
    text = json.dumps({**job.settings, "vin": job.vin})
    try:
        repl.run(f"import board\nfrom latchkey import config\nconfig.parse({text!r}, board)")
    except ScriptFailed as error:
        if "ConfigError" not in error.traceback:
            raise
        why = error.traceback.strip().splitlines()[-1].partition("ConfigError: ")[2]
        raise Misuse(f"the board does not take these settings: {why}", "correct them and run it again") from None
    return text.encode()
