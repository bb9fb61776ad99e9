# SPDX-License-Identifier: Apache-2.0
"""The staged firmware with a probe before every statement, for an interpreter without `sys.settrace`.

A probe says its number to `_probe.py`, which writes it down when it is the first time. So it is MicroPython that runs,
and every process adds to the same file, however it ends. Lines are those of the sources, as everywhere in the stage.
"""

from __future__ import annotations

import ast
from pathlib import Path

from host_tools.build.staging import SCHEMA

_PROBE = """
seen = bytearray({count})
number = bytearray(2)
out = open({hits!r}, "ab")


def hit(n):  # allocates nothing: tests lock the heap
    if not seen[n]:
        seen[n] = 1
        number[0], number[1] = n & 255, n >> 8
        out.write(number)
"""
_IMPORT = ast.parse("from _probe import hit as _hit").body


class Probes:
    """A folder of firmware with probes in it. A probe stands for the lines of one statement of one file."""

    def __init__(self, stage: Path, folder: Path) -> None:
        self._hits = folder / "hits"
        self._places: list[tuple[str, set[int]]] = []
        self.files = [str(path.relative_to(stage)) for path in sorted(stage.rglob("*.py"))]
        self.files.remove(SCHEMA)
        self.firmware = folder / "firmware"
        for name in self.files:
            target = self.firmware / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._probed(name, (stage / name).read_text("utf-8")), "utf-8")
        (self.firmware / SCHEMA).parent.mkdir(parents=True, exist_ok=True)
        (self.firmware / SCHEMA).write_bytes((stage / SCHEMA).read_bytes())
        (self.firmware / "_probe.py").write_text(_PROBE.format(count=len(self._places), hits=str(self._hits)), "utf-8")

    def lines(self) -> dict[str, set[int]]:
        """The lines that ran, by file."""
        ran: dict[str, set[int]] = {name: set() for name in self.files}
        numbers = self._hits.read_bytes() if self._hits.exists() else b""
        for at in range(0, len(numbers), 2):
            name, lines = self._places[int.from_bytes(numbers[at : at + 2], "little")]
            ran[name] |= lines
        return ran

    def _probed(self, name: str, text: str) -> str:
        module = ast.parse(text)
        for node in list(ast.walk(module)):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list):
                    above = {node.lineno} if isinstance(node, ast.ExceptHandler) else set()
                    setattr(node, field, self._block(name, block, above))
        first = 1 if ast.get_docstring(module) is not None else 0
        module.body[first:first] = _IMPORT
        return ast.unparse(ast.fix_missing_locations(module))

    def _block(self, name: str, block: list[ast.stmt], above: set[int]) -> list[ast.stmt]:
        probed: list[ast.stmt] = []
        for statement in block:
            lines = above | {statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))}
            above = set()
            if not _text(statement):
                probed += ast.parse(f"_hit({len(self._places)})").body
                self._places.append((name, lines))
            probed.append(statement)
        return probed


def _text(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
