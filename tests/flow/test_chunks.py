"""A stream chunk by chunk: every frame with its time, and what was read in it."""

from typing import Any

import pytest

from headrace.errors import BrokenStreamError, UsageError
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartWhole,
    Raw,
    StepStart,
    StepUpdate,
    Usage,
    UsageUpdate,
)
from headrace.flow.bounds import Limit, Until
from headrace.flow.chunks import Chunk, Chunks
from headrace.flow.exchange import Exchange
from headrace.wire.framing import Frame
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import make_decoder, make_framer
from tests.wire.streams import (
    DONE,
    answer,
    block,
    calls,
    choice,
    chunk,
    delta,
    message_start,
    messages,
    say,
    sse,
    tool,
    usage,
)

SSE = {"content-type": "text/event-stream"}
HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)


def read(*events: Event, data: bytes = b"{}", at_s: float | None = None) -> Chunk:
    chunks = Chunks()
    chunks.feed(Frame(data), events, at_s)
    return chunks.waiting.pop()


def exchange(provider: str = "openai", **options: Any) -> tuple[Exchange, Chunks]:
    """Make an exchange that keeps its chunks and has had its head, half a second after the request."""
    row = PROVIDERS[provider]
    ours = Exchange(make_decoder(row.wire, provider=row), make_framer(row.wire), debug=True, **options)
    ours.start(100.0)
    ours.head(200, SSE, 100.5)
    return ours, ours.chunks()


# -- what is read in a frame


def test_a_frame_that_says_nothing() -> None:
    assert read(data=b": ping") == Chunk(
        index=0,
        at_s=None,
        gap_s=None,
        event="",
        data=": ping",
        id=None,
        model=None,
        kind=None,
        delta="",
        name=None,
        finish_reason=None,
        usage=None,
        events=(),
    )
    assert read(Raw("ping")).events == (Raw("ping"),)
    assert read(data=b"\xff\xfe").data == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("events", "kind", "delta", "name"),
    [
        ([PartStart("p")], "text", "", None),
        ([PartStart("p"), PartDelta("p", "Hi")], "text", "Hi", None),
        (
            [PartDelta("p", "hm", "thinking"), PartEnd("p"), PartStart("q"), PartDelta("q", "Hi")],
            "thinking",
            "hmHi",
            None,
        ),
        ([PartReplace("p", "anew")], "text", "anew", None),
        ([PartStart("p", "tool_call", name="f"), PartStart("q", "tool_call", name="g")], "tool_call", "", "f"),
        ([PartStart("p", "tool_call", name="f"), PartDelta("p", "{", "tool_call")], "tool_call", "{", "f"),
        ([PartDelta("p", "}", "tool_call")], "tool_call", "}", None),
        ([PartWhole("p", "tool_call", text="{}", name="f")], "tool_call", "{}", "f"),
        ([PartEnd("p")], None, "", None),
    ],
)
def test_what_it_adds(events: list[Event], kind: str | None, delta: str, name: str | None) -> None:
    given = read(*events)
    assert (given.kind, given.delta, given.name, given.events) == (kind, delta, name, tuple(events))


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([ChoiceFinish(0, "complete", "end_turn")], "end_turn"),
        ([ChoiceFinish(0, "complete")], "complete"),
        ([ChoiceFinish(0, "complete", "stop"), ChoiceFinish(1, "length", "length")], "stop"),
        ([End(outcome="complete", native_stop_reason="stop")], None),
    ],
)
def test_why_it_finished(events: list[Event], reason: str | None) -> None:
    assert read(*events).finish_reason == reason


def test_why_is_said_where_the_provider_says_it() -> None:
    chunks = Chunks()
    for events, stop in (([], None), ([], "stop"), ([ChoiceFinish(0, "complete", "stop")], "stop")):
        chunks.feed(Frame(b""), events, None, native_stop_reason=stop)
    chunks.feed(Frame(b""), [ChoiceFinish(1, "length", "length")], None, native_stop_reason="stop")
    assert [c.finish_reason for c in chunks.waiting] == [None, "stop", None, "length"]


def test_the_last_count_in_it() -> None:
    first, last = Usage(input_tokens=3), Usage(input_tokens=3, output_tokens=2)
    assert read(UsageUpdate(first), UsageUpdate(last)).usage == last


def test_names_hold_until_others_come() -> None:
    chunks = Chunks()
    steps: list[list[Event]] = [
        [],
        [StepStart(v=1, model="m")],
        [StepUpdate(id="a")],
        [StepUpdate(model="n")],
        [],
        [StepStart(v=1, attempt=1, model="o")],  # another attempt has another name
    ]
    for events in steps:
        chunks.feed(Frame(b""), events, None)
    names = [(given.id, given.model) for given in chunks.waiting]
    assert names == [(None, None), (None, "m"), ("a", "m"), ("a", "n"), ("a", "n"), (None, "o")]


def test_numbers_and_times() -> None:
    chunks = Chunks()
    for at_s in (0.5, 0.5, 0.75):
        chunks.feed(Frame(b""), [], at_s)
    assert [(given.index, given.at_s, given.gap_s) for given in chunks.waiting] == [
        (0, 0.5, 0.5),
        (1, 0.5, 0.0),
        (2, 0.75, 0.25),
    ]


# -- of an exchange


def test_every_frame_is_there() -> None:
    ours, chunks = exchange()
    for at, part in enumerate((HELLO[:9], HELLO[9:-20], HELLO[-20:])):
        ours.feed(part, 101.0 + at)
    assert [(c.delta, c.finish_reason, c.usage is not None, c.at_s) for c in chunks.waiting] == [
        ("Hel", None, False, 2.0),
        ("lo", None, False, 2.0),
        ("", "stop", False, 2.0),
        ("", None, True, 3.0),
        ("", None, False, 3.0),
    ]
    assert [c.gap_s for c in chunks.waiting] == [2.0, 0.0, 0.0, 1.0, 0.0]
    assert {(c.id, c.model) for c in chunks.waiting} == {("chatcmpl-1", "test-model")}
    assert chunks.waiting[0].data == sse(say("Hel")).decode()[len("data: ") : -2]
    assert chunks.waiting[-1].data == "[DONE]"
    assert isinstance(chunks.waiting[-1].events[-1], End)


def test_frames_with_names() -> None:
    ours, chunks = exchange("anthropic")
    ours.feed(answer(*block(0, "Hi"), 'event: ping\ndata: {"type": "ping"}'), 101.0)
    assert [(c.event, c.kind, c.delta, c.finish_reason) for c in chunks.waiting] == [
        ("message_start", None, "", None),
        ("content_block_start", "text", "", None),
        ("content_block_delta", "text", "Hi", None),
        ("content_block_stop", None, "", None),
        ("ping", None, "", None),
        ("message_delta", None, "", "end_turn"),
        ("message_stop", None, "", None),
    ]


def test_a_tool_s_arguments() -> None:
    ours, chunks = exchange()
    ours.feed(sse(calls(tool(0, "t1", "look", "")), calls(tool(0, arguments='{"a"')), delta("tool_calls"), DONE), 101.0)
    given = [(c.kind, c.name, c.delta, c.finish_reason) for c in chunks.waiting]
    assert given[:3] == [
        ("tool_call", "look", "", None),
        ("tool_call", None, '{"a"', None),
        (None, None, "", "tool_calls"),
    ]


def test_a_frame_that_cannot_be_read_is_there() -> None:
    ours, chunks = exchange()
    ours.feed(sse(say("Hi"), "data: {not json", say("more")), 101.0)
    assert [(c.data[:9], c.events != ()) for c in chunks.waiting] == [('{"id": "c', True), ("{not json", False)]
    assert ours.message().outcome == "failed"


def test_a_frame_that_is_too_large_is_not() -> None:
    row = PROVIDERS["openai"]
    framer = make_framer(row.wire)
    ours = Exchange(make_decoder(row.wire, provider=row), framer)
    ours.start(100.0)
    ours.head(200, SSE, 100.5)
    chunks = ours.chunks()
    ours.feed(sse(say("Hi")) + b"data: " + b"x" * (17 * 1024 * 1024), 101.0)
    assert [c.delta for c in chunks.waiting] == ["Hi"]
    assert ours.message().outcome == "failed"


def test_what_is_ours_is_in_no_chunk() -> None:
    ours, chunks = exchange()
    ours.bound(Until("lo"))
    batch = ours.feed(sse(say("Hel"), say("lo there"), say("more")), 101.0)
    assert [type(event) for event, _ in batch][-3:] == [PartEnd, UsageUpdate, End]
    assert [(c.delta, c.usage) for c in chunks.waiting] == [("Hel", None), ("lo", None)]
    assert [type(event) for event in chunks.waiting[-1].events] == [PartDelta]


def test_a_limit_ends_the_chunks() -> None:
    ours, chunks = exchange()
    ours.bound(Limit(chars=3))
    ours.feed(HELLO, 101.0)
    assert [c.delta for c in chunks.waiting] == ["Hel"]


@pytest.mark.parametrize("how", ["eof", "fail"])
def test_a_frame_without_its_last_newline(how: str) -> None:
    ours, chunks = exchange()
    ours.feed(sse(say("Hi")) + sse(say("last")).rstrip(), 101.0)
    assert len(chunks.waiting) == 1
    if how == "eof":
        ours.eof(102.0)
    else:
        ours.fail(BrokenStreamError("reset"), 102.0)
    assert [(c.delta, c.at_s) for c in chunks.waiting] == [("Hi", 1.0), ("last", 2.0)]
    assert ours.message().outcome == "truncated"


def test_a_document_is_one_chunk() -> None:
    ours, chunks = exchange()
    body = b'{"id": "w", "model": "m", "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}'
    ours.feed(body, 101.0)
    assert not chunks.waiting
    ours.eof(102.0)
    (given,) = chunks.waiting
    assert (given.data, given.delta, given.finish_reason, given.at_s) == (body.decode(), "whole", "stop", 2.0)
    assert (given.id, given.model) == ("w", "m")


def test_a_document_of_another_kind_is_one_too() -> None:
    ours, chunks = exchange()
    ours.feed(b'{"hello": 1}', 101.0)
    ours.eof(102.0)
    assert [(c.data, c.events) for c in chunks.waiting] == [('{"hello": 1}', ())]
    assert ours.message().outcome == "failed"


def test_a_page_is_none() -> None:
    ours, chunks = exchange()
    ours.feed(b"<html>", 101.0)
    ours.eof(102.0)
    assert not chunks.waiting


def test_they_are_to_be_asked_for_before_frames_come() -> None:
    row = PROVIDERS["openai"]
    ours = Exchange(make_decoder(row.wire, provider=row), make_framer(row.wire))
    ours.start(100.0)
    ours.head(200, SSE, 100.5)
    ours.feed(b"\n", 100.5)  # says nothing yet
    assert ours.chunks() is ours.chunks()
    ours.feed(HELLO, 101.0)
    assert len(ours.chunks().waiting) == 5
    other = Exchange(make_decoder(row.wire, provider=row), make_framer(row.wire))
    other.start(100.0)
    other.head(200, SSE, 100.5)
    other.feed(HELLO, 101.0)
    with pytest.raises(UsageError, match="read in another way before: ask for its chunks first"):
        other.chunks()


def test_a_frame_that_begins_the_message_names_it() -> None:
    ours, chunks = exchange("anthropic")
    ours.feed(messages(message_start("msg_7", "claude")), 101.0)
    assert (chunks.waiting[0].id, chunks.waiting[0].model) == ("msg_7", "claude")
    assert chunks.waiting[0].usage is not None
