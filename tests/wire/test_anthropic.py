"""anthropic: events and deltas of the Messages stream, and frames that are odd."""

import json
from typing import Any

import pytest

from headrace.errors import WireError
from headrace.events import (
    ChoiceFinish,
    End,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    Raw,
    StepStart,
    UsageUpdate,
)
from headrace.message import ToolCall
from headrace.wire.anthropic import AnthropicDecoder
from headrace.wire.framing import Frame
from tests.wire.streams import (
    MODEL,
    STOP,
    Decoded,
    Json,
    answer,
    block,
    block_delta,
    block_start,
    block_stop,
    decode,
    message_delta,
    message_start,
    messages,
)


def told_of(*frames: Json | str, **habits: Any) -> Decoded:
    """Decode a whole message around these frames."""
    return decode("anthropic", answer(*frames), **habits)


def told_by(*frames: Json | str, **habits: Any) -> Decoded:
    """Decode exactly these frames."""
    return decode("anthropic", messages(*frames), **habits)


# -- 3.1 events


def test_a_plain_answer_event_by_event() -> None:
    told = told_of({"type": "ping"}, *block(0, "Hello"), provider="anthropic")
    assert told.events == [
        StepStart(v=1, provider="anthropic", model=MODEL, id="msg_1"),
        UsageUpdate(told.of(UsageUpdate)[0].usage),
        PartStart("0.0.0", native_index=0),
        PartDelta("0.0.0", "Hello"),
        PartEnd("0.0.0"),
        UsageUpdate(told.message.usage),
        ChoiceFinish(0, "complete", "end_turn"),
        End(outcome="complete", native_stop_reason="end_turn"),
    ]
    assert (told.message.text, told.warnings) == ("Hello", [])


def test_steps_and_attempts_stand_in_the_start_and_in_the_parts_ids() -> None:
    told = told_of(*block(0, "a"), step=2, attempt=1)
    assert told.of(StepStart)[0] == StepStart(v=1, step=2, attempt=1, model=MODEL, id="msg_1")
    assert told.of(PartStart)[0].part == "2.1.0"


def test_pings_anywhere_say_nothing() -> None:
    ping: Json = {"type": "ping"}
    frames = [
        ping,
        message_start(),
        ping,
        *[f for b in block(0, "a") for f in (b, ping)],
        message_delta(),
        ping,
        STOP,
        ping,
    ]
    assert told_by(*frames).events == told_of(*block(0, "a")).events


def test_padding_inside_and_after_the_object() -> None:
    padded = (
        messages(message_start(), *block(0, "a"), message_delta(), STOP)
        .replace(b"}\n\n", b"}          \n\n")
        .replace(b'"}', b'"    }')
    )
    assert decode("anthropic", padded).message.text == "a"


def test_the_type_in_the_json_counts() -> None:
    frames = [message_start(), *block(0, "a"), message_delta(), STOP]
    plain = "".join(f"data: {json.dumps(f)}\n\n" for f in frames).encode()
    wrong = "".join(f"event: ping\ndata: {json.dumps(f)}\n\n" for f in frames).encode()
    assert decode("anthropic", plain).events == decode("anthropic", wrong).events == told_of(*block(0, "a")).events


def test_the_event_line_counts_where_the_json_has_no_type() -> None:
    frames = [message_start(), *block(0, "a"), message_delta(), STOP]
    bare = "".join(f"event: {f.pop('type')}\ndata: {json.dumps(f)}\n\n" for f in map(dict, frames)).encode()
    assert decode("anthropic", bare).events == told_of(*block(0, "a")).events


def test_unknown_events_are_carried_raw() -> None:
    told = told_of(
        {"type": "vertex_event", "x": 1},
        *block(0, "a"),
        {"type": "message_start"},
        {"type": "content_block_start", "index": 1},
    )
    assert [e.name for e in told.of(Raw)] == ["vertex_event", "message_start", "content_block_start"]
    assert told.of(Raw)[0].data == {"type": "vertex_event", "x": 1}
    assert told.message.text == "a"


def test_bedrocks_metrics_on_the_stop_do_not_matter() -> None:
    told = told_by(
        message_start(),
        *block(0, "a"),
        message_delta(),
        {**STOP, "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}},
    )
    assert (told.message.outcome, told.of(Raw)) == ("complete", [])


# -- 3.2 deltas


def test_thinking_is_signed_at_its_end() -> None:
    told = told_of(
        block_start(0, "thinking", thinking="", signature=""),
        block_delta(0, "thinking_delta", thinking=""),
        block_delta(0, "thinking_delta", thinking="hm"),
        block_delta(0, "signature_delta", signature="old"),
        block_delta(0, "signature_delta", signature="c2ln"),
        block_stop(0),
        *block(1, "4"),
    )
    assert (told.message.thinking, told.message.text) == ("hm", "4")
    assert told.message.parts[0].data == {"signature": "c2ln"}


def test_thinking_that_is_left_out_is_still_signed() -> None:
    told = told_of(
        block_start(0, "thinking", thinking=""), block_delta(0, "signature_delta", signature="s"), block_stop(0)
    )
    assert [(p.kind, p.text, p.data) for p in told.message.parts] == [("thinking", "", {"signature": "s"})]


def test_tool_input_comes_in_fragments() -> None:
    told = decode(
        "anthropic",
        answer(
            block_start(0, "tool_use", id="toolu_1", name="f", input={}),
            *[block_delta(0, "input_json_delta", partial_json=p) for p in ("", '{"a"', ": 1", "", "}")],
            block_stop(0),
            stop="tool_use",
        ),
    )
    assert told.message.tool_calls == [ToolCall("toolu_1", "f", '{"a": 1}')]
    assert told.message.outcome == "tool_calls"
    assert [d.text for d in told.of(PartDelta)] == ['{"a"', ": 1", "}"]


def test_citations_belong_to_their_text() -> None:
    cites = [{"type": "char_location", "cited_text": "x"}, {"type": "web_search_result_location", "url": "u"}]
    told = told_of(
        block_start(0, text="", citations=[]),
        block_delta(0, "citations_delta", citation=cites[0]),
        block_delta(0, text="a"),
        block_delta(0, "citations_delta", citation=cites[1]),
        block_delta(0, "citations_delta", citation="odd"),
        block_stop(0),
    )
    cited = [p for p in told.message.parts if p.kind == "citation"]
    assert [(p.parent, p.data) for p in cited] == [
        ("0.0.0", cites[0]),
        ("0.0.0", cites[1]),
        ("0.0.0", {"value": "odd"}),
    ]
    assert told.message.text == "a"


def test_compaction_replaces() -> None:
    told = told_of(
        block_start(0, "compaction", content=None),
        block_delta(0, "compaction_delta", content="draft", encrypted_content="AAA"),
        block_delta(0, "compaction_delta", content="so far", encrypted_content=None),
        block_stop(0),
    )
    assert told.of(PartReplace) == [
        PartReplace("0.0.0", "draft", "compaction"),
        PartReplace("0.0.0", "so far", "compaction"),
    ]
    part = told.message.parts[0]
    assert (part.kind, part.text, part.data) == ("compaction", "so far", {"encrypted_content": "AAA"})


def test_compaction_without_content() -> None:
    told = told_of(
        block_start(0, "compaction"),
        block_delta(0, "compaction_delta", content=None, encrypted_content="AAA"),
        block_stop(0),
    )
    assert (told.message.parts[0].text, told.message.parts[0].data) == ("", {"encrypted_content": "AAA"})


def test_unknown_deltas_are_carried_raw() -> None:
    odd = block_delta(0, "sparkle_delta", sparkle=1)
    told = told_of(
        block_start(0, text=""), odd, block_delta(0, text="a"), block_stop(0), block_delta(5, "sparkle_delta")
    )
    assert told.of(Raw) == [Raw("sparkle_delta", odd), Raw("sparkle_delta", block_delta(5, "sparkle_delta"))]
    assert told.message.text == "a"


def test_a_delta_without_a_type_is_carried_raw() -> None:
    told = told_of(
        block_start(0, text=""), {"type": "content_block_delta", "index": 0, "delta": {"text": "a"}}, block_stop(0)
    )
    assert [e.name for e in told.of(Raw)] == [""]


def test_empty_deltas_say_nothing() -> None:
    frames = [
        block_delta(0, text=""),
        block_delta(0, "text_delta"),
        {"type": "content_block_delta", "index": 0, "delta": None},
    ]
    told = told_of(block_start(0, text=""), *frames, block_stop(0))
    assert told.of(PartDelta) == []


# -- odd shapes and bytes


def test_halves_of_pairs_in_text_thinking_and_input() -> None:
    told = told_of(
        block_start(0, "thinking", thinking=""),
        block_delta(0, "thinking_delta", thinking="\ud83d"),
        block_delta(0, "thinking_delta", thinking="\ude00"),
        block_delta(0, "signature_delta", signature="s\ud800"),
        block_stop(0),
        block_start(1, text=""),
        block_delta(1, "text_delta", text="a\ud83d"),
        block_delta(1, "text_delta", text="\ude00b\ud83d"),
        block_stop(1),
        block_start(2, "tool_use", id="t", name="f", input={}),
        block_delta(2, "input_json_delta", partial_json='{"a":"\ud83d'),
        block_delta(2, "input_json_delta", partial_json='\ude00"}'),
        block_stop(2),
    )
    assert (told.message.thinking, told.message.text) == ("\U0001f600", "a\U0001f600b�")
    assert told.message.tool_calls == [ToolCall("t", "f", '{"a":"\U0001f600"}')]
    assert told.message.parts[0].data == {"signature": "s�"}


def test_halves_of_pairs_everywhere_else() -> None:
    h = "\ud800"
    told = told_by(
        message_start(h, h, service_tier=h),
        block_start(0, "tool_use", id=h, name=h, input={h: h}, caller=h),
        block_stop(0),
        block_start(1, text=h, citations=[{h: h}]),
        block_delta(1, "citations_delta", citation={h: [h]}),
        block_stop(1),
        block_start(2, "compaction"),
        block_delta(2, "compaction_delta", content=h, encrypted_content=h),
        block_stop(2),
        block_start(3, "fallback", to={"model": h}),
        block_start(4, h),
        {"type": h, h: h},
        block_delta(9, h, x=h),
        message_delta(h, stop_details={h: h}),
        STOP,
    )
    assert (told.message.id, told.message.native_stop_reason) == ("�", "�")
    assert "\\ud800" not in repr(told.events)


SHAPES: dict[str, Any] = {
    "the index is a text": {"type": "content_block_delta", "index": "0", "delta": {"type": "text_delta", "text": ""}},
    "the delta is a text": {"type": "content_block_delta", "index": 0, "delta": "a"},
    "the text is a number": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}},
    "the block is a text": {"type": "content_block_start", "index": 7, "content_block": "text"},
    "the block has no type": {"type": "content_block_start", "index": 7, "content_block": {}},
    "a stop without an index": {"type": "content_block_stop", "index": None},
    "a stop of nothing": block_stop(99),
    "the message is a list": {"type": "message_start", "message": []},
    "the usage is a text": {"type": "message_delta", "delta": {}, "usage": "none"},
    "the delta of the message is missing": {"type": "message_delta"},
    "the type is a number": {"type": 5},
    "nothing at all": {},
    "an error of null": {"error": None},
    "an error of false": {"error": {}},
}


@pytest.mark.parametrize("odd", SHAPES.values(), ids=SHAPES)
def test_odd_shapes_neither_raise_nor_harm(odd: dict[str, Any]) -> None:
    told = told_by(message_start(), block_start(0, text="a"), json_frame(odd), *block(1, "b"), message_delta(), STOP)
    assert (told.message.text, told.message.outcome) == ("ab", "complete")


def json_frame(value: Any) -> str:
    return "data: " + json.dumps(value)


@pytest.mark.parametrize("value", [5, "text", None, [], [1], True], ids=repr)
def test_json_that_is_no_object_is_carried_raw(value: Any) -> None:
    told = told_by(f"event: e\n{json_frame(value)}", message_start(), *block(0, "a"), message_delta(), STOP)
    assert told.events[0] == Raw("e", value)
    assert told.message.text == "a"


@pytest.mark.parametrize("frame", ["data", "data: ", "data:    ", "event: ping\ndata:"], ids=repr)
def test_blank_frames_are_nothing(frame: str) -> None:
    assert told_of(frame, *block(0, "a"), frame).events == told_of(*block(0, "a")).events


@pytest.mark.parametrize("bad", ["<html>", "{", "[" * 100_000, '{"type": "ping"}}'], ids=lambda b: b[:8])
def test_what_is_no_json_is_a_wire_error(bad: str) -> None:
    with pytest.raises(WireError, match="not JSON"):
        told_of(f"data: {bad}")


def test_a_wire_error_quotes_no_key() -> None:
    with pytest.raises(WireError) as caught:
        told_by("data: invalid key sk-ant-1", secrets=["sk-ant-1"])
    assert "sk-ant" not in str(caught.value) + repr(caught.value.info)


DEEP = {
    "a block": {"type": "content_block_start", "index": 0, "content_block": {"type": "x", "deep": None}},
    "an input": {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "input": None}},
    "a citation": {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": None}},
    "a usage": {"type": "message_delta", "usage": {"deep": None}},
    "an unknown event": {"type": "x", "deep": None},
}


@pytest.mark.parametrize("frame", DEEP.values(), ids=DEEP)
def test_nesting_past_reason_is_a_wire_error(frame: Json) -> None:
    deep = json.dumps(frame).replace("null", "[" * 300 + "]" * 300)
    with pytest.raises(WireError, match="nested deeper"):
        told_by(message_start(), f"data: {deep}", block_stop(0))


def test_nothing_comes_after_the_end() -> None:
    decoder = AnthropicDecoder()
    said = []
    for frame in (message_start(), *block(0, "a"), message_delta(), STOP):
        decoder.feed(Frame(json.dumps(frame).encode()))
        said.append((decoder.finished, decoder.done))
    assert said == [(False, False)] * 4 + [(True, False), (True, True)]
    assert decoder.feed(Frame(b"<html>")) == []
    assert decoder.finish() == []
