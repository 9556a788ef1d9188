r"""A cassette: one exchange in a file, as lines of JSON that people can read and compare.

    {"headrace_cassette": 1, "recorded": "…", "provider": "openai", "request": {"method", "path", "headers", "json"}}
    {"t": 0.4012, "status": 200, "framing": "chunked", "headers": {"content-type": "text/event-stream"}}
    {"t": 0.4123, "text": "data: …\n\n"}
    {"t": 0.4388, "base64": "…"}
    {"t": 1.2045, "end": "end"}

``t`` is in seconds from the request, to a tenth of a millisecond. A request's body is ``json``, ``text`` or ``base64``,
none if it has none; a chunk is ``text`` where its bytes are UTF-8 by themselves, else ``base64``. A header that came
several times is a list.

Reading is in `headrace.sim.cassettes.reading`.

Law kept here: what is written down can be read again, byte for byte in the chunks.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from msgspec import Struct

from headrace.errors import ConfigError
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1

Headers = tuple[tuple[str, str], ...]
"""In order; names in lower case."""

Ending = Literal["end", "close", "reset", "client_left"]
"""How it ended: the answer was whole; its provider closed the connection before, or reset it; the client left."""

Framing = Literal["chunked", "length", "close"]

BodyKind = Literal["none", "json", "text", "base64"]

_MAX_DEPTH = 200


class CassetteError(ConfigError):
    """A file is no cassette, or there are none."""


class Body(Struct, frozen=True):
    """A request's body.

    Attributes:
        kind: how it is written down.
        value: the decoded JSON, the text, or the bytes.
    """

    kind: BodyKind = "none"
    value: Any = None


class RecordedRequest(Struct, frozen=True, kw_only=True):
    """A request as it was recorded, scrubbed.

    Attributes:
        method: of HTTP.
        path: where the provider was asked, with its query.
        headers: scrubbed, too.
        body: what was asked.
    """

    method: str
    path: str
    headers: Headers = ()
    body: Body = Body()


class RecordedHead(Struct, frozen=True, kw_only=True):
    """A response's head as it was recorded, scrubbed.

    Attributes:
        at_s: when it came, in seconds from the request.
        status: of HTTP.
        headers: scrubbed, too.
        framing: how the body's end was known.
        note: what a reader of the file should know of the body.
    """

    at_s: float
    status: int
    headers: Headers = ()
    framing: Framing = "chunked"
    note: str | None = None


class Cassette(Struct, frozen=True, kw_only=True):
    """A recorded exchange.

    Attributes:
        name: of its file.
        request: the request.
        head: the response's head; None: the connection ended without one.
        chunks: when which bytes of the body came.
        ending: how it ended; None: the recording was broken off.
        ended_s: when.
        provider: whom it was recorded from, if that had a name.
        recorded: the date and time, as text.
    """

    name: str
    request: RecordedRequest
    head: RecordedHead | None = None
    chunks: tuple[tuple[float, bytes], ...] = ()
    ending: Ending | None = None
    ended_s: float = 0.0
    provider: str | None = None
    recorded: str = ""


# -- writing


def first_line(request: RecordedRequest, *, provider: str | None, recorded: str) -> bytes:
    """Write a cassette's first line."""
    value: dict[str, Any] = {"headrace_cassette": VERSION, "recorded": recorded}
    if provider is not None:
        value["provider"] = provider
    fields: dict[str, Any] = {"method": request.method, "path": request.path, "headers": _listed(request.headers)}
    body = request.body
    if body.kind != "none":
        fields[body.kind] = base64.b64encode(body.value).decode() if body.kind == "base64" else body.value
    return _line({**value, "request": fields})


def head_line(head: RecordedHead) -> bytes:
    """Write a response's head."""
    value = {
        "t": _rounded(head.at_s),
        "status": head.status,
        "framing": head.framing,
        "headers": _listed(head.headers),
    }
    return _line(value if head.note is None else {**value, "note": head.note})


def chunk_line(at_s: float, data: bytes, *, coded: bool = False) -> bytes:
    """Write a chunk; `coded`: it is compressed, and no text, whatever it looks like."""
    try:
        value = {"base64": base64.b64encode(data).decode()} if coded else {"text": data.decode()}
    except UnicodeDecodeError:
        value = {"base64": base64.b64encode(data).decode()}
    return _line({"t": _rounded(at_s), **value})


def end_line(at_s: float, ending: Ending) -> bytes:
    """Write how it ended."""
    return _line({"t": _rounded(at_s), "end": ending})


def body_of(data: bytes, *, coded: bool = False) -> Body:
    """Tell how a request's body is written down; `coded`: it is compressed."""
    if not data:
        return Body()
    if coded:
        return Body("base64", data)
    try:
        return Body("json", loads_strictly(data))
    except ValueError:
        pass
    try:
        return Body("text", data.decode())
    except UnicodeDecodeError:
        return Body("base64", data)


def _line(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair: only an escape can say it
        return json.dumps(value).encode() + b"\n"


def loads_strictly(data: bytes) -> Any:
    """Decode JSON that can be written again as it was.

    Raises:
        ValueError: if it is none, has numbers that JSON has not, or is nested deeper than a request has reason to be.
    """
    try:
        value: Any = json.loads(data.decode(), parse_constant=_no_constant)
        json.dumps(value, allow_nan=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("it is nested too deeply")


def _inside(value: Any) -> Iterable[Any]:
    fields = as_dict(value)
    return fields.values() if fields is not None else as_list(value) or ()


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _rounded(seconds: float) -> float:
    return round(seconds, 4)


def _listed(headers: Headers) -> dict[str, str | list[str]]:
    listed: dict[str, str | list[str]] = {}
    for name, value in headers:
        before = listed.get(name)
        if before is None:
            listed[name] = value
        else:
            listed[name] = [*(before if isinstance(before, list) else [before]), value]
    return listed
