# SPDX-License-Identifier: Apache-2.0
"""Boots a car as a board does, enrols a key, and says what that takes of the heap (host_tools/sim/heap.py).

Arguments: the flash image, the folder of the compiled firmware, a file with the settings, by how much all that follows
lies further up, and the request of a key that wants to be enrolled, in hex; without that the car is provisioned. What a
board has in its build, and this interpreter or this simulation has not, is loaded before the first figure is taken.
Names of the firmware are used here as little as can be: they are interned once.
"""

import builtins
import gc
import json
import os
import sys

import esp32  # noqa: F401
import machine  # noqa: F401
import micropython
import vfs
from flash import Flash, make_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BOOT_MS = 500
_IN_C = ("asyncio.stream", "bluetooth", "aioble.bluetooth")  # a board's radio has no Python in these places

modules: "dict[str, int]" = {}
_inner = [0]
_import = builtins.__import__


def stand_in(radio: bool) -> None:
    """Here is no radio, and a bare interpreter has no AES and no SHA-1. A boot needs their names, not what they do."""
    import hashlib

    class Hashes:
        sha256 = hashlib.sha256
        sha1 = getattr(hashlib, "sha1", hashlib.sha256)

    class Bluetooth:
        class BLE:
            def active(self, on: bool) -> None: ...

    loaded: Any = sys.modules
    loaded["hashlib"] = Hashes
    try:
        import cryptolib  # noqa: F401
    except ImportError:

        class Ciphers:
            aes = None

        loaded["cryptolib"] = Ciphers
    try:
        if not radio:
            raise ImportError
        import bluetooth  # noqa: F401 - beside aioble's own code: the radio of the stand-in
    except ImportError:
        if radio:
            import aioble  # noqa: F401 - the stand-in, all of it
        loaded["bluetooth"] = Bluetooth


def used() -> int:
    scrub(50)
    gc.collect()
    return gc.mem_alloc()


def scrub(deep: int) -> None:
    """Write over what lies on the stack: collecting takes it for references."""
    if deep:
        scrub(deep - 1)


def absolute(name: str, there: "dict[str, Any]", level: int) -> str:
    """The whole name of a module that is imported from a module with these names."""
    above = there["__name__"].split(".")
    above = above[: len(above) - level + ("__path__" in there)]
    return ".".join(above + [name] if name else above)


def weighed(said: str, *rest: Any) -> Any:
    """Import, and note what the module keeps, without those that it imports first."""
    relative = rest and rest[3] and rest[0]["__name__"].startswith("latchkey")
    name = absolute(said, rest[0], rest[3]) if relative else said
    if name in sys.modules or not name.startswith(("latchkey", "asyncio", "aioble")):
        return _import(said, *rest)
    before = used()
    _inner.append(0)
    try:
        made = _import(said, *rest)
        if relative:
            name = made.__name__  # an interned name: the one made here would be counted
        return made
    finally:
        took = used() - before
        modules[name] = took - _inner.pop()
        _inner[-1] += took


def provision(settings: str) -> None:
    import asyncio

    from latchkey import provisioning

    generator = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    generator += "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    private, public = bytes(31) + b"\x01", b"\x04" + bytes.fromhex(generator)
    asyncio.run(provisioning.provision("/data", settings.encode(), private, public))


def tell(stage: str, before: int) -> None:
    after = used() - before
    micropython.qstr_info()
    print("heap:", json.dumps([stage, after, {name: modules[name] for name in modules if name in sys.modules}]))


def boot(board: Any, bench: bool, asked: str) -> None:
    for name in _IN_C:
        modules.pop(name, None)
    micropython.qstr_info()  # the simulation's own names
    before = used() - sum(modules.values())
    import asyncio

    if bench:
        import latchkey.prompt  # noqa: F401 - as boot.py does, in a build that has a bench
    from latchkey.agent import Agent

    agent = Agent(board)

    async def look() -> None:
        task = asyncio.create_task(agent.run())
        await asyncio.sleep_ms(_BOOT_MS)
        while radio and "latchkey.link.ble" not in sys.modules:
            await asyncio.sleep_ms(_BOOT_MS)
        await asyncio.sleep_ms(_BOOT_MS)
        tell("booted", before)
        import heap_key

        await heap_key.enrol(bytes.fromhex(asked), lambda stage: tell(stage, before))
        task.cancel()
        sys.exit()

    asyncio.run(look())


image, folder, settings, further, asked = sys.argv[1:]
with open(settings) as file:  # an argument becomes a name, and is short
    text = file.read()
space = bytearray(int(further))
bench, radio = [json.loads(text)[name] for name in ("bench", "radio")]
if not asked:
    make_image(image)
    vfs.VfsLfs2.mkfs(Flash(image))
vfs.mount(vfs.VfsLfs2(Flash(image)), "/data")
os.chdir(folder)
simulation = sys.path[0]
aioble = os.getenv("AIOBLE")
sys.path[:] = (
    ["", simulation] + ([aioble, simulation + "/radio/aioble"] if aioble else [simulation + "/radio"]) + [".frozen"]
)
python: Any = builtins
python.__import__ = weighed
stand_in(radio)
if not asked:
    provision(text)
else:
    import board

    boot(board, bench, asked)
