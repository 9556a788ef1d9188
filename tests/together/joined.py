"""Merges and races of both faces, behind one call each."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import headrace
from headrace import End, Event, HeadraceError
from tests.faces import Face, ask, stream_of
from tests.servers import LAST, Script, Server, chunked, head
from tests.wire.streams import DONE, choice, chunk, say, sse


def good(*texts: str) -> Script:
    """Answer in full."""
    return [head(), chunked(sse(*map(say, texts), chunk(choice(finish="stop")), DONE)), LAST]


def begun(*texts: str) -> bytes:
    """Begin an answer."""
    return head() + chunked(sse(*map(say, texts)))


def ended(*texts: str) -> bytes:
    """Go on with an answer to its end."""
    return chunked(sse(*map(say, texts), chunk(choice(finish="stop")), DONE)) + LAST


def refused(status: int = 401) -> Script:
    return [head(status, "application/json", framing="2") + b"{}"]


def streams(face: Face, servers: dict[Any, Server], **options: Any) -> dict[Any, Any]:
    return {label: stream_of(face, **ask(server, **options)) for label, server in servers.items()}


@dataclass
class Seen:
    """What reading a merge to its end gave."""

    merged: Any
    pairs: list[tuple[Any, Event]] = field(default_factory=list)

    def of(self, label: Any) -> list[Event]:
        return [event for name, event in self.pairs if name == label]

    def ends(self) -> dict[Any, str]:
        return {name: event.outcome for name, event in self.pairs if isinstance(event, End)}


def read_merge(face: Face, given: Any, **options: Any) -> Seen:
    seen = Seen(headrace.merge(given, **options))

    def blocking() -> None:
        with seen.merged as m:
            seen.pairs.extend(m)

    async def asynchronous() -> None:
        async with seen.merged as m:
            async for pair in m:
                seen.pairs.append(pair)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    return seen


@dataclass
class Raced:
    """What a race gave."""

    race: Any
    text: str | None = None
    error: HeadraceError | None = None


def run_race(face: Face, given: Any, **options: Any) -> Raced:
    raced = Raced(headrace.race(given, **options))

    def blocking() -> None:
        with raced.race as s:
            raced.text = s.get_final_text()

    async def asynchronous() -> None:
        async with raced.race as s:
            raced.text = await s.get_final_text()

    try:
        blocking() if face == "sync" else asyncio.run(asynchronous())
    except HeadraceError as error:
        raced.error = error
    return raced
