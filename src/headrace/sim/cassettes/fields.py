"""Find the secret fields of a body that is not decoded: JSON as it comes, forms, and forms in parts.

Laws kept here: JSON may be cut anywhere, stand in a stream's frames, or be none in the end: what can be made out is
found, and the next frame is read afresh; nothing is kept but names and values that may be secrets, neither longer than
a secret is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from headrace.sim.cassettes.places import Place, was_answered
from headrace.sim.secrets import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = re.compile(rb"[\"{}\[\]:,\n]")
_MARK_IN_LIST = re.compile(rb"[\"{}\[\]\n]")
_INSIDE = re.compile(rb"[^\"\\\n]*(?:\\[^\n][^\"\\\n]*)*")
_LONGEST_NAME = 1024
_LONGEST_VALUE = 64 * 1024
_DEEPEST = 1000
_SLICE = 64 * 1024
_FRAME_END = b"\n\n"
_IN_NAMES = (
    b"auth", b"token", b"secret", b"key", b"pass", b"pwd", b"bearer", b"jwt", b"assertion", b"credential", b"cookie",
    b"session", b'"value', b'"data"', b"openai-", b"anthropic-", b"openai_", b"anthropic_", b"sec-", b"sec_", b"\\u",
)  # fmt: skip

_PAIR = re.compile(rb"(?:^|[?&;#])([^=?&;#\s\"{}]{1,200})=([^&;#\s\"]+)")
_PART = re.compile(
    rb"content-disposition:[ \t]*form-data;([^\r\n]{0,2000})\r?\n(?:[^\r\n]{1,2000}\r?\n){0,20}\r?\n", re.IGNORECASE
)
_PART_NAME = re.compile(rb"\bname=\"?([^\";]+)", re.IGNORECASE)
_PART_END = re.compile(rb"\r?\n--|\Z")


class _Level:
    """An object or a list that is open."""

    def __init__(self, place: Place, *, is_object: bool) -> None:
        self.place = place
        self.is_object = is_object
        self.name: str | None = None
        self.at_value = not is_object

    @property
    def inner(self) -> Place:
        """Where its next value stands."""
        return self.place if self.name is None else self.place.inside(self.name)


class JsonFields:
    """Read JSON as it comes, for secrets in its fields.

    Attributes:
        waiting: so many bytes at the end of what has come are the beginning of what may be a secret.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._levels: list[_Level] = []
        self._in_string = False
        self._kept: bytearray | None = None
        self._limit = 0
        self._place: Place | None = None
        self._slash = b""
        self._empty_line = False
        self._at_frame = True

    def feed(self, data: bytes) -> list[str]:
        """Take bytes in, and give the secrets that have ended in them."""
        found: list[str] = []
        data = self._slash + data
        self._slash, at = b"", 0
        while at < len(data):
            if self._at_frame:
                at = _first_frame(data, at)
                self._at_frame = at == len(data)
            else:
                at = self._string(data, at, found) if self._in_string else self._between(data, at)
        self.waiting = len(self._kept) + len(self._slash) if self._kept is not None and self._place is not None else 0
        return found

    def _between(self, data: bytes, at: int) -> int:
        level = self._levels[-1] if self._levels else None
        mark = (_MARK if level is None or level.is_object else _MARK_IN_LIST).search(data, at)
        if mark is None:
            return len(data)
        sign = mark[0]
        empty, self._empty_line = self._empty_line, sign == b"\n"
        if sign == b"\n" and empty:
            self._levels.clear()
            self._at_frame = True
        elif sign == b'"':
            self._begin(level)
        elif sign in b"{[":
            if len(self._levels) >= _DEEPEST:
                self._levels.clear()
            self._levels.append(_Level(level.inner if level else Place(), is_object=sign == b"{"))
        elif sign in b"}]":
            del self._levels[-1:]
        elif level is not None and level.is_object:
            level.at_value = sign == b":"
        return mark.end()

    def _begin(self, level: _Level | None) -> None:
        self._in_string = True
        self._kept = self._place = None
        if level is None:
            return
        if not level.at_value:
            self._kept, self._limit = bytearray(), _LONGEST_NAME
        elif level.inner.may_be_answered:
            self._place = level.inner
            self._kept, self._limit = bytearray(), _LONGEST_VALUE

    def _string(self, data: bytes, at: int, found: list[str]) -> int:
        inside = _INSIDE.match(data, at)
        assert inside is not None
        end = inside.end()
        if self._kept is not None:
            self._kept += data[at:end]
            if len(self._kept) > self._limit:
                self._kept = None
        if data[end:] == b"\\":
            self._slash = b"\\"
            return len(data)
        if end < len(data):
            if data[end : end + 1] == b'"':
                self._end(found)
            self._in_string, self._kept = False, None
            # a line's end is no part of a string: it was none
            return end + (data[end : end + 1] != b"\n")
        return end

    def _end(self, found: list[str]) -> None:
        if self._kept is None:
            return
        text = _meant(bytes(self._kept))
        if self._place is None:
            self._levels[-1].name = text
        elif was_answered(self._place, text):
            found.append(text)


def _first_frame(data: bytes, at: int) -> int:
    """Pass over whole frames with no word in them that a secret's name has: nearly all of a stream."""
    while (end := data.find(_FRAME_END, at)) >= 0:
        frame = data[at:end].lower()
        if any(word in frame for word in _IN_NAMES):
            return at
        at = end + len(_FRAME_END)
    return at


def json_secrets(data: bytes) -> Iterator[str]:
    """Give the secrets that stand in what may be JSON, or hold some."""
    fields = JsonFields()
    for at in range(0, len(data), _SLICE):
        yield from fields.feed(data[at : at + _SLICE])


def form_secrets(data: bytes) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Give where secrets stand in a form, in parts or not, and what they may mean."""
    for pair in _PAIR.finditer(data):
        if is_secret_name(unquote_plus(_text(pair[1]))):
            value = _text(pair[2])
            yield pair.start(2), pair.end(2), (value, unquote_plus(value))
    if b"form-data" not in data.lower():  # which is seen much sooner
        return
    for part in _PART.finditer(data):
        name = _PART_NAME.search(part[1])
        if name is not None and b"filename" not in part[1].lower() and is_secret_name(_text(name[1])):
            end = _PART_END.search(data, part.end())
            assert end is not None
            yield part.end(), end.start(), (_text(data[part.end() : end.start()]),)


def _meant(written: bytes) -> str:
    text = _text(written)
    try:
        meant: str = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text
    return meant


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
