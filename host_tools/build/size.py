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

BUDGET = 96 * 1024


def sizes(march: str | None = "xtensawin", production: bool = False, sources: Path | None = None) -> dict[str, int]:
    """Bytes of each compiled module as it goes onto a board, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        files = build(out, march, production, sources, small=True)
        return {file.relative_to(out).as_posix(): file.stat().st_size for file in files if file.suffix == ".mpy"}


def main() -> int:
    """Print the size of each module and of all, for each kind of board; 1 if the largest is over the budget."""
    modules = {march: sizes(march) for march in BOARD_MARCHES}
    totals = {march: sum(found.values()) for march, found in modules.items()}
    tightest = max(totals, key=lambda march: totals[march])
    bench = {compiled(name) for name in BENCH_ONLY}
    table = Table(title="bytes of .mpy on a board")
    table.add_column("module")
    for march in modules:
        table.add_column(march, justify="right")
    for name in modules[tightest]:
        table.add_row(name, *(f"{found[name]:,}" for found in modules.values()))
    table.add_section()
    table.add_row(f"all {len(modules[tightest])} modules", *(f"{total:,}" for total in totals.values()))
    table.add_row(
        "without the bench",
        *(f"{sum(size for name, size in found.items() if name not in bench):,}" for found in modules.values()),
    )
    table.add_row("budget", *(f"{BUDGET:,}" for _ in modules))
    words.show(table)
    over = totals[tightest] - BUDGET
    if over > 0:
        print(f"over the budget by {over:,} bytes ({tightest})", file=sys.stderr)
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
