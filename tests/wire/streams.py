"""Streams written by hand, and the whole way from their bytes to a message.

`decode` is what nearly every test of a wire goes through: it frames and decodes the bytes as a runner would, with the
grammar behind the decoder, the JSON form of every event read back, and the fold at the end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from headrace.events import Event, decode_event, encode_event
from headrace.grammar import Grammar
from headrace.message import Fold, Message
from headrace.wire.anthropic import AnthropicDecoder
from headrace.wire.framing import SSEFramer
from headrace.wire.openai_chat import OpenAIChatDecoder
from headrace.wire.openai_responses import OpenAIResponsesDecoder
from headrace.wire.registry import Decoder

Json = dict[str, Any]

Cuts = int | Iterable[int] | None

WIRES = ("openai-chat", "anthropic", "openai-responses")


class Decoded(NamedTuple):
    """What came of a stream."""

    events: list[Event]
    message: Message

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def warnings(self) -> list[str]:
        return [warning.code for warning in self.message.warnings]


def new_decoder(wire: str, **habits: Any) -> Decoder:
    if wire == "openai-responses":
        return OpenAIResponsesDecoder(**habits)
    return AnthropicDecoder(**habits) if wire == "anthropic" else OpenAIChatDecoder(**habits)


def cut(data: bytes, cuts: Cuts) -> Iterator[bytes]:
    """Cut bytes: not at all, into pieces of a size, or at places."""
    if cuts is None:
        cuts = ()
    places = range(cuts, len(data), cuts) if isinstance(cuts, int) else sorted({min(c, len(data)) for c in cuts})
    last = 0
    for place in (*places, len(data)):
        yield data[last:place]
        last = place


def decode(wire: str, data: bytes, cuts: Cuts = None, **habits: Any) -> Decoded:
    """Frame and decode a stream, and hold its events against all that must be true of events."""
    framer, decoder = SSEFramer(), new_decoder(wire, **habits)
    events: list[Event] = []
    for piece in cut(data, cuts):
        for frame in framer.feed(piece):
            events += decoder.feed(frame)
    for frame in framer.finish():
        events += decoder.feed(frame)
    events += decoder.finish()
    assert decoder.done
    assert decoder.finish() == []
    return checked(events)


def decode_whole(wire: str, body: Any, **habits: Any) -> Decoded:
    """Decode an answer that came as one JSON document."""
    decoder = new_decoder(wire, **habits)
    events = decoder.whole(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert decoder.done
    assert decoder.finished
    return checked(events)


def checked(events: list[Event]) -> Decoded:
    grammar, fold = Grammar(), Fold()
    for event in events:
        grammar.feed(event)
        fold.feed(event)
        assert decode_event(encode_event(event)) == event
    assert grammar.state == "ended"
    assert fold.open_parts() == []
    return Decoded(events, fold.message())


# -- any server-sent events


def sse(*frames: Any, newline: str = "\n") -> bytes:
    """Write frames: a mapping becomes a data line of JSON, a text stands as it is."""
    blocks = [frame if isinstance(frame, str) else "data: " + json.dumps(frame) for frame in frames]
    return "".join(block + "\n\n" for block in blocks).replace("\n", newline).encode("utf-8", "surrogatepass")


# -- openai-chat

DONE = "data: [DONE]"
MODEL = "test-model"


def chunk(*choices: Json, **more: Any) -> Json:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL, "choices": list(choices), **more}


def choice(delta: Json | None = None, finish: Any = None, *, index: int = 0, **more: Any) -> Json:
    return {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish, **more}


def say(content: Any, finish: Any = None, **more: Any) -> Json:
    """Write a chunk with text."""
    return chunk(choice({"content": content}, finish), **more)


def delta(finish: Any = None, **fields: Any) -> Json:
    """Write a chunk whose only choice adds these fields."""
    return chunk(choice(fields, finish))


def tool(index: int | None = 0, call_id: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> Json:
    """Write a fragment of a tool call; None leaves a field out."""
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    fields = {k: v for k, v in (("index", index), ("id", call_id)) if v is not None}
    return {**fields, "function": function, **more}


def calls(*fragments: Json, finish: Any = None) -> Json:
    return delta(finish, tool_calls=list(fragments))


def usage(prompt: int = 3, completion: int = 2, **more: Any) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


# -- anthropic


def messages(*frames: Json | str) -> bytes:
    """Write frames with their names, as Anthropic does."""
    return sse(*[f if isinstance(f, str) else f"event: {f.get('type')}\ndata: {json.dumps(f)}" for f in frames])


def message_start(name: str | None = "msg_1", model: str = MODEL, **used: Any) -> Json:
    counts = {"input_tokens": 5, "output_tokens": 1, **used}
    message: Json = {"id": name, "type": "message", "role": "assistant", "model": model, "content": [], "usage": counts}
    return {"type": "message_start", "message": message}


def block_start(index: int, kind: str = "text", **fields: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def block_delta(index: int, kind: str = "text_delta", **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def block_stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def block(index: int, text: str) -> list[Json]:
    """Write a block of text."""
    return [block_start(index, text=""), block_delta(index, text=text), block_stop(index)]


def message_delta(stop: str | None = "end_turn", used: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    counts = {"output_tokens": 7} if used is None else used
    return {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None, **fields}, "usage": counts}


STOP: Json = {"type": "message_stop"}


def answer(*frames: Json | str, stop: str | None = "end_turn", **fields: Any) -> bytes:
    """Write a whole message around these frames."""
    return messages(message_start(), *frames, message_delta(stop, **fields), STOP)
