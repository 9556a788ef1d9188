"""Which recorded request is like the one that is asked now, and where they differ.

What must be the same in any case: the method, and the path behind the provider's prefix and the API's version
(``/openai/v1/chat/completions`` is ``chat/completions``), which is as much as the wire.  What is nearest is counted in
points: 100 for the same wish to stream or not, 10 for the same model, up to 5 for the likeness of what the user said
last, and 3, 3/2, 3/3 … for as many messages, one more or less, two more or less …; the same body stands above all.

Law kept here: what was scrubbed from a recording is like anything.
"""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec import Struct

from headrace.sim.cassettes.cassette import Body, RecordedRequest, body_of
from headrace.sim.cassettes.credentials import Secrets
from headrace.sim.secrets import SCRUBBED, is_secret_name
from headrace.wire.lenient_json import as_dict, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from headrace.sim.play import Call
    from headrace.wire.providers import WireName

EXACT = 1000.0
"""The points of a request that is the same."""

_STREAM, _MODEL, _TEXT, _MESSAGES = 100.0, 10.0, 5.0, 3.0
_VERSION = re.compile(r"v[0-9]+[a-z0-9]*")
_COMPARED = 600  # characters of a text, its last ones: more would take too long
_SHOWN = 60
_MOST_SHOWN = 3


class Facts(Struct, frozen=True, kw_only=True):
    """A request, as far as it is compared.

    Attributes:
        method: of HTTP.
        path: as it was asked.
        route: the path behind prefix and version.
        query: its pairs, in order of their names, without those that are scrubbed for their names.
        body: decoded.
        stream: whether a stream is wanted.
        model: whom it names, if anybody.
        messages: how many it has.
        said: what the user said last.
    """

    method: str
    path: str
    route: str
    query: tuple[tuple[str, str], ...]
    body: Body
    stream: bool
    model: str | None
    messages: int
    said: str

    @property
    def wire(self) -> WireName | None:
        """The wire that is spoken there, if it is one that we know."""
        if self.route.endswith("chat/completions"):
            return "openai-chat"
        return "anthropic" if self.route.startswith("messages") else None


def facts_of_call(call: Call, *, providers: Collection[str]) -> Facts:
    """Give the facts of a call, scrubbed as a recording is; `providers`: names that are no part of a route."""
    headers = tuple(call.headers.items())
    secrets = Secrets()
    secrets.learn_headers(headers)
    secrets.learn_address(call.path)
    body = scrubbed_body(body_of(call.body, coded=bool(is_coded(headers))), call.body, secrets)
    return facts_of(
        RecordedRequest(method=call.method, path=secrets.address(call.path), body=body), providers=providers
    )


def facts_of(request: RecordedRequest, *, providers: Collection[str]) -> Facts:
    """Give the facts of a recorded request; `providers`: names that are no part of a route."""
    path, _, query = request.path.partition("?")
    pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if not is_secret_name(pair[0])]
    fields = as_dict(request.body.value) or {}
    messages: list[Any]
    messages = as_list(fields.get("messages")) or as_list(fields.get("input")) or as_list(fields.get("contents")) or []
    prompt = as_text(fields.get("input")) or as_text(fields.get("prompt"))
    return Facts(
        method=request.method.upper(),
        path=path,
        route=route_of(path, providers),
        query=tuple(sorted(pairs)),
        body=request.body,
        stream=fields.get("stream") is True,
        model=as_text(fields.get("model")) or None,
        messages=len(messages),
        said=next((said for message in reversed(messages) if (said := _said(message))), prompt),
    )


def route_of(path: str, providers: Collection[str]) -> str:
    """Give what a path asks for, whatever stands before it: a provider's name, the API's place and version."""
    parts = [part for part in path.split("/") if part]
    versions = [at for at, part in enumerate(parts) if _VERSION.fullmatch(part)]
    if versions:
        parts = parts[versions[0] + 1 :]
    elif len(parts) > 1 and parts[0] in providers:
        parts = parts[1:]
    return "/".join(parts)


def is_coded(headers: tuple[tuple[str, str], ...]) -> str | None:
    """Tell how a body is compressed, None if it is not."""
    codings = [value.strip().lower() for name, value in headers if name == "content-encoding"]
    return next((coding for coding in codings if coding not in ("", "identity")), None)


def scrubbed_body(body: Body, data: bytes, secrets: Secrets) -> Body:
    """Scrub a request's body, and learn what it holds; `data`: as it came."""
    if body.kind == "json":
        found = secrets.learn_json(body.value)
        # most hold nothing, which is quicker to see in the bytes; there, what a text holds is an escape deeper
        return Body("json", secrets.json(body.value)) if found or secrets.search.finds(data) else body
    if body.kind == "text":
        return Body("text", secrets.body(body.value.encode()).decode("utf-8", "replace"))
    return Body("base64", secrets.body(body.value)) if body.kind == "base64" else body


def same(recorded: Facts, asked: Facts) -> bool:
    """Tell whether the same was asked: method, route, query and body, the order of keys and what was scrubbed aside."""
    alike = (recorded.method, recorded.route) == (asked.method, asked.route) and _same_query(recorded, asked)
    return alike and not any(_body_differences(recorded.body, asked.body))


def points(recorded: Facts, asked: Facts) -> float | None:
    """Give the points of a recorded request, None if it can be no answer to what is asked."""
    if (recorded.method, recorded.route) != (asked.method, asked.route):
        return None
    if same(recorded, asked):
        return EXACT
    text = 1.0
    if recorded.said != asked.said:
        text = SequenceMatcher(None, recorded.said[-_COMPARED:], asked.said[-_COMPARED:], autojunk=False).ratio()
    return (
        _STREAM * (recorded.stream == asked.stream)
        + _MODEL * (recorded.model == asked.model)
        + _TEXT * text
        + _MESSAGES / (1 + abs(recorded.messages - asked.messages))
    )


def differences(recorded: Facts, asked: Facts) -> str:
    """Say in a line where two requests differ."""
    found: list[str] = []
    if recorded.method != asked.method:
        found.append(f"it was {recorded.method}, and this is {asked.method}")
    if recorded.route != asked.route:
        found.append(f"it asked {recorded.path}, and this asks {_short(asked.path)}")
    if not _same_query(recorded, asked):
        found.append("the query is another")
    for place, before, now in _body_differences(recorded.body, asked.body):
        found.append(f"{place} was {_short(before)}, and is {_short(now)}")
        if len(found) > _MOST_SHOWN:
            return "; ".join([*found[:_MOST_SHOWN], "…"])
    return "; ".join(found)


_MISSING: Any = object()


def _same_query(recorded: Facts, asked: Facts) -> bool:
    pairs = zip(recorded.query, asked.query, strict=False)
    return len(recorded.query) == len(asked.query) and all(
        before[0] == now[0] and _alike(before[1], now[1]) for before, now in pairs
    )


def _body_differences(recorded: Body, asked: Body) -> Iterator[tuple[str, Any, Any]]:
    if recorded.kind != asked.kind:
        yield "the body", f"({recorded.kind})", f"({asked.kind})"
    else:
        yield from _differences("", recorded.value, asked.value)


def _differences(place: str, recorded: Any, asked: Any) -> Iterator[tuple[str, Any, Any]]:
    before, now = as_dict(recorded), as_dict(asked)
    older, newer = as_list(recorded), as_list(asked)
    if before is not None and now is not None:
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{place}.{key}" if place else key
            yield from _differences(inner, before.get(key, _MISSING), now.get(key, _MISSING))
    elif older is not None and newer is not None:
        for at in range(max(len(older), len(newer))):
            both = [values[at] if at < len(values) else _MISSING for values in (older, newer)]
            yield from _differences(f"{place}[{at}]", *both)
    elif not _alike(recorded, asked):
        yield place or "the body", recorded, asked


def _alike(recorded: Any, asked: Any) -> bool:
    if SCRUBBED in (recorded, asked):
        return True
    if isinstance(recorded, bytes) and isinstance(asked, bytes):
        return _alike(recorded.decode("latin-1"), asked.decode("latin-1"))
    if isinstance(recorded, str) and isinstance(asked, str):
        return recorded == asked or _covers(recorded, asked) or _covers(asked, recorded)
    if isinstance(recorded, bool) or isinstance(asked, bool):
        return recorded is asked  # 1 is not true
    return bool(recorded == asked)


def _covers(scrubbed: str, text: str) -> bool:
    """Tell whether a text is a scrubbed one, whatever stands where the marks are."""
    if SCRUBBED not in scrubbed:
        return False
    first, *middle, last = scrubbed.split(SCRUBBED)
    end = len(text) - len(last)
    at = len(first)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:  # the first place that fits leaves most to the others
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _said(message: Any) -> str:
    fields = as_dict(message) or {}
    if fields.get("role", "user") != "user":
        return ""
    content = fields.get("content", fields.get("parts"))
    parts = [as_dict(part) or {} for part in as_list(content) or []]
    return as_text(content) or "".join(as_text(part.get("text")) for part in parts)


def _short(value: Any) -> str:
    if value is _MISSING:
        return "not there"
    text = json.dumps(value.decode("latin-1") if isinstance(value, bytes) else value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
