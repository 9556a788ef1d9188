"""The two faces of a stream, behind one call: what a test says of both, it says once."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

import headrace
from headrace import Event, HeadraceError, Message, PartDelta
from tests.servers import Server

Face = Literal["sync", "async"]
FACES: tuple[Face, ...] = ("sync", "async")

KEY = "sk-test-0123456789abcdef"


def ask(server: Server, wire: str = "openai", **more: Any) -> dict[str, Any]:
    """Say what a stream needs to ask a scripted server."""
    return {"model": f"{wire}/test-model", "prompt": "Hi", "base_url": server.url, "api_key": KEY, **more}


@dataclass
class Reading:
    """What reading a stream to its end gave."""

    stream: Any
    events: list[Event]
    error: Any = None

    @property
    def message(self) -> Message:
        message: Message = self.stream.message
        return message

    @property
    def text(self) -> str:
        """What was given out: not always what the message holds."""
        return "".join(e.text for e in self.events if isinstance(e, PartDelta) and e.kind == "text" and not e.choice)


def stream_of(face: Face, *args: Any, **options: Any) -> Any:
    """Make a stream, of the one face or the other."""
    make: Any = headrace.stream if face == "sync" else headrace.astream
    return make(*args, **options)


def bounded(stream: Any, until: Any = None, limit: dict[str, Any] | None = None) -> Any:
    if until is not None:
        stream.until(until)
    if limit is not None:
        stream.limit(**limit)
    return stream


def read(face: Face, *args: Any, until: Any = None, limit: dict[str, Any] | None = None, **options: Any) -> Reading:
    """Read a stream to its end, whatever that is.

    Raises:
        UsageError: if the stream cannot be made at all.
    """
    reading = Reading(bounded(stream_of(face, *args, **options), until, limit), [])

    def blocking() -> None:
        with reading.stream as s:
            reading.events.extend(s)

    async def asynchronous() -> None:
        async with reading.stream as s:
            async for event in s:
                reading.events.append(event)

    try:
        if face == "sync":
            blocking()
        else:
            asyncio.run(asynchronous())
    except HeadraceError as error:
        reading.error = error
    return reading
