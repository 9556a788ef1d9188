"""openai-responses: every way in which a stream, or a document, can end."""

from typing import Any

import pytest

from headrace.errors import WireError
from headrace.events import ChoiceFinish, End, PartEnd, Reset, StepStart, UsageUpdate
from tests.wire.responses import (
    added,
    answer,
    at,
    call,
    completed,
    created,
    done,
    incomplete,
    lifecycle,
    message,
    numbered,
    response,
    text_delta,
    text_part,
    used,
)
from tests.wire.streams import Decoded, Json, decode, decode_whole

WIRE = "openai-responses"


def told_by(*frames: Json | str, **habits: Any) -> Decoded:
    return decode(WIRE, numbered(*frames), **habits)


def ended(*frames: Json | str, **habits: Any) -> End:
    told = told_by(*created(), *message(0, "a"), *frames, **habits)
    assert told.message.text == "a"
    last = told.events[-1]
    assert isinstance(last, End)
    return last


ENDS: dict[str, tuple[list[Json | str], str, str | None]] = {
    "completed": ([completed()], "complete", "completed"),
    "completed, with a marker": ([completed(), "data: [DONE]"], "complete", "completed"),
    "completed, with a call": ([*call(1, "{}"), completed()], "tool_calls", "completed"),
    "completed, with a search": ([done(1, "web_search_call"), completed()], "complete", "completed"),
    "completed, without a response": ([{"type": "response.completed"}], "complete", "completed"),
    "completed, its status null": ([completed(status=None)], "complete", "completed"),
    "completed, its status odd": ([completed(status="odd")], "complete", "completed"),
    "completed, its status another": ([completed(status="failed")], "failed", None),
    "length": ([incomplete()], "length", "max_output_tokens"),
    "messages": ([incomplete("max_messages")], "length", "max_messages"),
    "filter": ([incomplete("content_filter")], "filtered", "content_filter"),
    "steered": ([incomplete("steered")], "paused", "steered"),
    "length, with a call": ([*call(1, "{"), incomplete()], "length", "max_output_tokens"),
    "incomplete, for a novel reason": ([incomplete("novel")], "length", "novel"),
    "incomplete, for no reason": ([incomplete(None)], "length", "incomplete"),
    "cancelled": ([lifecycle("cancelled")], "cancelled", "cancelled"),
    "cancelled, as completed": ([completed(status="cancelled")], "cancelled", "cancelled"),
    "failed": ([lifecycle("failed", error={"code": "server_error", "message": "no"})], "failed", None),
    "failed, without a word": ([lifecycle("failed")], "failed", None),
    "an error, flat": ([{"type": "error", "code": "server_error", "message": "no"}], "failed", None),
    "an error, nested": ([{"type": "error", "error": {"code": "server_error"}}], "failed", None),
    "an error, a text": ([{"type": "error", "error": "no"}], "failed", None),
    "an error, bare": ([{"error": {"message": "no"}}], "failed", None),
    "an error, and then a failure": ([{"type": "error", "message": "no"}, lifecycle("failed")], "failed", None),
    "an error by its name": (["event: error\ndata: 5"], "failed", None),
    "the end of the bytes": ([], "truncated", None),
    "a marker alone": (["data: [DONE]"], "truncated", None),
    "keepalives only": ([{"type": "keepalive"}, {"type": "keepalive"}], "truncated", None),
    "a call that is cut": (call(1, '{"a')[:2], "truncated", None),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_has_its_outcome_and_its_word(name: str) -> None:
    frames, outcome, native = ENDS[name]
    end = ended(*frames)
    assert (end.outcome, end.native_stop_reason) == (outcome, native)
    assert (end.error is not None) == (outcome in ("failed", "truncated"))


@pytest.mark.parametrize("name", ["incomplete, for a novel reason", "incomplete, for no reason"])
def test_a_reason_that_is_not_known_is_worth_a_warning(name: str) -> None:
    assert told_by(*created(), *ENDS[name][0]).warnings == ["unknown_stop_reason"]


def test_a_finish_stands_before_its_end() -> None:
    told = told_by(*created(), completed())
    assert told.events[-2:] == [
        ChoiceFinish(0, "complete", "completed"),
        End(outcome="complete", native_stop_reason="completed"),
    ]


def test_usage_may_come_with_a_failure_and_a_cut() -> None:
    for word in ("failed", "cancelled"):
        told = told_by(*created(), text_delta("a"), lifecycle(word, usage=used(3, 4)))
        assert (told.message.usage.output_tokens, told.message.text) == (4, "a")
        assert len(told.of(UsageUpdate)) == 1


ERRORS: dict[str, tuple[Json, str, str | None]] = {
    "a quota": ({"code": "insufficient_quota", "message": "no"}, "rate_limit", "insufficient_quota"),
    "a limit": ({"code": "rate_limit_exceeded", "message": "no"}, "rate_limit", "rate_limit_exceeded"),
    "a server": ({"code": "server_error", "message": "no"}, "server", "server_error"),
    "a prompt": ({"code": "invalid_prompt", "message": "no"}, "invalid_request", "invalid_prompt"),
    "an image": ({"code": "image_too_large", "message": "no"}, "invalid_request", "image_too_large"),
    "a number": ({"code": 503, "message": "no"}, "overloaded", "503"),
    "nothing known": ({"code": None, "message": "no"}, "provider", None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_read_in_every_shape(name: str) -> None:
    given, kind, code = ERRORS[name]
    for frame in (
        {"type": "error", **given, "param": None},
        {"type": "response.error", **given},
        {"type": "error", "error": given},
        {"error": given},
        lifecycle("failed", error=given),
    ):
        error = ended(frame, provider="openai-responses").error
        assert error is not None
        assert (error.type, error.code, error.provider) == (kind, code, "openai-responses")
        assert error.message.startswith("openai-responses")
        assert "no" in error.message


def test_errors_over_a_websocket_have_their_status_outside() -> None:
    error = ended({"type": "error", "status": 429, "error": {"message": "no"}, "request_id": "req_1"}).error
    assert error is not None
    assert (error.type, error.status, error.request_id) == ("rate_limit", 429, "req_1")


def test_no_secret_gets_into_an_error() -> None:
    for frame in ({"type": "error", "message": "bad key sk-1"}, lifecycle("failed", error={"message": "sk-1"})):
        error = ended(frame, secrets=["sk-1"]).error
        assert error is not None
        assert "[redacted]" in error.message


def test_what_was_cut_says_whose_fault_it_is() -> None:
    error = ended(provider="openai-responses").error
    assert error is not None
    assert error.message == "openai-responses closed the stream early, before the answer was complete"
    before = decode(WIRE, b"").message.error
    assert before is not None
    assert before.message == "the provider closed the stream early, before the answer began"


def test_what_is_open_is_closed_without_a_word() -> None:
    told = told_by(*created(), text_delta("a"), *call(1, "{")[:2], added(2, "function_call", name="g", arguments="{}"))
    assert [e.implicit for e in told.of(PartEnd)] == [True] * 3
    assert [c.arguments for c in told.message.tool_calls] == ["{", "{}"]


# -- the final response


def test_items_that_only_the_final_response_has() -> None:
    # proxies leave frames out, or give none of them
    output = [{"type": "message", "content": [text_part("a")]}, {"type": "function_call", "name": "f"}, "odd"]
    told = told_by(*created(), completed(output))
    assert (told.message.text, told.message.outcome) == ("a", "tool_calls")
    open_yet = [
        added(0, "function_call", call_id="c", name="f"),
        added(1, "message", content=[]),
        text_delta("b", 1),
        completed([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, output[0]]),
    ]
    told = told_by(*created(), *open_yet)
    assert (told.message.text, told.message.tool_calls[0].arguments) == ("a", "{}")


@pytest.mark.parametrize("output", [None, [], [{"type": "message", "content": [text_part("z")]}], [{}, 5]])
def test_what_the_stream_has_said_is_not_said_again(output: Any) -> None:
    frame = completed()
    frame["response"]["output"] = output
    assert ended(frame).outcome == "complete"
    # of another order than the stream's, as OpenRouter gives it
    other = completed([{"type": "message", "content": [text_part("z")]}, {"type": "function_call", "name": "f"}])
    told = told_by(*created(), added(0, "function_call", name="f", arguments="{}"), *message(1, "a"), other)
    assert (told.message.text, [c.arguments for c in told.message.tool_calls]) == ("a", ["{}"])


# -- spliced


def test_another_response_that_is_spliced_in_resets_the_first() -> None:
    told = told_by(
        *created(),
        *message(0, "a"),
        text_delta("b", 1),
        *created(id="resp_2"),
        *message(0, "c"),
        completed(id="resp_2"),
    )
    assert told.of(Reset) == [Reset("another response was spliced in")]
    assert [(s.attempt, s.id) for s in told.of(StepStart)] == [(0, "resp_1"), (1, "resp_2")]
    assert (told.message.text, told.message.id) == ("c", "resp_2")


def test_a_response_that_starts_twice_is_one() -> None:
    told = told_by(*created(), *message(0, "a"), *created(), completed())
    assert (told.message.text, told.warnings) == ("a", ["duplicate_message_start"])
    early = told_by(*created(), *created(id="resp_2"), *message(0, "a"), completed())
    assert (early.message.id, early.warnings) == ("resp_1", [])


# -- documents


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (response(), "complete"),
        (response(output=None), "complete"),
        (response("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (response("failed", error={"code": "server_error", "message": "no"}), "failed"),
        (response("cancelled"), "cancelled"),
        (response("queued"), "truncated"),
        (response("in_progress"), "truncated"),
        ({"object": "response", "output": None}, "truncated"),
        ({"output": []}, "truncated"),
        ({"error": {"message": "no"}}, "failed"),
        ({"error": "no"}, "failed"),
    ],
)
def test_documents_end_too(document: Json, outcome: str) -> None:
    assert decode_whole(WIRE, document).message.outcome == outcome


def test_a_response_that_goes_on_in_the_background_says_so() -> None:
    error = decode_whole(WIRE, response("queued"), provider="openai-responses").message.error
    assert error is not None
    assert error.message == "openai-responses has given a response that is not complete: its status is 'queued'"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"choices": []}', b'{"error": null}', b"[" * 100_000])
def test_what_is_no_response_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError, match="neither a response nor an error"):
        decode_whole(WIRE, body)


def test_a_whole_answer_around_nothing() -> None:
    assert decode(WIRE, answer(at("novel", 0))).message.parts == ()
