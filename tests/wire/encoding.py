"""Encoding, and the whole way back to events."""

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
from headrace.wire.providers import WireName
from headrace.wire.registry import make_encoder
from tests.wire.streams import Decoded, Json, decode

FAILURES: tuple[Outcome, ...] = ("cancelled", "timeout", "truncated", "failed")
WHOLE_ONLY: tuple[PartKind, ...] = ("server_tool_call", "citation", "media")
FRAMES = (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
)
VOICES: tuple[PartKind, ...] = ("text", "thinking", "refusal")


def encode(events: list[Event], wire: WireName = "openai-chat", **options: Any) -> bytes:
    grammar, encoder = Grammar(), make_encoder(wire, **options)
    out: list[bytes] = []
    for event in events:
        grammar.feed(event)
        out.append(encoder.feed(event))
    out.append(encoder.finish())
    assert encoder.done
    assert encoder.finish() == b""
    return b"".join(out)


def read(data: bytes) -> list[Json]:
    """Read chunks of openai-chat, in the shape that every client relies on."""
    frames = [frame.data for frame in SSEFramer().feed(data)]
    chunks = [cast("Json", json.loads(frame)) for frame in frames if frame != b"[DONE]"]
    assert frames.count(b"[DONE]") == (0 if "error" in chunks[-1] else 1)
    assert b"[DONE]" not in frames[:-1]
    return chunks


def read_messages(data: bytes) -> list[Json]:
    """Read frames of anthropic, in the shape that every client relies on."""
    frames = list(SSEFramer().feed(data))
    out = [cast("Json", json.loads(frame.data)) for frame in frames]
    assert [frame.event for frame in frames] == [fields["type"] for fields in out]
    kinds = [kind for fields in out if (kind := fields["type"]) in FRAMES]
    assert kinds[0] == "message_start" or kinds == ["error"]
    assert kinds.count("message_start") <= 1
    assert kinds.count("message_stop") + kinds.count("error") == 1
    assert kinds.count("message_delta") <= 1
    assert kinds[-2:] == ["message_delta", "message_stop"] or kinds[-1] == "error"
    blocks: dict[int, str] = {}
    for fields in out:
        match fields["type"]:
            case "content_block_start":
                assert fields["index"] == len(blocks)
                blocks[len(blocks)] = "open"
            case "content_block_delta":
                assert blocks[fields["index"]] == "open"
            case "content_block_stop":
                assert blocks[fields["index"]] == "open"
                blocks[fields["index"]] = "stopped"
            case "message_stop":
                assert "open" not in blocks.values()
            case "message_start":
                assert {"input_tokens", "output_tokens"} <= fields["message"]["usage"].keys()
            case "message_delta":
                assert {"input_tokens", "output_tokens"} <= fields["usage"].keys()
            case _:
                pass
    return out


def messages(*events: Event, **options: Any) -> list[Json]:
    """Give the frames for anthropic of a run that begins."""
    return read_messages(encode([start("msg_1"), *events], "anthropic", **options))


def last_delta(*events: Event) -> Json:
    """Give what the last frame but one, anthropic's message_delta, says."""
    found = messages(*events)[-2]
    assert found["type"] == "message_delta"
    return cast("Json", found["delta"])


def last_refusal(*events: Event) -> Json:
    """Give the error that is anthropic's last frame."""
    return cast("Json", messages(*events)[-1]["error"])


def recoded(events: list[Event], wire: WireName = "openai-chat") -> Decoded:
    return decode(wire, encode(events, wire))


def start(name: str | None = "chatcmpl-1", model: str | None = "m", step: int = 0, attempt: int = 0) -> StepStart:
    return StepStart(v=VERSION, step=step, attempt=attempt, model=model, id=name)


DONE = End(outcome="complete")
TEXT: list[Event] = [PartStart("t"), PartDelta("t", "x")]
