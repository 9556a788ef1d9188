"""Encoding for openai-responses, case by case, as a client sees it."""

import json
from typing import Any

import pytest

from headrace.errors import ErrorInfo
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.message import Message, fold
from headrace.wire.openai_responses import OpenAIResponsesEncoder
from headrace.wire.registry import encode_message
from tests.wire.encoding import DONE, encode, recoded, start
from tests.wire.responses import read_frames
from tests.wire.samples import ANTHROPIC, OPENAI_CHAT
from tests.wire.streams import Json, decode

WIRE = "openai-responses"


def frames(*events: Event, **options: Any) -> list[Json]:
    """Give the frames of a run that begins."""
    return read_frames(encode([start("resp_1"), *events], WIRE, **options))


def kinds(*events: Event) -> list[str]:
    """Give the types of the frames between the response's start and its end."""
    return [frame["type"].removeprefix("response.") for frame in frames(*events)][2:-1]


def final(*events: Event) -> Json:
    """Give the response as it stands in the end."""
    last: Json = frames(*events)[-1]["response"]
    return last


def output(*events: Event) -> list[Json]:
    items: list[Json] = final(*events, DONE)["output"]
    return items


def item(*events: Event) -> Json:
    [only] = output(*events)
    return only


def test_a_text_as_openai_writes_it() -> None:
    said: list[Event] = [PartStart("t"), PartDelta("t", "Hel"), PartDelta("t", "lo"), PartEnd("t")]
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2, reasoning_tokens=1))
    base = {
        "id": "resp_1",
        "object": "response",
        "created_at": 7,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    message = {"id": "msg_t", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    place = {"item_id": "msg_t", "output_index": 0, "content_index": 0}
    whole = {**part, "text": "Hello"}
    ended = {**message, "status": "completed", "content": [whole]}
    usage = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 5,
    }
    expected: list[Json] = [
        {"type": "response.created", "response": base},
        {"type": "response.in_progress", "response": base},
        {"type": "response.output_item.added", "output_index": 0, "item": message},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": "Hel", "logprobs": []},
        {"type": "response.output_text.delta", **place, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.done", **place, "text": "Hello", "logprobs": []},
        {"type": "response.content_part.done", **place, "part": whole},
        {"type": "response.output_item.done", "output_index": 0, "item": ended},
        {
            "type": "response.completed",
            "response": {**base, "status": "completed", "output": [ended], "usage": usage},
        },
    ]
    written = [
        f"event: {fields['type']}\n".encode()
        + f"data: {json.dumps({**fields, 'sequence_number': n}, separators=(',', ':'))}\n\n".encode()
        for n, fields in enumerate(expected)
    ]
    assert encode([start("resp_1"), *said, used, DONE], WIRE, created=7) == b"".join(written)


def test_an_empty_answer_is_a_response_too() -> None:
    assert [frame["type"] for frame in frames(DONE)] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert final(DONE)["usage"] is None


def test_a_call_as_openai_writes_it() -> None:
    events: list[Event] = [
        PartStart("c", "tool_call", 0, "add", "call_1", data={"id": "fc_1", "namespace": "n"}),
        PartDelta("c", '{"a"', "tool_call"),
        PartDelta("c", "", "tool_call"),
        PartDelta("c", ":1}", "tool_call"),
        PartEnd("c"),
    ]
    assert kinds(*events, DONE) == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert item(*events) == {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "add",
        "arguments": '{"a":1}',
        "namespace": "n",
    }
    assert frames(*events, DONE)[2]["item"]["arguments"] == ""
    assert frames(*events, DONE)[5]["name"] == "add"


def test_a_call_without_an_id_gets_the_one_that_the_message_shows() -> None:
    events: list[Event] = [start(), PartWhole("0.0.0", "tool_call", 0, "{}", "add"), End(outcome="tool_calls")]
    assert recoded(events, WIRE).message.tool_calls == fold(events).tool_calls


def test_a_call_begins_with_its_name_or_at_its_end() -> None:
    begun: list[Event] = [PartStart("c", "tool_call"), PartDelta("c", '{"a"', "tool_call")]
    named = [PartUpdate("c", data={"x": 1}), PartUpdate("c", "add", "id1", {"y": 2}), PartUpdate("c", "b", "id2")]
    more: list[Event] = [PartDelta("c", ":1}", "tool_call"), PartEnd("c"), PartUpdate("c", "late")]
    made = item(*begun, *named, *more)
    assert {key: made[key] for key in ("name", "call_id", "arguments", "x", "y")} == {
        "name": "add",
        "call_id": "id1",
        "arguments": '{"a":1}',
        "x": 1,
        "y": 2,
    }
    assert kinds(*begun, *named, *more, DONE).count("function_call_arguments.delta") == 2
    nameless = item(*begun, *more)
    assert (nameless["name"], nameless["call_id"], nameless["arguments"]) == ("", "c", '{"a":1}')
    assert item(PartStart("c", "tool_call"), PartEnd("c"))["arguments"] == ""


def test_a_call_may_be_told_more() -> None:
    update = PartUpdate("c", data={"id": "other", "status": "odd", "caller": {"type": "direct"}})
    made = item(PartStart("c", "tool_call", 0, "f"), update, PartEnd("c"))
    assert (made["id"], made["status"], made["caller"]) == ("fc_c", "completed", {"type": "direct"})


def test_a_custom_tools_input_is_text() -> None:
    made = item(PartWhole("c", "tool_call", 0, "SELECT 1", "sql", "c1", data={"type": "custom_tool_call"}))
    assert (made["type"], made["id"], made["input"]) == ("custom_tool_call", "ctc_c", "SELECT 1")


def test_parts_of_one_item_share_its_id() -> None:
    data = {"id": "msg_1", "phase": "final_answer", "x": 1}
    cited = PartWhole("c", "citation", data={"type": "url_citation"}, parent="a")
    events: list[Event] = [PartWhole("a", data=data, text="x"), PartWhole("b", "refusal", text="No.", data=data), cited]
    made = item(*events)
    assert (made["id"], made["phase"]) == ("msg_1", "final_answer")
    assert made["content"] == [
        {"x": 1, "type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}], "logprobs": []},
        {"x": 1, "type": "refusal", "refusal": "No."},
    ]
    assert len(output(PartWhole("a", text="x"), PartWhole("b", text="y"))) == 2
    # what was done stays done
    again = [PartWhole("a", text="x", data=data), PartWhole("t", "tool_call", 0, "{}", "f"), events[0]]
    assert len(output(*again[:2], PartWhole("z", text="y", data=data))) == 3


def test_thinking_is_a_summary_unless_its_raw() -> None:
    summary = [
        PartStart("a", "thinking", data={"type": "summary_text", "id": "rs_1"}),
        PartDelta("a", "hm", "thinking"),
        PartEnd("a"),
        PartWhole("b", "thinking", text="so", data={"type": "summary_text", "id": "rs_1", "format": "x"}),
        PartUpdate("b", data={"encrypted_content": "gA"}),
    ]
    assert item(*summary) == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}],
        "format": "x",
        "encrypted_content": "gA",
    }
    assert "reasoning_summary_part.added" in kinds(*summary, DONE)
    raw = PartWhole("a", "thinking", text="hm", data={"type": "reasoning_text"})
    made = item(raw)
    assert (made["summary"], made["content"]) == ([], [{"type": "reasoning_text", "text": "hm"}])
    assert item(PartWhole("a", "thinking", text="hm", data={"signature": "s"}))["summary"][0]["text"] == "hm"


def test_thinking_that_nobody_may_read() -> None:
    own = PartWhole("a", "thinking", data={"type": "reasoning", "id": "rs_1", "encrypted_content": "gA"})
    assert item(own) == {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gA"}
    assert output(PartWhole("a", "thinking", data={"type": "redacted_thinking", "data": "x"})) == []
    open_yet: list[Event] = [PartStart("a", "thinking"), PartUpdate("a", data={"encrypted_content": "g"}), PartEnd("a")]
    assert item(*open_yet)["encrypted_content"] == "g"


def test_what_is_told_of_a_text_stands_beside_it() -> None:
    part: list[Event] = [PartStart("t", data={"x": 1}), PartUpdate("t", data={"y": 2, "x": 3, "text": "no"})]
    made = item(*part, PartDelta("t", "a"), PartEnd("t"), PartUpdate("t", data={"z": 1}))
    expected = {"x": 3, "y": 2, "z": 1, "type": "output_text", "text": "a", "annotations": [], "logprobs": []}
    assert made["content"] == [expected]
    late = [PartWhole("c", "tool_call", 0, "{}", "f"), PartUpdate("t", data={"late": 1})]
    assert "late" not in output(*part, PartEnd("t"), *late)[0]["content"][0]


def test_chances_of_tokens() -> None:
    probs: list[Any] = [{"token": "a", "logprob": -0.5}]
    events: list[Event] = [PartStart("t"), PartDelta("t", "a", logprobs=probs), PartDelta("t", "b"), PartEnd("t")]
    assert item(*events)["content"][0]["logprobs"] == probs
    assert [f.get("logprobs") for f in frames(*events, DONE) if f["type"].startswith("response.output_text")] == [
        probs,
        [],
        probs,
    ]
    document = json.loads(encode_message(WIRE, fold([start(), *events, DONE])))
    assert document["output"][0]["content"][0]["logprobs"] == probs
    bare: list[Event] = [PartStart("t", "refusal"), PartDelta("t", "a", "refusal", logprobs=probs), PartEnd("t")]
    assert item(*bare)["content"][0] == {"type": "refusal", "refusal": "a"}


def test_citations_without_a_text_are_left_out() -> None:
    data = {"type": "url_citation"}
    assert output(PartWhole("c", "citation", data=data)) == []
    thought = PartWhole("a", "thinking", text="hm")
    assert "annotations" not in repr(output(thought, PartWhole("c", "citation", data=data, parent="a")))
    text = PartWhole("t", text="x")
    assert item(text, PartWhole("c", "citation", parent="t"))["content"][0]["annotations"] == []
    call = PartWhole("c", "tool_call", 0, "{}", "f")
    late: list[Event] = [text, call, PartWhole("d", "citation", 0, data=data, parent="t")]
    assert "output_text.annotation.added" not in kinds(*late, DONE)
    assert output(*late)[0]["content"][0]["annotations"] == [data]


def test_a_tool_says_what_it_is_at() -> None:
    data = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    events: list[Event] = [
        PartStart("s", "server_tool_call", 0, "web_search_call", None, 0, data),
        PartUpdate("s", data={"status": "searching"}),
        PartUpdate("s", data={"status": "odd"}),
        PartUpdate("s", data={"status": "completed", "action": {"type": "search"}}),
        PartEnd("s"),
    ]
    assert kinds(*events, DONE) == ["output_item.added", "web_search_call.searching", "output_item.done"]
    assert item(*events) == {**data, "status": "completed", "action": {"type": "search"}}


def test_a_tool_of_another_wire_is_a_call_over_mcp() -> None:
    data = {"type": "mcp_tool_use", "server_name": "s"}
    made = item(PartWhole("c", "server_tool_call", 0, "{}", "f", "id1", data=data))
    assert made == {
        "server_label": "s",
        "id": "mcp_c",
        "type": "mcp_call",
        "call_id": "id1",
        "name": "f",
        "arguments": "{}",
    }
    result = {"type": "web_search_tool_result", "tool_use_id": "c", "content": []}
    for kind in ("tool_result", "raw", "compaction", "media", "model_switch"):
        assert output(PartWhole("r", kind, data=result), PartWhole("s", kind, text="x")) == []
    assert output(PartWhole("r", "raw", data={"type": "message", "id": "x"})) == []
    assert output(PartWhole("r", "raw", data={"type": "novel"})) == []
    assert item(PartWhole("r", "raw", data={"type": "novel", "id": "x"})) == {"type": "novel", "id": "x"}


@pytest.mark.parametrize(
    ("word", "data", "expected"),
    [
        ("shell_call", {}, {"action": {"commands": ["a", "b"]}}),
        ("shell_call", {"action": {"commands": ["a", "b"], "x": 1}}, {"action": {"commands": ["a", "b"], "x": 1}}),
        ("apply_patch_call", {"operation": {"type": "x"}}, {"operation": {"type": "x", "diff": "a\nb"}}),
        ("program", {}, {"code": "a\nb"}),
        ("code_interpreter_call", {}, {"code": "a\nb"}),
        ("web_search_call", {}, {}),
    ],
)
def test_what_a_tool_was_given_stands_in_its_item(word: str, data: Json, expected: Json) -> None:
    base = {"type": word, "id": "x"}
    made = item(PartWhole("c", "server_tool_call", 0, "a\nb", word, data={**base, **data}))
    assert made == {**base, **data, **expected}


def test_what_a_shell_writes() -> None:
    data = {"type": "shell_call_output", "id": "x"}
    made = item(PartWhole("c", "tool_result", 0, "out", "shell_call_output", "c1", data=data))
    assert made == {**data, "call_id": "c1", "output": [{"stdout": "out", "stderr": ""}]}
    given = [{"stdout": "", "stderr": "out"}]
    assert item(PartWhole("c", "tool_result", 0, "other", data={**data, "output": given}))["output"] == given


def test_a_part_that_is_replaced_is_told_by_its_end() -> None:
    begun: list[Event] = [PartStart("t"), PartDelta("t", "a"), PartReplace("t", "b"), PartDelta("t", "c"), PartEnd("t")]
    assert item(*begun)["content"][0]["text"] == "bc"
    assert recoded([start(), *begun, DONE], WIRE).message.text == "bc"
    early: list[Event] = [PartStart("t"), PartReplace("t", "b"), PartEnd("t")]
    assert kinds(*early, DONE).count("output_text.delta") == 1
    assert output(PartStart("t", "text", 1), PartReplace("t", "b", "text", 1), PartEnd("t")) == []


def test_an_image_is_drawn_over_and_over() -> None:
    data = {"type": "image_generation_call", "id": "ig_1", "status": "generating"}
    events: list[Event] = [
        PartStart("i", "media", data=data),
        PartReplace("i", "AAAA", "media"),
        PartReplace("i", "BBBB", "media"),
        PartEnd("i"),
    ]
    drawn = [f for f in frames(*events, DONE) if f["type"].endswith("partial_image")]
    assert [(f["partial_image_index"], f["partial_image_b64"]) for f in drawn] == [(0, "AAAA"), (1, "BBBB")]
    assert item(*events)["result"] == "BBBB"
    foreign: list[Event] = [PartStart("i", "media"), PartReplace("i", "A", "media"), PartEnd("i")]
    assert output(*foreign) == []


def test_sound_is_of_no_item() -> None:
    events: list[Event] = [
        PartStart("a", "media", data={"type": "audio"}),
        PartDelta("a", "AA", "media"),
        PartUpdate("a", data={"expires_at": 1}),
        PartDelta("a", "BB", "media"),
        PartEnd("a"),
    ]
    assert kinds(*events, DONE) == ["audio.delta", "audio.delta", "audio.done"]
    assert output(*events) == []
    assert [p.text for p in recoded([start(), *events, DONE], WIRE).message.parts] == ["AABB"]
    replaced = frames(*events[:2], PartReplace("a", "C", "media"), *events[4:], DONE)[-1]
    assert "was replaced" in replaced["response"]["error"]["message"]
    early = kinds(events[0], PartReplace("a", "C", "media"), events[4], DONE)
    assert early == ["audio.delta", "audio.done"]


def test_the_id_stays_and_the_last_model_is_told() -> None:
    events: list[Event] = [PartWhole("t", text="x"), StepUpdate(model="m2", id="resp_2"), DONE]
    assert (final(*events)["id"], final(*events)["model"]) == ("resp_1", "m2")
    late = read_frames(encode([start(None), *events], WIRE))
    assert [frame["response"]["id"] for frame in late if "response" in frame] == ["", "", ""]
    early = read_frames(encode([start(None), *events[1:]], WIRE))
    assert [frame["response"]["id"] for frame in early] == ["resp_2"] * 3
    step = [PartWhole("t", text="x"), UsageUpdate(Usage(input_tokens=1, output_tokens=2)), start("r2", "m3", 1)]
    told = final(*step, PartWhole("u", text="y"), UsageUpdate(Usage(input_tokens=3, output_tokens=4)), DONE)
    assert (told["id"], told["model"], len(told["output"])) == ("resp_1", "m3", 2)
    assert told["usage"]["total_tokens"] == 10


def test_what_was_not_given_out_can_be_taken_back() -> None:
    again: list[Event] = [Retract(), Reset("x"), start("resp_2", "m2", 0, 1)]
    assert final(*again, DONE)["id"] == "resp_2"
    assert final(*again, DONE)["status"] == "completed"
    failed = final(PartWhole("t", text="x"), *again, DONE)
    assert (failed["status"], failed["id"], len(failed["output"])) == ("failed", "resp_1", 1)
    assert "began anew" in failed["error"]["message"]


ENDS: list[tuple[Outcome, str | None, str, str | None]] = [
    ("complete", None, "completed", None),
    ("stopped", None, "completed", None),
    ("tool_calls", "tool_use", "completed", None),
    ("length", "length", "incomplete", "max_output_tokens"),
    ("length", "max_messages", "incomplete", "max_messages"),
    ("filtered", None, "incomplete", "content_filter"),
    ("refused", None, "incomplete", "refusal"),
    ("paused", "steered", "incomplete", "steered"),
    ("paused", "pause", "incomplete", "pause_turn"),
]


@pytest.mark.parametrize(("outcome", "native", "status", "reason"), ENDS)
def test_reasons(outcome: Any, native: str | None, status: str, reason: str | None) -> None:
    finish = ChoiceFinish(0, "complete" if outcome == "stopped" else outcome, native)
    for events in ([finish, End(outcome=outcome)], [End(outcome=outcome, native_stop_reason=native)]):
        told = final(*events)
        assert told["status"] == status
        assert told["incomplete_details"] == (reason and {"reason": reason})
    document = json.loads(encode_message(WIRE, fold([start(), finish, End(outcome=outcome)])))
    assert (document["status"], document["incomplete_details"]) == (status, reason and {"reason": reason})


def test_a_retraction_filters() -> None:
    text = PartWhole("t", text="x")
    for outcome, reason in (("complete", "content_filter"), ("length", "content_filter"), ("refused", "refusal")):
        events: list[Event] = [text, Retract(), End(outcome=outcome)]
        assert final(*events)["incomplete_details"] == {"reason": reason}
        document = json.loads(encode_message(WIRE, fold([start(), *events])))
        assert document["incomplete_details"] == {"reason": reason}
    assert final(text, Retract(1), DONE)["status"] == "completed"


@pytest.mark.parametrize("outcome", ["cancelled", "timeout", "truncated", "failed"])
def test_what_is_no_success_has_failed(outcome: Outcome) -> None:
    told = final(PartWhole("t", text="x"), UsageUpdate(Usage(input_tokens=1, output_tokens=2)), End(outcome=outcome))
    assert (told["status"], told["error"]["code"], told["usage"]["total_tokens"]) == ("failed", outcome, 3)
    info = ErrorInfo(type="rate_limit", message="no", status=429, code="slow_down", request_id="req_1")
    error = End(outcome="failed", error=info)
    told = final(error)
    expected = {"message": "no", "type": "rate_limit_error", "param": None, "code": "slow_down", "status_code": 429}
    assert (told["error"], told["request_id"]) == (expected, "req_1")
    [alone] = read_frames(encode([error], WIRE))
    assert (alone["type"], alone["code"], alone["message"]) == ("error", "slow_down", "no")
    assert alone["request_id"] == "req_1"
    [bare] = read_frames(encode([End(outcome="failed", error=ErrorInfo(type="server", message="no"))], WIRE))
    assert (bare["code"], "request_id" in bare) == ("server_error", False)
    back = decode(WIRE, encode([error], WIRE)).message.error
    assert back is not None
    assert (back.type, back.status) == ("rate_limit", 429)


def test_a_run_that_breaks_off_keeps_what_was_said() -> None:
    encoder = OpenAIResponsesEncoder()
    events = [start("resp_1"), PartStart("t"), PartDelta("t", "a"), PartStart("c", "tool_call", 0, "f")]
    data = b"".join([encoder.feed(event) for event in events]) + encoder.finish()
    told = read_frames(data)[-1]["response"]
    assert told["output"][0]["content"][0]["text"] == "a"
    assert [made["status"] for made in told["output"]] == ["incomplete", "incomplete"]
    assert encoder.feed(DONE) == encoder.finish() == b""


def test_other_choices_warnings_and_frames_of_other_wires_are_left_out() -> None:
    other: list[Event] = [PartStart("o", "text", 1), PartDelta("o", "x", "text", 1), PartUpdate("o", data={"x": 1})]
    more: list[Event] = [
        PartEnd("o"),
        PartWhole("p", "text", 1, "y"),
        ChoiceFinish(1, "length"),
        StreamWarning("odd", "it is"),
        Raw("ping", {"type": "ping"}),
        Raw("response.x", [1]),
        Raw("response.x\n", {"type": "response.x\n"}),
    ]
    assert kinds(*other, *more, DONE) == []
    assert kinds(Raw("response.x", {"type": "response.x", "y": 1, "sequence_number": 99}), DONE) == ["x"]
    assert read_frames(encode([Raw("response.x", {"type": "response.x"}), DONE], WIRE))[-1]["sequence_number"] == 2


def test_usage_of_other_wires_is_counted_as_openai_counts() -> None:
    beside = Usage(
        input_tokens=5,
        output_tokens=7,
        cached_input_tokens=3,
        cache_write_tokens=2,
        reasoning_tokens=4,
        input_includes_cached=False,
        output_includes_reasoning=False,
    )
    assert final(UsageUpdate(beside), DONE)["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 21,
    }
    assert final(UsageUpdate(Usage(output_tokens=7, total_tokens=9)), DONE)["usage"]["total_tokens"] == 9
    own = decode("openai-chat", OPENAI_CHAT["calls"])
    assert recoded(own.events, WIRE).message.usage.reasoning_tokens == 5
    assert recoded(decode("anthropic", ANTHROPIC["text"]).events, WIRE).message.usage.input_tokens == 5


def test_a_message_that_has_not_ended_is_an_error() -> None:
    document = json.loads(encode_message(WIRE, Message()))
    assert document["error"]["message"] == "the answer ended as truncated"
