# SPDX-License-Identifier: Apache-2.0
"""`make count`: what P-256 takes on a board, and beside the plain version on this computer.

Instructions are those of the boards' machine code, counted on a `Machine`; what Python takes around it is not among
them. The times are of this computer's MicroPython: the plain version, the native one, and Python's share of that.
"""

import json
import subprocess

from rich.table import Table

from host_tools import words
from host_tools.build.compiling import BOARD_MARCHES
from host_tools.build.staging import staged
from host_tools.sim.interpreter import find_micropython
from tests.native.counted import BASE, OTHER, Counted

_TIMES = """
import json, time
from latchkey.crypto import p256, points, points_plain
def took(version):
    times = []
    for _ in range(20):
        begun = time.ticks_us()
        for _ in version.walk(32 + version.BLINDING, ((1 << 255) + 1, p256.GX, p256.GY, 3)): pass
        times.append(time.ticks_diff(time.ticks_us(), begun))
    return min(times)
times = [took(points_plain), took(points)]
def nothing(registers, program):
    registers[240] = 1  # z = 0 would be done again by the plain version
points.run = nothing
print(json.dumps(times + [took(points)]))
"""


def main() -> None:
    table = Table(title="P-256's native code")
    for name in ("processor", "what", "instructions", "of which products", "sums", "steps from Python", "longest step"):
        table.add_column(name, justify="left" if name in ("processor", "what") else "right")
    for march in BOARD_MARCHES:
        counted = Counted(march)
        for name, instruction in (("product", b"pno55 "), ("sum", b"pno66 ")):
            table.add_row(march, f"one {name}", f"{counted.instruction(instruction):,}")
        for name, terms in (("a scalar times a point", 1), ("a verification's two", 2)):
            counted.reset()
            counted.walk(32, *[((1 << 255) + 1, *point, 3) for point in (BASE, OTHER)[:terms]])
            counts = counted.instructions, counted.products, counted.sums, counted.steps, counted.longest
            table.add_row(march, name, *(f"{count:,}" for count in counts))
        table.add_section()
    words.show(table)
    code = f"import sys; sys.path[:1] = [{str(staged())!r}, {str(staged().parents[1] / 'boards' / 'UNIX')!r}]\n{_TIMES}"
    done = subprocess.run([find_micropython(), "-c", code], capture_output=True, text=True, check=True)
    plain, native, python = json.loads(done.stdout)
    print(
        f"Here: {plain} us plain, {native} us native ({python} of them in Python), {plain / native:.1f} times as fast."
    )


if __name__ == "__main__":
    main()
