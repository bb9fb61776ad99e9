# SPDX-License-Identifier: Apache-2.0
"""The names that are not the firmware's alone: what MicroPython and the boards call theirs, and what is asked of it.

MicroPython's are in theirs.txt, generated from the stubs that mypy holds the firmware to: `make setup` installs those,
and where a wheel is built they are not. `make schema` writes the file; `make lint` fails when it lacks one that the
firmware says.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from host_tools import places

LIST = Path(__file__).with_suffix(".txt")
_STUBS = (places.ROOT / ".venv" / "stubs", places.ROOT / "tests" / "stubs")
_BOARDS = places.ROOT / "boards"
_FIRMWARE = places.ROOT / "firmware"
# Of MicroPython's asyncio, where the stubs tell CPython's.
_NOT_IN_STUBS = "s wait_io_event"
# What host_tools/flash says at the prompt of a board, whatever firmware that has; and what boards/UNIX/heap.py does.
_ASKED = "VERSION parse KEYS MESSAGES Agent run provision"


@cache
def names() -> frozenset[str]:
    """What others give a name to: an attribute of a board's, of its modules' or of MicroPython's has one of these."""
    return frozenset(_listed()).union(_NOT_IN_STUBS.split(), *(_given(_tree(file).body) for file in _boards()))


def asked(programs: Iterable[str]) -> set[str]:
    """What of the firmware is asked for from outside: of its modules by these programs, and what is known here."""
    found = set(_ASKED.split())
    for program in programs:
        nodes = list(ast.walk(ast.parse(program)))
        imported = {
            each.name
            for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latchkey")
            for each in node.names
        }  # fmt: skip
        found |= imported
        found.update(
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
        )
    return found


def _listed() -> set[str]:
    return set(LIST.read_text("utf-8").split())


def _boards() -> list[Path]:
    return sorted(_BOARDS.rglob("*.py"))


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _given(body: Iterable[ast.AST]) -> Iterator[str]:
    """What a module gives a name to, or a class, where others can ask for it."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
                yield from (
                    inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and _stored(inner)
                )
            case ast.ClassDef(name=name):
                yield name
                yield from _given(node.body)
            case ast.Name(id=name) if _stored(node):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case _:
                yield from _given(ast.iter_child_nodes(node))


def _stored(node: ast.Attribute | ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _in_stubs() -> set[str]:
    found = {name for folder in _STUBS for file in folder.rglob("*.pyi") for name in _given(_tree(file).body)}
    return {name for name in found if name.isidentifier() and name[0] != "_"}


def main(check: bool) -> int:
    """Write the list; or with `check` only say what it lacks. The exit code."""
    if not check:
        LIST.write_text(textwrap.fill(" ".join(sorted(_in_stubs())), 120) + "\n", "utf-8")
        return 0
    said = {word for file in _FIRMWARE.rglob("*.py") for word in re.findall(r"\w+", file.read_text("utf-8"))}
    lacking = (_in_stubs() & said) - _listed()
    if lacking:
        print(f"{LIST} lacks {', '.join(sorted(lacking))}: make schema", file=sys.stderr)
    return int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
