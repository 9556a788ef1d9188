"""The heads of answers: what each vendor tells of a request, of its own version, and of how much is left to ask.

Law kept here: by seed and by what was asked before, never by the clock: what a head says of the time is made up, too.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace.sim.dice import Dice, stable_hash

if TYPE_CHECKING:
    from headrace.wire.providers import WireName

Headers = tuple[tuple[str, str], ...]

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"

_EPOCH = 1_750_000_000
_YEAR_S = 31_536_000
_MINUTE_S = 60.0
_REQUESTS = 10_000  # a minute
_TOKENS = 2_000_000  # a minute, read and written
_WRITTEN = 400_000  # a minute, where they are counted apart
_OPENAI_VERSION = "2020-10-01"


def moment(mark: int) -> int:
    """Give the time at which a request is said to have come, in seconds since the epoch."""
    return _EPOCH + mark % _YEAR_S


class Spent(Struct, frozen=True):
    """What a provider was asked for so far, within its minute, the present request included.

    Attributes:
        number: of the request, from 1, since the provider began.
        requests: how many there were.
        read: tokens that were read.
        written: tokens that were written, or will be.
    """

    number: int
    requests: int
    read: int
    written: int


class Meter:
    """Count what a provider is asked for. When all is spent, another minute has begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._requests = 0
        self._read = 0
        self._written = 0

    def spend(self, read: int = 0, written: int = 0) -> Spent:
        """Count a request."""
        with self._lock:
            self._number += 1
            self._requests += 1
            self._read += read
            self._written += written
            if self._requests > _REQUESTS or self._read + self._written > _TOKENS or self._written > _WRITTEN:
                self._requests, self._read, self._written = 1, min(read, _TOKENS // 2), min(written, _WRITTEN)
            return Spent(self._number, self._requests, self._read, self._written)


def head_of(wire: WireName, content_type: str, *, seed: int, mark: int, spent: Spent, took_s: float) -> Headers:
    """Write the head of an answer.

    Args:
        wire: whose.
        content_type: of the body.
        seed: of the provider.
        mark: a number made of what was asked.
        spent: what was asked for so far.
        took_s: how long the answer was thought about.
    """
    common = (*plain_head(wire, content_type, seed=seed, mark=mark, number=spent.number), *_KEPT[content_type])
    if wire == "anthropic":
        return (*common, *_anthropic(seed, spent, moment(mark)))
    return (*common, *_openai(spent, took_s))


def plain_head(wire: WireName, content_type: str, *, seed: int, mark: int, number: int) -> Headers:
    """Write a head that tells of nothing but the request: that of a refusal."""
    name = "request-id" if wire == "anthropic" else "x-request-id"
    when = format_datetime(datetime.fromtimestamp(moment(mark), UTC), usegmt=True)
    return (
        ("date", when),
        ("content-type", content_type),
        (name, f"req_sim_{stable_hash(f'{seed}/{number}/{mark}'.encode()):016x}"),
    )


_KEPT: dict[str, Headers] = {SSE: (("cache-control", "no-cache"),), JSON: ()}


def _openai(spent: Spent, took_s: float) -> Headers:
    tokens = spent.read + spent.written
    return (
        ("openai-organization", "headrace-sim"),
        ("openai-processing-ms", str(round(took_s * 1000))),
        ("openai-version", _OPENAI_VERSION),
        ("x-ratelimit-limit-requests", str(_REQUESTS)),
        ("x-ratelimit-limit-tokens", str(_TOKENS)),
        ("x-ratelimit-remaining-requests", str(_REQUESTS - spent.requests)),
        ("x-ratelimit-remaining-tokens", str(_TOKENS - tokens)),
        ("x-ratelimit-reset-requests", _duration(spent.requests / _REQUESTS * _MINUTE_S)),
        ("x-ratelimit-reset-tokens", _duration(tokens / _TOKENS * _MINUTE_S)),
    )


def _duration(seconds: float) -> str:
    """Write a time as OpenAI does: ``12ms``, ``6.5s``, ``1m0s``."""
    ms = round(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms / 1000, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"


def _anthropic(seed: int, spent: Spent, now: int) -> Headers:
    figures = {
        "requests": (_REQUESTS, spent.requests),
        "tokens": (_TOKENS, spent.read + spent.written),
        "input-tokens": (_TOKENS - _WRITTEN, spent.read),
        "output-tokens": (_WRITTEN, spent.written),
    }
    out: list[tuple[str, str]] = []
    for name, (limit, used) in figures.items():
        left = limit - used if name == "requests" else round(limit - used, -3)  # as the vendor rounds them
        reset = datetime.fromtimestamp(now + round(used / limit * _MINUTE_S), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        out += [
            (f"anthropic-ratelimit-{name}-limit", str(limit)),
            (f"anthropic-ratelimit-{name}-remaining", str(max(0, left))),
            (f"anthropic-ratelimit-{name}-reset", reset),
        ]
    dice = Dice(seed, "organization")
    hexes = [f"{dice.between(0, 16**size - 1):0{size}x}" for size in (8, 4, 4, 4, 12)]
    return (("anthropic-organization-id", "-".join(hexes)), *out)
