"""What the journal holds: connections and exchanges, as they are given out.

Law kept here: keys and cookies are taken out before anything is noted, while the conversations stay: they are what the
journal is for.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal
from urllib.parse import unquote_plus

import msgspec
from msgspec import Struct

from headrace.sim.secrets import SCRUBBED, is_secret_name

By = Literal["server", "client"]

_QUERY = re.compile(r"([?&;])([^=?&;#]*)=[^&;#]*")


def scrub_headers(headers: dict[str, str]) -> dict[str, str]:
    """Take keys and cookies out of headers, whose names are in lower case."""
    return {name: SCRUBBED if is_secret_name(name) else value for name, value in headers.items()}


def scrub_path(path: str) -> str:
    """Take keys out of a path's query."""
    return _QUERY.sub(
        lambda pair: f"{pair[1]}{pair[2]}={SCRUBBED}" if is_secret_name(unquote_plus(pair[2])) else pair[0], path
    )


class Connection(Struct, frozen=True, kw_only=True):
    """A connection, as far as it has come.

    Attributes:
        id: counted from 1.
        peer: the client's address and port.
        opened_s: when it was accepted, in seconds since the server's start.
        closed_s: when it was gone; None: it is open.
        closed_by: who ended it; None: it is open.
        how: ``fin`` or ``reset``; ``bad-request``: what came was no request that can be answered; ``stopped``: the
            server ended.
        exchanges: the ids of what was asked on it, as far as the journal still has it.
    """

    id: int
    peer: str
    opened_s: float
    closed_s: float | None = None
    closed_by: By | None = None
    how: str | None = None
    exchanges: tuple[int, ...] = ()


class Exchange(Struct, frozen=True, kw_only=True):
    """A request and its answer, as far as they have come.

    Attributes:
        id: counted from 1.
        connection: the connection's id.
        method: of HTTP.
        path: with its query, without keys.
        wire: which wire was spoken, if one was.
        model: whom the request named, if anybody.
        headers: names in lower case; without keys and cookies.
        body: the decoded JSON, or the text if it is none; None: there is no body, or it is not kept.
        body_size: its bytes as they came.
        body_kept: whether the journal still has it: when it holds too many bytes, the oldest bodies go first.
        label: which scenario or cassette answered.
        faults: the faults that were played.
        details: further facts, from whoever answered.
        status: of HTTP; None: no head was sent.
        asked_s: when the request was there, in seconds since the server's start.
        answered_s: when the head was written whole.
        ended_s: when it ended.
        bytes_sent: bytes of the answer that the kernel took, head and framing included.
        tokens: tokens that the kernel took. On Linux it holds at most 32 KiB that were not sent yet; what was sent and
            not read waits in the client's own system (64 KiB and more) and in the client itself.
        tokens_planned: tokens that the whole answer has, if that is known.
        tokens_after_leaving: tokens that were made after the client's leaving was seen: always 0, and always counted.
        ended_by: who ended it; None: it goes on.
        how: ``complete``: the whole answer; ``left``: the client went; ``stopped``: the server ended; ``failed``: the
            source did; else the act that ended it: ``eof``, ``close``, ``reset``, ``refuse``.
    """

    id: int
    connection: int
    method: str
    path: str
    wire: str | None = None
    model: str | None = None
    headers: dict[str, str] = {}
    body: Any = None
    body_size: int = 0
    body_kept: bool = True
    label: str = ""
    faults: tuple[str, ...] = ()
    details: dict[str, Any] = {}
    status: int | None = None
    asked_s: float = 0.0
    answered_s: float | None = None
    ended_s: float | None = None
    bytes_sent: int = 0
    tokens: int = 0
    tokens_planned: int | None = None
    tokens_after_leaving: int = 0
    ended_by: By | None = None
    how: str | None = None

    @property
    def left_at_token(self) -> int | None:
        """How many tokens the kernel had taken when the client's leaving was seen; None: it did not leave.

        It had read as many at most: see `tokens`.
        """
        return self.tokens if self.how == "left" else None


def summary(exchange: Exchange) -> str:
    """Tell of an exchange in a line, without its content."""
    end = f"ended by {exchange.ended_by} ({exchange.how})" if exchange.ended_by else "goes on"
    return f"{exchange.id}: {exchange.method} {exchange.path}, model {exchange.model}, {exchange.tokens} tokens, {end}"


def row(exchange: Exchange) -> bytes:
    """Write an exchange as JSON."""
    facts: dict[str, Any] = {**msgspec.structs.asdict(exchange), "left_at_token": exchange.left_at_token}
    try:
        return json.dumps(facts, default=repr).encode()
    except RecursionError:
        return json.dumps({**facts, "body": "(nested too deeply)"}, default=repr).encode()


def decoded(body: bytes) -> Any:
    """Give a body's JSON, or its text; what JSON itself cannot write again stays text."""
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _finite(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number
