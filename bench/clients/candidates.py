"""Who is compared, and where each one's loop stands. Light: a worker imports only its own candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from bench.clients.answers import Wire
    from bench.clients.environment import Name

Way = Literal["blocking", "asyncio", "uvloop"]
WAYS: tuple[Way, ...] = ("blocking", "asyncio", "uvloop")

FLOOR, OURS = "raw socket + msgspec", "headrace, text_stream"
BLOCKING_LOOP, ASYNC_LOOP = "urllib3 + msgspec", "aiohttp + msgspec"


class Candidate(NamedTuple):
    """One of those compared.

    Attributes:
        name: what the report calls it.
        wire: the wire it reads.
        blocking: its factory for blocking code, as ``module.function`` of `bench.clients.loops`, or None.
        asynchronous: its factory for async code, or None.
        environment: where it is installed.
        peer: whether it wants the peers' environments; the others run in the development's too.
    """

    name: str
    wire: Wire
    blocking: str | None
    asynchronous: str | None
    environment: Name = "bench"
    peer: bool = True


def _of_both(wire: Wire) -> list[Candidate]:
    return [
        Candidate(FLOOR, wire, "bare.blocking", "bare.asynchronous", peer=False),
        Candidate(BLOCKING_LOOP, wire, "libraries.with_urllib3", None, peer=False),
        Candidate(ASYNC_LOOP, wire, None, "libraries.with_aiohttp", peer=False),
        Candidate(OURS, wire, "ours.text_blocking", "ours.text_asynchronous", peer=False),
        Candidate("headrace, events", wire, "ours.events_blocking", "ours.events_asynchronous", peer=False),
        Candidate("httpx2 + json", wire, "tutorial.blocking", "tutorial.asynchronous"),
    ]


CANDIDATES: tuple[Candidate, ...] = (
    *_of_both("openai-chat"),
    Candidate("openai SDK", "openai-chat", "openai_sdk.blocking", "openai_sdk.asynchronous"),
    Candidate("pydantic-ai", "openai-chat", None, "frameworks.pydantic_ai_asynchronous"),
    Candidate(
        "litellm", "openai-chat", "frameworks.litellm_blocking", "frameworks.litellm_asynchronous", "bench-litellm"
    ),
    *_of_both("anthropic"),
    Candidate("anthropic SDK, raw", "anthropic", "anthropic_sdk.raw_blocking", "anthropic_sdk.raw_asynchronous"),
    Candidate(
        "anthropic SDK, text_stream", "anthropic", "anthropic_sdk.text_blocking", "anthropic_sdk.text_asynchronous"
    ),
)


class Held(NamedTuple):
    """Who holds a thousand streams at once, and by which factory."""

    name: str
    factory: str
    peer: bool = True


HELD: tuple[Held, ...] = (
    Held("headrace", "ours.hold", peer=False),
    Held("aiohttp + msgspec", "libraries.hold_aiohttp", peer=False),
    Held("openai SDK", "openai_sdk.hold"),
)


class Imported(NamedTuple):
    """What a user imports."""

    statement: str
    environment: Name = "bench"
    peer: bool = True


IMPORTED: tuple[Imported, ...] = (
    Imported("import headrace", peer=False),
    Imported("import headrace, headrace.transport.blocking", peer=False),
    Imported("import headrace, headrace.transport.asynchronous", peer=False),
    Imported("import urllib3", peer=False),
    Imported("import aiohttp", peer=False),
    Imported("import httpx2"),
    Imported("import openai"),
    Imported("import anthropic"),
    Imported("import pydantic_ai"),
    Imported("import litellm", "bench-litellm"),
)
