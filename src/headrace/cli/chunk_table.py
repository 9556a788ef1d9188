"""Chunks as rows: a table at a terminal, tab-separated lines in a pipe, or JSON.

Laws kept here: a chunk is one line (a frame shown in full has its own); a terminal gets lines that fit and control
characters that are shown; what is cut is cut at a terminal only.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from headrace.cli.display import DIM, THOUGHT, in_cells
from headrace.events import encode_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.cli.display import Screen
    from headrace.events import Usage
    from headrace.flow.chunks import Chunk

_TITLE, _FINISH, _NAME = "1", "32", "36"
_GAP = 2  # cells between two columns

_LAYOUTS: tuple[dict[str, int], ...] = (
    {"#": 4, "time s": 7, "gap s": 6, "id": 10, "model": 14, "delta": 16, "finish": 10, "frame": 22},
    {"#": 4, "time s": 7, "gap s": 6, "id": 6, "model": 8, "delta": 12, "finish": 6, "frame": 12},
    {"#": 4, "time s": 7, "gap s": 6, "delta": 12, "finish": 6, "frame": 8},
    {"#": 4, "time s": 7, "gap s": 6, "delta": 10},
)
"""Columns with their least widths, the first that fits counts; what is left goes to delta and frame."""

_FIELDS = ("index", "at_s", "gap_s", "event", "id", "model", "kind", "name", "delta", "finish_reason", "usage", "data")


class ChunkTable:
    """Write chunks to stdout as they come.

    Args:
        screen: where to.
        recorded: whether they have no times.
        raw: whether each frame is shown in full, under its row, where the row cuts it.
        as_json: whether to write JSON in place of rows.

    Attributes:
        count: how many were written.
        size: the bytes of their payloads.
    """

    def __init__(self, screen: Screen, *, recorded: bool, raw: bool, as_json: bool) -> None:
        self.count = 0
        self.size = 0
        self._screen = screen
        self._recorded = recorded
        self._raw = raw
        self._write = self._object if as_json else self._row if screen.out.is_terminal else self._cells

    def show(self, chunk: Chunk) -> None:
        """Write a chunk.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if it cannot be written.
        """
        self._screen.stop_waiting()
        self._write(chunk)
        self.count += 1
        self.size += len(chunk.data.encode("utf-8", "replace"))

    def _object(self, chunk: Chunk) -> None:
        value = {name: getattr(chunk, name) for name in chunk.__struct_fields__}
        value["data"] = _native(chunk.data)
        value["events"] = [msgspec.Raw(encode_event(event)) for event in chunk.events]
        self._screen.out.data(msgspec.json.encode(value) + b"\n")

    def _cells(self, chunk: Chunk) -> None:
        if not self.count:
            self._screen.out.text("\t".join(_FIELDS) + "\n")
        cells = [
            str(chunk.index),
            "" if chunk.at_s is None else f"{chunk.at_s:.6f}",
            "" if chunk.gap_s is None else f"{chunk.gap_s:.6f}",
            *(one_cell(text or "") for text in (chunk.event, chunk.id, chunk.model, chunk.kind, chunk.name)),
            quoted(chunk.delta) if chunk.delta else "",
            one_cell(chunk.finish_reason or ""),
            "" if chunk.usage is None else msgspec.json.encode(msgspec.structs.replace(chunk.usage, raw=None)).decode(),
            one_cell(chunk.data),
        ]
        self._screen.out.text("\t".join(cells) + "\n")

    def _row(self, chunk: Chunk) -> None:
        columns = _columns(shutil.get_terminal_size().columns - 1, recorded=self._recorded, raw=self._raw)
        out = self._screen.out
        if not self.count:
            out.line((_joined([in_cells(column.title, column.width) for column in columns]), _TITLE))
        pieces: list[tuple[str, str]] = []
        for column in columns:
            text, style = column.cell(chunk)
            pieces += [(in_cells(text, column.width), style), (" " * _GAP, "")]
        out.line(*pieces[:-1])
        if self._raw:
            name = f"{chunk.event}: " if chunk.event else ""
            out.line((name + chunk.data, DIM))


class _Column(NamedTuple):
    title: str
    width: int
    cell: Callable[[Chunk], tuple[str, str]]


def _columns(width: int, *, recorded: bool, raw: bool) -> list[_Column]:
    """Choose the columns that fit, and how wide they are."""
    without = {"time s", "gap s"} if recorded else set[str]()
    if raw:
        without.add("frame")
    layouts = [{title: least for title, least in layout.items() if title not in without} for layout in _LAYOUTS]
    widths = next((layout for layout in layouts if _width(layout) <= width), layouts[-1])
    left = max(0, width - _width(widths))
    if "frame" in widths:
        widths["delta"] += left * 2 // 5
        widths["frame"] += left - left * 2 // 5
    else:
        widths["delta"] += left
    return [_Column(title, widths[title], _CELLS[title]) for title in widths]


def _width(layout: dict[str, int]) -> int:
    return sum(layout.values()) + _GAP * (len(layout) - 1)


def _joined(cells: list[str]) -> str:
    return (" " * _GAP).join(cells)


def _delta(chunk: Chunk) -> tuple[str, str]:
    if chunk.name:
        return f"{chunk.name}({chunk.delta}", _NAME
    if chunk.delta:
        return quoted(chunk.delta), THOUGHT if chunk.kind == "thinking" else ""
    if chunk.usage is not None:
        return _counts(chunk.usage), DIM
    return "", ""


def _counts(usage: Usage) -> str:
    said = [(usage.input_tokens, "in"), (usage.output_tokens, "out")]
    return "usage " + " ".join(f"{count} {word}" for count, word in said if count is not None)


_CELLS: dict[str, Callable[[Chunk], tuple[str, str]]] = {
    "#": lambda chunk: (f"{chunk.index:>4}", DIM),
    "time s": lambda chunk: (f"{chunk.at_s or 0:7.3f}", ""),
    "gap s": lambda chunk: (f"{chunk.gap_s or 0:6.3f}", DIM),
    "id": lambda chunk: (chunk.id or "", DIM),
    "model": lambda chunk: (chunk.model or "", DIM),
    "delta": _delta,
    "finish": lambda chunk: (chunk.finish_reason or "", _FINISH),
    "frame": lambda chunk: (f"{chunk.event} {chunk.data}" if chunk.event else chunk.data, DIM),
}


def quoted(text: str) -> str:
    """Write a text as JSON does, so that its blanks and line ends are seen."""
    return json.dumps(text, ensure_ascii=False)


def one_cell(text: str) -> str:
    """Bring a text into one cell of tab-separated lines; JSON means the same after it."""
    return text.translate({9: " ", 10: " ", 13: " "})


def _native(data: str) -> Any:
    """Give a frame's payload to be written into JSON: as it is if it is JSON, else as a text."""
    try:
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return data
    return msgspec.Raw(one_cell(data).encode())
