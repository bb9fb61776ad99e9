# SPDX-License-Identifier: Apache-2.0
"""A terminal as a picture: what was printed, as an SVG that refers to nothing outside itself."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from host_tools.words import Screen

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")


def screen(width: int = 90) -> Console:
    """A console that prints nowhere and remembers everything."""
    return Screen(record=True, width=width, file=io.StringIO(), force_terminal=True)


def save(console: Console, path: Path, title: str) -> None:
    """Draw what a recording console has printed. Fonts are the reader's own: nothing is fetched."""
    path.write_text(_FONT_FACE.sub("", console.export_svg(title=title)), "utf-8")
