# SPDX-License-Identifier: Apache-2.0
"""A firmware that counts what it does, and whose bench's `stretch` so tells the time that an ESP32 would take.

Before each statement of the staged text stands a call that adds what its expressions weigh. What is not Python is
weighed where it is called: modules that are loaded, collections of the heap, reads and writes of the flash, steps of
P-256 in native code. The weights are instructions of an ESP32 at 240 MHz; docs/performance.md says where each is from.
"""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

from host_tools.build import boards, compiling, firmware
from host_tools.build.staging import ENTRY_POINTS, SCHEMA, staged

MHZ = 240
BUDGET = MHZ * 50 / 1000  # million instructions: 50 ms, if one takes one cycle
WEIGHTS = {
    "unit": 140,  # an expression, other than a call
    "call": 3,  # expressions
    "collection": 1_300_000,
    "module": 6_400_000,
    "byte": 700,  # of a module, as it is on the board
    "read": 20_000,
    "write": 20_000,
    "points": 272_000,
}
_MODULE = """
import builtins
import sys

import board

_SIZES = {sizes}
_import = builtins.__import__
units = 0


def weigh(n):
    global units
    units += n
    return True


def instructions():
    flash = board._flash
    return units * {unit} + flash.reads * {read} + flash.operations * {write}


def ticks_us():
    return instructions() // {mhz}


def weighed(name, *rest):
    global units
    if name in _SIZES and name not in sys.modules:
        units += ({module} + {byte} * _SIZES[name]) // {unit}
    return _import(name, *rest)


python = builtins
python.__import__ = weighed
"""
_IMPORT = ast.parse("from _weigh import weigh as _weigh").body
_CLOCK = ("from time import ticks_us", "from _weigh import ticks_us")
_CLOCKED = "latchkey/bench/stretches.py"


def build(folder: Path, march: str | None, **weights: int) -> Path:
    """The folder of that firmware, compiled for an interpreter that runs such native code; `weights` replace these."""
    stage = staged()
    texts = folder / "text"
    shutil.rmtree(texts, ignore_errors=True)
    for source in sorted(stage.rglob("*.py")):
        name = str(source.relative_to(stage))
        if name != SCHEMA:
            text = source.read_text("utf-8")
            if name == _CLOCKED:
                assert _CLOCK[0] in text
                text = text.replace(*_CLOCK)
            target = texts / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text if name in ENTRY_POINTS else counted(text), "utf-8")
    on_board = firmware.for_board(boards.find("ESP32_GENERIC"))
    sizes = {
        name.removesuffix(".mpy").removesuffix("/__init__").replace("/", "."): file.stat().st_size
        for name, file in on_board.items()
        if name.endswith(".mpy")
    }
    (texts / "_weigh.py").write_text(_MODULE.format(sizes=json.dumps(sizes), mhz=MHZ, **(WEIGHTS | weights)), "utf-8")
    compiling.build(folder / "firmware", march, sources=texts)
    return folder / "firmware"


def counted(text: str) -> str:
    """A module's text with its counts."""
    module = ast.parse(text)
    _Counts().visit(module)
    first = 1 if ast.get_docstring(module) is not None else 0
    module.body[first:first] = _IMPORT
    return ast.unparse(ast.fix_missing_locations(module))


class _Counts(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        native = any("viper" in ast.unparse(decorator) for decorator in node.decorator_list)
        return node if native else self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        weight = _weight(node.body)
        self.generic_visit(node)
        node.body = ast.BoolOp(ast.And(), [_call(weight), node.body])
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        before = 0  # what a round of a loop takes before its body
        if isinstance(node, ast.While):
            before = _weight(node.test)
        elif isinstance(node, ast.For):
            before = 2 + _weight(node.target)
        elif isinstance(node, ast.ExceptHandler) and node.type is not None and "MemoryError" in ast.unparse(node.type):
            before = WEIGHTS["collection"] // WEIGHTS["unit"]  # before an allocation fails
        blocks = [
            (field, _block(getattr(node, field), before if field == "body" else 0))
            for field in ("body", "orelse", "finalbody")
            if isinstance(getattr(node, field, None), list)
        ]
        for field, made in _comprehensions(node):
            field.ifs.insert(0, made)
        super().generic_visit(node)
        for name, plan in blocks:
            block: list[ast.stmt] = getattr(node, name)
            for at, weight in reversed(plan):
                block.insert(at, ast.Expr(_call(weight)))
        return node


def _comprehensions(node: ast.AST) -> list[tuple[ast.comprehension, ast.expr]]:
    """Each loop of a comprehension, and the count of a round of it."""
    if not isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        return []
    last = node.generators[-1]
    inner = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    weight = 2 + sum(_weight(part) for part in [*inner, last.target, *last.ifs])
    return [(last, _call(weight))]


def _block(block: list[ast.stmt], before: int) -> list[tuple[int, int]]:
    """(place, weight) of the counts of a block: one for a run of statements between which nothing gives way."""
    plan: list[tuple[int, int]] = []
    place, weight = 0, before
    for at, statement in enumerate(block):
        own = _weight(*_own(statement))
        gives_way = any(isinstance(inner, ast.Await | ast.Yield | ast.YieldFrom) for inner in ast.walk(statement))
        nested = any(isinstance(inner, ast.stmt) for inner in ast.walk(statement) if inner is not statement)
        weight += own
        if gives_way or nested:
            if weight:
                plan.append((place, weight))
            place, weight = at + 1, 0
    if weight:
        plan.append((place, weight))
    return plan


def _own(statement: ast.stmt) -> list[ast.AST]:
    """The expressions of a statement that are not in a block of it."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [*statement.decorator_list]
    return [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr | ast.withitem)]


def _weight(*nodes: ast.AST) -> int:
    """In units. What is inside of a lambda or a comprehension counts where it runs."""
    weight = 0
    for node in nodes:
        if isinstance(node, ast.expr):
            weight += 1
        if isinstance(node, ast.Call):
            weight += WEIGHTS["call"] - 1 + _native(node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            weight += _weight(node.generators[0].iter)
        elif not isinstance(node, ast.Lambda):
            weight += _weight(*ast.iter_child_nodes(node))
    return weight


def _native(call: ast.Call) -> int:
    called = ast.unparse(call.func)
    if called == "gc.collect":
        return WEIGHTS["collection"] // WEIGHTS["unit"]
    if called == "run" and len(call.args) == 2:  # points.py
        return WEIGHTS["points"] // WEIGHTS["unit"]
    return 0


def _call(weight: int) -> ast.expr:
    return ast.Call(ast.Name("_weigh", ast.Load()), [ast.Constant(weight)], [])
