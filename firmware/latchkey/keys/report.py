# SPDX-License-Identifier: Apache-2.0
"""What becomes of key operations, for the access log and the bench."""

from latchkey.keys import record
from latchkey.wire.schema import LogKind, Permission
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.keys.asked import Change
    from latchkey.link.connection import Connection
    from latchkey.store.accesslog import AccessLog

# What the bench calls them.
_WORDS = {
    LogKind.REFUSED: "refused",
    LogKind.ENROLLED: "enrolled",
    LogKind.REMOVED: "removed",
    LogKind.UPDATED: "updated",
    LogKind.REPLACED: "replaced",
    LogKind.AUTHORITY: "authority",
    LogKind.REVOKED: "revoked",
    LogKind.TIME: "time",
}


class Report:
    """Writes the access log; emit(dict), where there is a bench, tells it."""

    def __init__(self, log: AccessLog, emit: Callable[[dict[str, Any]], None] | None) -> None:
        self._log = log
        self._emit = emit or _nobody

    async def written(self) -> None:
        """Make what was reported last."""
        await self._log.flush()

    def pending(self, change: Change) -> None:
        """A key waits for a tap."""
        key_id = change.key_id
        self._emit({"event": "pending", "key": key_id and key_id.hex(), "role": change.role})

    def collision(self, conn: Connection, left: int) -> None:
        """Two have asked: no tap approves anybody for so many seconds."""
        self._log.append(LogKind.COLLISION, conn.name, None, 0, 0)
        self._emit({"event": "collision", "conn": conn.name, "left": left})

    def tapped_for_nobody(self, left: int) -> None:
        """The card was tapped in such a time."""
        code = Refusal.COULD_NOT_START_LOCAL_ENTITY_AUTH
        self._log.append(LogKind.REFUSED, "", None, Permission.CHANGE_KEY, 0, code)
        why = "two have asked: a tap approves nobody for %d s" % left
        self._emit({"event": "refused", "by": "card", "information": code, "why": why})

    def done(self, change: Change, actor: bytes | None, code: int, why: str, request: bytes = b"") -> None:
        """A key operation ended: actor is the id of the key that asked for it, or None, and `request` the hash of how
        it asked; code 0 is success."""
        kind = LogKind.REFUSED if code else change.kind
        key_id = change.key_id
        told: dict[str, Any] = {"event": _WORDS[kind], "by": actor.hex() if actor else change.by}
        if key_id:
            told["key"] = key_id.hex()
        if code:
            self._log.append(kind, "", actor or key_id, Permission.CHANGE_KEY, 0, code, request)
            told["information"] = code
            told["why"] = why
        else:
            if actor:
                self._log.append(LogKind.COMMAND, "", actor, Permission.CHANGE_KEY, 0, 0, request)
            self._log.append(kind, "", key_id, 0, 0, change.detail)
            if kind == LogKind.REVOKED:
                for public in change.remove:
                    self._log.append(LogKind.REMOVED, "", record.key_id(public), 0, 0)
        self._emit(told)


def _nobody(event: dict[str, Any]) -> None:
    """Where there is no bench."""
