"""What was measured, as Markdown and for a terminal; and whether the budgets of DESIGN.md hold."""

from __future__ import annotations

import platform
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.clients.candidates import ASYNC_LOOP, BLOCKING_LOOP, FLOOR, OURS

if TYPE_CHECKING:
    from bench.clients.answers import Mode
    from bench.clients.rounds import Group, Plan
    from bench.clients.weights import Weight

IMPORT_BUDGET_MS = 150
CLIENT_BUDGET = 1.5

_TITLES: dict[Mode, str] = {"blast": "as fast as it is read", "paced": "one event a wake-up"}

_HOW_TO_READ = """\
How to read it:

- *µs an event* is CPU time of the reader's process, user and system, divided by the text deltas of the answer; the
  median of the rounds. All readers of a table got the same answer, and were checked to have got the same text in as
  many pieces.
- *× floor* and *× ours* are ratios to the raw socket and to `headrace, text_stream`, taken within a round; their
  median, and for *× ours* the quartiles. Below 1: cheaper than ours. Quote ratios of one run, never its microseconds.
- *As fast as it is read*: the whole answer is there at once, so that the kernel's share is small, and the reader's own
  work shows. *One event a wake-up*: the reader sleeps between the events; *sleeps* says how often it did, an event.
  Well under 1, its events piled up while it worked, or while others had its core (it is flattered); well over 1,
  threads of its own hand the events on.
- The floor and the loops on msgspec do far less than a client must: they trust every byte, know no parts, no usage, no
  error, no end, no deadline, and can be cut by nobody.
- Each reader is a process of its own, on one core, the source on another; its client was built beforehand, one answer
  warmed it up, and the order of the readers changed from round to round.
"""


class Verdict(NamedTuple):
    """A budget, and what was measured.

    Attributes:
        what: the budget.
        said: the figure.
        holds: whether it holds.
    """

    what: str
    said: str
    holds: bool


def verdicts(groups: list[Group], imports: list[Weight]) -> list[Verdict]:
    """Compare with the budgets, in what a user gets: text and events."""
    found: list[Verdict] = []
    for group in groups:
        loop = BLOCKING_LOOP if group.way == "blocking" else ASYNC_LOOP
        for name in (OURS, "headrace, events"):
            ratio = group.ratio(name, loop)
            if ratio is not None:
                what = f"{name} ≤ {CLIENT_BUDGET} × {loop.split()[0]} ({group.wire}, {group.way}, {group.mode})"
                found.append(Verdict(what, _spread(ratio), ratio[1] <= CLIENT_BUDGET))
    for weight in imports:
        if weight.name == "import headrace":
            what = f"`import headrace` ≤ {IMPORT_BUDGET_MS} ms of CPU"
            found.append(Verdict(what, f"{weight.median:.0f} ms", weight.median <= IMPORT_BUDGET_MS))
    return found


def markdown(
    groups: list[Group],
    imports: list[Weight],
    memory: list[Weight],
    *,
    plan: Plan,
    streams: int,
    machine: str,
    versions: dict[str, str],
    chart: str,
) -> str:
    """Write the report."""
    rounds = sorted({group.rounds for group in groups})
    said = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]}–{rounds[-1]}"
    lines = [
        "# What a token costs its user",
        "",
        "Written by `python -m bench.clients` (`make bench`); the next run overwrites it.",
        "",
        (
            f"{machine}. {', '.join(f'{name} {version}' for name, version in versions.items())}. {said} rounds of"
            f" {plan.blast} events as fast as they are read (in HTTP chunks of {_size(plan.chunk)}), and of"
            f" {plan.paced} events {plan.pause_us} µs apart."
        ),
        "",
        f"![CPU time an event, on a logarithmic scale]({chart})",
        "",
        _HOW_TO_READ,
    ]
    for wire, mode in dict.fromkeys((group.wire, group.mode) for group in groups):
        chosen = [group for group in groups if (group.wire, group.mode) == (wire, mode)]
        source = statistics.median(group.source_us for group in chosen)
        lines += [f"## {wire}, {_TITLES[mode]}", "", f"The source itself used {source:.2f} µs an event.", ""]
        lines += _table(_HEAD, [row for group in chosen for row in _rows(group)])
    if imports:
        lines += ["## Importing", "", "CPU time in a fresh process, its byte code written before.", ""]
        lines += _table(("", "ms", "quartiles"), [(f"`{w.name}`", f"{w.median:.0f}", _quartiles(w)) for w in imports])
    if memory:
        lines += [
            "## Memory of a stream",
            "",
            (
                f"Resident memory of the process, a stream, with {streams} async streams (asyncio) that have each"
                " given one piece of text and wait for the next. What the kernel holds for the sockets comes on top,"
                " for each alike."
            ),
            "",
        ]
        lines += _table(("", "KiB", "quartiles"), [(w.name, f"{w.median:.1f}", _quartiles(w)) for w in memory])
    found = verdicts(groups, imports)
    lines += ["## Budgets", "", "What DESIGN.md asks for, in what a user gets.", ""]
    lines += _table(
        ("budget", "measured", ""), [(v.what, v.said, "holds" if v.holds else "**does not hold**") for v in found]
    )
    return "\n".join(lines)


def plain(text: str) -> str:
    """Give the report as it reads well in a terminal: tables aligned, no marks."""
    lines: list[str] = []
    table: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            if not line.startswith("|--"):
                table.append([cell.strip().replace("`", "").replace("**", "") for cell in line[1:-1].split("|")])
            continue
        if table:
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            lines += ["  " + _aligned(row, widths) for row in table]
            table = []
        if not line.startswith("!["):
            lines.append(line)
    return "\n".join(lines)


def machine() -> str:
    """Name the machine and its Python."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = f"{names[0]}, {len(names)} cores" if names else model
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {system}, {platform.python_implementation()} {platform.python_version()}"


_HEAD = ("reader", "way", "µs an event", "× floor", "× ours", "quartiles", "sleeps")


def _rows(group: Group) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in sorted(group.taken_us, key=lambda name: statistics.median(group.taken_us[name])):
        floor, ours = group.ratio(name, FLOOR), group.ratio(name, OURS)
        assert floor is not None
        assert ours is not None
        sleeps = statistics.median(group.sleeps[name])
        shown = f"**{name}**" if name.startswith("headrace") else name
        cost = statistics.median(group.taken_us[name])
        about = f"{cost:.2f}" if cost < 10 else f"{cost:.0f}"
        slept = f"{sleeps:.2f}" if group.mode == "paced" else ""
        rows.append(
            (shown, group.way, about, f"{floor[1]:.1f}", _ratio(ours[1]), f"{_ratio(ours[0])}–{_ratio(ours[2])}", slept)
        )
    return rows


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    marks = ["---" if i == 0 or column in ("way", "") else "---:" for i, column in enumerate(head)]
    return ["|" + "|".join(row) + "|" for row in (head, tuple(marks), *rows)] + [""]


def _aligned(row: list[str], widths: list[int]) -> str:
    cells = [
        cell.ljust(width) if i < 2 and not cell[:1].isdigit() else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _spread(quartiles: tuple[float, float, float]) -> str:
    return f"{quartiles[1]:.2f} ({quartiles[0]:.2f}–{quartiles[2]:.2f})"


def _quartiles(weight: Weight) -> str:
    return f"{weight.low:.1f}–{weight.high:.1f}"


def _size(chunk: int) -> str:
    return f"{chunk} bytes" if chunk else "one event each"
