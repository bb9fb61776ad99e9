# SPDX-License-Identifier: Apache-2.0
"""What becomes of key operations, for the access log and the bench."""

from micropython import const

from latchkey.wire.schema import Permission
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.keys.whitelist import Change
    from latchkey.router import Connection

_KEY_CHANGE = const(Permission.REMOVE_KEY)  # in the access log, the command of a key that changed another


class Report:
    """record(kind, conn, key id or None, command, fault, detail) writes the access log; emit(dict) tells the bench."""

    def __init__(self, record: Callable[..., None], emit: Callable[[dict[str, Any]], None]) -> None:
        self._record = record
        self._emit = emit

    def pending(self, change: Change) -> None:
        """A key waits for a tap."""
        key_id = change.key_id
        self._emit({"event": "pending", "key": key_id and key_id.hex(), "role": change.role})

    def collision(self, conn: Connection, left: int) -> None:
        """Two have asked: no tap approves anybody for so many seconds."""
        self._record("collision", conn, None, 0, 0)
        self._emit({"event": "collision", "conn": conn.name, "left": left})

    def tapped_for_nobody(self, left: int) -> None:
        """The card was tapped in such a time."""
        code = Refusal.COULD_NOT_START_LOCAL_ENTITY_AUTH
        self._record("refused", None, None, _KEY_CHANGE, 0, code)
        why = "two have asked: a tap approves nobody for %d s" % left
        self._emit({"event": "refused", "by": "card", "information": code, "why": why})

    def done(self, change: Change, actor: bytes | None, code: int, why: str) -> None:
        """A key operation ended: actor is the id of the key that asked for it, or None; code 0 is success."""
        event = "refused" if code else change.event
        key_id = change.key_id
        told: dict[str, Any] = {"event": event, "by": actor.hex() if actor else "card"}
        if key_id:
            told["key"] = key_id.hex()
        if code:
            self._record(event, None, actor or key_id, _KEY_CHANGE, 0, code)
            told["information"] = code
            told["why"] = why
        else:
            if actor:
                self._record("command", None, actor, _KEY_CHANGE, 0)
            self._record(event, None, key_id, 0, 0)
        self._emit(told)
