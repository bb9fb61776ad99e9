# SPDX-License-Identifier: Apache-2.0
"""The firmware as a board gets it, still as text: numbers for the schema's names, no lines for type checkers.

A source says `MessageFault.BUSY`, and imports the class from `latchkey.wire.schema`; the staged text says `1` and
imports nothing, so that words cost a board nothing. Every line keeps its number: tracebacks point into the sources.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

SCHEMA = "latchkey.wire.schema"


class StageError(Exception):
    """A source cannot be staged. The text names the file, the line and what is wrong."""


@cache
def numbers(schema: Path) -> dict[str, dict[str, int]]:
    """The numbers in a schema module, by class and name."""
    classes = [node for node in ast.parse(schema.read_text("utf-8")).body if isinstance(node, ast.ClassDef)]
    return {
        node.name: {
            target.id: ast.literal_eval(line.value)
            for line in node.body if isinstance(line, ast.Assign)
            for target in line.targets if isinstance(target, ast.Name)
        }
        for node in classes
    }  # fmt: skip


def stage(text: str, schema: dict[str, dict[str, int]], name: str = "<source>") -> str:
    """The text of one module as a board gets it. Raises StageError."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise StageError(f"{name}:{error.lineno}: {error.msg}") from None
    lines = text.encode().splitlines(keepends=True)
    only_types = [node for node in tree.body if _for_types(node)]
    _inline(tree, lines, schema, name, {id(inner) for node in only_types for inner in ast.walk(node)})
    for node in only_types:
        _blank(node, lines)
    return b"".join(lines).decode()


def _for_types(node: ast.stmt) -> bool:
    """`TYPE_CHECKING = False` and what stands under it: a board would keep the names in its heap."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return True
        case ast.Assign(targets=[ast.Name(id="TYPE_CHECKING")], value=ast.Constant(value=False)):
            return True
    return False


def _blank(node: ast.stmt, lines: list[bytes]) -> None:
    assert node.end_lineno is not None  # noqa: S101 - always set by ast.parse; this tells mypy
    lines[node.lineno - 1 : node.end_lineno] = [b"\n"] * (node.end_lineno - node.lineno + 1)


def _inline(tree: ast.Module, lines: list[bytes], schema: dict[str, dict[str, int]], name: str, skip: set[int]) -> None:
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == SCHEMA]
    known = {alias.asname or alias.name: alias.name for node in imports for alias in node.names}
    inside_text = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    named: set[int] = set()
    found: list[tuple[ast.Attribute, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            named.add(id(node.value))
            owner = known[node.value.id]
            where = f"{name}:{node.lineno}: {owner}.{node.attr}"
            if node.attr not in schema.get(owner, {}):
                raise StageError(f"{where} is not in the schema")
            if id(node) in inside_text or node.lineno != node.end_lineno:
                raise StageError(f"{where} cannot be staged there: give it a name of its own first")
            found.append((node, schema[owner][node.attr]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in known and id(node) not in named | skip:
            raise StageError(f"{name}:{node.lineno}: {node.id} is no value: only its names are")
        if isinstance(node, ast.ImportFrom) and node.module == SCHEMA and node not in imports and id(node) not in skip:
            raise StageError(f"{name}:{node.lineno}: import the schema at the top of the module")
    for node, number in sorted(found, key=lambda item: (item[0].lineno, -item[0].col_offset)):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line[: node.col_offset] + str(number).encode() + line[node.end_col_offset :]
    for imported in imports:
        _blank(imported, lines)
