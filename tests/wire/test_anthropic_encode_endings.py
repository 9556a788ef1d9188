"""Encoding for anthropic: what is taken back, ends and usage."""

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
    PartWhole,
    Reset,
    Retract,
    Usage,
    UsageUpdate,
)
from headrace.wire.anthropic import AnthropicEncoder
from tests.wire.encoding import (
    DONE,
    FAILURES,
    TEXT,
    encode,
    last_delta,
    last_refusal,
    messages,
    read_messages,
    recoded,
    start,
)
from tests.wire.streams import Json

WIRE = "anthropic"


# -- what is taken back


def test_a_replacement_before_anything_was_said_is_the_text() -> None:
    message = recoded([start(), PartStart("t"), PartReplace("t", "y"), PartEnd("t"), DONE], WIRE).message
    assert (message.text, message.outcome) == ("y", "complete")


def test_what_cannot_be_taken_back_is_an_error() -> None:
    assert "was replaced" in last_refusal(*TEXT, PartReplace("t", "y"), PartEnd("t"), DONE)["message"]
    again = [*TEXT, PartEnd("t"), Reset(), start(attempt=1), DONE]
    assert last_refusal(*again) == {
        "type": "api_error",
        "message": "the answer began anew after something had been given out",
    }


def test_an_attempt_that_said_nothing_leaves_no_trace_but_its_usage() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=0))
    gone: list[Event] = [start("msg_1"), used, Retract(), ChoiceFinish(0, "length"), Reset("no")]
    message = recoded([*gone, start("msg_2", "m2", attempt=1), used, *TEXT, PartEnd("t"), DONE], WIRE).message
    assert (message.id, message.model, message.text) == ("msg_1", "m2", "x")
    assert (message.usage.input_tokens, message.outcome) == (6, "complete")
    assert recoded([*gone, DONE], WIRE).message.outcome == "complete"


def test_a_retraction_is_a_refusal() -> None:
    for finish in (ChoiceFinish(0, "complete", "stop"), ChoiceFinish(0, "refused", "refusal")):
        back = recoded([start(), *TEXT, PartEnd("t"), Retract(0, 1, 2, "hate"), finish, DONE], WIRE)
        assert back.of(Retract) == [Retract(reason="refusal")]
        assert back.message.outcome == "refused"


# -- ends


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("complete", "end_turn"),
        ("stopped", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("paused", "pause_turn"),
        ("filtered", "refusal"),
        ("refused", "refusal"),
    ],
)
def test_other_wires_words_become_this_ones(outcome: Outcome, word: str) -> None:
    for native in (None, "stop", "length", "tool_calls", "content_filter", "SAFETY", "novel"):
        assert last_delta(End(outcome=outcome, native_stop_reason=native))["stop_reason"] == word


@pytest.mark.parametrize(
    ("outcome", "native"),
    [
        ("complete", "end_turn"),
        ("complete", "stop_sequence"),
        ("length", "model_context_window_exceeded"),
        ("paused", "compaction"),
    ],
)
def test_this_wires_own_words_pass_if_they_mean_the_same(outcome: Outcome, native: str) -> None:
    assert last_delta(End(outcome=outcome, native_stop_reason=native))["stop_reason"] == native
    other = last_delta(ChoiceFinish(0, "tool_calls", native), End(outcome="tool_calls", native_stop_reason=native))
    assert other["stop_reason"] == "tool_use"


def test_details_of_a_finish() -> None:
    sequence = {"stop_sequence": "END"}
    for outcome in ("complete", "stopped"):
        found = last_delta(ChoiceFinish(0, "complete", "stop", sequence), End(outcome=outcome))
        assert found == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    details = {"stop_details": {"type": "refusal"}}
    found = last_delta(ChoiceFinish(0, "refused", "refusal", details), End(outcome="refused"))
    assert found == {"stop_reason": "refusal", "stop_sequence": None, **details}


@pytest.mark.parametrize("outcome", FAILURES)
def test_an_end_that_is_no_success_is_an_error(outcome: Outcome) -> None:
    text = PartWhole("t", text="half")
    for error in (ErrorInfo(type=outcome, message="it broke"), None):
        back = recoded(
            [start(), text, ChoiceFinish(0, "complete", "end_turn"), End(outcome=outcome, error=error)], WIRE
        )
        assert (back.message.outcome, back.message.text, back.message.error and back.message.error.type) == (
            "failed",
            "half",
            "server",
        )
    word = "timeout_error" if outcome == "timeout" else "api_error"
    assert last_refusal(End(outcome=outcome))["type"] == word


def test_an_error_before_anything_is_an_error_alone() -> None:
    alone = encode([End(outcome="failed", error=ErrorInfo(type="overloaded", message="no"))], WIRE)
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    assert read_messages(alone) == [body]
    assert alone.startswith(b'event: error\ndata: {"type":"error",')


def test_an_error_keeps_request_id_type_and_usage() -> None:
    info = ErrorInfo(type="invalid_request", message="big", status=413, code="request_too_large", request_id="req_1")
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    *_, counted, last = messages(*TEXT, PartEnd("t"), used, End(outcome="failed", error=info))
    assert counted == {
        "type": "message_delta",
        "delta": {"stop_reason": None, "stop_sequence": None},
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    assert last == {
        "type": "error",
        "error": {"type": "request_too_large", "message": "big"},
        "request_id": "req_1",
    }
    uncounted = messages(used, *TEXT, PartEnd("t"), End(outcome="failed", error=info))
    assert "message_delta" not in [frame["type"] for frame in uncounted]


def test_an_answer_without_an_end_is_an_error() -> None:
    encoder = AnthropicEncoder()
    begun = b"".join([encoder.feed(e) for e in (start(), PartStart("t"), PartDelta("t", "half"))])
    *_, last = read_messages(begun + encoder.finish())
    assert last["error"]["message"] == "the answer broke off before it was complete"
    assert encoder.feed(PartDelta("t", "more")) == encoder.finish() == b""


# -- usage


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        # OpenAI counts the cache into the input
        (
            Usage(
                input_tokens=17,
                output_tokens=2,
                cached_input_tokens=10,
                cache_write_tokens=4,
                raw={"prompt_tokens": 17, "completion_tokens": 2},
            ),
            {
                "input_tokens": 3,
                "cache_creation_input_tokens": 4,
                "cache_read_input_tokens": 10,
                "output_tokens": 2,
            },
        ),
        (
            Usage(input_tokens=3, cached_input_tokens=5),
            {"input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 0},
        ),
        (
            Usage(input_tokens=3, output_tokens=2, cached_input_tokens=5, input_includes_cached=False),
            {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 2},
        ),
        # Gemini and xAI count thinking beside the output
        (
            Usage(input_tokens=1, output_tokens=2, reasoning_tokens=5, output_includes_reasoning=False),
            {"input_tokens": 1, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5}},
        ),
        (
            Usage(output_tokens=2, output_includes_reasoning=False),
            {"input_tokens": 0, "output_tokens": 2},
        ),
        (
            Usage(output_tokens=2, reasoning_tokens=1, raw={"output_tokens": 2}, input_includes_cached=False),
            {"input_tokens": 0, "output_tokens": 2},
        ),
        # OpenAI's Responses use the same names for figures that are counted otherwise
        (
            Usage(input_tokens=9, output_tokens=2, cached_input_tokens=4, raw={"input_tokens": 9}),
            {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 2},
        ),
        (Usage(), {"input_tokens": 0, "output_tokens": 0}),
    ],
)
def test_usage_is_counted_as_anthropic_counts(usage: Usage, written: Json) -> None:
    first, last, _ = messages(UsageUpdate(usage), DONE)
    assert first["message"]["usage"] == last["usage"] == written


def test_usage_of_all_attempts_is_summed_at_the_end() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=1))
    first, *_, last, _ = messages(used, PartWhole("a", text="a"), start(step=1), used, PartWhole("b", text="b"), DONE)
    assert first["message"]["usage"] == {"input_tokens": 3, "output_tokens": 1}
    assert last["usage"] == {"input_tokens": 6, "output_tokens": 2}
