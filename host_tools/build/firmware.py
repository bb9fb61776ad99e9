# SPDX-License-Identifier: Apache-2.0
"""The compiled firmware, for a kind of board or for an interpreter that stands for one.

A checkout makes it in build/ when it is asked for. An installed package carries all of it, and so needs no compiler and
writes nothing: it has no cache that could be full, read-only, half made or another version's.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from host_tools import places
from host_tools.build import boards
from host_tools.build.boards import Board
from host_tools.build.compiling import build, compile_file, compiled
from host_tools.build.staging import BENCH_ONLY, ENTRY_POINTS

BUILD = places.ROOT / "build"
_NATIVE = "x64"  # what the interpreters on PyPI run beside bytecode


def for_board(
    board: Board, production: bool = False, sources: Path | None = None, out: Path = BUILD
) -> dict[str, Path]:
    """The files of such a board, by their path on it. Raises CompileError.

    `sources` is a staged firmware if not the project's own, and `out` where the compiled one is kept.
    """
    folder, pins = out / board.march, out / f"{board.name}.mpy"
    if places.INSTALLED:
        files = [*folder.rglob("*.mpy"), *(folder / name for name in ENTRY_POINTS)]
    else:
        files = build(folder, board.march, sources=sources, small=True)
        compile_file(board.source, pins, board.march, "board.py", small=True)
    found = {file.relative_to(folder).as_posix(): file for file in files}
    for name in BENCH_ONLY if production else ():
        found.pop(compiled(name), None)
    return found | {"board.mpy": pins}


def for_interpreter(march: str | None, production: bool = False) -> Path:
    """The folder of the firmware for an interpreter that runs such native code. Raises CompileError."""
    if places.INSTALLED:
        return _simulated(march if march == _NATIVE else None, production)  # bytecode runs everywhere
    folder = _simulated(march, production)
    build(folder, march, production)
    return folder


def everything() -> set[Path]:
    """The files that a wheel carries."""
    files = {file for name in boards.names() for file in for_board(boards.find(name)).values()}
    for march, production in product((_NATIVE, None), (False, True)):
        files.update(build(_simulated(march, production), march, production))
    return files


def _simulated(march: str | None, production: bool) -> Path:
    return BUILD / f"sim-{march or 'bytecode'}{'-production' if production else ''}"
