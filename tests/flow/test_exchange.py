"""One request and its answer, without a socket: what the runners are told, whatever comes and whenever."""

import json
from typing import Any

import pytest

from headrace.errors import BrokenStreamError, ConnectError, ErrorInfo, TruncatedError, UnexpectedResponseError
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    StepStart,
    StreamWarning,
    UsageUpdate,
)
from headrace.flow.bounds import Limit, Until
from headrace.flow.deadlines import Timeouts
from headrace.flow.exchange import Batch, Exchange
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import make_decoder, make_framer
from tests.wire.streams import (
    DONE,
    block,
    block_delta,
    block_start,
    calls,
    choice,
    chunk,
    delta,
    message_delta,
    message_start,
    messages,
    say,
    sse,
    tool,
    usage,
)

SSE = {"content-type": "text/event-stream", "x-request-id": "req-7"}
KEY = "sk-secret-key"


def exchange(provider: str = "openai", **options: Any) -> Exchange:
    row = PROVIDERS[provider]
    made = Exchange(
        make_decoder(row.wire, provider=row, secrets=[KEY]),
        make_framer(row.wire),
        provider=provider,
        secrets=[KEY],
        debug=True,
        **options,
    )
    made.start(100.0)
    return made


def events(*batches: Batch) -> list[Event]:
    return [event for batch in batches for event, _ in batch]


def end_of(*batches: Batch) -> End:
    given = events(*batches)
    ends = [event for event in given if isinstance(event, End)]
    assert len(ends) == 1
    assert given[-1] is ends[0]
    return ends[0]


def error_of(*batches: Batch) -> ErrorInfo:
    error = end_of(*batches).error
    assert error is not None
    return error


HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), DONE)
HALF = sse(say("Hel"))


# -- a stream


def test_a_whole_stream() -> None:
    ours = exchange()
    head = ours.head(200, SSE, 100.5)
    assert head == []
    batch = ours.feed(HELLO, 101.0)
    assert end_of(batch).outcome == "complete"
    assert ours.done
    assert ours.complete
    assert ours.error() is None
    assert ours.message().text == "Hello"
    timing = ours.timing
    assert (timing.head_s, timing.first_token_s, timing.last_token_s, timing.total_s) == (0.5, 1.0, 1.0, 1.0)


def test_each_event_stands_beside_its_frame() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HELLO, 100)
    deltas = [(event.text, frame.data) for event, frame in batch if isinstance(event, PartDelta) and frame]
    assert [(text, json.loads(data)["choices"][0]["delta"]["content"]) for text, data in deltas] == [
        ("Hel", "Hel"),
        ("lo", "lo"),
    ]


def test_nothing_follows_the_end() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    ours.feed(HELLO, 100)
    assert ours.feed(HELLO, 101) == []
    assert ours.eof(101) == []
    assert ours.fail(BrokenStreamError("late"), 101) == []
    assert ours.expire(1e9) == []
    assert ours.cancel(101) == []
    assert ours.message().outcome == "complete"


def test_frames_behind_the_end_are_left_alone() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HELLO + sse("data: {not json", say("more")), 100)
    assert end_of(batch).outcome == "complete"
    assert ours.message().text == "Hello"


def test_the_body_s_end_ends_it() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hi", "stop")), 100)
    assert not ours.done
    end = ours.eof(101)
    assert end_of(batch, end).outcome == "complete"
    assert "no_terminal_marker" in [w.code for w in ours.message().warnings]


def test_a_last_frame_without_its_newline_counts() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HELLO.rstrip(), 100)
    assert not ours.done
    assert end_of(batch, ours.eof(100)).outcome == "complete"


def test_an_end_without_a_finish_is_truncated() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF, 100)
    error = error_of(batch, ours.eof(101))
    assert error.type == "truncated"
    assert "before the answer was complete" in error.message
    assert error.request_id == "req-7"
    raised = ours.error()
    assert isinstance(raised, TruncatedError)
    assert raised.partial is not None
    assert raised.partial.text == "Hel"
    assert ours.complete  # the body was read to its end: the connection is sound


def test_an_error_in_the_stream_keeps_its_own_request_id() -> None:
    ours = exchange("anthropic")
    ours.head(200, SSE, 100)
    frame = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req-own"}
    error = error_of(ours.feed(messages(message_start(), frame), 100))
    assert (error.type, error.request_id) == ("overloaded", "req-own")


def test_an_error_in_the_stream_gets_the_headers_request_id() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("a"), {"error": {"message": f"no {KEY}", "type": "server_error"}}), 100)
    error = error_of(batch)
    assert (error.type, error.request_id) == ("server", "req-7")
    assert KEY not in error.message


def test_without_a_request_id_there_is_none() -> None:
    ours = exchange()
    ours.head(200, {}, 100)
    assert error_of(ours.feed(HALF, 100), ours.eof(100)).request_id is None


# -- what kind of answer it is


def test_the_simulation_says_so() -> None:
    ours = Exchange(make_decoder("openai-chat"), make_framer("openai-chat"), simulated=True)
    ours.start(0)
    [warning] = events(ours.head(200, {}, 0))
    assert isinstance(warning, StreamWarning)
    assert warning.code == "simulation"
    refused = Exchange(make_decoder("openai-chat"), make_framer("openai-chat"), simulated=True)
    refused.start(0)
    assert refused.head(500, {}, 0) == []


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_white_space_first_is_still_a_stream(bom: bytes) -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    assert ours.feed(bom + b"\n\n", 100) == []
    assert end_of(ours.feed(HELLO, 100)).outcome == "complete"


def test_much_white_space_is_a_stream_too() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    ours.feed(b"\n" * 2000, 100)
    assert end_of(ours.feed(HELLO, 100)).outcome == "complete"


def test_one_json_document_is_a_whole_answer() -> None:
    whole = {
        "id": "c1",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": usage(),
    }
    ours = exchange()
    ours.head(200, {"content-type": "application/json"}, 100)
    body = json.dumps(whole).encode()
    assert ours.feed(body[:20], 100) == []
    assert ours.feed(body[20:], 100) == []
    assert end_of(ours.eof(100)).outcome == "complete"
    assert ours.message().text == "Hi"
    assert ours.message().usage.output_tokens == 2
    assert not ours.complete


def test_an_error_as_a_json_document_with_200() -> None:
    ours = exchange("anthropic")
    ours.head(200, {}, 100)
    ours.feed(b' {"type": "error", "error": {"type": "not_found_error", "message": "model: nope"}}', 100)
    error = error_of(ours.eof(100))
    assert error.type == "not_found"
    assert "model: nope" in error.message


@pytest.mark.parametrize("body", [b'{"hello": "world"}', b"[1, 2", b'{"object": "list", "data": []}'])
def test_other_json_is_unexpected(body: bytes) -> None:
    ours = exchange()
    ours.head(200, {}, 100)
    ours.feed(body, 100)
    error = error_of(ours.eof(100))
    assert error.type == "unexpected_response"
    assert "JSON of another kind instead of a stream" in error.message
    assert body.decode()[:10] in error.message
    assert isinstance(ours.error(), UnexpectedResponseError)


def test_html_is_unexpected() -> None:
    ours = exchange()
    ours.head(200, {}, 100)
    ours.feed(f"<!doctype html><title>Sign in {KEY}</title>".encode(), 100)
    error = error_of(ours.eof(100))
    assert error.type == "unexpected_response"
    assert "an HTML page instead of a stream" in error.message
    assert "Sign in" in error.message
    assert KEY not in error.message


def test_html_that_breaks_is_html_still() -> None:
    ours = exchange()
    ours.head(200, {}, 100)
    ours.feed(b"<html>", 100)
    assert "HTML page" in error_of(ours.fail(BrokenStreamError("reset"), 100)).message


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_document_is_not_kept(status: int) -> None:
    ours = exchange()
    ours.head(status, {}, 100)
    for _ in range(100):
        assert not ours.done
        batch = ours.feed(b"<" * 4096, 100)
        if batch:
            break
    assert error_of(batch).type == ("unexpected_response" if status == 200 else "server")


def test_an_endless_json_document_is_not_kept() -> None:
    ours = exchange()
    ours.head(200, {}, 100)
    ours.feed(b"{", 100)
    piece = b" " * (1024 * 1024)
    batches = [ours.feed(piece, 100) for _ in range(17)]
    assert error_of(*batches).type == "unexpected_response"


def test_a_body_of_nothing_is_truncated() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    error = error_of(ours.eof(100))
    assert error.type == "truncated"
    assert "before the answer began" in error.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication"), (404, "not_found"), (429, "rate_limit"), (500, "server"), (529, "overloaded")],
)
def test_a_refusal_by_status(status: int, kind: str) -> None:
    ours = exchange()
    ours.head(status, {"retry-after": "7", **SSE}, 100)
    ours.feed(json.dumps({"error": {"message": f"because of {KEY}"}}).encode(), 100)
    error = error_of(ours.eof(100))
    assert (error.type, error.status, error.request_id, error.retry_after_s) == (kind, status, "req-7", 7.0)
    assert "because of [redacted]" in error.message


@pytest.mark.parametrize("how", ["break", "deadline", "limit"])
def test_a_refusal_whose_body_does_not_end(how: str) -> None:
    ours = exchange(timeouts=Timeouts(10, None, None))
    if how == "limit":
        ours.limit_seconds(5)
    ours.head(401, SSE, 100)
    ours.feed(b"no such key", 100)
    batch = ours.fail(BrokenStreamError("reset"), 101) if how == "break" else ours.expire(111)
    error = error_of(batch)
    assert error.type == "authentication"
    assert "no such key" in error.message


@pytest.mark.parametrize(
    ("headers", "words"),
    [({"location": f"https://elsewhere/{KEY}"}, "a redirect to 'https://elsewhere/[redacted]'"), ({}, "status 302")],
)
def test_a_redirect_is_not_followed(headers: dict[str, str], words: str) -> None:
    ours = exchange()
    ours.head(302, headers, 100)
    error = error_of(ours.eof(100))
    assert (error.type, error.status) == ("unexpected_response", 302)
    assert words in error.message


# -- the transport fails


def test_no_connection() -> None:
    ours = exchange()
    error = error_of(ours.fail(ConnectError("no connection: refused"), 101))
    assert (error.type, error.provider) == ("connect", "openai")
    assert isinstance(ours.error(), ConnectError)


def test_a_break_in_the_middle_is_truncated() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF, 100)
    more = ours.fail(BrokenStreamError(f"reset near {KEY}"), 101)
    error = error_of(batch, more)
    assert error.type == "truncated"
    assert "the stream broke before the answer was complete: reset near [redacted]" in error.message
    assert [type(e) for e in events(more)] == [PartEnd, UsageUpdate, End]
    message = ours.message()
    assert (message.text, message.outcome, message.usage.output_tokens) == ("Hel", "truncated", 1)
    assert message.usage.estimated
    assert not ours.complete


def test_a_break_before_the_first_byte_is_truncated() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    assert error_of(ours.fail(BrokenStreamError("reset"), 101)).type == "truncated"


@pytest.mark.parametrize(("last", "outcome"), [(say("lo"), "truncated"), (say("lo", "stop"), "complete")])
def test_a_break_behind_a_frame_s_data_keeps_the_frame(last: Any, outcome: str) -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    ours.feed(sse(say("Hel"), last)[:-2], 100)
    ours.fail(BrokenStreamError("reset"), 101)
    assert (ours.message().text, ours.message().outcome) == ("Hello", outcome)


def test_a_break_behind_the_marker_s_letters_is_no_end_by_us() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    ours.feed(sse(say("Hel"), DONE)[:-2], 100)
    ours.fail(BrokenStreamError("reset"), 101)
    assert ours.message().outcome == "truncated"


def test_a_break_after_the_finish_is_an_end_with_a_warning() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hi", "stop")), 100)
    batch += ours.fail(BrokenStreamError("reset"), 101)
    assert end_of(batch).outcome == "complete"
    assert "late_break" in [w.code for w in ours.message().warnings]


def test_a_provider_s_usage_is_not_estimated_again() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hel", usage=usage(completion=9))), 100)
    batch += ours.fail(BrokenStreamError("reset"), 101)
    assert ours.message().usage.output_tokens == 9
    assert not ours.message().usage.estimated


def test_bytes_that_are_no_json_fail_and_keep_what_came() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF + sse('data: {"choices": ['), 100)
    error = error_of(batch)
    assert error.type == "wire"
    assert ours.message().outcome == "failed"
    assert ours.message().text == "Hel"


def test_half_a_frame_at_the_end_is_left_aside() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF + b'data: {"choices": [', 100)
    assert error_of(batch, ours.eof(100)).type == "truncated"
    assert ours.message().text == "Hel"


def test_a_frame_that_is_too_large_fails() -> None:
    row = PROVIDERS["openai"]
    framer = type(make_framer(row.wire))(max_frame=1000)
    ours = Exchange(make_decoder(row.wire, provider=row), framer, provider="openai", debug=True)
    ours.start(0)
    ours.head(200, SSE, 0)
    batch = ours.feed(HALF, 0) + ours.feed(b"data: " + b"x" * 2000, 0)
    assert error_of(batch).type == "frame_too_large"
    assert "1000 bytes" in error_of(batch).message
    assert ours.message().text == "Hel"


# -- deadlines


def test_no_token_in_time() -> None:
    ours = exchange(timeouts=Timeouts(10, 5, None))
    assert ours.wait_s(104) == 6
    assert ours.expire(104) == []  # not yet
    ours.head(200, SSE, 105)
    ours.feed(b": keepalive\n\n", 109)
    error = error_of(ours.expire(110))
    assert (error.type, error.phase, error.request_id, error.provider) == ("timeout", "first_token", "req-7", "openai")
    assert "openai: no token came within 10 s" in error.message
    assert ours.message().outcome == "timeout"


def test_a_timer_may_fire_a_little_early() -> None:
    ours = exchange(timeouts=Timeouts(10, None, None))
    assert end_of(ours.expire(109.999)).outcome == "timeout"


@pytest.mark.parametrize(
    ("wire", "first", "progress"),
    [
        ("openai", sse(say("a")), True),
        ("openai", sse(calls(tool(0, "c", "f"))), True),
        ("openai", sse(say("")), False),
        ("openai", sse(chunk(choice({"role": "assistant"}))), False),
        ("openai", b": keepalive\n\n", False),
        ("openai", sse(delta(audio={"id": "a"})), False),
        ("openai", sse(delta(annotations=[{"type": "url_citation"}])), True),
        ("anthropic", messages(message_start(), {"type": "ping"}), False),
        ("anthropic", messages(message_start(), block_start(0, text="")), False),
        ("anthropic", messages(message_start(), block_start(0, text=""), block_delta(0, text="a")), True),
    ],
)
def test_only_a_token_is_progress(wire: str, first: bytes, progress: bool) -> None:
    ours = exchange(wire, timeouts=Timeouts(10, 5, None))
    ours.head(200, SSE, 100)
    ours.feed(first, 102)
    assert ours.wait_s(102) == (5 if progress else 8)
    assert (ours.timing.first_token_s is not None) == progress


def test_silence_after_a_token() -> None:
    ours = exchange(timeouts=Timeouts(10, 5, None))
    ours.head(200, SSE, 100)
    ours.feed(HALF, 103)
    assert ours.expire(107) == []
    error = error_of(ours.expire(108))
    assert (error.phase, ours.message().text) == ("idle", "Hel")


def test_too_long_in_total() -> None:
    ours = exchange(timeouts=Timeouts(None, None, 30))
    ours.head(200, SSE, 100)
    ours.feed(HALF, 129)
    assert error_of(ours.expire(130)).phase == "total"


def test_without_timeouts_there_is_no_end() -> None:
    ours = exchange(timeouts=Timeouts(None, None, None))
    assert ours.wait_s(100) is None
    assert ours.expire(1e9) == []


def test_the_caller_s_seconds_are_a_stop() -> None:
    ours = exchange()
    ours.limit_seconds(3)
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF, 101) + ours.expire(103)
    assert end_of(batch).outcome == "stopped"
    assert ours.error() is None
    assert ours.message().text == "Hel"


@pytest.mark.parametrize("limited", [False, True])
def test_a_stream_held_open_after_its_finish_is_complete(limited: bool) -> None:
    ours = exchange(timeouts=Timeouts(None, None, 30))
    if limited:
        ours.limit_seconds(20)
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hi", "stop")), 100) + ours.expire(131)
    assert end_of(batch).outcome == "complete"
    assert "late_break" in [w.code for w in ours.message().warnings]


# -- cancel


def test_cancel_keeps_what_came() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hel"), calls(tool(0, "c", "f", '{"a":'))), 100)
    more = ours.cancel(101)
    end = end_of(batch, more)
    assert (end.outcome, end.error) == ("cancelled", None)
    assert events(more)[0] == PartEnd(events(batch)[-2].part, implicit=True)  # type: ignore[union-attr]
    message = ours.message()
    assert (message.text, message.tool_calls[0].arguments) == ("Hel", '{"a":')
    assert ours.cancel(102) == []


def test_a_refusal_whose_body_stalls_is_not_waited_for() -> None:
    ours = exchange(timeouts=Timeouts(None, None, None))
    ours.head(401, {"content-type": "application/json"}, 103)
    assert ours.wait_s(103) == 10
    end = end_of(ours.expire(113))
    assert (end.outcome, end.error and end.error.type) == ("failed", "authentication")


@pytest.mark.parametrize("how", ["cancel", "break", "timeout"])
def test_what_the_decoder_held_back_is_given_out(how: str) -> None:
    ours = exchange("anthropic", timeouts=Timeouts(None, 5, None))
    ours.head(200, SSE, 100)
    held = block_start(0, "tool_use", id="toolu_1", name="f", input={"a": 1})
    ours.feed(sse(message_start(), held), 100)
    if how == "cancel":
        ours.cancel(101)
    elif how == "break":
        ours.fail(BrokenStreamError("reset"), 101)
    else:
        ours.expire(106)
    message = ours.message()
    assert (message.tool_calls[0].arguments, message.parts[0].ended) == ('{"a":1}', True)
    assert not ours.complete


def test_what_the_decoder_held_back_behind_a_bound_stays_there() -> None:
    ours = exchange()
    ours.bound(Limit(chars=1))
    ours.head(200, SSE, 100)
    ours.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n', 100)
    assert (ours.message().text, ours.message().outcome) == ("a", "stopped")


def test_cancel_before_anything() -> None:
    ours = exchange()
    assert events(ours.cancel(100)) == [End(outcome="cancelled")]


def test_a_cut_after_a_cancel_is_the_cancel() -> None:
    ours = exchange()
    ours.head(200, SSE, 100)
    batch = ours.feed(HALF, 100)
    ours.cancel_requested = True
    assert end_of(batch, ours.fail(BrokenStreamError("cut"), 101)).outcome == "cancelled"


# -- bounds


def test_a_condition_ends_it_in_the_middle_of_a_chunk() -> None:
    ours = exchange()
    ours.bound(Until("lo w"))
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hello"), say(" world"), chunk(choice(finish="stop")), DONE), 100)
    given = events(batch)
    assert [type(e) for e in given] == [StepStart, PartStart, PartDelta, PartDelta, PartEnd, UsageUpdate, End]
    assert (ours.message().text, ours.message().outcome) == ("Hello w", "stopped")
    assert not ours.complete
    assert ours.error() is None


def test_a_condition_that_is_met_in_the_last_frame_is_a_stop_still() -> None:
    ours = exchange()
    ours.bound(Until("Hel"))
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hello", "stop")), 100)
    assert end_of(batch).outcome == "stopped"
    assert ours.message().text == "Hel"


def test_a_condition_may_leave_nothing_of_an_event() -> None:
    class Now:
        done = False

        def feed(self, event: Event) -> Event | None:
            self.done = isinstance(event, PartDelta)
            return None if self.done else event

    ours = exchange()
    ours.bound(Now())
    ours.bound(Until("never"))
    ours.head(200, SSE, 100)
    batch = ours.feed(HELLO, 100)
    assert end_of(batch).outcome == "stopped"
    assert ours.message().text == ""
    assert ours.timing.first_token_s is None


def test_the_first_of_two_bounds_counts() -> None:
    ours = exchange()
    ours.bound(Limit(chars=3))
    ours.bound(Until("z"))
    ours.head(200, SSE, 100)
    assert end_of(ours.feed(sse(say("ab"), say("czd")), 100)).outcome == "stopped"
    assert ours.message().text == "abc"


def test_a_bound_that_is_not_met_changes_nothing() -> None:
    ours = exchange()
    ours.bound(Until("never"))
    ours.head(200, SSE, 100)
    assert end_of(ours.feed(HELLO, 100)).outcome == "complete"


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_count_that_comes_after_the_finish_stops_nothing(wire: str) -> None:
    # the model had ended by itself; its provider's last count happens to reach the limit
    ours = exchange(wire)
    ours.bound(Limit(tokens=7))
    ours.head(200, SSE, 100)
    if wire == "openai":
        data = sse(say("Hi"), chunk(choice(finish="stop")), chunk(usage=usage(completion=7)), DONE)
    else:
        data = messages(message_start(), *block(0, "Hi"), message_delta(), {"type": "message_stop"})
    batch = ours.feed(data, 100)
    assert end_of(batch).outcome == "complete"
    assert [e.stop_reason for e in events(batch) if isinstance(e, ChoiceFinish)] == ["complete"]
    assert ours.complete


def test_a_count_before_the_finish_stops() -> None:
    ours = exchange()
    ours.bound(Limit(tokens=7))
    ours.head(200, SSE, 100)
    batch = ours.feed(sse(say("Hi", usage=usage(completion=7)), say("more")), 100)
    assert end_of(batch).outcome == "stopped"
    assert ours.message().text == "Hi"


def test_without_debug_no_grammar_is_asked() -> None:
    ours = Exchange(make_decoder("openai-chat"), make_framer("openai-chat"))
    ours.start(0)
    ours.head(200, {}, 0)
    assert end_of(ours.feed(HELLO, 0)).outcome == "complete"
