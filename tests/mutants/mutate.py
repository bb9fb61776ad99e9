# SPDX-License-Identifier: Apache-2.0
"""Small wrong changes of a module, one at a time.

Statements are left out (a call, an assignment to something that lasts, a raise), conditions are always or never true,
one side of an `and` or `or` is dropped, an order is off by its edge (`<` for `<=`), and a constant is one more. Text
and annotations are left alone: nothing that runs looks at them.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_EDGES: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_ORDERS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass
class Mutant:
    """A change of one module: `name` says where and what, and is the same after unrelated edits."""

    module: str
    name: str
    text: str


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module's text."""
    seen: Counter[str] = Counter()
    for where, old, new, node in _changes(ast.parse(text), ""):
        name = f"{module} {where}: {' '.join(old.split())} -> {new}"
        seen[name] += 1
        number = f" #{seen[name]}" if seen[name] > 1 else ""
        yield Mutant(module, name + number, _replaced(text, node, new))


def _changes(node: ast.AST, where: str) -> Iterator[tuple[str, str, str, ast.expr | ast.stmt]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _changes(child, f"{where}.{child.name}".lstrip("."))
            continue
        if isinstance(child, ast.arguments | ast.AnnAssign | ast.ImportFrom | ast.Import):
            continue
        yield from ((where or "module", ast.unparse(old), new, old) for old, new in _of(child))
        yield from _changes(child, where)


def _of(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign():
            yield node, "pass"
        case ast.Assign(value=ast.Call(func=ast.Name(id="const"), args=[ast.Constant(value=int(number))])):
            yield node.value, f"const({number + 1})"
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Constant):
            yield test, "True"
            yield test, "False"
        case ast.IfExp(test=test):
            yield test, "True"
            yield test, "False"
        case ast.BoolOp(values=values):
            for dropped in values:
                rest = [value for value in values if value is not dropped]
                joined = ast.unparse(ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0])
                yield node, f"({joined})"
        case ast.Compare(left=left, ops=[order], comparators=[right]) if type(order) in _EDGES:
            yield node, f"({ast.unparse(left)} {_EDGES[type(order)]} {ast.unparse(right)})"


def _replaced(text: str, node: ast.expr | ast.stmt, new: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    head, tail = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
    between = b"\n" * (node.end_lineno - node.lineno) if isinstance(node, ast.stmt) else b""
    lines[node.lineno - 1 : node.end_lineno] = [head + new.encode() + tail + between]
    return b"".join(lines).decode()
