"""anthropic: stop reasons, errors inside the stream, messages that are started twice. Endings do not lie."""

from typing import Any

import pytest

from headrace.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    TruncatedError,
    WireError,
)
from headrace.events import (
    ChoiceFinish,
    End,
    PartEnd,
    PartStart,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
)
from headrace.message import ToolCall
from tests.wire.streams import (
    DONE,
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


def told_by(*frames: Json | str, **habits: Any) -> Decoded:
    return decode("anthropic", messages(*frames), **habits)


# -- 3.5 stop reasons

REASONS = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "paused",
    "compaction": "paused",
    "refusal": "refused",
}


@pytest.mark.parametrize(("native", "outcome"), REASONS.items())
def test_stop_reasons(native: str, outcome: str) -> None:
    told = decode("anthropic", answer(*block(0, "a"), stop=native))
    assert (told.message.outcome, told.message.native_stop_reason) == (outcome, native)
    assert told.message.error is None
    assert told.warnings == []


def test_an_unknown_stop_reason_is_warned_of() -> None:
    told = decode("anthropic", answer(*block(0, "a"), stop="sunset"))
    assert (told.message.outcome, told.message.native_stop_reason) == ("complete", "sunset")
    assert told.warnings == ["unknown_stop_reason"]


def test_the_last_stop_reason_that_is_one_counts() -> None:
    told = told_by(
        message_start(),
        message_delta(None),
        message_delta("max_tokens"),
        message_delta("end_turn"),
        message_delta(None),
        STOP,
    )
    assert told.message.native_stop_reason == "end_turn"
    assert told.of(ChoiceFinish) == [ChoiceFinish(0, "complete", "end_turn")]


def test_the_stop_sequence_is_told() -> None:
    told = decode("anthropic", answer(*block(0, "a"), stop="stop_sequence", stop_sequence="END"))
    assert told.of(ChoiceFinish)[0].details == {"stop_sequence": "END"}


def test_a_refusal_takes_back_what_was_said() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    told = decode("anthropic", answer(*block(0, "Sure, "), stop="refusal", stop_details=details))
    assert told.of(Retract) == [Retract(0, reason="refusal")]
    assert told.message.choices[0].details == {"stop_details": details}
    assert (told.message.outcome, told.message.text) == ("refused", "Sure, ")


def test_a_refusal_of_nothing_takes_nothing_back() -> None:
    told = decode("anthropic", answer(stop="refusal"))
    assert (told.of(Retract), told.message.outcome) == ([], "refused")


# -- 3.6 traps


def test_a_message_that_is_started_twice() -> None:
    told = told_by(
        message_start(), *block(0, "a"), message_start(input_tokens=99), *block(1, "b"), message_delta(), STOP
    )
    assert (told.message.text, told.message.outcome) == ("ab", "complete")
    assert told.warnings == ["duplicate_message_start"]
    assert told.message.usage.input_tokens == 5


def test_a_message_without_an_id_that_is_started_twice() -> None:
    told = told_by(message_start(None), *block(0, "a"), message_start(None), message_delta(), STOP)
    assert (told.message.text, told.warnings) == ("a", ["duplicate_message_start"])


def test_a_second_message_spliced_in_resets_the_first() -> None:
    told = told_by(
        message_start("msg_1", input_tokens=5, cache_read_input_tokens=100),
        *block(0, "first"),
        block_start(1, "tool_use", id="t", name="f", input={"held": 1}),
        message_delta("max_tokens", stop_sequence="x"),
        message_start("msg_2", "other-model", input_tokens=6),
        *block(0, "second"),
        message_delta("end_turn", {"output_tokens": 3}),
        STOP,
        attempt=2,
    )
    assert (told.message.text, told.message.tool_calls) == ("second", [])
    assert [(s.attempt, s.id, s.model) for s in told.of(StepStart)] == [
        (2, "msg_1", MODEL),
        (3, "msg_2", "other-model"),
    ]
    assert len(told.of(Reset)) == 1
    before = told.events[: told.events.index(told.of(Reset)[0])]
    assert [e.part for e in before if isinstance(e, PartEnd)] == ["0.2.0", "0.2.1"]
    assert len({s.part for s in told.of(PartStart)}) == 3
    assert told.message.choices[0].details is None
    assert told.message.usage.input_tokens == 11  # both were paid for
    assert told.message.usage.cached_input_tokens == 100
    assert (told.message.id, told.message.outcome) == ("msg_2", "complete")


def test_a_spliced_message_that_is_cut_does_not_end_as_the_first_did() -> None:
    told = told_by(
        message_start("msg_1"), *block(0, "a"), message_delta("end_turn"), message_start("msg_2"), *block(0, "b")
    )
    assert (told.message.outcome, told.message.text) == ("truncated", "b")


def test_a_refusal_speaks_of_its_own_message() -> None:
    told = told_by(message_start("msg_1"), *block(0, "a"), message_start("msg_2"), message_delta("refusal"), STOP)
    assert (told.of(Retract), told.message.outcome) == ([], "refused")


def test_blocks_before_the_message() -> None:
    told = told_by(*block(0, "a"), message_start(), *block(1, "b"), message_delta(), STOP)
    assert told.of(StepStart, StepUpdate) == [StepStart(v=1), StepUpdate(model=MODEL, id="msg_1")]
    assert told.message.text == "ab"
    assert told.message.usage.input_tokens == 5


BARE: dict[str, Json] = {
    "a delta": block_delta(0, text="a"),
    "an unknown delta": block_delta(0, "novel_delta"),
    "the message's delta": message_delta(),
    "an error": {"type": "error", "error": {"message": "no"}},
}


@pytest.mark.parametrize("first", BARE.values(), ids=BARE)
def test_anything_may_come_first(first: Json) -> None:
    assert len(told_by(first).of(StepStart)) == 1


def test_an_empty_identity_is_none() -> None:
    told = told_by(message_start("", ""), message_delta(), STOP)
    assert told.of(StepStart) == [StepStart(v=1)]


def test_blocks_without_an_index() -> None:
    told = told_by(
        message_start(),
        {**block_start(0, text="a"), "index": None},
        {**block_delta(0, text="b"), "index": None},
        {**block_stop(0), "index": None},
        message_delta(),
        STOP,
    )
    assert [(p.text, p.ended) for p in told.message.parts] == [("ab", True)]
    assert (told.of(PartStart)[0].native_index, told.of(PartEnd)) == (0, [PartEnd("0.0.0")])


def test_a_stop_of_a_block_may_be_missing() -> None:
    told = told_by(
        message_start(),
        block_start(0, text="a"),
        block_start(0, text="b"),
        block_start(1, text="c"),
        message_delta(),
        STOP,
    )
    assert told.message.text == "abc"
    assert [e.implicit for e in told.of(PartEnd)] == [True, True, True]


def test_input_that_was_held_is_said_when_the_stop_is_missing() -> None:
    told = told_by(
        message_start(), block_start(0, "tool_use", id="t", name="f", input={"a": 1}), message_delta("tool_use"), STOP
    )
    assert told.message.tool_calls == [ToolCall("t", "f", '{"a":1}')]


IMPLICIT: dict[str, tuple[Json, str, str]] = {
    "text": (block_delta(3, text="a"), "text", "a"),
    "thinking": (block_delta(3, "thinking_delta", thinking="a"), "thinking", "a"),
    "a signature": (block_delta(3, "signature_delta", signature="s"), "thinking", ""),
    "input": (block_delta(3, "input_json_delta", partial_json="{}"), "tool_call", "{}"),
    "a citation": (block_delta(3, "citations_delta", citation={}), "text", ""),
    "compaction": (block_delta(3, "compaction_delta", content="a"), "compaction", "a"),
}


@pytest.mark.parametrize(("delta", "kind", "text"), IMPLICIT.values(), ids=IMPLICIT)
def test_a_start_of_a_block_may_be_missing(delta: Json, kind: str, text: str) -> None:
    told = told_by(message_start(), delta, block_stop(3), message_delta(), STOP)
    assert told.of(PartStart)[0].implicit
    assert (told.message.parts[0].kind, told.message.parts[0].text) == (kind, text)


def test_indices_may_have_gaps_and_interleave() -> None:
    told = told_by(
        message_start(),
        block_start(7, text=""),
        block_start(2, text=""),
        block_delta(7, text="a"),
        block_delta(2, text="b"),
        block_delta(7, text="c"),
        block_stop(7),
        block_stop(2),
        message_delta(),
        STOP,
    )
    assert [p.text for p in told.message.parts] == ["ac", "b"]
    assert told.of(PartEnd) == [PartEnd("0.0.0"), PartEnd("0.0.1")]


# -- the end of the stream


def test_a_stop_reason_without_the_marker_is_an_end_with_a_warning() -> None:
    told = told_by(message_start(), *block(0, "a"), message_delta())
    assert (told.message.outcome, told.warnings) == ("complete", ["no_terminal_marker"])


def test_no_stop_reason_is_truncated() -> None:
    told = told_by(message_start(), block_start(0, text="Hel"), block_delta(0, text="lo"), provider="anthropic")
    assert (told.message.outcome, told.message.text) == ("truncated", "Hello")
    assert told.message.error is not None
    assert type(told.message.error.to_exception()) is TruncatedError
    assert told.message.error.message == "anthropic closed the stream early, before the answer was complete"
    nobody = told_by(message_start()).message.error
    assert nobody is not None
    assert nobody.message.startswith("the provider closed the stream early")


def test_the_marker_without_a_stop_reason_is_truncated() -> None:
    assert told_by(message_start(), *block(0, "a"), STOP).message.outcome == "truncated"
    assert told_by(message_start(), *block(0, "a"), message_delta(None), STOP).message.outcome == "truncated"


@pytest.mark.parametrize(
    "frames", [[], [{"type": "ping"}], [STOP], [": comment"]], ids=["nothing", "pings", "marker", "comments"]
)
def test_an_empty_stream_is_truncated(frames: list[Any]) -> None:
    told = told_by(*frames)
    assert told.message.outcome == "truncated"
    assert told.message.error is not None
    assert "before the answer began" in told.message.error.message
    assert len(told.of(StepStart)) == 1


def test_a_stream_cut_inside_a_tools_input_is_truncated_and_keeps_it() -> None:
    # anthropic-sdk-python#1470
    told = told_by(
        message_start(),
        block_start(0, "tool_use", id="t", name="f", input={}),
        block_delta(0, "input_json_delta", partial_json='{"a": "lon'),
    )
    assert told.message.outcome == "truncated"
    assert told.message.tool_calls == [ToolCall("t", "f", '{"a": "lon')]


@pytest.mark.parametrize("marker", [DONE, "data:  [DONE] "])
def test_a_foreign_marker_ends_what_has_a_stop_reason_and_nothing_else(marker: str) -> None:
    told = told_by(message_start(), *block(0, "a"), message_delta(), marker, *block(1, "b"))
    assert (told.message.outcome, told.message.text, told.warnings) == ("complete", "a", [])
    told = told_by(message_start(), marker, *block(0, "a"), message_delta(), STOP)
    assert (told.message.outcome, told.message.text) == ("complete", "a")
    assert told_by(message_start(), *block(0, "a"), marker).message.outcome == "truncated"


# -- errors after HTTP 200

ERRORS: dict[str, type[ProviderError]] = {
    "overloaded_error": OverloadedError,
    "api_error": ServerError,
    "rate_limit_error": RateLimitError,
    "timeout_error": ServerError,
    "invalid_request_error": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "request_too_large": InvalidRequestError,
    "billing_error": PermissionDeniedError,
    "novel_error": ProviderError,
}


@pytest.mark.parametrize(("word", "kind"), ERRORS.items())
@pytest.mark.parametrize("before", [[], [message_start(), block_start(0, text="a")]], ids=["first", "later"])
def test_errors_inside_the_stream(word: str, kind: type[ProviderError], before: list[Json]) -> None:
    # litellm#24005 logged them as successes; anthropic-sdk-python#688 cannot tell what to retry
    error: Json = {"type": "error", "error": {"type": word, "message": "Overloaded"}, "request_id": "req_1"}
    told = told_by(*before, error, *block(1, "b"), STOP, provider="anthropic")
    assert (told.message.outcome, told.message.text) == ("failed", "a" if before else "")
    info = told.message.error
    assert info is not None
    assert type(info.to_exception()) is kind
    assert (info.code, info.request_id) == (word, "req_1")
    assert info.message.startswith("anthropic: Overloaded")


NAMELESS = {
    "no type": ('{"error": {"type": "api_error", "message": "no"}}', "no"),
    "only the event line": ('event: error\ndata: {"message": "no"}', "no"),
    "only the event line, and a text": ('event: error\ndata: "no"', "no"),
    "an error that is a text": ('{"type": "error", "error": "no"}', "no"),
    "an error without words": ('{"type": "error"}', "gave no reason"),
}


@pytest.mark.parametrize(("frame", "words"), NAMELESS.values(), ids=NAMELESS)
def test_errors_of_other_shapes(frame: str, words: str) -> None:
    told = told_by(message_start(), frame if frame.startswith("event") else f"data: {frame}")
    assert told.message.outcome == "failed"
    assert told.message.error is not None
    assert words in told.message.error.message


def test_an_error_after_the_stop_reason_is_a_failure() -> None:
    told = told_by(message_start(), *block(0, "a"), message_delta(), {"type": "error", "error": {"message": "no"}})
    assert (told.message.outcome, told.message.native_stop_reason) == ("failed", "end_turn")


def test_an_error_says_held_input_and_closes_what_is_open() -> None:
    told = told_by(
        message_start(), block_start(0, "tool_use", id="t", name="f", input={"a": 1}), {"type": "error", "error": {}}
    )
    assert told.message.tool_calls == [ToolCall("t", "f", '{"a":1}')]
    assert isinstance(told.events[-1], End)


def test_an_error_holds_no_key() -> None:
    error = {"type": "error", "error": {"type": "sk-ant-1", "message": "bad sk-ant-1"}, "request_id": "sk-ant-1"}
    assert "sk-ant-1" not in repr(told_by(message_start(), error, secrets=["sk-ant-1"]).events)


def test_an_error_glued_onto_a_half_written_frame_is_no_success() -> None:
    # dativo-io/talon#396
    with pytest.raises(WireError):
        told_by(message_start(), 'data: {"type":"content_block_del\nevent: error\ndata: {"type":"error"}')
