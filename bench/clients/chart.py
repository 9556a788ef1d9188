"""The bar chart: written by hand, on a logarithmic scale, legible in light and in dark, its text as text."""

from __future__ import annotations

import math
import statistics
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.clients.candidates import Way
    from bench.clients.rounds import Group

_LEFT, _RIGHT, _BAR, _GAP = 190, 70, 9, 8  # in pixels
_WIDTH = 860
_TITLES = {"blast": "as fast as it is read", "paced": "one event a wake-up"}

_STYLE = """\
  svg { color: #1f2328; background: #ffffff; font: 12px system-ui, sans-serif }
  text { fill: currentColor } .title { font-weight: 600; font-size: 14px } .ours { font-weight: 600 }
  .small { font-size: 10px } .grid { stroke: currentColor; stroke-opacity: .15 }
  .blocking { fill: #8a5a00 } .asyncio { fill: #0a62b8 } .uvloop { fill: #1b7f3b }
  @media (prefers-color-scheme: dark) {
    svg { color: #e6edf3; background: #0d1117 }
    .blocking { fill: #d9a441 } .asyncio { fill: #5aa9f5 } .uvloop { fill: #57c274 }
  }
"""


def svg(groups: list[Group], note: str) -> str:
    """Draw CPU microseconds an event: a panel for each wire and mode, a bar for each reader and way."""
    costs = [statistics.median(figures) for group in groups for figures in group.taken_us.values()]
    scale = _Scale(min(costs), max(costs))
    body: list[str] = []
    y = 58
    for wire, mode in dict.fromkeys((group.wire, group.mode) for group in groups):
        chosen = [group for group in groups if (group.wire, group.mode) == (wire, mode)]
        body.append(_text(16, y, f"{wire}, {_TITLES[mode]}", "title"))
        drawn, end = _panel(chosen, scale, y + 14)
        body += drawn
        y = end + 40
    ways = list(dict.fromkeys(group.way for group in groups))
    title = "CPU time an event, in microseconds (logarithmic)"
    head = [_text(16, 26, title, "title"), *_legend(ways)]
    height = y
    foot = _text(16, height - 14, note, "small")
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([opening, f"<style>\n{_STYLE}</style>", *head, *body, foot, "</svg>", ""])


class _Scale:
    def __init__(self, low: float, high: float) -> None:
        # half a decade in front, so that the cheapest has a bar too
        self._from = math.log10(low) - 0.3
        self._to = math.log10(high)
        first, last = math.ceil(self._from), math.floor(self._to)
        self.ticks = [10.0**power for power in range(first, last + 1)]

    def x(self, value: float) -> float:
        share = (math.log10(value) - self._from) / (self._to - self._from)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _panel(groups: list[Group], scale: _Scale, top: int) -> tuple[list[str], int]:
    cost: dict[str, dict[Way, float]] = {}
    for group in groups:
        for name, figures in group.taken_us.items():
            cost.setdefault(name, {})[group.way] = statistics.median(figures)
    names = sorted(cost, key=lambda name: statistics.geometric_mean(cost[name].values()))
    bars: list[str] = []
    y = top
    for name in names:
        height = len(cost[name]) * _BAR
        kind = "ours" if name.startswith("headrace") else ""
        bars.append(_text(_LEFT - 8, y + height / 2 + 4, name, kind, anchor="end"))
        for way, value in cost[name].items():
            end = scale.x(value)
            bars.append(f'<rect class="{way}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR - 1}"/>')
            bars.append(_text(end + 4, y + _BAR - 1, f"{value:.2g}" if value < 10 else f"{value:.0f}", "small"))
            y += _BAR
        y += _GAP
    grid: list[str] = []
    for tick in scale.ticks:
        x = scale.x(tick)
        grid.append(f'<line class="grid" x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{y}"/>')
        grid.append(_text(x, y + 12, f"{tick:g}", "small", anchor="middle"))
    return grid + bars, y


def _legend(ways: list[Way]) -> list[str]:
    drawn: list[str] = []
    x = _WIDTH - 90 * len(ways)
    for way in ways:
        drawn.append(f'<rect class="{way}" x="{x}" y="16" width="12" height="12"/>')
        drawn.append(_text(x + 18, 26, way))
        x += 90
    return drawn


def _text(x: float, y: float, said: str, kind: str = "", *, anchor: str = "start") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}>{escape(said)}</text>'
