# SPDX-License-Identifier: Apache-2.0
"""`make mutants`: does a test notice when the firmware is a little wrong?

Every mutant of the modules in MODULES runs the unit tests that are about its module, under MicroPython. One that no
test notices is printed, and fails the run unless `accepted.txt` has it with a reason. The libraries for this import the
mutant into CPython, or know no left-out statement.

MODULES are those whose survivors were looked at one by one. The rest of keys/, store/, link/ and of the top are not
among them yet; `--all` runs them, too, and prints what survives.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import track

from host_tools.build import staging
from host_tools.sim.interpreter import find_micropython
from tests.mutants.mutate import Mutant, mutants

ROOT = Path(__file__).parents[2]
ACCEPTED = Path(__file__).with_name("accepted.txt")
UNIT = ROOT / "tests" / "unit"
MODULES = (
    "session/*.py",
    "keys/answers.py",
    "keys/card.py",
    "keys/desk.py",
    "keys/enrolment.py",
    "keys/labels.py",
    "keys/loading.py",
    "keys/policy.py",
    "keys/record.py",
    "keys/report.py",
    "keys/whitelist.py",
    "store/boots.py",
    "store/formats.py",
    "store/journal.py",
    "store/logreader.py",
    "store/reserve.py",
    "link/connection.py",
    "link/frames.py",
    "link/lines.py",
    "link/radio.py",
    "link/requests.py",
    "router.py",
    "security.py",
    "start.py",
    "agent.py",
    "tasks.py",
    "assemble.py",
    "view.py",
    "proof.py",
)
# Whose tests show what a module does, beside the file of its own name.
ALSO: dict[str, tuple[str, ...]] = {
    "router.py": ("brought", "ticks", "view"),
    "start.py": ("assemble",),
    "security.py": ("limits", "router"),
    "session/barereply.py": ("router",),
    "session/handshake.py": ("router", "reply"),
    "session/reply.py": ("router", "handshake"),
    "session/sessions.py": ("listed", "router"),
    "session/verify.py": ("router",),
    "keys/buckets.py": ("keychain",),
    "keys/changes.py": ("keychain",),
    "keys/answers.py": ("router",),
    "keys/desk.py": ("loading",),
    "keys/enrolment.py": ("listed",),
    "keys/policy.py": ("router", "verify", "whitelist"),
    "keys/whitelist.py": ("listed",),
    "store/files.py": ("journal", "boots", "provisioning"),
    "store/formats.py": ("files", "journal", "record"),
    "store/logreader.py": ("accesslog",),
    "link/blephone.py": ("ble",),
    "link/requests.py": ("serial",),
    "view.py": ("proof",),
}
ALL = ("session/*.py", "keys/*.py", "store/*.py", "link/*.py", "*.py")
PATIENCE = 5  # times what the tests take without a change, and some seconds: then a mutant loops for ever
SECONDS = 5
LONG = 0.5  # seconds: such a test comes after the others of its file, because one of them may be enough


def modules(stage: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    """The modules that are mutated, by path in the stage."""
    for pattern in patterns:
        yield from (str(path.relative_to(stage)) for path in sorted((stage / "latchkey").glob(pattern)))


def test_files(module: str) -> list[Path]:
    """The unit tests that have to notice."""
    names = (Path(module).stem, *ALSO.get(module.removeprefix("latchkey/"), ()))
    return [file for name in names if (file := UNIT / f"test_{name}.py").exists()]


def accepted() -> dict[str, str]:
    """Reason by mutant: a line `# reason` holds for the lines under it."""
    reasons: dict[str, str] = {}
    reason = ""
    for line in ACCEPTED.read_text("utf-8").splitlines() if ACCEPTED.exists() else []:
        if line.startswith("# "):
            reason = line[2:]
        elif line:
            reasons[line] = reason
    return reasons


class Tests:
    """The unit tests, and how long each of them takes with nothing changed."""

    def __init__(self, stage: Path) -> None:
        self._stage = stage
        self._interpreter = find_micropython()
        self._seconds: dict[Path, dict[str, float]] = {}

    def measure(self, file: Path) -> None:
        """Run a file once as it is. Exits when it fails: nothing could be said of a mutant then."""
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        names = [node.name for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, functions)]
        tests = [name for name in names if name.startswith("test_")]
        took = self._run(file, tests, self._stage, 600)
        if len(took) < len(tests):
            sys.exit(f"{file.relative_to(ROOT)} fails without any change: make test says why")
        self._seconds[file] = took

    def notice(self, mutant: Mutant) -> bool:
        """Whether a test fails, or the interpreter does. What takes the least goes first."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "stage")
            shutil.copytree(self._stage, copy)
            (copy / mutant.module).write_text(mutant.text, "utf-8")
            files = sorted(test_files(mutant.module), key=lambda file: sum(self._seconds[file].values()))
            return any(not self._pass(file, copy) for file in files)

    def _pass(self, file: Path, stage: Path) -> bool:
        took = self._seconds[file]
        tests = sorted(took, key=lambda name: took[name] > LONG)
        return len(self._run(file, tests, stage, SECONDS + PATIENCE * sum(took.values()))) == len(tests)

    def _run(self, file: Path, tests: list[str], stage: Path, seconds: float) -> dict[str, float]:
        """How long each test took, until the first that failed."""
        path = [str(UNIT), str(stage), str(ROOT / "boards" / "UNIX")]
        code = f"import sys; sys.path[:1] = {path!r}; import runner; runner.run({file.stem!r}, {tests!r})"
        command = [self._interpreter, "-X", "heapsize=16M", "-c", code]
        took: dict[str, float] = {}
        began = time.monotonic()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        ) as run:
            assert run.stdout is not None
            timer = threading.Timer(seconds, run.kill)
            timer.start()
            try:
                for line in run.stdout:
                    if b'"end":' in line:
                        if b'"error": null' not in line:
                            break  # the first is enough
                        took[tests[len(took)]] = time.monotonic() - began
                        began = time.monotonic()
            finally:
                timer.cancel()
                run.kill()
        return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--share", type=float, default=1.0, help="a random part of all, for a quick look")
    parser.add_argument("--seed", type=int, default=0, help="another number, another part")
    parser.add_argument("--all", action="store_true", help="also modules whose survivors nobody has looked at yet")
    chosen = parser.parse_args()
    os.nice(10)
    stage, known = staging.staged(), accepted()
    tests = Tests(stage)
    every: list[Mutant] = []
    for module in modules(stage, ALL if chosen.all else MODULES):
        if chosen.only not in module:
            continue
        found = list(mutants(module, (stage / module).read_text("utf-8")))
        if found and not test_files(module):
            print(f"no unit test is about {module}: left out")
            continue
        every += found
    some = random.Random(chosen.seed).sample(every, round(len(every) * chosen.share))
    for file in sorted({file for mutant in some for file in test_files(mutant.module)}):
        tests.measure(file)
    survivors: set[str] = set()
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda mutant: (mutant.name, tests.notice(mutant)), some)
        for name, seen in track(results, "mutants", total=len(some)):
            if not seen:
                survivors.add(name)
                if name not in known:
                    print(f"no test notices: {name}", flush=True)
    gone = set(known) - {mutant.name for mutant in every} if not chosen.only else set()
    for name in sorted(gone):
        print(f"accepted.txt has what is no mutant any more: {name}")
    unknown = survivors - set(known)
    print(f"{len(some)} mutants, {len(some) - len(survivors)} noticed, {len(survivors) - len(unknown)} accepted")
    return int(bool(unknown or gone))


if __name__ == "__main__":
    sys.exit(main())
