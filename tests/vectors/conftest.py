# SPDX-License-Identifier: Apache-2.0
"""Published test vectors, run by the firmware's code under MicroPython: `run_vectors` in tests/unit does the work."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.shares import share

_ROOT = Path(__file__).parents[2]
_PATH = [str(_ROOT / folder) for folder in ("build/stage", "boards/UNIX", "tests/unit")]  # staged by the plugin


@dataclass
class Vector:
    """An operation of `run_vectors`, its arguments, and its result: None when it has to be refused."""

    name: str
    operation: str
    arguments: tuple[bytes, ...]
    expected: bytes | None
    kind: str
    """What the count of this vector is called in the summary."""

    def line(self) -> str:
        expected = "refused" if self.expected is None else self.expected.hex() or "-"
        return " ".join([self.name, self.operation, expected, *(each.hex() or "-" for each in self.arguments)])


RunVectors = Callable[[str, Iterable[Vector]], None]


@pytest.fixture(params=["native", "plain"])
def run_vectors(
    request: pytest.FixtureRequest, tmp_path: Path, record_property: Callable[[str, object], None]
) -> RunVectors:
    """Runs a set of vectors, prints its counts and fails if any came out otherwise than expected, or not at all.

    Once with the firmware's native code, and a share with what takes its place where an interpreter can run none.
    """
    version: str = request.param
    beside = Path(sys.executable).parent / "micropython"
    interpreter = request.config.getoption("--micropython") or os.environ.get("MICROPYTHON") or beside

    def run(title: str, vectors: Iterable[Vector]) -> None:
        vectors = share(list(vectors), 3) if version == "plain" else list(vectors)
        file = tmp_path / "vectors.txt"
        file.write_text("".join(f"{vector.line()}\n" for vector in vectors))
        code = f"import sys; sys.path[:1] = {_PATH!r}; import run_vectors; run_vectors.main({str(file)!r}, {version!r})"
        done = subprocess.run(
            [interpreter, "-X", "heapsize=16M", "-c", code],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=250, check=False,
        )  # fmt: skip
        *printed, last = done.stdout.splitlines() or [""]
        assert done.returncode == 0, done.stdout
        if version == "native" and last.startswith("plain"):
            pytest.skip("this interpreter has no native code")
        assert last == f"{version} {len(vectors)}", done.stdout
        wrong = {line.split()[1] for line in printed if line.startswith("wrong ")}
        kinds = "; ".join(f"{count} {kind}" for kind, count in Counter(vector.kind for vector in vectors).items())
        summary = f"{title}, {version}: {len(vectors)} vectors, {len(vectors) - len(wrong)} as expected ({kinds})"
        print(summary)
        record_property("note", summary)
        assert not printed, done.stdout

    return run
