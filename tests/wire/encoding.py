"""Encoding for openai-chat, and the whole way back to events."""

import json
from typing import Any, cast

from headrace.events import (
    VERSION,
    End,
    Event,
    Outcome,
    PartDelta,
    PartKind,
    PartStart,
    StepStart,
)
from headrace.grammar import Grammar
from headrace.wire.framing import SSEFramer
from headrace.wire.openai_chat.encode import OpenAIChatEncoder
from tests.wire.streams import Decoded, Json, decode

FAILURES: tuple[Outcome, ...] = ("cancelled", "timeout", "truncated", "failed")
WHOLE_ONLY: tuple[PartKind, ...] = ("server_tool_call", "citation", "media")
VOICES: tuple[PartKind, ...] = ("text", "thinking", "refusal")


def encode(events: list[Event], **options: Any) -> bytes:
    grammar, encoder = Grammar(), OpenAIChatEncoder(**options)
    out: list[bytes] = []
    for event in events:
        grammar.feed(event)
        out.append(encoder.feed(event))
    out.append(encoder.finish())
    assert encoder.done
    assert encoder.finish() == b""
    return b"".join(out)


def read(data: bytes) -> list[Json]:
    """Read the chunks, in the shape that every client relies on."""
    frames = [frame.data for frame in SSEFramer().feed(data)]
    chunks = [cast("Json", json.loads(frame)) for frame in frames if frame != b"[DONE]"]
    assert frames.count(b"[DONE]") == (0 if "error" in chunks[-1] else 1)
    assert b"[DONE]" not in frames[:-1]
    return chunks


def recoded(events: list[Event]) -> Decoded:
    return decode("openai-chat", encode(events))


def start(name: str | None = "chatcmpl-1", model: str | None = "m", step: int = 0, attempt: int = 0) -> StepStart:
    return StepStart(v=VERSION, step=step, attempt=attempt, model=model, id=name)


DONE = End(outcome="complete")
TEXT: list[Event] = [PartStart("t"), PartDelta("t", "x")]
