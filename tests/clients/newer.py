# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of client libraries on a newer Python than the project needs: `make clients [CLIENTS="newest 6.0.1"]`.

The newest releases of PyPI's libraries want Python 3.13. This looks for one (CLIENT_PYTHON, or python3.13 and newer on
the PATH), gives it an environment of its own in .venv/clients and runs the same tests there: with the newest
tesla-fleet-api and tesla-ble, and then with each older tesla-ble that is in use. Without such a Python it says so in a
line, and that is no failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv" / "clients"
NEWEST = "newest"
RELEASES = (NEWEST, "6.2.0", "6.1.1", "6.0.1")  # of tesla-ble
NEEDED = (3, 13)
BLE_PYTHON = (3, 13)  # the only one that tesla-ble has wheels for
ASK = "import sys; print(*sys.version_info[:2])"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install")


def version(python: str) -> tuple[int, ...]:
    """What Python that is; () if it cannot be run, as the shims of a version manager cannot at times."""
    try:
        done = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=30)
        return tuple(map(int, done.stdout.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()


def find() -> tuple[str, tuple[int, ...]] | None:
    """A Python that is new enough, and its version."""
    asked = os.environ.get("CLIENT_PYTHON")
    for python in [asked] if asked else candidates():
        found = version(python)
        if found >= NEEDED:
            return python, found
    return None


def candidates() -> Iterator[str]:
    """Those on the PATH, and those that a version manager on the PATH has and has not switched to."""
    for name in ("python3.13", "python3.14", "python3"):
        here = shutil.which(name)
        if here:
            yield here
            if Path(here).parent.name == "shims":
                yield from map(str, Path(here).parents[1].glob(f"versions/*/bin/{name}"))
    yield sys.executable


def run(python: Path | str, *arguments: str, path: Path | None = None) -> int:
    """That Python's exit code, in the project's folder; what lies in `path` goes before what is installed."""
    environment = dict(os.environ, PYTHONPATH=str(path)) if path else None
    return subprocess.run([str(python), *arguments], cwd=ROOT, env=environment).returncode


def main(wanted: Iterable[str]) -> int:
    found = find()
    if found is None:
        print("clients: skipped. The newest tesla-fleet-api and tesla-ble need Python 3.13 and there is none here;")
        print("         install one, or name it: CLIENT_PYTHON=/path/to/python3.13 make clients")
        return 0
    python = HOME / "bin" / "python"
    if version(str(python)) != found[1] and run(found[0], "-m", "venv", "--clear", str(HOME)):
        return 1
    if run(python, *PIP, "--upgrade", "--editable", ".[clients]"):
        print("clients: the libraries could not be installed (see above). Is there a network?")
        return 1
    has_ble = found[1] == BLE_PYTHON
    if has_ble and run(python, *PIP, "--upgrade", "--only-binary", ":all:", "tesla-ble"):
        print("clients: there is no wheel of tesla-ble for this machine: its tests are skipped")
        has_ble = False
    failed = False
    for release in wanted:
        folder = None if release == NEWEST else HOME / f"tesla-ble-{release}"
        if folder and not has_ble:
            continue
        if folder and not folder.is_dir():
            target = ("--no-deps", "--only-binary", ":all:", "--target", str(folder))
            if run(python, *PIP, *target, f"tesla-ble=={release}"):
                return 1
        print(f"clients: Python {found[1][0]}.{found[1][1]}, tesla-ble {release}", flush=True)
        tests = ["tests/clients/test_published.py"]
        tests += ["-k", "tesla-ble or libraries"] if folder else ["tests/clients/test_tesla_fleet_api.py"]
        failed |= bool(run(python, "-m", "pytest", "-n", "2", *tests, path=folder))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or RELEASES))
