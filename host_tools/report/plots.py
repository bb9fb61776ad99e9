# SPDX-License-Identifier: Apache-2.0
"""Drawings for the report: SVG as text, sized and coloured by the page's style sheet."""

from __future__ import annotations

import math

from host_tools.report.results import Measure
from host_tools.words import html

_WIDTH = 900
_LABEL = 310  # room for names on the left
_RIGHT = 130  # and for figures on the right
_ROW = 26


def strips(measures: list[Measure]) -> str:
    """A row for each measure: a dot for each time, a bar at the median, on one logarithmic axis of milliseconds."""
    values = [value for measure in measures for value in measure.values if value > 0]
    if not values:
        return ""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    height = _ROW * (len(measures) + 1) + 10

    def x(value: float) -> float:
        share = (math.log10(max(value, 10**low)) - low) / (high - low)
        return round(_LABEL + share * (_WIDTH - _LABEL - _RIGHT), 1)

    parts = []
    for power in range(low, high + 1):
        at = x(10**power)
        parts.append(f'<line class="grid" x1="{at}" y1="10" x2="{at}" y2="{height - _ROW}"/>')
        parts.append(f'<text class="axis" x="{at}" y="{height - 8}" text-anchor="middle">{10**power:g} ms</text>')
    for row, measure in enumerate(measures):
        y = 10 + _ROW * row + _ROW // 2
        parts.append(f'<text x="{_LABEL - 12}" y="{y + 4}" text-anchor="end">{html(measure.name)}</text>')
        parts += [f'<circle cx="{x(value)}" cy="{y}" r="3.2"/>' for value in measure.values]
        middle = x(measure.median)
        parts.append(f'<line class="median" x1="{middle}" y1="{y - 9}" x2="{middle}" y2="{y + 9}"/>')
        parts.append(
            f'<text class="figure" x="{_WIDTH - _RIGHT + 12}" y="{y + 4}">{figure(measure.median)} {html(measure.unit)}'
            f"<title>{len(measure.values)} times, {figure(min(measure.values))} to {figure(max(measure.values))} "
            f"{html(measure.unit)}</title></text>"
        )
    return _svg(height, "How long things take: each time a dot, the median a bar", parts)


def bars(rows: list[tuple[str, float]]) -> str:
    """A bar for each name, in seconds."""
    longest = max((seconds for _, seconds in rows), default=0.0) or 1.0
    parts = []
    for row, (name, seconds) in enumerate(rows):
        y = 6 + _ROW * row
        width = round(max(1.0, seconds / longest * (_WIDTH - _LABEL - _RIGHT)), 1)
        parts.append(f'<text x="{_LABEL - 12}" y="{y + 15}" text-anchor="end">{html(name)}</text>')
        parts.append(f'<rect x="{_LABEL}" y="{y + 3}" width="{width}" height="{_ROW - 10}" rx="2"/>')
        parts.append(f'<text class="figure" x="{_LABEL + width + 8}" y="{y + 15}">{figure(seconds)} s</text>')
    return _svg(_ROW * len(rows) + 12, "How long the tests took", parts)


def figure(value: float) -> str:
    """A number with as many digits as are worth reading."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _svg(height: int, title: str, parts: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{html(title)}</title>{''.join(parts)}</svg>"
    )
