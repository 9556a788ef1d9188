"""Asking the simulation, by its whole way and by its bytes alone."""

import json
from typing import Any

import headrace
from headrace.message import Message
from headrace.sim.provider import Play, play
from tests.wire.streams import Decoded, decode


def ask(prompt: Any, options: str = "", **more: Any) -> Message:
    """Ask as a user does, at once, with the grammar behind the decoder."""
    with headrace.stream(f"sim/test;speed=max{options}", prompt, debug=True, **more) as s:
        return s.get_final_message()


def body(prompt: str = "hi", model: str = "test;speed=max", **more: Any) -> bytes:
    fields = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **more}
    return json.dumps(fields).encode()


def played(play: Play) -> bytes:
    """Give all that a play has to say, whatever its times."""
    out: list[bytes] = []
    while play.next_s is not None:
        out.append(play.take())
    return b"".join(out)


def answer(data: bytes) -> Decoded:
    return decode("openai-chat", played(play(data)))
