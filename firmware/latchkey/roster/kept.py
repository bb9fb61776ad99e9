# SPDX-License-Identifier: Apache-2.0
"""What is kept of an authority: one sealed record in two places, and the highest version once more in NVS.

The first place's rename is what puts a delegation or a roster in force. NVS follows it: what it has was in force once,
so files that are behind it are from before (law 4).
"""

import asyncio
import struct
from hashlib import sha256

from micropython import const

from latchkey.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator


VERSION = const(1)
NAME = const("roster/authority")  # littlefs reads all of a folder over and over to rename within it: these are small
_FLOOR = const("roster")
_TRIES = const(3)
# root, seal, role; generation, delegation, signers; generation, version, issued, expires, interval, keys, head, place,
# wishes; time
_LAYOUT = const("<65s16sBI8sBIIIIII8sBII")
_KEY = const(65)
_MOST_URL = const(150)  # bytes of an address, after http:// or https://


class State:
    """What is kept: `root` (65 bytes), `seal` (16), `role` and `url` as installed; role 0: there is no authority.

    Of the delegation: `generation`, `delegation` (digest of the body), `signers` (65 bytes each). Of the roster: `made`
    (generation), `version`, `issued`, `expires`, `interval`, `keys`, `digest` (of the head's body), `place`, `wishes`.
    `time`: the latest at which anything accepted was issued. And of a roster that is under way: the `part` that is
    wanted, its `hash`, the `count` of entries so far, and the `last` of them.
    """

    def __init__(self, root: bytes, seal: bytes, role: int, url: bytes) -> None:
        self.root = root
        self.seal = seal
        self.role = role
        self.url = url
        self.generation = self.made = self.version = self.issued = self.expires = self.interval = 0
        self.keys = self.place = self.wishes = self.time = self.part = self.count = 0
        self.delegation = self.digest = bytes(8)
        self.signers = self.hash = self.last = b""


def fetchable(url: bytes) -> bool:
    """Whether an authority may name it: where to fetch parcels over HTTP, or nowhere (empty)."""
    if not url:
        return True
    scheme, _, rest = url.partition(b"://")
    return scheme in (b"http", b"https") and 0 < len(rest) <= _MOST_URL and min(rest) > 0x20 and max(rest) < 0x7F


def order(state: State) -> tuple[int, int]:
    """Rosters are ordered by it (R3)."""
    return state.made, state.version


def pack(state: State) -> bytes:
    """As the flash has it."""
    head = struct.pack(
        _LAYOUT, state.root, state.seal, state.role, state.generation, state.delegation, len(state.signers) // _KEY,
        state.made, state.version, state.issued, state.expires, state.interval, state.keys, state.digest, state.place,
        state.wishes, state.time,
    )  # fmt: skip
    return head + state.signers + state.url


def nobody() -> State:
    """Without an authority, once there was one."""
    return State(bytes(65), bytes(16), 0, b"")


def unpack(body: bytes) -> State:
    """Raises ValueError."""
    root, seal, role, generation, delegation, signers, *roster = struct.unpack_from(_LAYOUT, body, 0)
    at = struct.calcsize(_LAYOUT)
    end = at + _KEY * signers
    state = State(root, seal, role, body[end:])
    state.generation = generation
    state.delegation = delegation
    state.signers = body[at:end]
    (
        state.made, state.version, state.issued, state.expires, state.interval, state.keys, state.digest, state.place,
        state.wishes, state.time,
    ) = roster  # fmt: skip
    return state


def load(root: str, report: Callable[[str], None]) -> tuple[State, tuple[int, int]] | None:
    """(what is kept, the floor: its order, or a later one that NVS has); None: nothing ever was.

    Raises UnknownVersion.
    """
    body = files.load(root, NAME, VERSION, report)
    if not body:
        return None
    state = unpack(body)
    _raise_floor(state)
    return state, floor(state)


def floor(state: State) -> tuple[int, int]:
    """No roster before it may be taken: that in force, or a later one that NVS knows of, of the same installation."""
    return max(_floor(state), order(state))


async def keep(root: str, state: State, before: State) -> None:
    """Put it in force, in place of that before. The caller has store.lock.

    Raises OSError, MemoryError: the one before is; journal.Unclear: only a restart tells.
    """
    first, second = files.places(root, NAME)
    body = pack(state)
    old = pack(before)
    try:
        await files.pace(files.write_sealed(first, VERSION, body))
    except OSError as error:
        for _ in range(_TRIES):  # it may be written all the same: what is written after it is what holds
            try:
                await files.pace(files.write_sealed(first, VERSION, old))
                break
            except OSError:
                pass
        else:
            raise journal.Unclear
        raise error
    await asyncio.sleep_ms(0)
    try:  # it is in force, whatever becomes of these
        await files.pace(files.write_sealed(second, VERSION, body))
        _raise_floor(state)
    except (OSError, MemoryError):
        print("authority: a copy could not be written: the next start makes it anew")


def wipe(root: str) -> Generator[None]:
    """Forget the authority, and all that was of it. Raises OSError."""
    for path in files.places(root, NAME):
        files.remove(path)
        yield


def _tag(state: State) -> bytes:
    """Which installation a floor is of: another authority begins anew. By the seal: a root is replaced by another."""
    tag: bytes = sha256(state.seal).digest()[:4]
    return tag


def _floor(state: State) -> tuple[int, int]:
    try:
        from esp32 import NVS

        raw = bytearray(12)
        if NVS("latchkey").get_blob(_FLOOR, raw) == 12 and raw[:4] == _tag(state):
            made, version = struct.unpack_from("<II", raw, 4)
            return made, version
    except (ImportError, OSError):
        pass  # no ESP32, or nothing there yet
    return 0, 0


def _raise_floor(state: State) -> None:
    """It is never lowered, by the same authority installed anew for example."""
    if _floor(state) >= order(state):
        return
    try:
        from esp32 import NVS

        nvs = NVS("latchkey")
        nvs.set_blob(_FLOOR, _tag(state) + struct.pack("<II", state.made, state.version))
        nvs.commit()
    except (ImportError, OSError):
        pass  # no ESP32, or one that takes nothing: the next start tries again
