# SPDX-License-Identifier: Apache-2.0
"""QR codes of links: in a terminal, two squares in each place, or as a PNG."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import segno
from rich.text import Text

from host_tools.phone import beside

_BORDER = 2
_SQUARES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}  # by whether the upper and the lower one are dark


def drawn(link: str) -> Text:
    """For a terminal, dark on light whatever its own colours are."""
    rows = [list(map(int, row)) for row in segno.make_qr(link, error="m").matrix_iter(border=_BORDER)]
    pairs = itertools.zip_longest(rows[::2], rows[1::2], fillvalue=[0] * len(rows[0]))
    lines = ("".join(_SQUARES[both] for both in zip(*pair, strict=True)) for pair in pairs)
    return Text("\n".join(lines), style="black on bright_white", no_wrap=True)


def save(link: str, path: Path) -> None:
    """As a picture, for its owner's eyes: it is as good as the link. Raises OSError."""
    picture = io.BytesIO()
    segno.make_qr(link, error="m").save(picture, kind="png", scale=8)
    beside.replace(path, picture.getvalue())
