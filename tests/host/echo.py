# SPDX-License-Identifier: Apache-2.0
"""A firmware of a few lines for tests of the simulated board and its port: phones hear their own words."""

from __future__ import annotations

from pathlib import Path

from host_tools.build.staging import staged

MAIN = """
import asyncio, board, gc, machine, os, time
from latchkey import prompt
from latchkey.link.serial import SerialLink

prompt.allow(False)


class Link(SerialLink):
    def _close(self, number):
        super()._close(number)
        self.event({"event": "closed", "conn": "serial/%d" % number})


def handle(conn, message):
    conn.send(b"echo " + bytes(message))


class Bench:
    def handle(self, request):
        return {"ok": True, "result": getattr(self, request["op"])(request)}

    def info(self, request):
        return {"boot": boot, "provisioned": True, "cause": machine.reset_cause()}

    def heap(self, request):
        gc.collect()
        return {"free": gc.mem_free(), "alloc": gc.mem_alloc()}

    def reboot(self, request):
        machine.reset()

    def hang(self, request):
        time.sleep_ms(request["ms"])

    def say(self, request):
        for _ in range(request["lines"]):
            print("x" * 99)

    def event(self, request):
        link.event({"event": "asked", "by": request["by"]})

    def write(self, request):
        if request.get("cut"):
            board.power_cut(request["cut"])
        with open("/data/note", "w") as f:
            f.write(request["text"])

    def read(self, request):
        with open("/data/note") as f:
            return f.read()


boot = os.urandom(4).hex()
link = Link(handle, Bench().handle, lambda: {"boot": boot, "vin": None, "version": "0"})


async def main():
    watchdog = machine.WDT(timeout=1000)
    tasks = [asyncio.create_task(task) for _, task in link.tasks()]
    while True:
        watchdog.feed()
        link.tick()
        await asyncio.sleep_ms(200)


print("echo", boot)
asyncio.run(main())
"""


def make_firmware(folder: Path, main: str = MAIN) -> Path:
    """A folder that a simulated board can run: this main.py beside the real library."""
    folder.mkdir(exist_ok=True)
    (folder / "latchkey").symlink_to(staged() / "latchkey")
    (folder / "boot.py").write_text("")
    (folder / "main.py").write_text(main)
    return folder
