"""SDKs' streams that somebody has begun to read: the rest comes as their chunk objects, and nothing comes twice."""

import asyncio
import types
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import PartDelta, ProviderError, TruncatedError
from headrace.adopt.reach import find_socket
from tests.adopt.holding import ASYNC, SYNC
from tests.adopt.test_sources import BEGUN
from tests.faces import FACES, Face
from tests.servers import CLOSE, STALL, Server, chunked, head, open_sockets, whole
from tests.wire.streams import (
    DONE,
    STOP,
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

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

KINDS = ["openai", "openai helper", "anthropic", "anthropic helper"]

LONG: dict[str, bytes] = {
    "openai": sse(
        say("One "),
        say("two "),
        delta(reasoning_content="hmm"),
        calls(tool(0, "call_1", "weather", '{"city": ')),
        calls(tool(0, None, None, '"Zürich"}')),
        chunk(choice(finish="tool_calls")),
        chunk(usage=usage(11, 4)),
        DONE,
    ),
    "anthropic": messages(
        message_start(),
        block_start(0, text=""),
        block_delta(0, text="One "),
        block_delta(0, text="two "),
        block_stop(0),
        block_start(1, "thinking", thinking="", signature=""),
        block_delta(1, "thinking_delta", thinking="hmm"),
        block_stop(1),
        block_start(2, "tool_use", id="call_1", name="weather", input={}),
        block_delta(2, "input_json_delta", partial_json='{"city": '),
        block_delta(2, "input_json_delta", partial_json='"Zürich"}'),
        block_stop(2),
        message_delta("tool_use", used={"input_tokens": 11, "output_tokens": 4}),
        STOP,
    ),
}


def text_in(event: Any) -> str:
    """Find the text in an SDK's chunk, or raw event; its helpers' own events say nothing here."""
    if hasattr(event, "choices"):
        return event.choices[0].delta.content or ""
    if event.type == "chunk":
        return event.chunk.choices[0].delta.content or ""
    if event.type == "content_block_delta":
        return getattr(event.delta, "text", "")
    return ""


def sdk(kind: str) -> str:
    return kind.partition(" ")[0]


def go_on(face: Face, kind: str, server: Server) -> tuple[str, Any, Any]:
    """Read the first text with the SDK, and the rest with ours; give both, and the error."""

    def blocking() -> tuple[str, Any, Any]:
        with SYNC[kind](server) as stream:
            first = ""
            while not first:
                first = text_in(next(stream))
            s: Any = headrace.adopt(stream)
            try:
                with s:
                    s.get_final_message()
            except headrace.HeadraceError as error:
                return first, s.message, error
            assert open_sockets(server.port) <= 1
            return first, s.message, None

    async def asynchronous() -> tuple[str, Any, Any]:
        async with ASYNC[kind](server) as stream:
            first = ""
            while not first:
                first = text_in(await anext(stream))
            s: Any = headrace.adopt(stream)
            try:
                async with s:
                    await s.get_final_message()
            except headrace.HeadraceError as error:
                return first, s.message, error
            return first, s.message, None

    return blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_rest(face: Face, kind: str, serve: Serve) -> None:
    first, message, error = go_on(face, kind, serve(whole(LONG[sdk(kind)])))
    assert error is None
    assert (first, message.text, message.thinking) == ("One ", "two ", "hmm")
    [call] = message.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_1", "weather", '{"city": "Zürich"}')
    assert message.outcome == "tool_calls"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 4)
    # the SDK keeps the marker to itself, which is no fault of the server's
    assert [w.code for w in message.warnings] == []


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_does_not_come(face: Face, kind: str, serve: Serve) -> None:
    begun = LONG[sdk(kind)].split(b"hmm", maxsplit=1)[0].rpartition(b"\n\n")[0] + b"\n\n"
    first, message, error = go_on(face, kind, serve([head() + chunked(begun), CLOSE]))
    assert isinstance(error, TruncatedError)
    assert (first, message.text) == ("One ", "two ")
    assert type(error.__cause__).__module__.partition(".")[0] in ("openai", "anthropic", "httpx2")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_provider_s_stays_one(face: Face, kind: str, serve: Serve) -> None:
    error: Any = {"error": {"message": "Overloaded", "type": "overloaded_error"}}
    if sdk(kind) == "anthropic":
        body = BEGUN["anthropic"] + messages({"type": "error", **error})
    else:
        body = BEGUN["openai-chat"] + sse(error)
    first, message, raised = go_on(face, kind, serve(whole(body)))
    assert isinstance(raised, ProviderError)
    assert (first, message.outcome, raised.code) == ("Hel", "failed", "overloaded_error")
    assert "Overloaded" in str(raised)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", KINDS)
def test_leaving_it(face: Face, kind: str, serve: Serve) -> None:
    begun = LONG[sdk(kind)].split(b"hmm", maxsplit=1)[0].rpartition(b"\n\n")[0] + b"\n\n"
    server = serve([head() + chunked(begun), STALL])

    def blocking() -> None:
        with SYNC[kind](server) as stream:
            while not text_in(next(stream)):
                pass
            with headrace.adopt(stream) as s:
                for event in s:
                    if isinstance(event, PartDelta):
                        break
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with ASYNC[kind](server) as stream:
            while not text_in(await anext(stream)):
                pass
            async with headrace.adopt(stream) as s:
                async for event in s:
                    if isinstance(event, PartDelta):
                        break
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            for _ in range(5):
                await asyncio.sleep(0)
            assert open_sockets(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())


def test_a_body_that_only_its_sdk_can_read(serve: Serve) -> None:
    # (as Bedrock's, whose frames are Amazon's: here the SDK's own decoder reads what it says it is)
    server = serve(whole(LONG["anthropic"], kind="application/vnd.amazon.eventstream"))
    with SYNC["anthropic"](server) as stream:
        with headrace.adopt(stream) as s:
            assert s.get_final_text() == "One two "


def test_over_http_2_the_socket_is_left_alone() -> None:
    # a stand-in: the socket of an HTTP/2 connection carries other streams too
    class Network:
        def get_extra_info(self, name: str) -> Any:
            raise AssertionError(name)

    extensions: dict[str, Any] = {"network_stream": Network(), "http_version": b"HTTP/2"}
    assert find_socket(types.SimpleNamespace(extensions=extensions, is_closed=False)) is None
