# SPDX-License-Identifier: Apache-2.0
"""How large the compiled firmware is.

A board keeps imported code in the heap that everything else needs, so all modules together have a budget.
"""

import sys
import tempfile
from pathlib import Path

from rich.table import Table

from host_tools import words
from host_tools.build.compiling import BOARD_MARCHES, build, compiled
from host_tools.build.staging import BENCH_ONLY

BUDGET = 105 * 1024
"""For all that a car on the road has. 96 KB was wanted: docs/performance.md, "Heap of a board"."""
BENCH_BUDGET = 8 * 1024
"""For what a bench build has beside it."""


def sizes(march: str | None = "xtensawin", production: bool = False, sources: Path | None = None) -> dict[str, int]:
    """Bytes of each compiled module as it goes onto a board, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        files = build(out, march, production, sources, small=True)
        return {file.relative_to(out).as_posix(): file.stat().st_size for file in files if file.suffix == ".mpy"}


def totals(found: dict[str, int]) -> tuple[int, int]:
    """(bytes of all that a car on the road has, of what only a bench build has)."""
    bench = {compiled(name) for name in BENCH_ONLY}
    extra = sum(size for name, size in found.items() if name in bench)
    return sum(found.values()) - extra, extra


def main() -> int:
    """Print the size of each module and of all, for each kind of board; 1 if the largest is over a budget."""
    modules = {march: sizes(march) for march in BOARD_MARCHES}
    table = Table(title="bytes of .mpy on a board")
    for column in ("module", *modules, "budget"):
        table.add_column(column, justify="left" if column == "module" else "right")
    for name in next(iter(modules.values())):
        table.add_row(name, *(f"{found[name]:,}" for found in modules.values()))
    table.add_section()
    over = 0
    for part, (what, budget) in enumerate((("all on the road", BUDGET), ("the bench beside it", BENCH_BUDGET))):
        of = {march: totals(found)[part] for march, found in modules.items()}
        table.add_row(what, *(f"{size:,}" for size in of.values()), f"{budget:,}")
        tightest = max(of, key=lambda march: of[march])
        if of[tightest] > budget:
            over = 1
            print(f"{what}: over the budget by {of[tightest] - budget:,} bytes ({tightest})", file=sys.stderr)
    words.show(table)
    return over


if __name__ == "__main__":
    sys.exit(main())
