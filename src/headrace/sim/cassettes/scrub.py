r"""Find secret values in bytes, however they are written and wherever the bytes are cut, and put a mark in their place.

Laws kept here: a value is found as it is, as JSON escapes it (``\u0073k``, ``\/``) and as a URL quotes it (``sk%2D``),
each twice over too; the echo of a key with its middle masked (``sk-ab****wxyz``) counts as the key; a value that is cut
over several chunks is found, and so is one of which the end is missing because the stream broke off.  A chunk keeps its
own bytes and its own time; what may be a value's beginning waits for what comes next, and no longer than it must: a
byte that no value holds settles it, as the line's end of a frame does.  However many values there are, and however many
escapes, the work grows with the bytes alone.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from headrace.sim.secrets import SCRUBBED, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = SCRUBBED.encode()
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
_UNICODE = re.compile(_PAIR)
_JSON = re.compile(_PAIR + rb"|\\[\"\\/bfnrt]")
_URL = re.compile(rb"%[0-9a-fA-F]{2}")
_ESCAPES = ((_JSON, b"\\"), (_URL, b"%"))
_SIMPLE = ((b'"', b'"'), (b"/", b"/"), (b"b", b"\b"), (b"f", b"\f"), (b"n", b"\n"), (b"r", b"\r"), (b"t", b"\t"))
_IN_NO_TEXT = b"\xff"
_DEEPEST = 3  # escapes of escapes
_LONGEST = 36  # bytes that so many of them make of one, at most
_HALF_ESCAPE = re.compile(rb"(?:\\{1,8}(?:u[0-9a-fA-F]{0,3})?|%(?:25){0,2}[0-9a-fA-F]?)\Z")
_ESCAPED_WITH = rb"\u%0123456789abcdefABCDEF\"/nrt"
_MASK = rb"(?:(?:\*|\.|\xe2\x80\xa2){3,64}|(?:\xe2\x80\xa6){1,64})"
_MASK_SIGNS = (b"***", b"...", "•".encode(), "…".encode())
_MASKED_WITH = "*.•…".encode()
_MASKED_BYTES = 6 * 64
_HEAD, _TAIL = 12, 8  # characters that an echo shows at most of a key's beginning and end
_SHOWN = 3, 2  # and at least
_FEW = 128  # values that are looked for one by one
_PART = 64 * 1024  # bytes that are looked at at once
_BEFORE = 64


class Search:
    """Find some values.

    Args:
        values: texts; those that are too short are not looked for.
        unmasked: further ones, whose masked echo is not looked for.
    """

    def __init__(self, values: Iterable[str], unmasked: Iterable[str] = ()) -> None:
        self._keys = sorted({value for value in values if len(value) >= SHORTEST})
        kept = {*self._keys, *(value for value in unmasked if len(value) >= SHORTEST)}
        self._values = sorted(map(_bytes, kept))
        self._beginnings: dict[bytes, list[bytes]] = {}
        for value in self._values:
            self._beginnings.setdefault(value[:SHORTEST], []).append(value)
        self._longest = _MASKED_BYTES + _LONGEST * max(map(len, self._values)) if kept else 0
        inside = {*b"".join(self._values), *_ESCAPED_WITH, *_MASKED_WITH} if kept else ()
        self._inside = bytes(inside)

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Give where values stand, in order; what overlaps is one."""
        return merged(
            (start + first, start + after) for start, part in self._parts(data) for first, after in self._written(part)
        )

    def finds(self, json: bytes) -> bool:
        """Tell whether a value stands in JSON, whose texts are escaped once more than other data."""
        readings = (read for _, part in self._parts(json) for _, read in self._readings(part, _DEEPEST + 1))
        return any(True for read in readings for _ in self._places(read))

    def replace(self, data: bytes) -> bytes:
        """Put `SCRUBBED` where values stand."""
        return data if len(data) < SHORTEST else marked(data, self.spans(data))

    def open_from(self, data: bytes) -> int:
        """Give the place from which on a value may have begun that further bytes complete."""
        start = max(0, len(data) - self._longest)
        return start + len(data[start:].rstrip(self._inside))

    def broken_off_at(self, data: bytes) -> int | None:
        """Give the place where a value begins whose end the data has not, None if none does that can be told."""
        start = self.open_from(data)
        end = _HALF_ESCAPE.sub(b"", data[start:])
        places = [
            start + _undone_by(end, path).origin(at, len(read))[0]
            for path, read in self._readings(end)
            if (at := self._begun_at(read)) is not None
        ]
        return min(places, default=None)

    def _begun_at(self, data: bytes) -> int | None:
        for at in range(len(data) - SHORTEST + 1):
            for value in self._beginnings.get(data[at : at + SHORTEST], ()):
                if value.startswith(data[at:]):
                    return at
        return None

    def _parts(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give the data in parts, each with its place, such that a value is in one of them whole."""
        size = max(_PART, self._longest)
        if len(data) <= 2 * size:
            yield 0, data
            return
        run = 0  # where the backslashes begin that stand before the place
        for place in range(0, len(data), size):
            before = data[max(0, place - size) : place]
            other = len(before.rstrip(b"\\"))
            run = place - len(before) + other if other else run
            # a part that began within an escape would read those behind it in another way
            start = max(0, place - _BEFORE)
            start += start > run and (start - run) % 2
            yield start, data[start : place + size + self._longest]

    def _written(self, data: bytes) -> Iterator[tuple[int, int]]:
        for path, read in self._readings(data):
            places = list(self._places(read))
            if places:
                reading = _undone_by(data, path)
                yield from (reading.origin(first, after) for first, after in places)

    def _readings(self, data: bytes, deepest: int = _DEEPEST) -> Iterator[tuple[_Path, bytes]]:
        """Give the ways to read data: as it is, and with escapes undone, some levels of them."""
        readings: list[tuple[_Path, bytes]] = [((), data)] if self._values else []
        for _ in range(deepest):
            yield from readings
            readings = [
                ((*path, escape), undone)
                for path, read in readings
                for escape, sign in _ESCAPES
                if sign in read and (undone := _without(read, escape)) != read
            ]
        yield from readings

    def _places(self, data: bytes) -> Iterator[tuple[int, int]]:
        if any(sign in data for sign in _MASK_SIGNS):
            for key in self._keys:
                if _bytes(key[: _SHOWN[0]]) in data:
                    yield from (echo.span() for echo in _masked(key).finditer(data))
        if len(self._values) <= _FEW:
            for value in self._values:
                at = data.find(value)
                while at >= 0:
                    yield at, at + len(value)
                    at = data.find(value, at + 1)
            return
        for at in range(len(data) - SHORTEST + 1):
            for value in self._beginnings.get(data[at : at + SHORTEST], ()):
                if data.startswith(value, at):
                    yield at, at + len(value)


class StreamScrubber:
    """Scrub a stream of chunks, which keep their times.

    Args:
        search: what is looked for.

    Attributes:
        search: may be another one as time goes on.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self._held: list[tuple[float, bytes]] = []

    def feed(self, at_s: float, data: bytes, *, waiting: int = 0) -> list[tuple[float, bytes]]:
        """Take a chunk in, and give those, scrubbed, of which no byte can belong to a value that is not whole yet.

        `waiting`: so many bytes of the end have to wait in any case.
        """
        self._held.append((at_s, data))
        joined = b"".join(data for _, data in self._held)
        safe = min(self.search.open_from(joined), len(joined) - waiting)
        spans = [span for span in self.search.spans(joined) if span[0] < safe]
        if spans:
            safe = max(safe, spans[-1][1])
        scrubbed = _replaced(self._held, spans)
        settled, end = 0, 0
        for _, held in self._held:
            end += len(held)
            settled += end <= safe
        self._held = scrubbed[settled:]
        return scrubbed[:settled]

    def finish(self, *, waiting: int = 0) -> list[tuple[float, bytes]]:
        """Say that no more comes, and give the rest; `waiting`: so many bytes of the end are half of a secret."""
        joined = b"".join(data for _, data in self._held)
        spans = self.search.spans(joined)
        broken = self.search.broken_off_at(joined)
        half = [len(joined) - waiting] if waiting else []
        spans = merged([*spans, *((at, len(joined)) for at in (*half, broken) if at is not None)])
        held, self._held = self._held, []
        return _replaced(held, spans)


class _Reading:
    """Bytes with their escapes undone, and where each of their runs came from.

    Args:
        data: as it is now.
        before: as it was before, if escapes were undone.
    """

    def __init__(self, data: bytes, before: _Reading | None = None) -> None:
        self.data = data
        self.at = [0]
        self.was_at = [0]
        self.escaped = [False]
        self._before = before

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Give the place that a part of the data had at first."""
        if self._before is None:
            return start, end
        first, last = bisect_right(self.at, start) - 1, bisect_right(self.at, end - 1) - 1
        begin = self.was_at[first] + (0 if self.escaped[first] else start - self.at[first])
        after = self.was_at[last + 1] if self.escaped[last] else self.was_at[last] + end - self.at[last]
        return self._before.origin(begin, after)


_Path = tuple[re.Pattern[bytes], ...]


def _undone_by(data: bytes, path: _Path) -> _Reading:
    reading = _Reading(data)
    for escape in path:
        reading = _undone(reading, escape)
    return reading


def _undone(before: _Reading, escape: re.Pattern[bytes]) -> _Reading:
    """Undo the escapes of one kind, once."""
    reading = _Reading(b"", before)
    pieces: list[bytes] = []
    length = last = 0
    for found in escape.finditer(before.data):
        meant = _meant(found[0])
        pieces += (before.data[last : found.start()], meant)
        length += found.start() - last
        last = found.end()
        reading.at += (length, length + len(meant))
        reading.was_at += (found.start(), last)
        reading.escaped += (True, False)
        length += len(meant)
    reading.data = b"".join((*pieces, before.data[last:]))
    return reading


def _without(data: bytes, escape: re.Pattern[bytes]) -> bytes:
    """Undo the escapes of one kind, once, as `_undone` does, but quickly: where they stood is not told."""
    if escape is _URL:
        return unquote_to_bytes(data)
    if _IN_NO_TEXT in data:
        return _JSON.sub(_meant_by, data)
    data = data.replace(rb"\\", _IN_NO_TEXT)
    for letter, meant in _SIMPLE:
        data = data.replace(b"\\" + letter, meant)
    return _UNICODE.sub(_meant_by, data).replace(_IN_NO_TEXT, b"\\")


def _meant_by(escape: re.Match[bytes]) -> bytes:
    return _meant(escape[0])


@lru_cache(maxsize=16384)
def _meant(escape: bytes) -> bytes:
    if escape.startswith(b"%"):
        return bytes.fromhex(escape[1:].decode())
    text: str = json.loads(b'"' + escape + b'"')
    return _bytes(text)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=512)
def _masked(value: str) -> re.Pattern[bytes]:
    head = [re.escape(_bytes(character)) for character in value[:_HEAD]]
    tail = [re.escape(_bytes(character)) for character in value[-_TAIL:]]
    more_head = more_tail = b""
    begin, end = _SHOWN
    for character in reversed(head[begin:]):
        more_head = b"(?:" + character + more_head + b")?"
    for character in tail[:-end]:
        more_tail = b"(?:" + more_tail + character + b")?"
    return re.compile(b"".join((*head[:begin], more_head, _MASK, more_tail, *tail[-end:])))


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Put spans in order; what overlaps is one."""
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


def marked(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Put `SCRUBBED` where spans are, which are in order."""
    return _replaced([(0.0, data)], spans)[0][1] if spans else data


def _replaced(chunks: list[tuple[float, bytes]], spans: list[tuple[int, int]]) -> list[tuple[float, bytes]]:
    """Put the mark into the chunk where a span begins, and take the rest of the span out of it and the next ones."""
    replaced: list[tuple[float, bytes]] = []
    start = 0
    for at_s, data in chunks:
        end, last = start + len(data), start
        pieces: list[bytes] = []
        for first, after in spans:
            if first < end and after > start:
                pieces.append(data[last - start : max(first, start) - start])
                if first >= start:
                    pieces.append(_MARK)
                last = min(after, end)
        pieces.append(data[last - start :])
        replaced.append((at_s, b"".join(pieces)))
        start = end
    return replaced
