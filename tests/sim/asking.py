"""Asking the simulation, by its whole way and by its bytes alone."""

import json
from typing import Any

import headrace
from headrace.message import Message
from headrace.sim.play import Act, Call, Piece, Play
from headrace.sim.provider import SimulatedProvider, play
from headrace.wire.providers import WireName
from tests.wire.streams import Decoded, decode, decode_whole

PATHS: dict[WireName, str] = {"openai-chat": "/v1/chat/completions", "anthropic": "/v1/messages"}


def ask(prompt: Any, options: str = "", **more: Any) -> Message:
    """Ask as a user does, at once, with the grammar behind the decoder."""
    with headrace.stream(f"sim/test;speed=max{options}", prompt, debug=True, **more) as s:
        return s.get_final_message()


def body(prompt: str = "hi", model: str = "test;speed=max", **more: Any) -> bytes:
    fields = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **more}
    return json.dumps(fields).encode()


def call_of(data: bytes, wire: WireName = "openai-chat", *, path: str = "", **headers: str) -> Call:
    """Make a call of a body; in the names of headers, a hyphen is an underscore."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(path=path or PATHS[wire], headers=named, body=data)


def call(
    wire: WireName = "openai-chat", prompt: str = "hi", *, headers: dict[str, str] | None = None, **more: Any
) -> Call:
    """Make a call; Anthropic's has the limit that it must have."""
    fields = {"max_tokens": 100_000, **more} if wire == "anthropic" else more
    return call_of(body(prompt, **fields), wire, **(headers or {}))


def played(play: Play) -> bytes:
    """Give all that a play has to say, whatever its times."""
    return b"".join([step.data for step in play.steps if isinstance(step, Piece)])


def acted(play: Play) -> list[Act]:
    """Give what is done to the connection."""
    return [step for step in play.steps if isinstance(step, Act)]


def header(play: Play, name: str) -> str:
    assert play.head is not None
    return dict(play.head.headers)[name]


def status(play: Play) -> int:
    assert play.head is not None
    return play.head.status


def read(play: Play) -> Decoded:
    """Read a play as its wire's clients do, streamed or not."""
    assert play.wire is not None
    assert status(play) == 200
    data = played(play)
    if header(play, "content-type") == "application/json":
        return decode_whole(play.wire, data)
    return decode(play.wire, data)


def answer(data: bytes) -> Decoded:
    return read(play(call_of(data)))


def said(
    *scenarios: Any, wire: WireName = "openai-chat", provider: dict[str, Any] | None = None, **more: Any
) -> Decoded:
    """Ask a provider of its own with these scenarios."""
    options = {"speed": "max", **(provider or {})}
    return read(SimulatedProvider(scenarios, **options).play(call(wire, **more)))
