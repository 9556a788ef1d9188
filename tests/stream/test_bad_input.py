"""What goes wrong, said so that a user knows what to do; what had come is kept; a key is never shown."""

import asyncio
import gzip
import json
import traceback
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from headrace import (
    AuthenticationError,
    FrameTooLarge,
    HeadraceError,
    InvalidRequestError,
    MissingKeyError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ServerError,
    StreamTimeoutError,
    TransportError,
    TruncatedError,
    UnexpectedResponseError,
    UnknownProviderError,
    UsageError,
    WireError,
)
from tests.faces import FACES, KEY, Face, ask, read, stream_of
from tests.servers import CLOSE, LAST, RESET, STALL, Drip, Script, Server, chunked, head, whole
from tests.wire.streams import DONE, block, chunk, message_start, messages, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "at capacity"}}
HTML = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Welcome to the proxy</body></html>"


def document(status: int, body: Any, *headers: str, kind: str = "application/json") -> Script:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [head(status, kind, *headers, framing=str(len(data))) + data]


def shown(error: BaseException) -> str:
    """Everything of an error that may be printed or logged."""
    info = getattr(error, "info", None)
    return "\n".join([str(error), repr(error), repr(info), "".join(traceback.format_exception(error))])


# -- the provider says no


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_wrong_key(face: Face, wire: str, serve: Serve) -> None:
    said = f"Incorrect API key provided: {KEY}."
    body = {"error": {"message": said, "type": "invalid_request_error", "code": "invalid_api_key"}}
    if wire == "anthropic":
        body = {"type": "error", "error": {"type": "authentication_error", "message": said}}  # type: ignore[dict-item]
    server = serve(document(401, body, "x-request-id: req-1", f"x-echo: {KEY}"))
    error = read(face, **ask(server, wire)).error
    assert isinstance(error, AuthenticationError)
    assert str(error) == f"{wire} (HTTP 401): Incorrect API key provided: [redacted]. [check the API key]"
    assert (error.status, error.request_id) == (401, "req-1")
    assert KEY not in shown(error)
    assert server.requests[0].headers["authorization" if wire == "openai" else "x-api-key"].endswith(KEY)


@pytest.mark.parametrize("face", FACES)
def test_a_secret_header_is_not_shown_either(face: Face, serve: Serve) -> None:
    server = serve(document(403, {"error": {"message": "token tok-987654321 may not"}}))
    error = read(face, **ask(server, headers={"x-token": "tok-987654321"})).error
    assert isinstance(error, PermissionDeniedError)
    assert "token [redacted] may not" in str(error)
    assert "tok-987654321" not in shown(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (
            404,
            {"error": {"message": "The model `nope` does not exist", "code": "model_not_found"}},
            NotFoundError,
            "openai (HTTP 404): The model `nope` does not exist [check the model's name and the base URL]",
        ),
        (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, InvalidRequestError, "too long"),
        (404, {"detail": "Not Found"}, NotFoundError, "Not Found"),
        (500, {"error": "out of memory"}, ServerError, "out of memory"),
        (503, b"upstream connect error", OverloadedError, "upstream connect error [try again later]"),
        (500, b"", ServerError, "the provider gave no reason"),
        (502, HTML, ServerError, "openai (HTTP 502): an HTML page instead of an API's answer"),
        (418, b"\xff\xfe\xfa", InvalidRequestError, "(HTTP 418)"),
    ],
)
def test_a_refusal(face: Face, status: int, body: Any, error: type[ProviderError], words: str, serve: Serve) -> None:
    kind = "text/html" if body is HTML else "application/json"
    reading = read(face, **ask(serve(document(status, body, kind=kind))))
    assert type(reading.error) is error
    assert words in str(reading.error)
    assert reading.error.status == status
    assert reading.message.outcome == "failed"
    assert reading.error.partial == reading.message


@pytest.mark.parametrize("face", FACES)
def test_too_many_requests(face: Face, serve: Serve) -> None:
    body = {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}
    server = serve(document(429, body, "retry-after: 20", "x-request-id: req-2"))
    error = read(face, **ask(server)).error
    assert isinstance(error, RateLimitError)
    assert (error.retry_after_s, error.request_id, error.code) == (20.0, "req-2", "rate_limit_exceeded")
    assert "Rate limit reached [wait, or ask the provider for a higher limit]" in str(error)
    assert len(server.requests) == 1  # nobody retries behind the user's back


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("cut", [CLOSE, RESET])
def test_a_refusal_that_is_cut(face: Face, cut: Any, serve: Serve) -> None:
    script = [head(401, "text/plain", framing="1000") + b"no such key", cut]
    error = read(face, **ask(serve(script))).error
    assert isinstance(error, AuthenticationError)
    assert "no such key" in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("end", [STALL, Drip(chunked(b" "))])
def test_a_refusal_that_does_not_end(face: Face, end: Any, serve: Serve) -> None:
    server = serve([head(401, "text/plain") + chunked(b"no such key"), end])
    error = read(face, **ask(server, timeouts=(0.3, None, None))).error
    assert isinstance(error, AuthenticationError)
    assert "no such key" in str(error)
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_an_endless_refusal(face: Face, serve: Serve) -> None:
    server = serve([head(500, "text/plain"), Drip(chunked(b"so sorry " * 1000), every_s=0)])
    error = read(face, **ask(server)).error
    assert isinstance(error, ServerError)
    assert "so sorry" in str(error)
    assert len(str(error)) < 3000
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(face: Face, status: int, serve: Serve) -> None:
    elsewhere = serve(whole(sse(say("Hi", "stop"), DONE)))
    server = serve(document(status, b"", f"location: {elsewhere.url}/chat/completions"))
    error = read(face, **ask(server)).error
    assert isinstance(error, UnexpectedResponseError)
    assert f"a redirect to '{elsewhere.url}/chat/completions'" in str(error)
    assert "is the base URL right" in str(error)
    assert error.status == status
    assert elsewhere.peers == []  # the key goes nowhere else


# -- called in a way that cannot work


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        ("acme/gpt", {}, UnknownProviderError, "no provider 'acme' is known (known: openai, anthropic,"),
        ("gpt-4o", {}, UnknownProviderError, "a model's name is provider/model, like openai/gpt-4o-mini"),
        ("openai/gpt-4o", {}, MissingKeyError, "no API key for openai: set OPENAI_API_KEY, or give api_key=…"),
        ("compatible/m", {}, UsageError, "give the base URL of compatible, as base_url=… or in HEADRACE_BASE_URL"),
        ("ollama", {}, UsageError, "name a model of ollama: ollama/MODEL"),
        (None, {"base_url": "http://x/v1"}, UsageError, "name the model that the server at base_url"),
        ("openai/m", {"api_key": "sk-a\nsk-b"}, UsageError, "the API key for openai has characters that no key has"),
        ("openai/m", {"api_key": "sk-ключ"}, UsageError, "the API key for openai has characters that no key has"),
        ("openai/m", {"api_key": KEY, "prompt": None}, UsageError, "give a prompt or messages"),
        ("openai/m", {"api_key": KEY, "timeouts": (1, 2)}, UsageError, "timeouts are (first_token_s, idle_s, total_s)"),
        ("openai/m", {"api_key": KEY, "timeouts": (0, 2, 3)}, UsageError, "three times above 0"),
        ("openai/m", {"api_key": KEY, "headers": {"x-a": "tok-1\r\nx-b: 2"}}, UsageError, "the header 'x-a' has"),
        ("openai/m", {"api_key": KEY, "headers": {"x a": "1"}}, UsageError, "the header 'x a' has"),
        ("openai/m", {"api_key": KEY, "headers": {"": "1"}}, UsageError, "the header '' has"),
        ("openai/m", {"api_key": KEY, "headers": {"x-a": "é"}}, UsageError, "the header 'x-a' has"),
        ("openai/m", {"api_key": KEY, "extra": {"x": object()}}, UsageError, "cannot be written as JSON"),
    ],
)
def test_a_request_that_makes_no_sense(
    face: Face, model: Any, options: dict[str, Any], error: type[UsageError], words: str
) -> None:
    with pytest.raises(error) as caught:
        stream_of(face, model, **{"prompt": "Hi", **options})
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)
    for secret in ("sk-a", "sk-b", "ключ", "tok-1", KEY):
        assert secret not in shown(caught.value)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "url", ["localhost:80", "ftp://x/v1", "http://", "http:///v1", "http://x:99999/v1", "http://[::1/v1", "/v1"]
)
def test_an_address_that_is_none(face: Face, url: str) -> None:
    error = read(face, "m", "Hi", base_url=url).error
    assert isinstance(error, UsageError)
    assert "is not one of http:// or https:// with a host" in str(error)


# -- an answer that is no stream


@pytest.mark.parametrize("face", FACES)
def test_html_instead_of_a_stream(face: Face, serve: Serve) -> None:
    reading = read(face, **ask(serve(document(200, HTML, kind="text/html"))))
    assert type(reading.error) is UnexpectedResponseError
    assert "openai answered with an HTML page instead of a stream; it begins '<!DOCTYPE html>" in str(reading.error)
    assert "is the base URL right, and does it end where the API begins, mostly in /v1?" in str(reading.error)
    assert reading.message.outcome == "failed"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("wire", "script"),
    [
        ("openai", document(200, {"error": {"message": "at capacity", "type": "overloaded"}})),
        ("openai", whole(sse({"error": {"message": "at capacity", "code": "overloaded"}}))),
        ("openai", whole(b'event: error\ndata: {"message": "at capacity", "code": 503}\n\n')),
        ("anthropic", document(200, OVERLOADED)),
        ("anthropic", whole(messages(OVERLOADED))),
    ],
    ids=["openai document", "openai frame", "openai named frame", "anthropic document", "anthropic frame"],
)
def test_200_with_an_error_inside(face: Face, wire: str, script: Script, serve: Serve) -> None:
    reading = read(face, **ask(serve(script), wire))
    assert type(reading.error) is OverloadedError
    assert "at capacity" in str(reading.error)
    assert reading.message.outcome == "failed"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("openai", sse(say("Hel"), {"error": {"message": "went away", "type": "server_error"}})),
        (
            "anthropic",
            messages(
                message_start(),
                *block(0, "Hel"),
                {"type": "error", "error": {"type": "api_error", "message": "went away"}},
            ),
        ),
    ],
)
def test_an_error_in_the_middle_keeps_what_came(face: Face, wire: str, body: bytes, serve: Serve) -> None:
    server = serve([head(200, "text/event-stream", "request-id: req-3") + chunked(body), STALL])
    reading = read(face, **ask(server, wire))
    assert type(reading.error) is ServerError
    assert "went away" in str(reading.error)
    assert reading.error.request_id == "req-3"
    assert reading.text == "Hel"
    assert reading.error.partial is not None
    assert (reading.error.partial.text, reading.error.partial.outcome) == ("Hel", "failed")
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "script",
    [
        whole(b""),
        [head(framing="0")],
        [head(framing="close"), CLOSE],
        whole(b"\n\n\n"),
        [b"HTTP/1.1 204 No Content\r\n\r\n"],
        whole(b": keepalive\n\n"),
    ],
    ids=["no chunks", "length 0", "closed", "blank lines", "204", "a comment"],
)
def test_an_empty_body(face: Face, script: Script, serve: Serve) -> None:
    reading = read(face, **ask(serve(script)))
    assert type(reading.error) is TruncatedError
    assert "openai closed the stream early, before the answer began" in str(reading.error)
    assert (reading.message.text, reading.message.outcome) == ("", "truncated")


@pytest.mark.parametrize("face", FACES)
def test_the_server_closes_without_an_answer(face: Face, serve: Serve) -> None:
    error = read(face, **ask(serve([CLOSE]))).error
    assert isinstance(error, TransportError)
    assert "the server closed it without an answer" in str(error)


@pytest.mark.parametrize("face", FACES)
def test_the_server_resets_without_an_answer(face: Face, serve: Serve) -> None:
    error = read(face, **ask(serve([RESET]))).error
    assert isinstance(error, TransportError)
    assert "the connection broke: " in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x15\x03\x01\x00\x02\x02"]
)
def test_an_answer_that_is_not_http(face: Face, answer: bytes, serve: Serve) -> None:
    error = read(face, **ask(serve([answer, CLOSE]), timeouts=(5, None, None))).error
    assert isinstance(error, TransportError)
    assert "the connection broke: " in str(error)


@pytest.mark.parametrize("face", FACES)
def test_a_json_completion_although_a_stream_was_asked_for(face: Face, serve: Serve) -> None:
    body = {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    reading = read(face, **ask(serve(document(200, body))))
    assert (reading.error, reading.text) == (None, "Hello")
    assert (reading.message.outcome, reading.message.usage.total_tokens) == ("complete", 5)


@pytest.mark.parametrize("face", FACES)
def test_an_anthropic_message_although_a_stream_was_asked_for(face: Face, serve: Serve) -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "model": "m",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    reading = read(face, **ask(serve(document(200, body)), "anthropic"))
    assert (reading.error, reading.text) == (None, "Hello")
    assert (reading.message.outcome, reading.message.usage.output_tokens) == ("complete", 2)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_though_none_was_asked_for(face: Face, encoding: str, serve: Serve) -> None:
    plain = sse(say("Hel"), say("lo", "stop"), DONE)
    body = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    server = serve([head(200, "text/event-stream", f"content-encoding: {encoding}") + chunked(body, 10) + LAST])
    reading = read(face, **ask(server))
    assert (reading.error, reading.text) == (None, "Hello")


@pytest.mark.parametrize("face", FACES)
def test_a_compressed_body_that_is_none(face: Face, serve: Serve) -> None:
    server = serve([head(200, "text/event-stream", "content-encoding: gzip") + chunked(sse(say("Hel"))) + LAST])
    error = read(face, **ask(server)).error
    assert isinstance(error, TruncatedError | TransportError)


# -- bytes that are not the wire's


@pytest.mark.parametrize("face", FACES)
def test_a_line_of_100_mb(face: Face, serve: Serve) -> None:
    piece = b"x" * (1024 * 1024)
    body = sse(say("Hel")) + b"data: "
    server = serve([head(framing=str(len(body) + 100 * len(piece))) + body, *[piece] * 100, STALL])
    tracemalloc.start()
    try:
        reading = read(face, **ask(server))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(reading.error) is FrameTooLarge
    assert "a frame of the stream is larger than the limit of 16777216 bytes" in str(reading.error)
    assert (reading.text, reading.message.text, reading.message.outcome) == ("Hel", "Hel", "failed")
    assert server.peers[0].wait_gone()
    assert server.peers[0].written < 60 * len(piece)
    assert peak < 64 * len(piece)


@pytest.mark.parametrize("face", FACES)
def test_invalid_utf_8(face: Face, serve: Serve) -> None:
    body = sse(say("caf\u00e9"), say("!", "stop"), DONE).replace(b"\\u00e9", b"\xe9")
    reading = read(face, **ask(serve(whole(body))))
    assert (reading.error, reading.text) == (None, "caf\ufffd!")


@pytest.mark.parametrize("face", FACES)
def test_a_frame_that_is_not_json(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel")) + f"data: {{oops {KEY}\n\n".encode()), STALL])
    reading = read(face, **ask(server))
    assert type(reading.error) is WireError
    assert "a frame of the stream is not JSON" in str(reading.error)
    assert "it begins '{oops [redacted]'" in str(reading.error)
    assert (reading.text, reading.message.text, reading.message.outcome) == ("Hel", "Hel", "failed")
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_a_surrogate_pair_in_two_deltas(face: Face, serve: Serve) -> None:
    body = sse(
        'data: {"choices": [{"index": 0, "delta": {"content": "so \\ud83d"}}]}',
        'data: {"choices": [{"index": 0, "delta": {"content": "\\ude00 and \\ud83d"}}]}',
        'data: {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}',
        DONE,
    )
    reading = read(face, **ask(serve(whole(body))))
    assert (reading.error, reading.text) == (None, "so \U0001f600 and \ufffd")
    assert reading.message.text.encode()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_character_that_is_cut_by_the_chunks(face: Face, wire: str, serve: Serve) -> None:
    text = "日本語 \U0001f600 é"
    if wire == "openai":
        body = "".join(f"data: {json.dumps(say(t), ensure_ascii=False)}\n\n" for t in text).encode()
        body += sse(chunk({"index": 0, "delta": {}, "finish_reason": "stop"}), DONE)
    else:
        body = messages(
            message_start(), *block(0, text), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
        )
        body = body.replace(json.dumps(text)[1:-1].encode(), text.encode()) + messages({"type": "message_stop"})
        assert text.encode() in body
    server = serve([head(), *[chunked(body[i : i + 1]) for i in range(len(body))], LAST])
    reading = read(face, **ask(server, wire))
    assert (reading.error, reading.text) == (None, text)


@pytest.mark.parametrize("face", FACES)
def test_pings_only(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(messages(message_start())), Drip(chunked(messages({"type": "ping"})))])
    error = read(face, **ask(server, "anthropic", timeouts=(0.3, None, None))).error
    assert type(error) is StreamTimeoutError
    assert str(error) == "anthropic: no token came within 0.3 s (the first-token timeout)"
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_pings_and_then_the_end(face: Face, serve: Serve) -> None:
    server = serve(whole(messages(*[{"type": "ping"}] * 3)))
    error = read(face, **ask(server, "anthropic")).error
    assert type(error) is TruncatedError
    assert "anthropic closed the stream early, before the answer began" in str(error)


# -- errors are data, and one tree


@pytest.mark.parametrize("face", FACES)
def test_an_error_is_caught_by_its_family(face: Face, serve: Serve) -> None:
    server = serve(document(429, {"error": {"message": "slow down"}}))
    s = stream_of(face, **ask(server))
    with pytest.raises(ProviderError) as caught:
        s.__enter__() if face == "sync" else asyncio.run(s.__aenter__())
    assert isinstance(caught.value, HeadraceError)
    assert caught.value.info == s.message.error
    assert s.message.error.to_exception().args == caught.value.args
