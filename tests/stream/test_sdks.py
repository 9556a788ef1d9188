"""The official SDKs read the same scripted answers, and agree with us on text, tool calls, usage and stop reason."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from headrace import ProviderError
from tests.faces import FACES, KEY, Face, ask, read
from tests.sdks import ask_anthropic, ask_openai, ours
from tests.servers import LAST, Script, Server, chunked, head, whole
from tests.wire.streams import (
    DONE,
    block,
    block_delta,
    block_start,
    block_stop,
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

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

TEXT = "Grüße, 日本語 and \U0001f600."
STOP = {"type": "message_stop"}


def script(body: bytes, size: int | None) -> Script:
    return whole(body) if size is None else [head(), chunked(body, size), LAST]


# -- openai-chat

FINISH = chunk(choice(finish="stop"))

OPENAI: dict[str, bytes] = {
    "text": sse(say(""), say(TEXT[:5]), say(TEXT[5:]), FINISH, DONE),
    "usage in a chunk of its own": sse(say("Hi"), FINISH, chunk(usage=usage(11, 4)), DONE),
    "usage beside the finish": sse(say("Hi"), chunk(choice(finish="stop"), usage=usage(11, 4)), DONE),
    "usage on every chunk": sse(say("H", usage=usage(11, 1)), say("i", "stop", usage=usage(11, 4)), DONE),
    "length": sse(say("Hi"), chunk(choice(finish="length")), chunk(usage=usage(11, 4)), DONE),
    "filtered": sse(say("Hi"), chunk(choice(finish="content_filter")), DONE),
    "one tool": sse(
        calls(tool(0, "call_1", "weather", "")),
        calls(tool(0, None, None, '{"city": ')),
        calls(tool(0, None, None, '"Zürich"}')),
        chunk(choice(finish="tool_calls")),
        chunk(usage=usage(20, 9)),
        DONE,
    ),
    "several tools": sse(
        say("Let me see."),
        calls(tool(0, "call_1", "weather", "")),
        calls(tool(0, None, None, '{"city": "Zürich"}')),
        calls(tool(1, "call_2", "time", "{}")),
        calls(tool(2, "call_3", "weather", '{"a"')),
        calls(tool(2, None, None, ": 1}")),
        chunk(choice(finish="tool_calls")),
        DONE,
    ),
    "thinking": sse(delta(reasoning_content="First "), delta(reasoning_content="this."), say("Hi", "stop"), DONE),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("scenario", OPENAI)
def test_openai_s_sdk_agrees(face: Face, size: int | None, scenario: str, serve: Serve) -> None:
    server = serve(script(OPENAI[scenario], size))
    reading = read(face, **ask(server))
    assert reading.error is None
    answer = ours(reading.message)
    assert answer.text or answer.calls
    assert ask_openai(face, server.url) == answer


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("scenario", [name for name in OPENAI if name not in ("length", "filtered")])
def test_openai_s_helper_agrees(face: Face, scenario: str, serve: Serve) -> None:
    # (the helper makes errors of an answer's length and filter, since it parses)
    server = serve(whole(OPENAI[scenario]))
    assert ask_openai(face, server.url, helper=True) == ours(read(face, **ask(server)).message)


@pytest.mark.parametrize("face", FACES)
def test_openai_s_sdk_sees_the_same_error_in_band(face: Face, serve: Serve) -> None:
    body = sse(say("Hel"), {"error": {"message": "The server had an error", "type": "server_error", "code": "oops"}})
    server = serve(whole(body))
    reading = read(face, **ask(server))
    assert isinstance(reading.error, ProviderError)
    with pytest.raises(openai.APIError) as caught:
        ask_openai(face, server.url)
    assert caught.value.message in str(reading.error)
    assert caught.value.code == reading.error.code == "oops"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_openai_s_sdk_sees_the_same_refusal(face: Face, status: int, serve: Serve) -> None:
    body = b'{"error": {"message": "because", "type": "some_error", "code": "some_code"}}'
    server = serve([head(status, "application/json", "x-request-id: req-1", framing=str(len(body))) + body])
    error = read(face, **ask(server)).error
    with pytest.raises(openai.APIStatusError) as caught:
        ask_openai(face, server.url)
    theirs = caught.value
    assert (theirs.status_code, theirs.request_id, theirs.code) == (error.status, error.request_id, error.code)
    names = {"PermissionDeniedError", "AuthenticationError", "NotFoundError", "RateLimitError"}
    if type(theirs).__name__ in names:
        assert type(error).__name__ == type(theirs).__name__


@pytest.mark.parametrize("face", FACES)
def test_openai_s_sdk_asks_as_we_do(face: Face, serve: Serve) -> None:
    server = serve(whole(OPENAI["text"]))
    read(face, **ask(server))
    ask_openai(face, server.url)
    mine, theirs = server.requests
    assert mine.line == theirs.line
    assert mine.headers["authorization"] == theirs.headers["authorization"]
    assert mine.headers["content-type"] == theirs.headers["content-type"]


# -- anthropic

THINKING = [
    block_start(0, "thinking", thinking="", signature=""),
    block_delta(0, "thinking_delta", thinking="First "),
    block_delta(0, "thinking_delta", thinking="this."),
    block_delta(0, "signature_delta", signature="c2lnbmVk"),
    block_stop(0),
]


def tool_block(index: int, name: str, *pieces: str) -> list[dict[str, Any]]:
    return [
        block_start(index, "tool_use", id=f"toolu_{index}", name=name, input={}),
        block_delta(index, "input_json_delta", partial_json=""),
        *[block_delta(index, "input_json_delta", partial_json=piece) for piece in pieces],
        block_stop(index),
    ]


ANTHROPIC: dict[str, bytes] = {
    "text": messages(message_start(), {"type": "ping"}, *block(0, TEXT), message_delta(), STOP),
    "length": messages(message_start(), *block(0, "Hi"), message_delta("max_tokens"), STOP),
    "a stop sequence": messages(
        message_start(), *block(0, "Hi"), message_delta("stop_sequence", stop_sequence="END"), STOP
    ),
    "usage at the end": messages(
        message_start(), *block(0, "Hi"), message_delta(used={"input_tokens": 9, "output_tokens": 30}), STOP
    ),
    "thinking": messages(message_start(), *THINKING, *block(1, "Hi"), message_delta(), STOP),
    "one tool": messages(
        message_start(), *tool_block(0, "weather", '{"city": ', '"Zürich"}'), message_delta("tool_use"), STOP
    ),
    "several tools": messages(
        message_start(),
        *block(0, "Let me see."),
        *tool_block(1, "weather", '{"city": "Zürich"}'),
        *tool_block(2, "time"),
        *tool_block(3, "weather", '{"a"', ": 1}"),
        message_delta("tool_use"),
        STOP,
    ),
    "refused": messages(message_start(), *block(0, "Hi"), message_delta("refusal"), STOP),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("scenario", ANTHROPIC)
def test_anthropic_s_sdk_agrees(face: Face, size: int | None, scenario: str, serve: Serve) -> None:
    server = serve(script(ANTHROPIC[scenario], size))
    reading = read(face, **ask(server, "anthropic"))
    assert reading.error is None
    answer = ours(reading.message)
    assert answer.text or answer.calls
    assert ask_anthropic(face, server.url) == answer


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("scenario", ANTHROPIC)
def test_anthropic_s_helper_agrees(face: Face, scenario: str, serve: Serve) -> None:
    server = serve(whole(ANTHROPIC[scenario]))
    message = read(face, **ask(server, "anthropic")).message
    answer: Any = ours(message)
    answer.calls = [(c.id, c.name, c.parsed()) for c in message.tool_calls]  # the helper parses the arguments
    assert ask_anthropic(face, server.url, helper=True) == answer


@pytest.mark.parametrize("face", FACES)
def test_anthropic_s_sdk_sees_the_same_error_in_band(face: Face, serve: Serve) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req-1"}
    server = serve(whole(messages(message_start(), *block(0, "Hel"), error)))
    reading = read(face, **ask(server, "anthropic"))
    assert isinstance(reading.error, ProviderError)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask_anthropic(face, server.url)
    assert "Overloaded" in str(caught.value)
    assert "Overloaded" in str(reading.error)
    assert reading.error.code == caught.value.body["error"]["type"]  # type: ignore[index]


@pytest.mark.parametrize("face", FACES)
def test_anthropic_s_sdk_asks_as_we_do(face: Face, serve: Serve) -> None:
    server = serve(whole(ANTHROPIC["text"]))
    read(face, **ask(server, "anthropic"))
    ask_anthropic(face, server.url)
    mine, theirs = server.requests
    assert mine.line == theirs.line
    assert mine.headers["content-type"] == theirs.headers["content-type"]
    # one key, under the one or the other of the two names that the API reads
    for request in (mine, theirs):
        assert KEY in (
            request.headers.get("x-api-key"),
            request.headers.get("authorization", "").removeprefix("Bearer "),
        )
        assert "anthropic-version" in request.headers
