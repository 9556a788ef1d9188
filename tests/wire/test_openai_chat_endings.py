"""openai-chat: finish reasons, the terminal marker, errors inside the stream. Endings do not lie."""

import json
from typing import Any

import pytest

from headrace.errors import InvalidRequestError, OverloadedError, ProviderError, ServerError, TruncatedError, WireError
from headrace.events import ChoiceFinish, End, StepStart, Usage
from tests.wire.streams import DONE, Decoded, calls, choice, chunk, decode, delta, say, sse, tool, usage


def chat(*frames: Any, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*frames), **habits)


# -- 1.5 finish reasons

REASONS = {
    "stop": "complete",
    "length": "length",
    "content_filter": "filtered",
    "eos": "complete",
    "eos_token": "complete",
    "stop_sequence": "complete",
    "end_turn": "complete",
    "done": "complete",
    "COMPLETE": "complete",
    "completed": "complete",
    "model_length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "max_output_tokens": "length",
    "SAFETY": "filtered",
    "recitation": "filtered",
    "blocklist": "filtered",
    "prohibited_content": "filtered",
    "spii": "filtered",
    "refusal": "refused",
    "pause_turn": "paused",
    "error": "failed",
    "insufficient_system_resource": "failed",
    "MALFORMED_FUNCTION_CALL": "failed",
    "unexpected_tool_call": "failed",
    "abort": "failed",
    "cancelled": "failed",
    "timeout": "failed",
}


@pytest.mark.parametrize(("native", "outcome"), REASONS.items())
def test_finish_reasons(native: str, outcome: str) -> None:
    told = chat(say("a", native), DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == (outcome, native)
    assert told.message.text == "a"
    assert told.warnings == []
    assert (told.message.error is not None) == (outcome == "failed")


@pytest.mark.parametrize("native", ["tool_calls", "tool_use", "function_call"])
def test_finish_reasons_of_calls(native: str) -> None:
    told = chat(calls(tool(0, "c", "f", "{}"), finish=native), DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == ("tool_calls", native)


def test_an_unknown_finish_reason_is_warned_of() -> None:
    told = chat(say("a", "sunset"), DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == ("complete", "sunset")
    assert told.warnings == ["unknown_stop_reason"]


def test_a_finish_reason_that_is_a_number() -> None:
    told = chat(say("a", 1), DONE)
    assert (told.message.native_stop_reason, told.warnings) == ("1", ["unknown_stop_reason"])


@pytest.mark.parametrize("finish", ["", None], ids=repr)
def test_an_empty_finish_reason_is_none(finish: Any) -> None:
    told = chat(say("a", finish), say("b", finish), say("", "stop"), DONE)
    assert (told.message.text, told.message.native_stop_reason) == ("ab", "stop")
    missing = chat({"choices": [{"delta": {"content": "a"}}]}, delta("stop"), DONE)
    assert missing.message.outcome == "complete"


def test_the_first_of_two_finish_reasons_counts() -> None:
    told = chat(delta("stop"), chunk(choice({}, "length"), usage=usage()), DONE)
    assert told.of(ChoiceFinish) == [ChoiceFinish(0, "complete", "stop")]
    assert told.message.usage.input_tokens == 3


def test_a_finish_of_failure_fails_with_the_providers_word() -> None:
    # litellm#21744: a malformed call that was made into a "stop"
    told = chat(say("a", "malformed_function_call"), DONE, provider="gemini")
    error = told.message.error
    assert error is not None
    assert type(error.to_exception()) is ServerError
    nobody = chat(say("a", "error"), DONE).message.error
    assert nobody is not None
    assert nobody.message == "the provider ended the answer with 'error'"
    assert (error.code, error.message) == (
        "malformed_function_call",
        "gemini ended the answer with 'malformed_function_call'",
    )


def test_perplexity_finishes_on_a_chunk_of_another_object() -> None:
    last = {**chunk(choice({}, "stop"), usage=usage()), "object": "chat.completion.done"}
    told = chat(say("a"), last, marker=False)
    assert (told.message.outcome, told.message.usage.input_tokens, told.warnings) == ("complete", 3, [])


# -- 1.9 the end of the stream


def test_the_end_of_the_stream_is_not_the_first_finish() -> None:
    told = chat(say("a", "stop"), chunk(usage=usage()), DONE)
    assert isinstance(told.events[-1], End)
    assert told.message.usage.input_tokens == 3


@pytest.mark.parametrize("marker", ["data: [DONE]", "data:[DONE]", "data:  [DONE]  ", "event: done\ndata: [DONE]"])
def test_the_marker_may_have_white_space(marker: str) -> None:
    told = chat(say("a", "stop"), marker)
    assert (told.message.outcome, told.warnings) == ("complete", [])


def test_the_marker_may_lack_its_line_end() -> None:
    told = decode("openai-chat", sse(say("a", "stop")) + b"data: [DONE]")
    assert (told.message.outcome, told.warnings) == ("complete", [])


def test_nothing_after_the_marker_counts() -> None:
    told = chat(say("a", "stop"), DONE, say("b"), chunk(usage=usage()), {"error": "late"})
    assert (told.message.text, told.message.outcome, told.message.usage) == ("a", "complete", Usage())


def test_no_marker_after_a_finish_is_an_end_with_a_warning() -> None:
    told = chat(say("a", "stop"))
    assert (told.message.outcome, told.warnings) == ("complete", ["no_terminal_marker"])


def test_no_marker_where_the_provider_sends_none_is_no_warning() -> None:
    assert chat(say("a", "stop"), marker=False).warnings == []


def test_neither_marker_nor_finish_is_truncated() -> None:
    # bifrost#5546 made a clean end of it; pydantic-ai#6610 a complete one
    told = chat(say("Hel"), say("lo"), provider="acme")
    assert (told.message.outcome, told.message.text, told.message.native_stop_reason) == ("truncated", "Hello", None)
    assert told.message.error is not None
    assert type(told.message.error.to_exception()) is TruncatedError
    assert told.message.error.message == "acme closed the stream early, before the answer was complete"
    nobody = chat(say("Hel")).message.error
    assert nobody is not None
    assert nobody.message.startswith("the provider closed the stream early")


def test_a_marker_without_a_finish_is_truncated() -> None:
    told = chat(say("a"), DONE)
    assert told.message.outcome == "truncated"
    assert told.message.error is not None
    assert "sent its terminal marker without a finish reason" in told.message.error.message


@pytest.mark.parametrize(
    "frames", [[say("a"), DONE], [say("a", None), chunk(usage=usage()), DONE]], ids=["bare", "usage"]
)
def test_a_marker_without_a_finish_is_complete_where_the_row_says_so(frames: list[Any]) -> None:
    told = chat(*frames, marker_ends=True)
    assert (told.message.outcome, told.message.native_stop_reason) == ("complete", None)
    assert told.of(ChoiceFinish) == [ChoiceFinish(0, "complete")]


def test_even_there_a_finish_reason_counts() -> None:
    told = chat(say("a", "length"), DONE, marker_ends=True)
    assert told.of(ChoiceFinish) == [ChoiceFinish(0, "length", "length")]


def test_even_there_a_stream_without_the_marker_is_truncated() -> None:
    assert chat(say("a"), marker_ends=True).message.outcome == "truncated"


def test_calls_that_end_with_the_marker_alone() -> None:
    assert chat(calls(tool(0, "c", "f", "{}")), DONE, marker_ends=True).message.outcome == "tool_calls"
    assert chat(calls(tool(0, "c", "f", "{}")), DONE).message.outcome == "truncated"


@pytest.mark.parametrize(
    "frames", [[], [": ping"], [DONE], [chunk(usage=usage())]], ids=["nothing", "pings", "marker", "usage"]
)
def test_an_empty_stream_is_truncated(frames: list[Any]) -> None:
    for habits in ({}, {"marker_ends": True}):
        told = chat(*frames, **habits)
        assert told.message.outcome == "truncated"
        assert told.message.error is not None
        assert "before the answer began" in told.message.error.message
        assert len(told.of(StepStart)) == 1


def test_the_main_choice_is_the_first_one_there_is() -> None:
    told = chat(
        chunk(choice({"content": "b"}, "length", index=2)), chunk(choice({"content": "a"}, "stop", index=1)), DONE
    )
    assert (told.message.outcome, told.message.native_stop_reason) == ("complete", "stop")


# -- 1.10 errors after HTTP 200


def test_an_error_of_the_openai_kind() -> None:
    error = {"message": "The server had an error", "type": "server_error", "param": None, "code": None}
    told = chat(say("a"), {"error": error}, provider="openai")
    assert (told.message.outcome, told.message.text) == ("failed", "a")
    info = told.message.error
    assert info is not None
    assert type(info.to_exception()) is ServerError
    assert (info.message, info.code) == ("openai: The server had an error", "server_error")


ERRORS: dict[str, tuple[Any, type[ProviderError], str]] = {
    "vllm, without an error key": (
        {"object": "error", "message": "too long", "code": 400},
        InvalidRequestError,
        "too long",
    ),
    "a plain text": ({"error": "it broke"}, ProviderError, "it broke"),
    "a number in the code": ({"error": {"message": "busy", "code": 503}}, OverloadedError, "busy"),
    "a number as a text": ({"error": {"message": "busy", "code": "529"}}, OverloadedError, "busy"),
    "a word": ({"error": {"message": "busy", "type": "overloaded_error"}}, OverloadedError, "busy"),
    "no words at all": ({"error": {"code": 500}}, ServerError, "gave no reason"),
    "a list": ({"error": ["a", "b"]}, ProviderError, '["a", "b"]'),
    "true": ({"error": True}, ProviderError, "true"),
    "with choices of null": ({"error": {"message": "no"}, "choices": None, "id": None}, ProviderError, "no"),
}


@pytest.mark.parametrize(("value", "kind", "words"), ERRORS.values(), ids=ERRORS)
def test_errors_inside_the_stream(value: Any, kind: type[ProviderError], words: str) -> None:
    for before in ([], [say("a")]):
        told = chat(*before, value, DONE)
        assert len(told.of(StepStart)) == 1
        assert told.message.outcome == "failed"
        assert told.message.error is not None
        assert type(told.message.error.to_exception()) is kind
        assert words in told.message.error.message


def test_openrouter_sends_choices_usage_and_the_error_at_once() -> None:
    last = chunk(
        choice({"content": "b"}, "error"), usage=usage(), error={"code": 400, "message": "Token limit reached"}
    )
    told = chat(say("a"), last, DONE)
    assert (told.message.outcome, told.message.text, told.message.native_stop_reason) == ("failed", "ab", "error")
    assert told.message.usage.output_tokens == 2
    assert told.message.error is not None
    assert (told.message.error.type, told.message.error.status) == ("invalid_request", 400)


GROQ = {
    "message": "Failed to call a function",
    "type": "invalid_request_error",
    "code": "tool_use_failed",
    "failed_generation": "<f",
    "status_code": 400,
}


def test_groq_names_its_error_frames() -> None:
    told = chat(say("a"), "event: error\ndata: " + json.dumps({"error": GROQ}))
    assert told.message.error is not None
    assert (told.message.error.type, told.message.error.code, told.message.error.status) == (
        "invalid_request",
        "tool_use_failed",
        400,
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"message": "it broke"}', "it broke"),
        ('"it broke"', "it broke"),
        ('{"detail": "it broke"}', "it broke"),
        ("null", "no reason"),
    ],
)
def test_a_frame_that_is_named_error_is_one(data: str, words: str) -> None:
    for before in ([], [say("a")]):
        told = chat(*before, f"event: error\ndata: {data}")
        assert len(told.of(StepStart)) == 1
        assert told.message.outcome == "failed"
        assert told.message.error is not None
        assert words in told.message.error.message


def test_what_was_held_back_is_said_before_an_error() -> None:
    told = chat(say("<think>a</th"), {"error": "no"}, think_tags=True)
    assert (told.message.thinking, told.message.outcome) == ("a</th", "failed")
    half = chat(say("a\ud83d"), {"error": "no"})
    assert half.message.text == "a�"


def test_no_error_trips() -> None:
    told = chat(say("a", error=None), say("b", "stop", error={}), chunk(usage=usage(), error=""), DONE)
    assert (told.message.text, told.message.outcome) == ("ab", "complete")


def test_an_object_error_with_choices_is_a_chunk() -> None:
    told = chat({**say("a", "stop"), "object": "error"}, DONE)
    assert (told.message.text, told.message.outcome) == ("a", "complete")


def test_an_error_closes_what_is_open_and_is_the_last_word() -> None:
    told = chat(say("a"), calls(tool(0, "c", "f", '{"x')), {"error": "no"}, say("b"), DONE)
    assert told.message.text == "a"
    assert told.message.tool_calls[0].arguments == '{"x'
    assert isinstance(told.events[-1], End)


def test_an_error_after_the_finish_is_a_failure() -> None:
    told = chat(say("a", "stop"), {"error": {"message": "no"}}, DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == ("failed", "stop")


def test_an_error_holds_no_key() -> None:
    told = chat(
        {"error": {"message": "bad key sk-secret", "code": "sk-secret"}, "request_id": "sk-secret"},
        secrets=["sk-secret"],
    )
    assert "sk-secret" not in repr(told.events)


def test_an_error_glued_onto_a_half_written_frame_is_no_success() -> None:
    # dativo-io/talon#396
    with pytest.raises(WireError):
        chat(say("a"), 'data: {"choices":[{"delta":{"con\nevent: error\ndata: {"error":"no"}')


def test_halves_of_pairs_in_an_error_are_repaired() -> None:
    told = chat('data: {"error":{"message":"a\\ud800","code":"\\ud800"},"request_id":"\\udfff"}')
    assert told.message.error is not None
    assert (told.message.error.code, told.message.error.request_id) == ("�", "�")
