r"""Find secret values in bytes, however they are written and wherever the bytes are cut, and put a mark in their place.

Laws kept here: a value is found as it is, as JSON escapes it (``\u0073k``, ``\/``) and as a URL quotes it (``sk%2D``),
each twice over too; the echo of a key with its middle masked (``sk-ab****wxyz``) counts as the key; a value that is cut
over several chunks is found, and so is one of which the end is missing because the stream broke off.  A chunk keeps its
own bytes and its own time; what may be a value's beginning waits for what comes next, and no longer than it must: a
byte that no value holds settles it, as the line's end of a frame does.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCRUBBED = "[redacted]"
"""What stands where a secret stood."""

SHORTEST = 8
"""Characters that a value must have to be looked for: shorter words would be found in answers."""

_MARK = SCRUBBED.encode()
_JSON = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]",
)
_URL = re.compile(rb"%[0-9a-fA-F]{2}")
_ESCAPES = ((_JSON, b"\\"), (_URL, b"%"))
_DEEPEST = 3  # escapes of escapes
_LONGEST = 36  # bytes that so many of them make of one, at most
_HALF_ESCAPE = re.compile(rb"(?:\\{1,8}(?:u[0-9a-fA-F]{0,3})?|%(?:25){0,2}[0-9a-fA-F]?)\Z")
_ESCAPED_WITH = rb"\u%0123456789abcdefABCDEF\"/nrt"
_MASK = rb"(?:(?:\*|\.|\xe2\x80\xa2){3,64}|(?:\xe2\x80\xa6){1,64})"
_MASK_SIGNS = (b"***", b"...", "•".encode(), "…".encode())
_MASKED_WITH = "*.•…".encode()
_MASKED_BYTES = 3 * 64
_HEAD, _TAIL = 12, 8  # characters that an echo shows at most of a key's beginning and end


class Search:
    """Find some values.

    Args:
        values: texts; those that are too short are not looked for.
    """

    def __init__(self, values: Iterable[str]) -> None:
        kept = sorted({value for value in values if len(value) >= SHORTEST})
        self._values = [_bytes(value) for value in kept]
        self._masked = [_masked(value) for value in kept]
        self._longest = _MASKED_BYTES + _LONGEST * max(map(len, self._values)) if kept else 0
        self._inside = b"".join((*self._values, _ESCAPED_WITH, _MASKED_WITH)) if kept else b""

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Give where values stand, in order; what overlaps is one."""
        found = [
            written.origin(at, at + len(value))
            for written in self._readings(data)
            for value in self._values
            for at in _places(written.data, value)
        ]
        if any(sign in data for sign in _MASK_SIGNS):
            found += [echo.span() for masked in self._masked for echo in masked.finditer(data)]
        return _merged(found)

    def replace(self, data: bytes) -> bytes:
        """Put `SCRUBBED` where values stand."""
        spans = self.spans(data)
        return _replaced([(0.0, data)], spans)[0][1] if spans else data

    def open_from(self, data: bytes) -> int:
        """Give the place from which on a value may have begun that further bytes complete."""
        start = max(0, len(data) - self._longest)
        return start + len(data[start:].rstrip(self._inside))

    def broken_off_at(self, data: bytes) -> int | None:
        """Give the place where a value begins whose end the data has not, None if none does that can be told."""
        start = self.open_from(data)
        places: list[int] = []
        for written in self._readings(_HALF_ESCAPE.sub(b"", data[start:])):
            size = len(written.data)
            for value in self._values:
                lengths = range(min(len(value), size), SHORTEST - 1, -1)
                longest = next((length for length in lengths if written.data.endswith(value[:length])), 0)
                if longest:
                    places.append(start + written.origin(size - longest, size)[0])
        return min(places, default=None)

    def _readings(self, data: bytes) -> Iterator[_Reading]:
        """Give the ways to read data: as it is, and with escapes undone, some levels of them."""
        readings = [_Reading(data)] if self._values else []
        for _ in range(_DEEPEST):
            yield from readings
            readings = [
                _undone(reading, escape) for reading in readings for escape, sign in _ESCAPES if sign in reading.data
            ]
        yield from readings


class StreamScrubber:
    """Scrub a stream of chunks, which keep their times.

    Args:
        search: what is looked for.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._held: list[tuple[float, bytes]] = []

    def feed(self, at_s: float, data: bytes) -> list[tuple[float, bytes]]:
        """Take a chunk in, and give those, scrubbed, of which no byte can belong to a value that is not whole yet."""
        self._held.append((at_s, data))
        joined = b"".join(data for _, data in self._held)
        safe = self._search.open_from(joined)
        spans = [span for span in self._search.spans(joined) if span[0] < safe]
        if spans:
            safe = max(safe, spans[-1][1])
        scrubbed = _replaced(self._held, spans)
        settled, end = 0, 0
        for _, held in self._held:
            end += len(held)
            settled += end <= safe
        self._held = scrubbed[settled:]
        return scrubbed[:settled]

    def finish(self) -> list[tuple[float, bytes]]:
        """Say that no more comes, and give the rest."""
        joined = b"".join(data for _, data in self._held)
        spans = self._search.spans(joined)
        broken = self._search.broken_off_at(joined)
        if broken is not None:
            spans = _merged([*spans, (broken, len(joined))])
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


@lru_cache(maxsize=1024)
def _meant(escape: bytes) -> bytes:
    if escape.startswith(b"%"):
        return bytes.fromhex(escape[1:].decode())
    text: str = json.loads(b'"' + escape + b'"')
    return _bytes(text)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _masked(value: str) -> re.Pattern[bytes]:
    head = [re.escape(_bytes(character)) for character in value[:_HEAD]]
    tail = [re.escape(_bytes(character)) for character in value[-_TAIL:]]
    more_head = more_tail = b""
    for character in reversed(head[3:]):
        more_head = b"(?:" + character + more_head + b")?"
    for character in tail[:-2]:
        more_tail = b"(?:" + more_tail + character + b")?"
    return re.compile(b"".join((*head[:3], more_head, _MASK, more_tail, *tail[-2:])))


def _places(data: bytes, value: bytes) -> list[int]:
    places: list[int] = []
    at = data.find(value)
    while at >= 0:
        places.append(at)
        at = data.find(value, at + 1)
    return places


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


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
