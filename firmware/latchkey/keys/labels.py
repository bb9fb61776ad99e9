# SPDX-License-Identifier: Apache-2.0
"""Labels, which phones choose and people read: text that is only text.

MicroPython's own decoder lets through what no other decoder reads (c0 af, f4 90 80 80). Control characters, line breaks
and marks that turn the direction of writing would let a label repaint the list that it stands in.
"""

from micropython import const

_CONTINUED = const(0x80)


def text(raw: bytes | memoryview) -> str:
    """The label. Raises ValueError for what is not UTF-8 (RFC 3629), or not for reading."""
    at = 0
    while at < len(raw):
        code = raw[at]
        at += 1
        more = 0
        least = 0
        if code >= _CONTINUED:
            if code < 0xC0 or code >= 0xF8:
                raise ValueError("not UTF-8")
            more = 1 if code < 0xE0 else 2 if code < 0xF0 else 3
            least = (0x80, 0x800, 0x10000)[more - 1]
            code &= 0x3F >> more
        for _ in range(more):
            if at >= len(raw) or raw[at] & 0xC0 != _CONTINUED:
                raise ValueError("not UTF-8")
            code = code << 6 | raw[at] & 0x3F
            at += 1
        if code < least or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            raise ValueError("not UTF-8")
        if _steers(code):
            raise ValueError("a control character")
    return str(bytes(raw), "utf-8")


def shown(label: str) -> str:
    """A label as it may be shown: none, if it was taken when this was not looked at."""
    try:
        return text(label.encode())
    except ValueError:
        return ""


def _steers(code: int) -> bool:
    """Control characters, line and paragraph breaks, bidirectional marks."""
    return (
        code < 0x20
        or 0x7F <= code < 0xA0
        or 0x200E <= code <= 0x200F
        or 0x2028 <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or code == 0x61C
    )
