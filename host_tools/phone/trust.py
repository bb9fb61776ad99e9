# SPDX-License-Identifier: Apache-2.0
"""What an owner says of an authority: whose rosters the car takes, and that it takes nobody's any more."""

from __future__ import annotations

from collections.abc import Callable

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.carfile import CarFile
from host_tools.phone.owner import Owner
from host_tools.phone.pairing import TAP_WINDOW

_SLACK = 5.0


class Trust(Owner):
    """An owner's key, which says so."""

    def install(self, file: CarFile, on_wait: Callable[[], object] = lambda: None) -> None:
        """Let the car take that authority's rosters, in place of any other's. Whoever stands beside it taps the card:
        `on_wait` is called once, when the car waits for that. Raises Refused."""
        self.handshake()  # a car that is not there is told sooner than one that waits
        self.timeout += TAP_WINDOW + _SLACK
        self.say(file.request(), on_wait)

    def remove(self) -> None:
        """Let it take nobody's. The keys that it had from the authority go. Raises Refused."""
        self.say(ours.ToLatchkey(remove=ours.RemoveAuthority()), lambda: None)
