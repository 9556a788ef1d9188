"""A decoder for who does not know the wire, and what the room of the wires offers by itself."""

import json
from functools import partial

import pytest

import headrace.wire
from headrace import End, StepStart, WireError
from headrace.wire import Frame, SSEFramer, detect_wire, make_decoder, make_framer
from headrace.wire.detect import DetectingDecoder
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import make_encoder
from tests.wire.streams import DONE, WIRES, answer, block, choice, chunk, decode, say, sse

HELLO = answer(*block(0, "Hello"))
STREAMS = {
    "openai-chat": sse(say("Hello"), chunk(choice(finish="stop")), DONE),
    "anthropic": HELLO,
    "openai-responses": b"".join(map(make_encoder("openai-responses").feed, decode("anthropic", HELLO).events)),
}
REASONS = {"openai-chat": "stop", "anthropic": "end_turn", "openai-responses": "completed"}
DOCUMENTS = {
    "openai-chat": {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Hello"}}]},
    "openai-responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    },
    "anthropic": {"type": "message", "stop_reason": "end_turn", "content": [{"type": "text", "text": "Hello"}]},
}


@pytest.mark.parametrize("wire", WIRES)
def test_the_first_frame_tells(wire: str) -> None:
    decoder = DetectingDecoder()
    assert (decoder.wire, decoder.done, decoder.finished, decoder.native_stop_reason) == (None, False, False, None)
    assert decoder.feed(Frame(b" ")) == []
    assert decoder.wire is None
    events = [event for frame in SSEFramer().feed(STREAMS[wire]) for event in decoder.feed(frame)]
    assert events == decode(wire, STREAMS[wire]).events
    assert (decoder.wire, decoder.done, decoder.finished) == (wire, True, True)
    assert decoder.native_stop_reason == decode(wire, STREAMS[wire]).message.native_stop_reason
    assert decoder.native_stop_reason == REASONS[wire]
    assert decoder.finish() == []


@pytest.mark.parametrize("wire", WIRES)
def test_the_document_tells(wire: str) -> None:
    decoder = DetectingDecoder()
    [*_, end] = decoder.whole(json.dumps(DOCUMENTS[wire]).encode())
    assert isinstance(end, End)
    assert (decoder.wire, decoder.done, end.outcome) == (wire, True, "complete")


def test_nothing_at_all() -> None:
    decoder = DetectingDecoder()
    [*_, end] = decoder.finish()
    assert isinstance(end, End)
    assert (end.outcome, decoder.done) == ("truncated", True)


def test_what_is_no_json() -> None:
    with pytest.raises(WireError):
        DetectingDecoder().feed(Frame(b"{nothing"))


def test_it_is_made_as_asked() -> None:
    decoder = DetectingDecoder(partial(make_decoder, provider=PROVIDERS["groq"]))
    [start, *_] = decoder.feed(Frame(json.dumps(say("Hello")).encode()))
    assert isinstance(start, StepStart)
    assert start.provider == "groq"


def test_a_marker_that_cannot_be_seen_is_not_missed() -> None:
    for seen in (True, False):
        decoder = make_decoder("openai-chat", marker_seen=seen)
        decoder.feed(Frame(json.dumps(say("Hello", "stop")).encode()))
        codes = [getattr(event, "code", None) for event in decoder.finish()]
        assert ("no_terminal_marker" in codes) == seen


def test_the_public_names() -> None:
    assert headrace.wire.__all__ == sorted(headrace.wire.__all__, key=lambda n: (n.islower(), n))
    for name in ("SSEFramer", "Frame", "OpenAIChatDecoder", "AnthropicDecoder"):
        assert getattr(headrace.wire, name)
    [frame, *_] = make_framer("anthropic").feed(STREAMS["anthropic"])
    assert detect_wire(frame) == "anthropic"
