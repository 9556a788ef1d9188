"""Encoding for anthropic, case by case, as a client sees it."""

import json

from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Retract,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.message import fold
from tests.wire.encoding import (
    DONE,
    TEXT,
    encode,
    last_delta,
    last_refusal,
    messages,
    read_messages,
    recoded,
    start,
)
from tests.wire.samples import OPENAI_CHAT
from tests.wire.streams import Json, decode

WIRE = "anthropic"
STOP: Json = {"type": "message_stop"}


def blocks(*events: Event) -> list[Json]:
    """Give the frames between the message's start and its end."""
    return [frame for frame in messages(*events) if frame["type"].startswith("content_block")]


def kinds(*events: Event) -> list[str]:
    """Give what happens to the blocks, in few words: their starts, deltas and stops, by their index."""
    return [f"{frame['type'].removeprefix('content_block_')} {frame['index']}" for frame in blocks(*events)]


def deltas(*events: Event) -> list[Json]:
    return [frame["delta"] for frame in blocks(*events) if frame["type"] == "content_block_delta"]


def starts(*events: Event) -> list[Json]:
    return [frame["content_block"] for frame in blocks(*events) if frame["type"] == "content_block_start"]


def test_a_text_as_anthropic_writes_it() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=1, input_includes_cached=False))
    more = UsageUpdate(Usage(output_tokens=2, input_includes_cached=False))
    said: list[Event] = [PartStart("t"), PartDelta("t", "Hel"), PartDelta("t", "lo"), PartEnd("t")]
    events = [start("msg_1"), used, *said, ChoiceFinish(0, "complete"), more, DONE]
    expected: list[Json] = [
        {
            "type": "message_start",
            "message": {
                "model": "m",
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 3, "output_tokens": 1},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"input_tokens": 3, "output_tokens": 2},
        },
        STOP,
    ]
    written = [
        f"event: {frame['type']}\ndata: {json.dumps(frame, separators=(',', ':'))}\n\n".encode() for frame in expected
    ]
    assert encode(events, WIRE, pings=True) == b"".join(written)
    assert encode(events, WIRE) == b"".join([*written[:2], *written[3:]])


def test_an_empty_answer_is_a_message_too() -> None:
    assert [frame["type"] for frame in messages(DONE)] == ["message_start", "message_delta", "message_stop"]
    assert [frame["type"] for frame in read_messages(encode([DONE], WIRE))][-1] == "message_stop"


def test_a_ping_comes_once() -> None:
    whole = [PartWhole("a", text="x"), PartWhole("b", text="y"), DONE]
    found = [frame["type"] for frame in messages(*whole, pings=True)]
    assert found.index("ping") == found.index("content_block_start") + 1
    assert found.count("ping") == 1


def test_a_call_as_anthropic_writes_it() -> None:
    call: list[Event] = [
        PartStart("c", "tool_call", 0, "add", "toolu_1", data={"caller": {"type": "direct"}}),
        PartDelta("c", '{"a"', "tool_call"),
        PartDelta("c", "", "tool_call"),
        PartDelta("c", ":1}", "tool_call"),
        PartEnd("c"),
    ]
    expected = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}, "caller": {"type": "direct"}}
    assert starts(*call, DONE) == [expected]
    assert deltas(*call, DONE) == [{"type": "input_json_delta", "partial_json": text} for text in ("", '{"a"', ":1}")]
    assert last_delta(*call, ChoiceFinish(0, "tool_calls", "tool_calls"), End(outcome="tool_calls")) == {
        "stop_reason": "tool_use",
        "stop_sequence": None,
    }


def test_a_call_without_an_id_gets_the_one_that_the_message_shows() -> None:
    events: list[Event] = [start(), PartWhole("0.0.0", "tool_call", 0, "{}", "add"), End(outcome="tool_calls")]
    assert recoded(events, WIRE).message.tool_calls == fold(events).tool_calls


def test_a_call_begins_with_its_name_or_at_its_end() -> None:
    begun: list[Event] = [PartStart("c", "tool_call"), PartDelta("c", '{"a"', "tool_call")]
    named = [PartUpdate("c", data={"x": 1}), PartUpdate("c", "add", "id1", {"y": 2}), PartUpdate("c", "other", "id2")]
    more: list[Event] = [PartDelta("c", ":1}", "tool_call"), PartEnd("c"), PartUpdate("c", "late"), DONE]
    assert starts(*begun, *named, *more) == [
        {"type": "tool_use", "id": "id1", "name": "add", "input": {}, "x": 1, "y": 2}
    ]
    assert [delta["partial_json"] for delta in deltas(*begun, *named, *more)] == ["", '{"a"', ":1}"]
    assert [delta["partial_json"] for delta in deltas(*begun, *more)] == ["", '{"a":1}']
    assert starts(*begun, *more) == [{"type": "tool_use", "id": "c", "name": "", "input": {}}]
    assert starts(PartStart("c", "tool_call"), PartEnd("c"), DONE)[0]["name"] == ""
    replaced = [*begun, PartReplace("c", '{"b"', "tool_call"), *more]
    assert [delta["partial_json"] for delta in deltas(*replaced)] == ["", '{"b":1}']


def test_a_tool_of_the_providers_keeps_its_block() -> None:
    mcp = {"type": "mcp_tool_use", "server_name": "s"}
    block = {**mcp, "id": "id1", "name": "f", "input": {}}
    assert starts(PartStart("c", "server_tool_call", 0, "f", "id1", data=mcp), PartEnd("c"), DONE) == [block]
    groq = {"type": "search", "arguments": "{}", "output": "o"}
    back = recoded([start(), PartWhole("c", "server_tool_call", 0, "{}", "search", data=groq), DONE], WIRE)
    assert [(p.kind, p.name, p.text, p.data) for p in back.message.parts] == [
        ("server_tool_call", "search", "{}", {"type": "server_tool_use"})
    ]
    result = {"type": "web_search_tool_result", "tool_use_id": "c", "content": []}
    assert starts(PartWhole("r", "tool_result", data=result), DONE) == [result]


def test_parts_that_interleave_are_blocks_that_are_open_side_by_side() -> None:
    both = [PartStart("a"), PartStart("b", "thinking"), PartDelta("a", "x"), PartDelta("b", "y", "thinking")]
    assert kinds(*both, PartEnd("a"), PartEnd("b"), DONE) == [
        "start 0",
        "start 1",
        "delta 0",
        "delta 1",
        "stop 0",
        "stop 1",
    ]


def call(part: str, *pieces: str, implicit: bool = True) -> list[Event]:
    """Give a call that does not end."""
    begun = PartStart(part, "tool_call", 0, "f", implicit=implicit)
    return [begun, *[PartDelta(part, piece, "tool_call") for piece in pieces]]


def test_a_call_whose_end_is_not_marked_stops_when_the_next_block_starts() -> None:
    ends: list[Event] = [PartEnd("a"), PartEnd("b"), DONE]
    one_after_the_other = ["start 0", "delta 0", "delta 0", "stop 0", "start 1", "delta 1", "delta 1", "stop 1"]
    side_by_side = ["start 0", "delta 0", "delta 0", "start 1", "delta 1", "delta 1", "stop 0", "stop 1"]
    assert kinds(*call("a", '{"a":1}'), *call("b", "{}"), *ends) == one_after_the_other
    assert kinds(*call("a", '{"a":1}', implicit=False), *call("b", "{}"), *ends) == side_by_side
    for unfinished in ('{"a":', "[]", "1", '"{}"'):
        assert kinds(*call("a", unfinished), *call("b", "{}"), *ends) == side_by_side
    assert kinds(*call("a", "{}"), PartEnd("a"), *call("b", "{}"), *ends[1:]) == one_after_the_other
    whole: list[Event] = [PartWhole("b", "thinking", data={"type": "redacted_thinking", "data": "x"}), *ends[::2]]
    assert kinds(*call("a", "{}"), *whole) == ["start 0", "delta 0", "delta 0", "stop 0", "start 1", "stop 1"]
    # what comes late
    late = PartDelta("a", " \n", "tool_call")
    assert kinds(*call("a", '{"a":1}'), *call("b", "{}"), late, *ends) == one_after_the_other
    more = PartDelta("a", "{}", "tool_call")
    assert "goes on" in last_refusal(*call("a", '{"a":1}'), *call("b", "{}"), more, *ends)["message"]


def test_openai_chat_calls_stand_one_after_the_other() -> None:
    pieces = decode("openai-chat", OPENAI_CHAT["calls"]).events
    back = recoded(pieces, WIRE)
    assert back.message.tool_calls == fold(pieces).tool_calls
    assert back.message.outcome == "tool_calls"
    assert (back.message.usage.input_tokens, back.message.usage.reasoning_tokens) == (10, 5)


def test_a_signature_is_written_right_before_the_stop() -> None:
    signature = PartUpdate("t", data={"signature": "s"})
    text = PartDelta("t", "Hm.", "thinking")
    orders: list[list[Event]] = [
        [PartStart("t", "thinking", data={"signature": "s", "x": 1}), text, PartEnd("t")],
        [PartStart("t", "thinking", data={"x": 1}), signature, text, PartEnd("t")],
        [PartStart("t", "thinking", data={"x": 1}), text, signature, PartEnd("t"), PartUpdate("t", data={"z": 1})],
        [PartWhole("t", "thinking", text="Hm.", data={"signature": "s", "x": 1})],
    ]
    for events in orders:
        assert starts(*events, DONE) == [{"type": "thinking", "thinking": "", "signature": "", "x": 1}]
        assert deltas(*events, DONE) == [
            {"type": "thinking_delta", "thinking": "Hm."},
            {"type": "signature_delta", "signature": "s"},
        ]
    assert len(deltas(PartWhole("t", "thinking", text="Hm."), DONE)) == 1


def test_thinking_that_is_not_shown() -> None:
    hidden = {"type": "redacted_thinking", "data": "x1"}
    assert starts(PartWhole("t", "thinking", data=hidden), DONE) == [hidden]
    assert starts(PartWhole("t", "thinking", data={"type": "reasoning.encrypted", "data": "x1"}), DONE) == [hidden]


def test_a_compaction_comes_in_one_piece() -> None:
    hidden = PartUpdate("c", data={"encrypted_content": "e"})
    begun = PartStart("c", "compaction", data={"x": 1})
    said: list[Event] = [PartDelta("c", "so", "compaction"), PartReplace("c", "so far", "compaction")]
    one = {"type": "compaction_delta", "content": "so far", "encrypted_content": "e"}
    assert deltas(begun, *said, hidden, PartEnd("c"), DONE) == [one]
    assert deltas(begun, *said, PartEnd("c"), DONE) == [{**one, "encrypted_content": None}]
    assert deltas(begun, hidden, PartEnd("c"), DONE) == [{**one, "content": ""}]
    assert deltas(begun, PartEnd("c"), DONE) == []
    assert starts(begun, PartEnd("c"), DONE) == [{"type": "compaction", "content": None, "x": 1}]
    assert deltas(PartWhole("c", "compaction", text="so far"), DONE) == [{**one, "encrypted_content": None}]


def test_a_citation_belongs_to_an_open_text() -> None:
    data = {"type": "char_location", "cited_text": "x"}
    cited = PartWhole("q", "citation", data=data, parent="t")
    assert deltas(*TEXT, cited, PartEnd("t"), DONE)[1:] == [{"type": "citations_delta", "citation": data}]
    for other in (PartWhole("q", "citation", data=data), PartWhole("q", "citation", parent="t")):
        assert len(deltas(*TEXT, other, PartEnd("t"), DONE)) == 1
    assert len(deltas(*TEXT, PartEnd("t"), cited, DONE)) == 1
    assert deltas(PartStart("t", "thinking"), cited, PartEnd("t"), DONE) == []


def test_a_fallback_tells_the_model_that_answers() -> None:
    data = {"type": "fallback", "from": {"model": "m"}, "to": {"model": "m2"}}
    events: list[Event] = [start("msg_1"), PartWhole("f", "model_switch", data=data), StepUpdate(model="m2"), *TEXT]
    back = recoded([*events, PartEnd("t"), DONE], WIRE)
    assert (back.message.model, back.message.text) == ("m2", "x")
    assert [update.model for update in back.of(StepUpdate)] == ["m2"]


def test_a_message_is_named_when_it_begins() -> None:
    named = [StepUpdate(model="m2", id="msg_2"), *TEXT, StepUpdate(model="m3", id="msg_3"), PartEnd("t"), DONE]
    message = recoded([start(None, None), *named], WIRE).message
    assert (message.id, message.model) == ("msg_2", "m2")
    more: list[Event] = [PartWhole("a", text="a"), start("msg_2", step=1), *TEXT, PartEnd("t"), DONE]
    again = recoded([start("msg_1"), *more], WIRE)
    assert (again.message.id, again.message.text) == ("msg_1", "ax")


def test_the_last_steps_finish_counts() -> None:
    first: list[Event] = [start(), PartWhole("a", text="a"), ChoiceFinish(0, "length", details={"stop_sequence": "x"})]
    assert recoded([*first, start(step=1), DONE], WIRE).message.native_stop_reason == "end_turn"


def test_a_refusal_is_text() -> None:
    events: list[Event] = [PartStart("r", "refusal"), PartDelta("r", "No.", "refusal"), PartEnd("r")]
    assert deltas(*events, DONE) == [{"type": "text_delta", "text": "No."}]
    assert starts(PartWhole("r", "refusal", text="No."), DONE) == [{"type": "text", "text": ""}]


def test_only_the_first_choice_is_written() -> None:
    other: list[Event] = [
        PartStart("o", "text", 1),
        PartDelta("o", "y", "text", 1),
        PartReplace("o", "z", "text", 1),
        PartUpdate("o", data={"x": 1}),
        PartEnd("o"),
        PartWhole("w", "text", 1, "y"),
        Retract(1),
        ChoiceFinish(1, "length"),
    ]
    assert messages(*other, *TEXT, PartEnd("t"), DONE) == messages(*TEXT, PartEnd("t"), DONE)


def test_what_this_wire_has_no_words_for_is_left_out() -> None:
    kinds: list[PartKind] = ["tool_result", "citation", "media", "model_switch", "raw"]
    for kind in kinds:
        for data in (None, {"x": 1}, {"type": "text", "text": "x"}, {"type": "tool_use"}):
            grown = [PartStart("p", kind, data=data), PartDelta("p", "x", kind), PartUpdate("p", data=data)]
            assert blocks(*grown, PartEnd("p"), DONE) == []
            assert blocks(PartWhole("p", kind, text="x", data=data), DONE) == []
            assert blocks(PartWhole("p", kind, data=data), DONE) == []
    assert messages(StreamWarning("odd", "it is"), DONE) == messages(DONE)


def test_frames_of_this_wire_that_are_not_known_pass() -> None:
    novel = Raw("vertex_event", {"type": "vertex_event", "x": 1})
    assert novel.data in messages(novel, DONE)
    assert recoded([start(), novel, DONE], WIRE).of(Raw) == [novel]
    assert not recoded([novel, End(outcome="failed")], WIRE).of(Raw)
    for other in (
        Raw("", [1]),
        Raw("ping", {"type": "ping"}),
        Raw("content_block_start", {"type": "content_block_start"}),
        Raw("novel_delta", {"type": "content_block_delta", "index": 0}),
        Raw("a\nb", {"type": "a\nb"}),
        Raw("chat.completion.chunk", {"object": "chat.completion.chunk", "choices": []}),
    ):
        assert messages(other, DONE) == messages(DONE)
