# SPDX-License-Identifier: Apache-2.0
"""`make benchmark`: crypto, command path, look-ups, boot and heap, beside a baseline or another checkout.

Everything runs on this computer, under this interpreter; runs of two checkouts take turns. The baseline is
`baseline.json` beside this file, which `--save` writes anew.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from host_tools import words
from host_tools.faults import LatchkeyError
from host_tools.sim.interpreter import ask, find_micropython
from tests.benchmark.compare import Result, tables
from tests.benchmark.measures import PARTS, ROOT, Checkout, Figures

BASELINE = Path(__file__).with_name("baseline.json")


def run(roots: Sequence[Path], parts: Sequence[str], runs: int) -> list[Result]:
    """A result of each checkout."""
    with tempfile.TemporaryDirectory() as folder:
        checkouts = [Checkout(root, Path(folder, str(number))) for number, root in enumerate(roots)]
        found: list[list[Figures]] = [[] for _ in checkouts]
        # What the heap holds does not change from run to run.
        steps = [(part, number) for turn in range(runs) for part in parts if part != "heap" or turn == 0
                 for number in range(len(checkouts))]  # fmt: skip
        screen = words.Screen(stderr=True)
        for part, number in track(steps, "benchmark", console=screen, disable=not screen.is_terminal, transient=True):
            found[number].append(checkouts[number].measure(part))
    return [Result.of(_by(), runs_of_one) for runs_of_one in found]


def _by() -> dict[str, str]:
    interpreter = find_micropython()
    code = "import sys; print(sys.version)"
    version = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "interpreter": f"{version}, {ask(interpreter)[1]} bits",
        "computer": f"{platform.system()} {platform.machine()}",
    }


def baseline() -> Result | None:
    """None where there is none yet."""
    with contextlib.suppress(FileNotFoundError):
        return Result.read(json.loads(BASELINE.read_text("utf-8")))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each time is taken (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare with that firmware, not the baseline")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--save", action="store_true", help="make this the baseline")
    chosen = parser.parse_args(arguments)
    if chosen.runs < 1 or (chosen.save and (chosen.against or set(chosen.only) != set(PARTS))):
        parser.error("at least one run; a baseline is of everything, and of this checkout")
    try:
        roots = [ROOT] + ([chosen.against] if chosen.against else [])
        result, *others = run(roots, chosen.only, chosen.runs)
        before = others[0] if others else baseline()
    except LatchkeyError as error:
        print(words.plain(error.line()), file=sys.stderr)
        return error.exit_code
    for table in tables(result, before, str(chosen.against or "baseline")):
        if table.row_count:
            words.show(table)
    print(f"{result.by['interpreter']} on {result.by['computer']}")
    if before and before.by != result.by:
        print(f"compared with {before.by['interpreter']} on {before.by['computer']}")
    if chosen.json:
        content = {"result": result.write(), "against": before.write() if before else None,
                   "ratios": result.ratios(before) if before else {}}  # fmt: skip
        chosen.json.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    if chosen.save:
        BASELINE.write_text(json.dumps(result.write(), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
