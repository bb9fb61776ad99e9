# SPDX-License-Identifier: Apache-2.0
"""How fast an authority publishes, and that its memory does not grow with the cars: to a folder, and to an S3 server
that is started for it. Each row is a process of its own: `python -m tests.publishing --cars 10000 --cars 100000`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from host_tools import words
from host_tools.authority import desk
from host_tools.authority.publish import Published
from host_tools.authority.store import open_store
from tests.host.desks import DRIVER, Desk, vins
from tests.host.rosters import public

_KEYS = 5  # on each roster
_BUCKET = "latchkey-cars"
_SERVER = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '{}'])"


def measured(cars: int, store: str) -> dict[str, Any]:
    """Publish so many cars, then 1 % of them again. Memory is this process's at most, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        a_desk = Desk(Path(folder))
        every = vins(cars)
        for at in range(0, cars, 5000):
            a_desk.cars(every[at : at + 5000])
        for number in range(_KEYS):
            desk.add_key(a_desk.database, public(number + 1), f"phone {number}", DRIVER)
        first = _timed(a_desk, store or folder + "/public")
        desk.add_key(a_desk.database, public(99), "new", DRIVER, 0, every[::100])
        second = _timed(a_desk, store or folder + "/public")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cars": cars, "first": first, "changed": second, "memory": round(most)}


def _timed(a_desk: Desk, store: str) -> dict[str, Any]:
    began = time.monotonic()
    done: Published = a_desk.publish(open_store(store))
    took = time.monotonic() - began
    if done.refused:
        sys.exit(f"refused: {done.reason}")
    return {"written": sum(done.written.values()), "bytes": done.bytes, "seconds": round(took, 2)}


@contextlib.contextmanager
def s3() -> Iterator[dict[str, str]]:
    """The environment for a server with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    named = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    environment = {**os.environ, **{f"AWS_{name}": value for name, value in named.items()}}
    command = [sys.executable, "-c", _SERVER.format(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _child(environment, "--bucket", _BUCKET)
            yield environment
        finally:
            server.terminate()


def make_bucket(name: str) -> None:
    """Make it as soon as the server is there."""
    from s3fs.core import S3FileSystem

    for _ in range(100):
        try:
            S3FileSystem(skip_instance_cache=True).mkdir(name)
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("no S3 server came up")


def _child(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "tests.publishing", *arguments]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def _row(cars: int, store: str, environment: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_child(environment, "--row", store, "--cars", str(cars)))
    return found


def main(arguments: list[str]) -> None:
    """Print the table, or with --json what is in it."""
    parser = argparse.ArgumentParser(prog="python -m tests.publishing", description=__doc__)
    parser.add_argument("--cars", type=int, action="append", help="how many; may be given several times")
    parser.add_argument("--store", choices=["folder", "s3"], action="append", help="where to; both if left out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--bucket", help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if told.bucket:
        make_bucket(told.bucket)
        return
    if told.row is not None:
        print(json.dumps(measured(told.cars[0], told.row)))
        return
    rows: list[dict[str, Any]] = []
    for store in told.store or ["folder", "s3"]:
        with s3() if store == "s3" else contextlib.nullcontext(dict(os.environ)) as environment:
            for cars in told.cars or [10_000, 100_000]:
                place = f"s3://{_BUCKET}/{cars}" if store == "s3" else ""
                rows.append({"store": store, **_row(cars, place, environment)})
    if told.json:
        print(json.dumps(rows))
        return
    table = Table("store", "cars", "cars a second", "MB written", "memory, MB", "1 % changed: files", "seconds")
    for row in rows:
        first, changed = row["first"], row["changed"]
        rate = round(first["written"] / first["seconds"])
        cells = (row["store"], row["cars"], rate, round(first["bytes"] / 1e6), row["memory"], changed["written"])
        table.add_row(*map(str, cells), str(changed["seconds"]))
    words.show(table)


if __name__ == "__main__":
    main(sys.argv[1:])
