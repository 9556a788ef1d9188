"""The canned answers: what the source says, so that each reader can be told whether it read it.

`bench/source.c` has the same words; a difference fails the run.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

Wire = Literal["openai-chat", "anthropic"]
Mode = Literal["blast", "paced"]
MODES: tuple[Mode, ...] = ("blast", "paced")

WORDS = ("the ", "river ", "runs ", "past ", "an ", "old ", "mill, ", "水 ", "flows ", "— ", "“so be it”\n")


class Read(NamedTuple):
    """What a reader has read.

    Attributes:
        pieces: how many pieces of text it was given.
        chars: characters in all.
        crc: checksum of the text.
    """

    pieces: int
    chars: int
    crc: int


def measure_text(pieces: list[str]) -> Read:
    """Sum up what was read."""
    text = "".join(pieces)
    return Read(len(pieces), len(text), zlib.crc32(text.encode()))


def expected(events: int) -> Read:
    """Say what an answer of that many events reads like."""
    return measure_text([WORDS[i % len(WORDS)] for i in range(events)])


def events_of(wire: Wire, events: int, *, usage: bool) -> Iterator[bytes]:
    """Give an answer's server-sent events, one by one."""
    if wire == "openai-chat":
        yield from _openai_chat(events, usage=usage)
    else:
        yield from _anthropic(events)


def _openai_chat(events: int, *, usage: bool) -> Iterator[bytes]:
    def chunk(choices: list[dict[str, object]], used: dict[str, int] | None = None) -> bytes:
        head = {"id": "chatcmpl-CbENcH4w0rdS0fA", "object": "chat.completion.chunk", "created": 1762000000}
        more = {"model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_560af6e559"}
        return _data({**head, **more, "choices": choices, "usage": used, "obfuscation": "kX3v9Q"})

    def choice(delta: dict[str, str | None], finish_reason: str | None = None) -> list[dict[str, object]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    yield chunk(choice({"role": "assistant", "content": "", "refusal": None}))
    for i in range(events):
        yield chunk(choice({"content": WORDS[i % len(WORDS)]}))
    yield chunk(choice({}, "stop"))
    if usage:
        yield chunk([], {"prompt_tokens": 9, "completion_tokens": events, "total_tokens": events + 9})
    yield b"data: [DONE]\n\n"


def _anthropic(events: int) -> Iterator[bytes]:
    def named(name: str, **fields: object) -> bytes:
        return b"event: " + name.encode() + b"\n" + _data({"type": name, **fields})

    message = {"id": "msg_01bench", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    used = {"input_tokens": 9, "output_tokens": 1}
    yield named("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": used})
    yield named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield named("ping")
    for i in range(events):
        yield named("content_block_delta", index=0, delta={"type": "text_delta", "text": WORDS[i % len(WORDS)]})
    yield named("content_block_stop", index=0)
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield named("message_delta", delta=delta, usage={"output_tokens": events})
    yield named("message_stop")


def _data(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
