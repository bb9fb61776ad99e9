# SPDX-License-Identifier: Apache-2.0
"""Words that somebody else chose, made fit to be shown.

A label is chosen by the phone that pairs, a board's text by the board. Whatever of theirs is shown, on a terminal or in
a page, goes through `plain` (or `lines`, where lines may be lines): what would steer a terminal, turn the direction of
the writing or hide itself is shown by its number. A `Screen` is a terminal that takes no words for markup.
"""

from __future__ import annotations

import errno
import os
import sys
import unicodedata
from collections.abc import Callable
from html import escape
from typing import IO, Any

from rich.console import Console, JustifyMethod, OverflowMethod, RenderableType
from rich.measure import Measurement
from rich.style import Style
from rich.text import Text

# Control, format (the marks of direction are among these), surrogate, private, unassigned; line and paragraph ends.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WIDE = 100_000  # columns of what is no terminal


def plain(words: object) -> str:
    """Words as one line of plain text; a byte that was no UTF-8 and a character that cannot be seen as numbers."""
    text = words.decode(errors="surrogateescape") if isinstance(words, bytes) else str(words)
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def lines(text: str) -> str:
    """The same for a text of several lines: newlines stay, and so do tabs."""
    return "\n".join("\t".join(map(plain, line.removesuffix("\r").split("\t"))) for line in text.split("\n"))


def html(words: object) -> str:
    """The same for a page; newlines stay."""
    return escape(lines(str(words)))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Screen(Console):
    """A terminal, or what stands in for one. Strings are plain text on it, wherever they are shown."""

    def __init__(self, *, file: IO[str] | None = None, stderr: bool = False, **settings: Any) -> None:
        super().__init__(file=file, stderr=stderr, markup=False, emoji=False, highlight=False, **settings)

    def on_broken_pipe(self) -> None:
        """Whoever printed decides what that means."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        emoji: bool | None = None,
        markup: bool | None = None,
        highlight: bool | None = None,
        highlighter: Callable[[str | Text], Text] | None = None,
    ) -> Text:
        return Text(plain(text), style, justify=justify, overflow=overflow)


def show(part: RenderableType, file: IO[str] | None = None) -> None:
    """Print tables and text. What is no terminal has no edge: nothing is cropped or wrapped there."""
    file = file or sys.stdout
    if file.isatty():
        Screen(file=file).print(part)
        return
    wide = Screen(file=file, width=_WIDE)
    Screen(file=file, width=Measurement.get(wide, wide.options, part).maximum).print(part)
