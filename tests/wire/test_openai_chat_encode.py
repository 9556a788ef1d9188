"""Encoding for openai-chat, case by case, as a client sees it."""

from typing import Any, cast

import pytest

from headrace.errors import ErrorInfo
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.message import fold
from headrace.wire.openai_chat.encode import OpenAIChatEncoder
from tests.wire.encoding import DONE, FAILURES, TEXT, WHOLE_ONLY, encode, read, recoded, start
from tests.wire.streams import Json


def chunks(*events: Event, **options: Any) -> list[Json]:
    return read(encode([start(), *events], **options))


def deltas(*events: Event) -> list[Json]:
    """Give what the chunks add to choice 0, but for the role and the finish."""
    found = [c["delta"] for chunk in chunks(*events) for c in chunk["choices"]]
    return [delta for delta in found if delta and "role" not in delta]


def last_error(*events: Event) -> Json:
    return cast("Json", chunks(*events)[-1]["error"])


def test_a_text_as_openai_writes_it() -> None:
    events: list[Event] = [
        PartStart("t"),
        PartDelta("t", "Hel"),
        PartDelta("t", "lo"),
        PartEnd("t"),
        ChoiceFinish(0, "complete"),
    ]
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    same = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    said: list[tuple[Json, str | None]] = [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "Hel"}, None),
        ({"content": "lo"}, None),
        ({}, "stop"),
    ]
    assert chunks(*events, used, DONE, created=7) == [
        *[
            {**same, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
            for delta, finish in said
        ],
        {**same, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    ]


def test_usage_is_kept_back_from_who_did_not_ask() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    assert not any("usage" in chunk for chunk in chunks(used, DONE, include_usage=False))


def test_a_call_as_openai_writes_it() -> None:
    assert deltas(
        PartStart("c", "tool_call", 0, "add", "call_1"), PartDelta("c", '{"a"', "tool_call"), PartEnd("c"), DONE
    ) == [
        {
            "tool_calls": [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "add", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
    ]


def test_a_call_without_an_id_gets_the_one_that_the_message_shows() -> None:
    events: list[Event] = [start(), PartWhole("0.0.0", "tool_call", 0, "{}", "add"), ChoiceFinish(0, "tool_calls")]
    events.append(End(outcome="tool_calls"))
    assert recoded(events).message.tool_calls == fold(events).tool_calls


def test_a_name_is_written_once() -> None:
    begun = PartStart("c", "tool_call", 0, None, "call_1")
    named: list[Event] = [begun, PartUpdate("c", name="add"), PartUpdate("c", name="other"), PartEnd("c"), DONE]
    assert deltas(*named)[1:] == [{"tool_calls": [{"index": 0, "function": {"name": "add"}}]}]


def test_redacted_thinking_of_anthropic_is_a_part_of_its_own_here_too() -> None:
    hidden = {"type": "redacted_thinking", "data": "x1"}
    back = recoded([start(), PartWhole("a", "thinking", text="Hm."), PartWhole("b", "thinking", data=hidden), DONE])
    assert [(p.kind, p.text, p.data) for p in back.message.parts] == [
        ("thinking", "Hm.", None),
        ("thinking", "", {"type": "reasoning.encrypted", "data": "x1"}),
    ]


def test_audio_grows() -> None:
    begun: list[Event] = [
        PartStart("a", "media", data={"type": "audio", "id": "audio_1"}),
        PartDelta("a", "UklG", "media"),
    ]
    more: list[Event] = [PartUpdate("a", data={"expires_at": 9}), PartDelta("a", "AAAA", "media"), PartEnd("a"), DONE]
    said = [{"id": "audio_1"}, {"data": "UklG"}, {"expires_at": 9}, {"data": "AAAA"}]
    assert deltas(*begun, *more) == [{"audio": fields} for fields in said]
    *before, _ = chunks(*begun, ChoiceFinish(0, "complete"), *more)
    assert before == chunks(*begun, PartEnd("a"), DONE)
    assert "audio goes on after the finish" in last_error(*begun, ChoiceFinish(0, "complete"), *more)["message"]


def test_extra_content_is_written_where_it_belongs() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    other = {"extra_content": {"google": {"thought_signature": "t"}}}
    call = PartStart("c", "tool_call", 0, "add", "call_1", data=extra)
    fragments = [d["tool_calls"][0] for d in deltas(call, PartUpdate("c", data=other), PartEnd("c"), DONE)]
    assert [f["extra_content"] for f in fragments] == [extra["extra_content"], other["extra_content"]]
    assert deltas(PartWhole("t", text="x", data={**extra, "else": 1}), DONE) == [{"content": "x", **extra}]
    finished: list[Event] = [call, PartEnd("c"), ChoiceFinish(0, "tool_calls"), PartUpdate("c", data=other), DONE]
    assert len(deltas(*finished)) == 1
    probable = PartDelta("t", "x", logprobs=[{"token": "x", "logprob": -1.0}])
    assert deltas(PartStart("t", data=extra), probable, PartEnd("t"), DONE) == [{"content": "x", **extra}]


def test_citations_images_and_server_side_tools_are_written_whole() -> None:
    data = {"type": "web_search", "id": "x1"}
    for kind, field in zip(WHOLE_ONLY, ("executed_tools", "annotations", "images"), strict=True):
        assert deltas(PartWhole("p", kind, data=data), DONE) == [{field: [data]}]


def test_the_entries_of_a_list_tell_their_place_from_the_second_on() -> None:
    # openai-python's accumulator: "Expected list delta entry to have an `index` key"
    cited = [PartWhole(str(place), "citation", data={"url": "u"}) for place in range(3)]
    told = PartWhole("x", "citation", data={"url": "u", "index": 379})
    places = [delta["annotations"][0].get("index") for delta in deltas(*cited, told, DONE)]
    assert places == [None, 1, 2, 379]
    thought: list[Event] = [PartWhole(part, "thinking", text="Hm.", data={"signature": part}) for part in "ab"]
    details = [delta["reasoning_details"] for delta in deltas(*thought, DONE) if "reasoning_details" in delta]
    assert details == [[{"signature": "a"}], [{"signature": "b", "index": 1}]]
    other = PartWhole("o", "citation", 1, data={"url": "u"})
    assert [d["annotations"] for d in deltas(cited[0], other, DONE)] == [[{"url": "u"}], [{"url": "u"}]]


def test_a_model_that_changes_on_the_way_is_told_at_once() -> None:
    last, *_ = reversed(chunks(*TEXT, StepUpdate(model="other", id="ignored"), PartEnd("t"), DONE))
    assert (last["id"], last["model"]) == ("chatcmpl-1", "other")
    models = [e.model for e in recoded([start(), *TEXT, StepUpdate(model="other"), PartEnd("t"), DONE]).of(StepUpdate)]
    assert models == ["other"]
    same = [*TEXT, StepUpdate(model="m"), PartEnd("t"), DONE]
    assert chunks(*same) == chunks(*TEXT, PartEnd("t"), DONE)


def test_a_late_filter_takes_the_answer_back() -> None:
    back = recoded([start(), *TEXT, PartEnd("t"), Retract(reason="hate"), ChoiceFinish(0, "complete"), DONE])
    assert back.of(Retract) == [Retract(0, reason="hate")]
    assert back.message.outcome == "filtered"


def test_a_signature_waits_for_its_thinking() -> None:
    signature = PartUpdate("t", data={"signature": "s"})
    orders: list[list[Event]] = [
        [PartStart("t", "thinking", data={"signature": "s"}), PartDelta("t", "Hm.", "thinking"), PartEnd("t")],
        [PartStart("t", "thinking"), signature, PartDelta("t", "Hm.", "thinking"), PartEnd("t")],
        [PartStart("t", "thinking"), PartDelta("t", "Hm.", "thinking"), signature, PartEnd("t")],
        [PartStart("t", "thinking"), PartDelta("t", "Hm.", "thinking"), PartEnd("t"), signature],
    ]
    for events in orders:
        part = recoded([start(), *events, DONE]).message.parts[0]
        assert (part.text, part.data) == ("Hm.", {"signature": "s"})


def test_what_would_be_read_as_thinking_is_not_written_beside_it() -> None:
    whole = PartWhole("t", "thinking", text="Hm.", data={"summary": "Hm.", "text": "Hm.", "signature": "s"})
    assert deltas(whole, DONE) == [{"reasoning_content": "Hm.", "reasoning_details": [{"signature": "s"}]}]


def test_a_choice_of_several_says_its_role_when_it_begins() -> None:
    events: list[Event] = [
        PartStart("a", "text", 1),
        PartDelta("a", "x", "text", 1),
        PartEnd("a"),
        ChoiceFinish(1, "length"),
    ]
    found = [
        (c["index"], c["delta"].get("role"), c["finish_reason"]) for k in chunks(*events, DONE) for c in k["choices"]
    ]
    assert found == [(1, "assistant", None), (1, None, None), (1, None, "length")]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("complete", "stop"),
        ("stopped", "stop"),
        ("length", "length"),
        ("filtered", "content_filter"),
        ("refused", "refusal"),
        ("paused", "pause_turn"),
    ],
)
def test_an_end_alone_finishes_the_answer(outcome: Outcome, word: str) -> None:
    assert chunks(End(outcome=outcome))[-1]["choices"][0]["finish_reason"] == word
    for native in ("end_turn", "because"):  # other wires' words, or nobody's
        last = chunks(End(outcome=outcome, native_stop_reason=native))[-1]
        assert last["choices"][0]["finish_reason"] == word
    for native in ("stop", "length", "tool_calls", "content_filter", "function_call"):
        for given in (ChoiceFinish(0, "complete", native), StreamWarning("odd", "none was given")):
            last = chunks(given, End(outcome=outcome, native_stop_reason=native))[-1]
            assert last["choices"][0]["finish_reason"] == native


def test_a_finish_that_is_a_failure() -> None:
    *_, finish, error = chunks(ChoiceFinish(0, "failed"), End(outcome="failed"))
    assert finish["choices"][0]["finish_reason"] == "error"
    assert error["error"] == {"message": "the answer failed", "type": "failed", "param": None, "code": None}


@pytest.mark.parametrize("outcome", FAILURES)
def test_an_end_that_is_no_success_is_an_error(outcome: Outcome) -> None:
    info = ErrorInfo(type=outcome, message="it broke")
    text = PartWhole("t", text="half")
    for error in (info, None):
        back = recoded([start(), text, End(outcome=outcome, error=error)])
        assert (back.message.outcome, back.message.text) == ("failed", "half")
        assert back.message.error is not None
        assert back.message.error.code == outcome
    assert last_error(text, End(outcome=outcome, error=info))["message"] == "it broke"
    assert last_error(text, ChoiceFinish(0, "complete", "stop"), End(outcome=outcome, native_stop_reason="stop"))


def test_an_error_keeps_status_and_request_id() -> None:
    info = ErrorInfo(type="rate_limit", message="slowly", status=429, code="tokens", request_id="req_1")
    last = chunks(End(outcome="failed", error=info))[-1]
    assert last["error"] == {
        "message": "slowly",
        "type": "rate_limit_error",
        "param": None,
        "code": "tokens",
        "status_code": 429,
    }
    assert last["request_id"] == "req_1"
    error = recoded([start(), End(outcome="failed", error=info)]).message.error
    assert error is not None
    assert (error.type, error.status, error.code, error.request_id) == ("rate_limit", 429, "tokens", "req_1")


def test_an_answer_without_an_end_is_an_error() -> None:
    encoder = OpenAIChatEncoder()
    begun = b"".join([encoder.feed(e) for e in (start(), PartStart("t"), PartDelta("t", "half"))])
    assert read(begun + encoder.finish())[-1]["error"]["type"] == "truncated"
    assert encoder.feed(PartDelta("t", "more")) == b""


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([*TEXT, PartReplace("t", "y"), PartEnd("t"), DONE], "retracted"),
        ([*TEXT, PartEnd("t"), Reset(), start(attempt=1), DONE], "retracted"),
        ([ChoiceFinish(0, "complete"), start(step=1), DONE], "unsupported"),
        (
            [
                PartStart("c", "tool_call", 0, "add"),
                ChoiceFinish(0, "tool_calls"),
                PartDelta("c", "{}", "tool_call"),
                PartEnd("c"),
                DONE,
            ],
            "unsupported",
        ),
        (
            [
                PartWhole("c", "tool_call", text="{}", call_id="call_1"),
                ChoiceFinish(0, "tool_calls"),
                PartUpdate("c", name="add"),
                DONE,
            ],
            "unsupported",
        ),
    ],
)
def test_what_cannot_be_taken_back_is_an_error(events: list[Event], kind: str) -> None:
    assert last_error(*events)["type"] == kind


def test_a_replacement_before_anything_was_said_is_the_text() -> None:
    back = recoded([start(), PartStart("t"), PartReplace("t", "y"), PartEnd("t"), DONE])
    assert (back.message.text, back.message.outcome) == ("y", "complete")


def test_an_attempt_that_said_nothing_leaves_no_trace_but_its_usage() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=0))
    again = StepStart(v=VERSION, attempt=1, model="other", id="chatcmpl-2")
    back = recoded([start(None), used, PartStart("a"), PartEnd("a"), Reset(), again, *TEXT, PartEnd("t"), used, DONE])
    assert (back.message.id, back.message.model, back.message.text) == ("chatcmpl-2", "other", "x")
    assert back.message.usage.input_tokens == 6


def test_usage_that_grows_is_one_snapshot() -> None:
    first, last = UsageUpdate(Usage(input_tokens=3, output_tokens=1)), UsageUpdate(Usage(output_tokens=9))
    back = recoded([start(), first, last, DONE])
    assert (back.message.usage.input_tokens, back.message.usage.output_tokens) == (3, 9)


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        # Anthropic counts the cache beside the input
        (
            Usage(
                input_tokens=3,
                output_tokens=2,
                cached_input_tokens=10,
                cache_write_tokens=4,
                input_includes_cached=False,
                raw={"input_tokens": 3},
            ),
            {
                "prompt_tokens": 17,
                "completion_tokens": 2,
                "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 4},
            },
        ),
        (Usage(input_tokens=3, input_includes_cached=False), {"prompt_tokens": 3}),
        # Gemini and xAI count thinking beside the output
        (
            Usage(output_tokens=2, reasoning_tokens=5, output_includes_reasoning=False),
            {"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 5}},
        ),
        (Usage(output_tokens=2, output_includes_reasoning=False), {"completion_tokens": 2}),
        (
            Usage(input_tokens=3, output_tokens=2, total_tokens=6),
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 6},
        ),
        (Usage(input_tokens=1, raw={"prompt_tokens": 1, "cost": 0.1}), {"prompt_tokens": 1, "cost": 0.1}),
    ],
)
def test_usage_is_counted_as_openai_counts(usage: Usage, written: Json) -> None:
    assert chunks(UsageUpdate(usage), DONE)[-1]["usage"] == written


def test_usage_that_says_nothing_is_not_written() -> None:
    assert not any("usage" in chunk for chunk in chunks(UsageUpdate(Usage()), DONE))


def test_frames_of_this_wire_that_are_not_known_pass() -> None:
    filters = {"object": "", "id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    events = [start(None, None), Raw("", filters), StepUpdate(model="m", id="chatcmpl-1"), *TEXT]
    events += [PartEnd("t", implicit=True), ChoiceFinish(0, "complete", "stop")]
    assert [type(e) for e in recoded([*events, DONE]).events][:3] == [StepStart, Raw, StepUpdate]
    assert filters in chunks(*events[1:], DONE)
    for other in (Raw("ping", {"type": "ping"}), Raw("", [1]), Raw("other", filters), StreamWarning("odd", "it is")):
        assert encode([start(), other, DONE]) == encode([start(), DONE])


def test_what_this_wire_has_no_words_for_is_left_out() -> None:
    kinds: list[PartKind] = ["tool_result", "compaction", "model_switch", "raw"]
    for kind in [*kinds, *WHOLE_ONLY]:
        data = {"type": "web_search", "extra_content": {"a": 1}}
        grown: list[Event] = [
            PartStart("t", kind, data=data),
            PartDelta("t", "x", kind),
            PartUpdate("t", data=data),
            PartEnd("t"),
        ]
        assert deltas(*grown, DONE) == []
        assert deltas(PartWhole("t", kind, text="x"), DONE) == []


def test_thinking_has_no_probabilities() -> None:
    probable = PartDelta("t", "Hm.", "thinking", 0, [{"token": "Hm.", "logprob": -1.0}])
    assert deltas(PartStart("t", "thinking"), probable, PartEnd("t"), DONE) == [{"reasoning_content": "Hm."}]
