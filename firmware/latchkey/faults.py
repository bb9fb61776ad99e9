# SPDX-License-Identifier: Apache-2.0
"""Protocol faults: exceptions that carry their wire code.

`Fault` is the message layer's (universal_message.proto, MessageFault_E), `KeyRefused` the keychain's (vcsec.proto,
WhitelistOperation_information_E). `router` alone turns them into replies; `why`, `expected` and `got` go to bench
events and never onto the wire.
"""

from micropython import const

BUSY = const(1)
UNKNOWN_KEY_ID = const(3)
INACTIVE_KEY = const(4)
INVALID_SIGNATURE = const(5)
INVALID_TOKEN_OR_COUNTER = const(6)
INSUFFICIENT_PRIVILEGES = const(7)
INVALID_DOMAINS = const(8)
INVALID_COMMAND = const(9)
DECODING = const(10)
INTERNAL = const(11)
BAD_PARAMETER = const(13)
INCORRECT_EPOCH = const(15)
IV_INCORRECT_LENGTH = const(16)
TIME_EXPIRED = const(17)
NOT_PROVISIONED = const(18)
TIME_TO_LIVE_TOO_LONG = const(20)
RESPONSE_MTU_EXCEEDED = const(25)
INVALID_KEY_HANDLE = const(27)

# WhitelistOperation_information_E
KEY_UNDOCUMENTED_ERROR = const(1)
KEY_REMOVES_ONESELF = const(2)
KEY_WHITELIST_FULL = const(4)
KEY_NO_PERMISSION_TO_ADD = const(5)
KEY_INVALID_PUBLIC_KEY = const(6)
KEY_NO_PERMISSION_TO_REMOVE = const(7)
KEY_NO_PERMISSION_TO_CHANGE = const(8)
KEY_REMOVES_OWN_PERMISSIONS = const(11)
KEY_NOT_ON_WHITELIST = const(12)
KEY_ALREADY_ON_WHITELIST = const(13)
KEY_WITHOUT_ROLE = const(19)
KEY_WITH_SERVICE_ROLE = const(20)
KEY_ADDS_SERVICE = const(21)
KEY_COULD_NOT_START_AUTH = const(23)
KEY_NO_TAP_IN_TIME = const(25)
KEY_AUTH_CANCELLED = const(28)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session


class Fault(Exception):
    """A message-layer refusal. With `session` set, the reply carries that session's fresh, signed session info."""

    def __init__(
        self, code: int, why: str, session: Session | None = None, expected: object = None, got: object = None
    ) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.session = session
        self.expected = expected
        self.got = got


class KeyRefused(Exception):
    """A keychain operation that was understood and refused; `code` is its whitelist operation information."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class Unanswerable(Exception):
    """A message that names nobody to answer: dropped, with an event in bench builds."""
