# SPDX-License-Identifier: Apache-2.0
"""`make stretches`: how long each deed of a car holds the loop at a time, in an ESP32's instructions."""

import tempfile
from pathlib import Path

from rich.table import Table

from host_tools import words
from tests.stretches import counting, deeds


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = deeds.full(folder)
        computed, with_flash = deeds.computed(folder / "computed", full), deeds.with_flash(folder / "with flash", full)
    table = Table(title=f"the longest stretch of each deed, in million instructions; {counting.BUDGET:g} are 50 ms")
    table.add_column("deed")
    for name in ("but for the flash", "held by", "with it", "ms", "held by"):
        table.add_column(name, justify="left" if name == "held by" else "right")
    for deed, stretch in computed.items():
        flash = with_flash[deed]
        numbers = f"{flash.millions:.2f}", f"{flash.ms:.1f}", flash.who
        table.add_row(deed, f"{stretch.millions:.2f}", stretch.who, *numbers)
    words.show(table)


if __name__ == "__main__":
    main()
