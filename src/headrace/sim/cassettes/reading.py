"""Read cassettes.

Laws kept here: reading is strict, and an error names file and line; keys that are not known are passed over, so that
later versions may say more; a file without its last line is a recording that was broken off, and is read as such.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from headrace.sim.cassettes.cassette import (
    VERSION,
    Body,
    BodyKind,
    Cassette,
    CassetteError,
    Ending,
    Framing,
    RecordedHead,
    RecordedRequest,
    loads_strictly,
)
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.sim.cassettes.cassette import Headers

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def read_cassettes(source: str | Path | Sequence[str | Path]) -> list[Cassette]:
    """Read a folder of cassettes, or the files that are given, in the order in which they were recorded.

    Raises:
        CassetteError: if there are none, or one cannot be read.
    """
    if isinstance(source, str | Path):
        folder = Path(source)
        if folder.is_dir():
            files = sorted(folder.glob("*.jsonl"), key=_place)
            if not files:
                raise CassetteError(f"{folder}: there are no cassettes (*.jsonl); headrace record makes them")
        else:
            files = [folder]
    else:
        files = [Path(file) for file in source]
        if not files:
            raise CassetteError("no cassettes were given")
    return [read_cassette(file) for file in files]


def read_cassette(path: str | Path) -> Cassette:
    """Read a cassette.

    Raises:
        CassetteError: saying which file and line, and what is wrong there.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CassetteError(f"{file}: cannot be read: {error.strerror or error}") from None
    return parse_cassette(data, name=file.name, where=str(file))


def parse_cassette(data: bytes, *, name: str = "cassette", where: str | None = None) -> Cassette:
    """Read a cassette's bytes; `where`: what errors call them.

    Raises:
        CassetteError: saying which line, and what is wrong there.
    """
    reader = _Reader(where or name)
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), start=1):
        reader.read(number, line.removesuffix(b"\r"))
    return reader.cassette(name)


def _place(file: Path) -> tuple[int, str]:
    number = file.name.partition("-")[0]
    return (int(number) if number.isdecimal() and number.isascii() else -1, file.name)


class _Reader:
    def __init__(self, where: str) -> None:
        self._where = where
        self._number = 0
        self._first: dict[str, Any] = {}
        self._request: RecordedRequest | None = None
        self._head: RecordedHead | None = None
        self._chunks: list[tuple[float, bytes]] = []
        self._ending: Ending | None = None
        self._last_s = 0.0

    def read(self, number: int, line: bytes) -> None:
        self._number = number
        try:
            value: Any = loads_strictly(line)
        except ValueError as error:
            self._wrong(f"is no JSON: {error}")
        fields = as_dict(value)
        if fields is None:
            self._wrong("is no JSON object")
        if number == 1:
            self._read_first(fields)
        elif self._ending is not None:
            self._wrong("stands after the end")
        elif "status" in fields:
            self._read_head(fields)
        elif "end" in fields:
            self._read_end(fields)
        elif "text" in fields or "base64" in fields:
            if self._head is None:
                self._wrong("is a chunk before the response's head")
            self._chunks.append((self._time(fields), self._bytes(fields)))
        else:
            self._wrong("is neither a head (status), nor a chunk (text or base64), nor an end")

    def cassette(self, name: str) -> Cassette:
        assert self._request is not None
        return Cassette(
            name=name,
            request=self._request,
            head=self._head,
            chunks=tuple(self._chunks),
            ending=self._ending,
            ended_s=self._last_s,
            provider=self._first.get("provider"),
            recorded=self._first.get("recorded", ""),
        )

    def _read_first(self, fields: dict[str, Any]) -> None:
        version = fields.get("headrace_cassette")
        if not _is_whole(version):
            self._wrong('is not the beginning of a cassette, {"headrace_cassette": 1, "request": …}')
        if version != VERSION:
            self._wrong(f"is of version {version}, and this Headrace reads version {VERSION}: update it")
        for key in ("provider", "recorded"):
            if key in fields:
                self._text(fields, key)
        request = as_dict(fields.get("request"))
        if request is None:
            self._wrong("has no request")
        self._first = fields
        self._request = RecordedRequest(
            method=self._text(request, "method"),
            path=self._text(request, "path"),
            headers=self._headers(request),
            body=self._body(request),
        )

    def _read_head(self, fields: dict[str, Any]) -> None:
        if self._head is not None:
            self._wrong("is a second head")
        status: Any = fields["status"]
        if not _is_whole(status) or not 200 <= status <= 999:
            self._wrong("has a status that is none of HTTP's final ones")
        framing: Any = fields.get("framing", "chunked")
        if framing not in get_args(Framing):
            self._wrong(f"has a framing that is none of {', '.join(get_args(Framing))}")
        self._head = RecordedHead(
            at_s=self._time(fields),
            status=status,
            headers=self._headers(fields),
            framing=framing,
            note=self._text(fields, "note") if "note" in fields else None,
        )

    def _read_end(self, fields: dict[str, Any]) -> None:
        ending: Any = fields["end"]
        if ending not in get_args(Ending):
            self._wrong(f"has an end that is none of {', '.join(get_args(Ending))}")
        if ending == "end" and self._head is None:
            self._wrong("is a good end without a response")
        self._time(fields)
        self._ending = ending

    def _body(self, fields: dict[str, Any]) -> Body:
        kinds: list[BodyKind] = [kind for kind in ("json", "text", "base64") if kind in fields]
        if len(kinds) > 1:
            self._wrong(f"has a body twice, as {' and '.join(kinds)}")
        if not kinds:
            return Body()
        kind = kinds[0]
        if kind == "json":
            return Body(kind, fields["json"])
        return Body(kind, self._text(fields, "text") if kind == "text" else self._decoded(fields))

    def _bytes(self, fields: dict[str, Any]) -> bytes:
        if "text" in fields and "base64" in fields:
            self._wrong("has both text and base64")
        if "base64" in fields:
            return self._decoded(fields)
        try:
            return self._text(fields, "text").encode()
        except UnicodeEncodeError:
            self._wrong("has a text that is no Unicode: half a surrogate pair")

    def _decoded(self, fields: dict[str, Any]) -> bytes:
        text = self._text(fields, "base64")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self._wrong("has base64 that is none")

    def _text(self, fields: dict[str, Any], key: str) -> str:
        value: Any = fields.get(key)
        if not isinstance(value, str):
            self._wrong(f"has no text as {key}")
        return value

    def _headers(self, fields: dict[str, Any]) -> Headers:
        headers = as_dict(fields.get("headers", {}))
        if headers is None:
            self._wrong("has headers that are no JSON object")
        pairs: list[tuple[str, str]] = []
        for name, given in headers.items():
            listed = as_list(given)
            values: list[Any] = [given] if listed is None else listed
            if not (_NAME.fullmatch(name) and all(isinstance(one, str) and _VALUE.fullmatch(one) for one in values)):
                self._wrong(f"has a header {name!r} that HTTP cannot say")
            pairs += [(name.lower(), one) for one in values]
        return tuple(pairs)

    def _time(self, fields: dict[str, Any]) -> float:
        at_s: Any = fields.get("t")
        if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not math.isfinite(at_s):
            self._wrong("has no time t, in seconds")
        if at_s < self._last_s:
            self._wrong(f"is at {at_s} s, before the line above it ({self._last_s} s)")
        self._last_s = float(at_s)
        return self._last_s

    def _wrong(self, what: str) -> NoReturn:
        raise CassetteError(f"{self._where}, line {self._number}: {what}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
