# SPDX-License-Identifier: Apache-2.0
"""What an owner says of an authority: whose rosters the car takes, and that it takes nobody's any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host_tools.faults import Refused
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.carfile import CarFile
from host_tools.phone.pairing import TAP_WINDOW
from host_tools.phone.refusals import keychain_fault
from host_tools.phone.view import View

_SLACK = 5.0


class Trust(View):
    """An owner's key, which says so."""

    reads = False

    def install(self, file: CarFile, on_wait: Callable[[], object] = lambda: None) -> None:
        """Let the car take that authority's rosters, in place of any other's. Whoever stands beside it taps the card:
        `on_wait` is called once, when the car waits for that. Raises Refused."""
        self.handshake()  # a car that is not there is told sooner than one that waits
        self.timeout += TAP_WINDOW + _SLACK
        self._say(file.request(), on_wait)

    def remove(self) -> None:
        """Let it take nobody's. The keys that it had from the authority go. Raises Refused."""
        self._say(ours.ToLatchkey(remove=ours.RemoveAuthority()), lambda: None)

    def _say(self, request: ours.ToLatchkey, on_wait: Callable[[], object]) -> None:
        waited = False

        def read(plain: bytes) -> Any:
            nonlocal waited
            answer = self.answer_to(request, plain)
            if answer.information:
                raise Refused(keychain_fault(answer.information))
            if not answer.waiting:
                return answer
            if not waited:
                waited = True
                on_wait()
            return None

        self.exchange(request, read)
