# SPDX-License-Identifier: Apache-2.0
"""Protocol faults: exceptions that carry their wire code.

`Fault` is the message layer's (universal_message.proto, MessageFault_E), `KeyRefused` the keychain's (vcsec.proto,
WhitelistOperation_information_E). `router` alone turns them into replies; `why`, `expected` and `got` go to bench
events and never onto the wire.
"""

import sys

# A RoutableMessage of vehicle security, to whom it may concern, with MessageFault_E BUSY: for what was lost for want of
# memory or room before it could be read. It names no request, and takes no memory to make.
BUSY = b"\x3a\x02\x08\x02\x62\x04\x08\x02\x10\x01"


class Fault(Exception):
    """A message-layer refusal. Code 0 is for what names nobody to answer: it is dropped, with an event in bench builds.
    `answer`, where its domain has a word of its own for "no", is the payload to say it with."""

    answer: bytes | None = None

    def __init__(self, code: int, why: str, expected: object = None, got: object = None) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.expected = expected
        self.got = got


class KeyRefused(Exception):
    """A keychain operation that was understood and refused; `code` is its whitelist operation information, and `answer`
    as in Fault."""

    answer: bytes | None = None

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def tell(error: BaseException) -> None:
    """Print what went wrong inside. A production build says what kind of error it was and no more: what an error holds,
    a key for example, is not for whoever has a cable."""
    if "latchkey.prompt" in sys.modules:
        sys.print_exception(error)
    else:
        print(type(error).__name__)
