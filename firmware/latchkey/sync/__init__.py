# SPDX-License-Identifier: Apache-2.0
"""When a car asks its server for the roster, and how (docs/sync.md). A car that never polls works all the same.

`Sync` knows when, and is all that stays loaded between two polls. `task` has `poll` make one, which brings up `wifi`,
asks `dns` where the server is, fetches the file with `http`, and hands each parcel to the authority's intake. `polling`
says how many seconds to wait: from a start to the first poll, after one that was answered, and after one that was not.
`status` is for who asks how it goes.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Protocol

    class Authority(Protocol):
        """Whose roster is fetched: `address` are 16 bytes, `url` is empty where couriers bring it, `interval` are the
        seconds that the roster asks for, 0: the car's own."""

        address: bytes
        url: bytes
        interval: int

    class Parts(Protocol):
        """The car (parts.py)."""

        settings: Any
        clock: Any
        tasks: Any
        links: list[Any]
        radio: Any
        car: Any


_DAY = const(86_400)


class Sync:
    """`take` gets each parcel: True, more is wanted; False, nothing is; what it raises makes the poll a failure. It has
    the parcel until it returns. Another authority is another Sync: what the file was last is this one's."""

    def __init__(self, parts: Parts, authority: Authority, take: Callable[[memoryview], Awaitable[bool]]) -> None:
        self.parts = parts
        self.authority = authority
        self.take = take
        self.at = 0  # second of the next poll; 0: none was planned yet
        self.seen = -_DAY  # when a phone was last here
        self.failures = 0  # in a row
        self.etag = b""  # of the file that was taken last
        self.told = "not polled yet"  # how the last poll went

    def tick(self) -> None:
        """Housekeeping, about twice a second."""
        now = self.parts.clock.now()
        for link in self.parts.links:
            if link.phones:
                self.seen = now
        if self.authority.url and now >= self.at:
            first = not self.at
            self.at = now + _DAY  # whatever becomes of this one
            try:
                from latchkey.sync import task

                self.parts.tasks.start("sync", task.run(self, first), True)
            except Exception as error:  # noqa: BLE001 - no memory, or a flash that fails: it is still a car
                print("sync:", error)
