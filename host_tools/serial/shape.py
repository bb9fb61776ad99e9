# SPDX-License-Identifier: Apache-2.0
"""What a car's JSON must look like (docs/bench.md) before anybody relies on it. More than is named here is no fault.

A shape is a type; a tuple of shapes, one of which fits; a list of one shape; an object's names with their shapes, where
`name?` may be missing; `{str: shape}` for any names; or a function that says yes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from host_tools.faults import NoAnswer

_LARGEST = 1 << 53  # what JSON carries everywhere
_LONGEST = 2000  # characters; a board has not memory for more
_MOST = 4096  # items, or names


class BadAnswer(NoAnswer):
    """Something answers, and not as a car does."""

    name = "BAD_ANSWER"

    def __init__(self, text: str) -> None:
        super().__init__(text, "is it a Latchkey car? See what it prints: `latchkey monitor`")


def _hex(size: int) -> Callable[[object], bool]:
    digits = frozenset("0123456789abcdef")
    return lambda value: isinstance(value, str) and len(value) == 2 * size and digits.issuperset(value)


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


_KEY_ID, _PUBLIC = _hex(4), _hex(65)
_MAYBE_KEY = (None, _KEY_ID)

HELLO = {"boot": str, "vin?": (None, str), "version?": str, "board?": str, "cause?": int, "bench?": bool}

EVENT = {
    "event": str, "conn?": str, "key?": (None, str), "by?": str, "role?": int, "command?": int, "fault?": int,
    "information?": int, "error?": int, "why?": str, "cause?": (None, int), "expected?": (None, bool, int, str),
    "got?": (None, bool, int, str),
}  # fmt: skip

_LOG_ENTRY = {
    "seq": _count, "boot": _count, "at": _count, "kind": str, "conn": str, "key": _MAYBE_KEY, "command": int,
    "outcome": int, "detail?": int, "count": _count,
}  # fmt: skip

_KEY = {
    "slot": _count, "key": _KEY_ID, "public": _PUBLIC, "role": int, "form?": int, "origin": int, "label?": (None, str),
    "impermanent": bool,
}  # fmt: skip

ANSWERS: dict[str, Any] = {
    "info": {
        "vin?": (None, str), "provisioned?": bool, "version?": str, "board?": str, "boot?": str, "uptime?": _count,
        "micropython?": str, "build?": str, "sync?": str,
    },
    "provision": {"public_key": _PUBLIC},
    "state": {
        "locked": bool, "start_enabled": bool, "start_left": int, "asleep": bool, "user_present": bool, "brake": bool,
        "closures": {str: str}, "pending": (None, {"key": _KEY_ID, "role": int, "left": int}),
    },
    "pins": {str: (None, bool, int)},
    "tap": {"approved": _MAYBE_KEY},
    "clock": {"now": _count},
    "heap": {"free": _count, "alloc": _count, "largest?": _count, "system_free?": _count, "system_largest?": _count},
    "stretch": {"us": _count, "who": str},
    "stats": {
        "p256?": _count, "verified?": _count, "refused?": _count, "handshakes?": _count, "last_us?": int,
        "relay_us?": int, "phones?": [_count],
    },
    "keys": {"count": _count, "keys": [_KEY]},
    "log": {"last": _count, "entries": [_LOG_ENTRY]},
}  # fmt: skip


def parse(data: bytes) -> dict[str, Any] | None:
    """The object in a message; None if it holds none. Bytes that are no UTF-8 stay what they are inside its strings."""
    try:
        value = json.loads(data.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def check_answer(op: str, answer: object) -> None:
    """Raises BadAnswer, saying where, unless that is an answer to that operation of the bench."""
    wrong = _wrong(answer, ANSWERS[op], "")
    if wrong is not None:
        raise BadAnswer(f"the answer to `{op}` is not as a car answers{f': see {wrong} in it' if wrong else ''}")


def fits(value: object, shape: Any) -> bool:
    """Whether the value has that shape."""
    return _wrong(value, shape, "") is None


def _wrong(value: object, shape: Any, at: str) -> str | None:
    """Where the value departs from the shape; None if it does not."""
    if isinstance(shape, tuple):
        found = [_wrong(value, each, at) for each in shape]
        return None if None in found else max(map(str, found), key=len)
    if isinstance(shape, list):
        if not isinstance(value, list) or len(value) > _MOST:
            return at
        return _first(_wrong(item, shape[0], f"{at}[{number}]") for number, item in enumerate(value))
    if isinstance(shape, dict):
        return _wrong_object(value, shape, at)
    if shape is None or shape is bool:
        right = value is None if shape is None else isinstance(value, bool)
    elif shape is int:
        right = type(value) is int and abs(value) <= _LARGEST
    elif shape is str:
        right = isinstance(value, str) and len(value) <= _LONGEST
    else:
        right = shape(value)
    return None if right else at


def _wrong_object(value: object, shape: dict[Any, Any], at: str) -> str | None:
    if not isinstance(value, dict) or len(value) > _MOST:
        return at
    if str in shape:
        return _first(_wrong(item, shape[str], f"{at}.*".lstrip(".")) for item in value.values())
    for name, inner in shape.items():
        key = name.removesuffix("?")
        where = f"{at}.{key}".lstrip(".")
        if key not in value:
            if key == name:
                return where
        elif (wrong := _wrong(value[key], inner, where)) is not None:
            return wrong
    return None


def _first(found: Any) -> str | None:
    return next((wrong for wrong in found if wrong is not None), None)
