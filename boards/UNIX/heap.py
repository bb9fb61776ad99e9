# SPDX-License-Identifier: Apache-2.0
"""Boots a car as a board does, radio and bench off, and says what that takes of the heap (host_tools/sim/heap.py).

Arguments: the flash image, the folder of the compiled firmware, and `provision` or `boot`. What a board has in its
build, and this interpreter or this simulation has not, is loaded before the first figure is taken.
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

SETTINGS = {"vin": "5YJ30123456789ABC", "radio": False, "bench": False}
_BOOT_MS = 1000

modules: "dict[str, int]" = {}
_inner = [0]
_import = builtins.__import__


def stand_in() -> None:
    """Here is no radio, and a bare interpreter has no AES and no SHA-1. A boot needs their names, not what they do."""
    import hashlib

    class Hashes:
        sha256 = hashlib.sha256
        sha1 = getattr(hashlib, "sha1", hashlib.sha256)

    class Bluetooth:
        class BLE:
            def active(self, on: bool) -> None: ...

    loaded: Any = sys.modules
    loaded["bluetooth"] = Bluetooth
    loaded["hashlib"] = Hashes
    try:
        import cryptolib  # noqa: F401
    except ImportError:

        class Ciphers:
            aes = None

        loaded["cryptolib"] = Ciphers


def used() -> int:
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def weighed(name: str, *rest: Any) -> Any:
    """Import, and note what the module keeps, without those that it imports first."""
    if name in sys.modules or not name.startswith(("latchkey", "asyncio")):
        return _import(name, *rest)
    before = used()
    _inner.append(0)
    try:
        return _import(name, *rest)
    finally:
        took = used() - before
        modules[name] = took - _inner.pop()
        _inner[-1] += took


def provision() -> None:
    import asyncio

    from latchkey import provisioning

    generator = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    generator += "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    private, public = bytes(31) + b"\x01", b"\x04" + bytes.fromhex(generator)
    asyncio.run(provisioning.provision("/data", json.dumps(SETTINGS).encode(), private, public))


def boot(board: Any) -> None:
    micropython.qstr_info()  # the simulation's own names
    before = used()
    python: Any = builtins
    python.__import__ = weighed
    import asyncio

    from latchkey.agent import Agent

    agent = Agent(board)

    async def look() -> None:
        task = asyncio.create_task(agent.run())
        await asyncio.sleep_ms(_BOOT_MS)
        python.__import__ = _import
        after = used() - before
        micropython.qstr_info()
        print("heap:", json.dumps([after, {name: modules[name] for name in modules if name in sys.modules}]))
        task.cancel()
        sys.exit()

    asyncio.run(look())


stand_in()
image, folder, what = sys.argv[1:]
if what == "provision":
    make_image(image)
    vfs.VfsLfs2.mkfs(Flash(image))
vfs.mount(vfs.VfsLfs2(Flash(image)), "/data")
os.chdir(folder)
simulation = sys.path[0]
sys.path[:] = ["", simulation, ".frozen"]
if what == "provision":
    provision()
else:
    import board

    boot(board)
