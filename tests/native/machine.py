# SPDX-License-Identifier: Apache-2.0
"""Runs the machine code of a viper function, as `mpy-cross` makes it for a board, and counts its instructions.

Ghidra's descriptions of the processors (the package pypcode) say what an instruction does; here each becomes a Python
function. Calls into MicroPython are left out: a viper function like ours makes none but for its arguments, which are
passed as the machine words that they would come out as.
"""

import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from pypcode import Context, OpCode, PcodeOp, Varnode

_PROCESSORS = {
    "xtensawin": ("Xtensa:LE:32:default", "a1", ("a2", "a3", "a4", "a5")),
    "rv32imc": ("RISCV:LE:32:default", "sp", ("a0", "a1", "a2", "a3")),
}
_CODE, _ARGUMENTS, _STACK, _DATA = 0x1000, 0x8000, 0xF000, 0x10000
_VIPER = 2  # kinds of functions and of objects in a .mpy file
_STRING, _BYTES, _TUPLE = 5, 6, 10

_INFIX = {
    OpCode.INT_ADD: "+", OpCode.INT_SUB: "-", OpCode.INT_MULT: "*", OpCode.INT_AND: "&", OpCode.INT_OR: "|",
    OpCode.INT_XOR: "^", OpCode.INT_LEFT: "<<", OpCode.INT_RIGHT: ">>", OpCode.INT_EQUAL: "==",
    OpCode.INT_NOTEQUAL: "!=", OpCode.INT_LESS: "<",
}  # fmt: skip
_SIGNED = {OpCode.INT_SLESS: "<", OpCode.INT_SLESSEQUAL: "<="}
_PREFIX = {
    OpCode.COPY: "",
    OpCode.INT_ZEXT: "",
    OpCode.INT_2COMP: "-",
    OpCode.INT_NEGATE: "~",
    OpCode.BOOL_NEGATE: "1^",
}
_JUMPS = (OpCode.BRANCH, OpCode.CBRANCH, OpCode.BRANCHIND, OpCode.RETURN)
_LEFT_OUT = (OpCode.IMARK, OpCode.CALLIND, OpCode.CALLOTHER)  # of CALLOTHER, only the windows of Xtensa's registers

_Block = Callable[[dict[int, int]], int]


def viper_code(mpy: bytes) -> bytes:
    """The machine code of the first viper function in a .mpy file (format 6). Raises ValueError if there is none."""
    at = 4

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = mpy[at]
            at += 1
            value = value << 7 | byte & 127
            if byte < 128:
                return value

    def skip(size: int) -> None:
        nonlocal at
        at += size

    names, objects = number(), number()
    for _ in range(names):
        size = number()
        if not size & 1:  # not one that every MicroPython has
            skip((size >> 1) + 1)
    while objects:
        objects -= 1
        kind = mpy[at]
        skip(1)
        if kind == _TUPLE:
            objects += number()
        elif kind >= _STRING:
            skip(number() + (kind <= _BYTES))  # these two end with a zero

    def function() -> bytes | None:
        size = number()
        code = mpy[at : at + (size >> 3)]
        skip(len(code))
        if size & 3 == _VIPER:
            return code
        return next(filter(None, (function() for _ in range(number()))), None) if size & 4 else None

    if (found := function()) is None:
        raise ValueError("no viper function")
    return found


class Machine:
    """One function on one of the boards' processors (an architecture of `mpy-cross`)."""

    def __init__(self, march: str, code: bytes) -> None:
        language, self._sp, self._arguments = _PROCESSORS[march]
        self._context = Context(language)
        self._memory = bytearray(1 << 17)
        self._memory[_CODE : _CODE + len(code)] = code
        whole = memoryview(self._memory)
        self._views = {"m1": whole, "m2": whole.cast("H"), "m4": whole.cast("I")}
        self._block = cache(self._translate)

    def call(self, *arguments: int | bytearray | bytes) -> int:
        """Call it, and return how many instructions that took. What it writes into bytearrays is there afterwards."""
        memory = self._memory
        words = [argument if isinstance(argument, int) else 0 for argument in arguments]
        at = _DATA
        for number, argument in enumerate(arguments):
            if not isinstance(argument, int):
                words[number] = at
                memory[at : at + len(argument)] = argument
                at += len(argument) + 3 & ~3
        memory[_ARGUMENTS : _ARGUMENTS + 4 * len(words)] = struct.pack(f"<{len(words)}i", *words)
        registers = dict.fromkeys((varnode.offset for varnode in self._context.registers.values()), 0)
        for name, value in zip(self._arguments, (0, len(words), 0, _ARGUMENTS), strict=True):  # self, counts, arguments
            registers[self._context.registers[name].offset] = value
        registers[self._context.registers[self._sp].offset] = _STACK
        count, at = 0, _CODE
        while at:
            run, size = self._block(at)
            at = run(registers)
            count += size
        for word, argument in zip(words, arguments, strict=True):
            if isinstance(argument, bytearray):
                argument[:] = memory[word : word + len(argument)]
        return count

    def _translate(self, at: int) -> tuple[_Block, int]:
        """The instructions from an address to the next jump as a function, and how many they are.

        It changes registers and memory, and returns the next address: 0 after the last.
        """
        lines, count, jumped = [], 0, False
        while not jumped:
            operations = self._context.translate(bytes(self._memory[at : at + 4]), at, max_instructions=1).ops
            at += sum(varnode.size for varnode in operations[0].inputs)
            count += 1
            for operation in operations:
                if operation.opcode not in _LEFT_OUT:
                    lines.append(_line(operation))
                    jumped = jumped or operation.opcode in _JUMPS
        names: dict[str, Any] = {"signed": _signed, **self._views}
        exec("\n ".join(["def block(r):", *lines, f"return {at}"]), names)
        return names["block"], count


def _signed(value: int, size: int) -> int:
    return value - (value >> 8 * size - 1 << 8 * size)


def _line(operation: PcodeOp) -> str:
    """A statement of Python for an operation of Ghidra's p-code. Raises ValueError for one that is not known here."""
    code = operation.opcode
    inputs = [_value(varnode) for varnode in operation.inputs]
    sizes = [varnode.size for varnode in operation.inputs]
    if code in _JUMPS:
        target = inputs[0]
        if code in (OpCode.BRANCH, OpCode.CBRANCH):
            if operation.inputs[0].space.name != "ram":
                raise ValueError("a jump inside an instruction is not known here")
            target = str(operation.inputs[0].offset)
        return f"if {inputs[1]}: return {target}" if code == OpCode.CBRANCH else f"return {target}"
    if code == OpCode.STORE:
        return f"{_memory(inputs[1], sizes[2])} = {inputs[2]}"
    if (output := operation.output) is None:
        raise ValueError(f"{code} is not known here")
    if code in _INFIX:
        value = f"{inputs[0]} {_INFIX[code]} {inputs[1]}"
    elif code in _SIGNED:
        value = f"signed({inputs[0]}, {sizes[0]}) {_SIGNED[code]} signed({inputs[1]}, {sizes[1]})"
    elif code in _PREFIX:
        value = f"{_PREFIX[code]}{inputs[0]}"
    elif code == OpCode.INT_SRIGHT:
        value = f"signed({inputs[0]}, {sizes[0]}) >> {inputs[1]}"
    elif code == OpCode.INT_SEXT:
        value = f"signed({inputs[0]}, {sizes[0]})"
    elif code == OpCode.SUBPIECE:
        value = f"{inputs[0]} >> 8 * {inputs[1]}"
    elif code == OpCode.LOAD:
        value = _memory(inputs[1], output.size)
    else:
        raise ValueError(f"{code} is not known here")
    return f"{_value(output)} = ({value}) & {(1 << 8 * output.size) - 1}"


def _memory(address: str, size: int) -> str:
    return f"m{size}[({address}) >> {size.bit_length() - 1}]"  # none is at an odd place: the processors would not do it


def _value(varnode: Varnode) -> str:
    """Python for what an operation reads or writes. Registers are never used in parts by these functions."""
    match varnode.space.name:
        case "const":
            return str(varnode.offset)
        case "register":
            return f"r[{varnode.offset}]"
        case "unique":
            return f"u{varnode.offset}"
        case "ram":
            return _memory(str(varnode.offset), varnode.size)
    raise ValueError(varnode.space.name)
