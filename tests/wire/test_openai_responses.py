"""openai-responses: messages, thinking and calls of functions, and frames that are odd."""

import json
from typing import Any

import pytest

from headrace.errors import WireError
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    StepStart,
    StepUpdate,
    Usage,
    UsageUpdate,
)
from headrace.message import ToolCall
from headrace.wire.framing import Frame, SSEFramer
from headrace.wire.openai_responses import OpenAIResponsesDecoder
from tests.wire.responses import (
    added,
    answer,
    at,
    call,
    completed,
    created,
    done,
    lifecycle,
    message,
    numbered,
    response,
    summary,
    text_delta,
    text_part,
    used,
)
from tests.wire.streams import MODEL, Decoded, Json, checked, decode, decode_whole

WIRE = "openai-responses"


def told_of(*frames: Json | str, **habits: Any) -> Decoded:
    """Decode a whole response around these frames."""
    return decode(WIRE, answer(*frames), **habits)


def told_by(*frames: Json | str, first: int = 0, **habits: Any) -> Decoded:
    """Decode exactly these frames."""
    return decode(WIRE, numbered(*frames, first=first), **habits)


# -- the response


def test_a_plain_answer_event_by_event() -> None:
    told = told_of(*message(0, "Hel", "lo"), provider="openai-responses")
    assert told.events == [
        StepStart(v=1, provider="openai-responses", model=MODEL, id="resp_1"),
        PartStart("0.0.0", native_index=0, data={"id": "msg_1"}),
        PartDelta("0.0.0", "Hel"),
        PartDelta("0.0.0", "lo"),
        PartEnd("0.0.0"),
        UsageUpdate(told.message.usage),
        ChoiceFinish(0, "complete", "completed"),
        End(outcome="complete", native_stop_reason="completed"),
    ]
    assert (told.message.text, told.warnings) == ("Hello", [])


def test_steps_and_attempts_stand_in_the_start_and_in_the_parts_ids() -> None:
    told = told_of(*message(0, "a"), step=2, attempt=1)
    assert told.of(StepStart)[0] == StepStart(v=1, step=2, attempt=1, model=MODEL, id="resp_1")
    assert told.of(PartStart)[0].part == "2.1.0"


def test_the_type_in_the_json_counts() -> None:
    # WIRE.md, 2: OpenRouter and Bedrock's Mantle write no event lines
    frames = [*created(), *message(0, "a"), completed()]
    plain = "".join(f"data: {json.dumps(f)}\n\n" for f in frames).encode()
    wrong = "".join(f"event: ping\ndata: {json.dumps(f)}\n\n" for f in frames).encode()
    assert decode(WIRE, plain).events == decode(WIRE, wrong).events == told_of(*message(0, "a")).events


def test_the_event_line_counts_where_the_json_has_no_type() -> None:
    frames = [*created(), *message(0, "a"), completed()]
    bare = "".join(f"event: {f.pop('type')}\ndata: {json.dumps(f)}\n\n" for f in map(dict, frames)).encode()
    assert decode(WIRE, bare).events == told_of(*message(0, "a")).events


def test_ids_that_change_with_every_frame_say_nothing() -> None:
    # WIRE.md, 2.3: GitHub's Copilot and Azure encrypt or rotate them
    frames = [
        lifecycle("created", id="resp_a"),
        lifecycle("in_progress", id="resp_b"),
        added(0, "message", id="m_a", content=[]),
        at("content_part.added", content_index=0, part=text_part()),
        text_delta("a", item_id="m_b"),
        text_delta("b", item_id="m_c"),
        added(0, "message", id="m_d", content=[]),
        at("content_part.done", content_index=0, part=text_part("ab"), item_id="m_e"),
        done(0, "message", id="m_f", content=[text_part("ab")]),
        completed([{"type": "message", "id": "m_g", "content": [text_part("ab")]}], id="resp_c"),
    ]
    told = told_by(*frames)
    assert (told.message.text, told.message.id, len(told.message.parts)) == ("ab", "resp_a", 1)
    assert told.warnings == []


def test_the_model_may_change_and_an_id_may_come_late() -> None:
    told = told_by(
        lifecycle("created", id="", model=""), lifecycle("in_progress"), *message(0, "a"), completed(model="other")
    )
    assert told.of(StepStart)[0] == StepStart(v=1)
    assert told.of(StepUpdate) == [StepUpdate(model=MODEL, id="resp_1"), StepUpdate(model="other")]


def test_usage_is_counted_as_openai_counts() -> None:
    def read(**figures: Any) -> Usage:
        return told_by(*created(), completed(usage=used(10, 20, **figures))).message.usage

    usage = read(cached=4, thought=5)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 20, 30)
    assert (usage.cached_input_tokens, usage.reasoning_tokens) == (4, 5)
    assert usage.input_includes_cached
    assert usage.output_includes_reasoning
    assert not read(thought=5, total_tokens=35).output_includes_reasoning
    assert read(input_tokens_details={"cache_write_tokens": 2}).cache_write_tokens == 2
    assert told_by(*created(), completed(usage=None)).message.usage == Usage()


# -- messages


def test_a_done_makes_good_what_deltas_missed() -> None:
    # WIRE.md, 2.3: `*.done` repeats the full value, and counts
    told = told_of(
        text_delta("a"),
        at("output_text.done", content_index=0, text="abc"),
        text_delta("x", 1),
        done(1, "message", content=[text_part("y")]),
        at("refusal.done", 2, content_index=0, refusal="No."),
        at("reasoning_text.done", 3, content_index=0, text="hm"),
        at("reasoning_summary_text.done", 4, summary_index=0, text="so"),
        at("output_text.done", 5, content_index=0, text=None),
        at("output_text.done", 0, content_index=0, text="abc"),
    )
    assert [(p.kind, p.text) for p in told.message.parts] == [
        ("text", "abc"),
        ("text", "y"),
        ("refusal", "No."),
        ("thinking", "hm"),
        ("thinking", "so"),
    ]
    assert told.of(PartReplace) == [PartReplace("0.0.1", "y")]


def test_an_empty_done_takes_nothing_back() -> None:
    told = told_of(text_delta("a"), at("output_text.done", content_index=0, text=""), done(0, "message", content=[]))
    assert (told.message.text, told.of(PartReplace)) == ("a", [])


def test_a_part_may_begin_with_text() -> None:
    told = told_of(at("content_part.added", content_index=0, part=text_part("a")), text_delta("b"))
    assert told.message.text == "ab"


def test_a_message_of_two_parts_and_one_that_is_refused() -> None:
    told = told_of(
        added(0, "message", id="msg_1", phase="commentary", content=[]),
        at("content_part.added", content_index=0, part=text_part()),
        text_delta("a", content=0),
        at("content_part.added", content_index=1, part={"type": "refusal", "refusal": ""}),
        at("refusal.delta", content_index=1, delta="No."),
        done(0, "message", content=[text_part("a"), {"type": "refusal", "refusal": "No."}]),
    )
    assert (told.message.text, told.message.refusal, told.message.outcome) == ("a", "No.", "complete")
    assert told.of(PartStart)[0].data == {"id": "msg_1", "phase": "commentary"}
    assert [e.native_index for e in told.of(PartStart)] == [0, 0]


def test_annotations_are_citations_of_their_text() -> None:
    cites = [{"type": "url_citation", "url": "u"}, {"type": "file_citation", "file_id": "f"}]
    told = told_of(
        text_delta("a"),
        at("output_text.annotation.added", content_index=0, annotation_index=0, annotation=cites[0]),
        at("output_text.annotation.added", content_index=0, annotation_index=1, annotation="odd"),
        at("content_part.done", content_index=0, part=text_part("a", annotations=["", "", cites[1]])),
        at("output_text.annotation.added", content_index=0, annotation_index=3, annotation=cites[0]),
        at("output_text.annotation.added", 1, content_index=0, annotation=cites[1]),
    )
    cited = [(p.parent, p.data) for p in told.message.parts if p.kind == "citation"]
    assert cited == [
        ("0.0.0", cites[0]),
        ("0.0.0", {"value": "odd"}),
        ("0.0.0", cites[1]),
        ("0.0.0", cites[0]),
        ("0.0.5", cites[1]),
    ]


def test_chances_of_tokens() -> None:
    probs = [{"token": "a", "logprob": -0.5}]
    told = told_of(text_delta("a", logprobs=probs), text_delta("b"))
    assert told.message.parts[0].logprobs == probs
    missed = told_of(done(0, "message", content=[text_part("a", logprobs=probs)]))
    assert missed.message.parts[0].logprobs == probs


def test_padding_is_dropped() -> None:
    assert "Xq7" not in repr(told_of(*message(0, "a")).events)


def test_items_may_run_side_by_side_and_leave_gaps() -> None:
    told = told_of(text_delta("a", 4), text_delta("x", 9), text_delta("b", 4), text_delta("y", 9))
    assert [(p.text, p.ended) for p in told.message.parts] == [("ab", True), ("xy", True)]
    assert [e.native_index for e in told.of(PartStart)] == [4, 9]


def test_an_index_that_is_used_again_is_another_item() -> None:
    told = told_of(*call(0, "{", "}")[:2], *message(0, "a"), *message(0, "b", name="msg_2"))
    assert [(p.kind, p.text) for p in told.message.parts] == [("tool_call", "{"), ("text", "a"), ("text", "b")]


def test_what_comes_after_an_items_end_is_a_part_of_its_own() -> None:
    told = told_of(*message(0, "a"), text_delta("b"), done(0, "message", content=[text_part("z")]))
    assert [p.text for p in told.message.parts] == ["a", "b"]


# -- thinking


def test_thinking_is_sent_back_with_what_is_encrypted() -> None:
    told = told_of(*summary(0, "hm", "so", encrypted_content="gAAAA"))
    assert told.message.thinking == "hmso"
    assert [p.data for p in told.message.parts] == [
        {"type": "summary_text", "id": "rs_1"},
        {"type": "summary_text", "id": "rs_1", "encrypted_content": "gAAAA"},
    ]


def test_what_is_encrypted_is_that_of_the_done() -> None:
    # openai-python's types: in output_item.added it may be incomplete
    told = told_of(
        added(0, "reasoning", id="rs_1", summary=[], encrypted_content="gA"),
        done(0, "reasoning", id="rs_2", summary=[], encrypted_content="gAAAA"),
    )
    assert told.of(PartWhole) == [
        PartWhole(
            "0.0.0",
            "thinking",
            native_index=0,
            data={"type": "reasoning", "id": "rs_2", "encrypted_content": "gAAAA"},
        )
    ]
    other = told_of(
        added(0, "reasoning", id="rs_1", summary=[], encrypted_content="gA"),
        at("reasoning_summary_text.delta", summary_index=0, delta="hm"),
        done(0, "reasoning", id="rs_2", summary=[{"type": "summary_text", "text": "hm"}], encrypted_content="gB"),
    )
    assert other.of(PartUpdate) == [PartUpdate("0.0.0", data={"id": "rs_2", "encrypted_content": "gB"})]


def test_raw_thinking_comes_in_three_ways() -> None:
    # as OpenAI writes it, in parts of the content (OpenRouter, LM Studio), in parts of its own (Bedrock)
    part = {"type": "reasoning_text", "text": "hm"}
    for frames in (
        [at("reasoning_text.delta", content_index=0, delta="hm")],
        [at("content_part.added", content_index=0, part={**part, "text": ""}), at("content_part.done", part=part)],
        [
            at("reasoning_part.added", content_index=0, part={"text": ""}),
            at("reasoning_part.done", content_index=0, part={"text": "hm"}),
        ],
    ):
        ends = done(0, "reasoning", id="rs_1", summary=[], content=[part])
        told = told_of(added(0, "reasoning", id="rs_1"), *frames, ends)
        assert [(p.kind, p.text, p.data) for p in told.message.parts] == [
            ("thinking", "hm", {"type": "reasoning_text", "id": "rs_1"})
        ]


def test_thinking_that_is_only_text() -> None:
    told = told_of(done(0, "reasoning", summary=["hm"]))
    assert told.message.thinking == "hm"


# -- calls


def test_a_call_of_a_function() -> None:
    told = told_of(*call(0, '{"a"', ":1}"))
    assert told.message.tool_calls == [ToolCall("call_1", "f", '{"a":1}')]
    assert (told.message.outcome, told.message.native_stop_reason) == ("tool_calls", "completed")
    assert told.of(PartStart) == [PartStart("0.0.0", "tool_call", 0, "f", "call_1", 0, {"id": "fc_1"})]
    assert told.of(PartUpdate) == []


def test_arguments_may_come_whole_anywhere() -> None:
    base = {"call_id": "c", "name": "f"}
    for frames in (
        [added(0, "function_call", **base, arguments="{}")],
        [added(0, "function_call", **base, arguments="{}"), at("function_call_arguments.delta", delta="{}")],
        [added(0, "function_call", **base), at("function_call_arguments.done", arguments="{}")],
        [at("function_call_arguments.done", arguments="{}"), done(0, "function_call", **base)],
        [added(0, "function_call", **base), done(0, "function_call", **base, arguments="{}")],
        [done(0, "function_call", **base, arguments={})],
    ):
        told = told_of(*frames)
        [made] = told.message.tool_calls
        assert (made.id, made.name, made.parsed()) == ("c", "f", {})
    assert (
        told_of(done(0, "function_call", **base, arguments={"a": [1]})).message.tool_calls[0].arguments == '{"a":[1]}'
    )


def test_a_call_keeps_what_it_carries() -> None:
    caller = {"type": "program", "caller_id": "c"}
    told = told_of(done(0, "function_call", id="fc_1", call_id="c", name="f", arguments="{}", caller=caller, x=None))
    assert told.message.parts[0].data == {"id": "fc_1", "caller": caller}


def test_a_custom_tools_input_is_text() -> None:
    told = told_of(
        added(0, "custom_tool_call", id="ctc_1", call_id="c", name="sql", input=""),
        at("custom_tool_call_input.delta", delta="SELECT "),
        at("custom_tool_call_input.delta", delta="1"),
        at("custom_tool_call_input.done", input="SELECT 1"),
        done(0, "custom_tool_call", id="ctc_1", call_id="c", name="sql", input="SELECT 1", status="completed"),
    )
    assert told.message.tool_calls == [ToolCall("c", "sql", "SELECT 1")]
    assert told.message.parts[0].data == {"type": "custom_tool_call", "id": "ctc_1"}
    assert told.message.outcome == "tool_calls"


def test_a_custom_tool_that_nobody_declared_is_the_providers() -> None:
    # xAI's search of X looks like a custom tool; its responses name the tools that they were given
    frames = [done(0, "custom_tool_call", call_id="c", name="x_search", input="{}")]
    for tools, outcome in (
        ([{"type": "x_search"}], "complete"),
        ([{"type": "custom", "name": "x_search"}], "tool_calls"),
        ([], "tool_calls"),
        (None, "tool_calls"),
    ):
        told = told_by(*created(tools=tools), *frames, completed())
        assert told.message.outcome == outcome
        assert [p.kind for p in told.message.parts] == ["server_tool_call" if outcome == "complete" else "tool_call"]


# -- the cursor


def test_the_last_number_is_kept_for_resuming() -> None:
    decoder = OpenAIResponsesDecoder()
    assert decoder.cursor is None
    seen = []
    for fields in (
        {"type": "response.created", "response": {}, "sequence_number": 0},
        {"type": "keepalive", "sequence_number": 3},
        {"type": "response.output_text.delta", "delta": "a"},
        {"type": "response.output_text.delta", "delta": "b", "sequence_number": 5},
        {"type": "response.output_text.delta", "delta": "c", "sequence_number": 5},
    ):
        decoder.feed(Frame(json.dumps(fields).encode()))
        seen.append(decoder.cursor)
    assert seen == [0, 3, 3, 5, 5]


def test_a_stream_that_resumes_begins_without_its_creation() -> None:
    told = told_by(lifecycle("queued"), lifecycle("in_progress"), *message(0, "a"), completed(), first=1)
    assert (told.message.text, told.message.id, told.message.outcome) == ("a", "resp_1", "complete")
    middle = told_by(text_delta("b"), *message(0, "a", "b")[4:], completed())
    assert (middle.message.text, middle.message.outcome) == ("ab", "complete")
    assert middle.of(StepUpdate) == [StepUpdate(model=MODEL, id="resp_1")]


def test_a_broken_connection_goes_on_in_the_same_decoder() -> None:
    frames = numbered(*created(), *message(0, "a", "b", "c"), completed()).split(b"\n\n")
    decoder = OpenAIResponsesDecoder()
    events: list[Event] = []
    for half in (frames[:5], frames[5:]):
        for frame in SSEFramer().feed(b"\n\n".join(half) + b"\n\n"):
            events += decoder.feed(frame)
    assert checked(events).message.text == "abc"
    assert decoder.cursor == len(frames) - 2


def test_keepalives_say_nothing() -> None:
    keep: Json = {"type": "keepalive"}
    assert told_of(keep, *message(0, "a"), keep).events == told_of(*message(0, "a")).events
    assert told_by(keep, *created(), *message(0, "a"), completed()).events == told_of(*message(0, "a")).events


# -- odd shapes and bytes


def test_unknown_frames_are_carried_raw() -> None:
    told = told_of({"type": "response.novel.delta", "x": 1}, {"type": "response.output_item.added"}, *message(0, "a"))
    assert told.of(Raw) == [
        Raw("response.novel.delta", {"type": "response.novel.delta", "x": 1}),
        Raw("response.output_item.added", {"type": "response.output_item.added"}),
    ]
    assert told.message.text == "a"


def test_halves_of_pairs() -> None:
    told = told_of(
        text_delta("a\ud83d"),
        text_delta("\ude00b\ud83d"),
        at("output_text.done", content_index=0, text="a\U0001f600b\ufffd"),
        *call(1, '{"a":"\ud83d', '\ude00"}'),
        text_delta("c\ud83d", 2),
        at("output_text.done", 2, content_index=0, text="c\U0001f600"),
        text_delta("\ud83d", 3),
    )
    assert told.message.text == "a\U0001f600b\ufffdc\U0001f600\ufffd"
    assert told.message.tool_calls == [ToolCall("call_1", "f", '{"a":"\U0001f600"}')]
    assert told.of(PartReplace) == []


def test_halves_of_pairs_everywhere_else() -> None:
    h = "\ud800"
    told = told_by(
        lifecycle("created", id=h, model=h),
        added(0, "function_call", id=h, call_id=h, name=h, arguments=h),
        done(0, "function_call", id=h, call_id=h, name=h, arguments=h, x={h: h}),
        done(1, h, id=h, x=[h]),
        done(2, "message", id=h, content=[text_part(h, annotations=[{h: h}]), {"type": h}]),
        done(3, "reasoning", id=h, encrypted_content=h),
        added(4, "image_generation_call"),
        at("image_generation_call.partial_image", 4, partial_image_b64=h),
        {"type": "response." + h, h: h},
        {"type": "response.incomplete", "response": response("incomplete", incomplete_details={"reason": h})},
    )
    assert (told.message.id, told.message.native_stop_reason) == ("\ufffd", "\ufffd")
    assert "\\ud800" not in repr(told.events)


SHAPES: dict[str, Any] = {
    "the index is a text": at("output_text.delta", content_index="0", delta="", output_index="0"),
    "the delta is a number": at("output_text.delta", content_index=0, delta=5),
    "the delta is an object": at("output_text.delta", content_index=0, delta={"a": 1}),
    "a delta of arguments is an object": at("function_call_arguments.delta", 7, delta={"a": 1}),
    "the item is a text": {"type": "response.output_item.added", "item": "message"},
    "the item is done and a list": {"type": "response.output_item.done", "item": []},
    "the part is a text": at("content_part.added", content_index=0, part="a"),
    "a part of a novel type": at("content_part.added", content_index=9, part={"type": "novel"}),
    "the response is a list": {"type": "response.created", "response": []},
    "no response": {"type": "response.in_progress"},
    "the type is a number": {"type": 5},
    "nothing at all": {},
    "an error of null": {"error": None},
    "a status of nothing known": at("novel_call.completed", 8),
    "an image of nothing": at("image_generation_call.partial_image", 8),
    "a chance is a text": at("output_text.delta", content_index=0, delta="", logprobs="x"),
}


@pytest.mark.parametrize("odd", SHAPES.values(), ids=SHAPES)
def test_odd_shapes_neither_raise_nor_harm(odd: dict[str, Any]) -> None:
    data = "data: " + json.dumps(odd)
    told = told_by(*created(), text_delta("a"), data, *message(1, "b"), completed())
    assert told.message.text == "ab"
    assert told.message.outcome in ("complete", "tool_calls")


def test_contents_of_odd_shapes() -> None:
    told = told_of(done(0, "message", content=["a", 5, {"type": "novel", "x": 1}, {"type": "text", "text": "b"}]))
    assert [(p.kind, p.text, p.name) for p in told.message.parts] == [
        ("text", "a", None),
        ("text", "", None),
        ("raw", "", "novel"),
        ("text", "b", None),
    ]


@pytest.mark.parametrize("value", [5, "text", None, [], [1], True], ids=repr)
def test_json_that_is_no_object_is_carried_raw(value: Any) -> None:
    told = told_by(f"event: e\ndata: {json.dumps(value)}", *created(), *message(0, "a"), completed())
    assert told.events[0] == Raw("e", value)
    assert told.message.text == "a"


@pytest.mark.parametrize("frame", ["data", "data: ", "data:    ", "event: ping\ndata:", "data: [DONE]"], ids=repr)
def test_blank_frames_and_markers_are_nothing(frame: str) -> None:
    assert told_of(frame, *message(0, "a"), frame).events == told_of(*message(0, "a")).events


@pytest.mark.parametrize("bad", ["<html>", "{", "[" * 100_000, '{"type": "keepalive"}}'], ids=lambda b: b[:8])
def test_what_is_no_json_is_a_wire_error(bad: str) -> None:
    with pytest.raises(WireError, match="not JSON"):
        told_of(f"data: {bad}")


def test_a_wire_error_quotes_no_key() -> None:
    with pytest.raises(WireError) as caught:
        told_by("data: invalid key sk-1", secrets=["sk-1"])
    assert "sk-1" not in str(caught.value) + repr(caught.value.info)


DEEP = {
    "an item": {"type": "response.output_item.added", "item": {"type": "x", "deep": None}},
    "an annotation": {"type": "response.output_text.annotation.added", "annotation": {"deep": None}},
    "a usage": {"type": "response.completed", "response": {"usage": {"deep": None}}},
    "an unknown frame": {"type": "x", "deep": None},
}


@pytest.mark.parametrize("frame", DEEP.values(), ids=DEEP)
def test_nesting_past_reason_is_a_wire_error(frame: Json) -> None:
    deep = json.dumps(frame).replace("null", "[" * 300 + "]" * 300)
    with pytest.raises(WireError, match="nested deeper"):
        told_by(*created(), f"data: {deep}")


def test_nothing_comes_after_the_end() -> None:
    decoder = OpenAIResponsesDecoder()
    said = []
    for frame in (*created(), *message(0, "a"), completed()):
        decoder.feed(Frame(json.dumps(frame).encode()))
        said.append((decoder.finished, decoder.done))
    assert said == [(False, False)] * 8 + [(True, True)]
    assert decoder.native_stop_reason == "completed"
    assert decoder.feed(Frame(b"<html>")) == []
    assert decoder.finish() == []


def test_a_whole_response() -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "id": "msg_1", "content": [text_part("a")]},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    told = decode_whole(WIRE, response(output=output, usage=used()))
    assert (told.message.thinking, told.message.text, told.message.outcome) == ("hm", "a", "tool_calls")
    assert told.message.usage.input_tokens == 5
    assert told.of(PartStart)[0].native_index == 0
