# SPDX-License-Identifier: Apache-2.0
"""The firmware's P-256 as a board runs it: its Python here, its native code on a `Machine`, and counted."""

import __future__

import sys
import tempfile
from array import array
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from host_tools.build.compiling import compile_file
from host_tools.build.staging import staged
from tests.native.machine import Machine, viper_code

BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
OTHER = 5, 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC


class Counted:
    """The modules `field` and `points`, with the native code of one of the boards' processors."""

    def __init__(self, march: str) -> None:
        crypto = staged() / "latchkey" / "crypto"
        with tempfile.TemporaryDirectory() as folder:
            compiled = Path(folder, "field.mpy")
            compile_file(crypto / "field.py", compiled, march, small=True)
            self._machine = Machine(march, viper_code(compiled.read_bytes()))
        self.reset()
        with mock.patch.dict(sys.modules, micropython=SimpleNamespace(const=int, viper=lambda _: self._native)):
            self.field, self.points = (_load(crypto / f"{name}.py") for name in ("field", "points"))

    def reset(self) -> None:
        """Count from zero."""
        self.instructions = self.products = self.sums = self.steps = self.longest = 0

    def walk(self, size: int, *terms: tuple[int, int, int, int]) -> tuple[int, int]:
        """What points.walk comes to, as an affine point."""
        steps = self.points.walk(size, *terms)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                x, y, z = end.value
                p: int = self.points.P
                return x * pow(z, -2, p) % p, y * pow(z, -3, p) % p

    def instruction(self, text: bytes) -> int:
        """The processor's instructions for one of the field's, without the step from Python."""
        counts = []
        for program in (b"", text):
            self.reset()
            self.field.run(self.field.new(), program)
            counts.append(self.instructions)
        return counts[1] - counts[0]

    def _native(self, columns: bytearray, limb: int, registers: Any, program: bytes, size: int) -> None:
        memory = bytearray(registers)
        took = self._machine.call(columns, limb, memory, bytes(program), size)
        registers[:] = array("H", bytes(memory))
        products = program.count(b"55 ")
        self.instructions += took
        self.products += products
        self.sums += size // 6 - products
        self.steps += 1
        self.longest = max(self.longest, took)


def _load(source: Path) -> ModuleType:
    """A module of the firmware, in CPython."""
    module = sys.modules[f"latchkey.crypto.{source.stem}"] = ModuleType(source.stem)
    later = __future__.annotations.compiler_flag  # viper's types are names that only its compiler knows
    exec(compile(source.read_text("utf-8"), str(source), "exec", later), module.__dict__)
    return module
