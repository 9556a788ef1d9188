"""How a stream ends: never a success by default, what had arrived is given out, and whole answers give their
connection back."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import End, StreamWarning, TruncatedError
from headrace.config import read_config
from tests.faces import FACES, KEY, Face, ask, read, stream_of
from tests.servers import CLOSE, LAST, RESET, STALL, Gate, Script, Server, chunked, head, open_sockets, whole
from tests.wire.streams import (
    DONE,
    block,
    block_delta,
    block_start,
    block_stop,
    calls,
    choice,
    chunk,
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

STOP = {"type": "message_stop"}
HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)
A_CALL = calls(tool(0, "c", "f", "{}"), finish="tool_calls")


def stopped_by(reason: str) -> bytes:
    return messages(message_start(), *block(0, "Hello"), message_delta(reason), STOP)


HELLO_ANTHROPIC = stopped_by("end_turn")
HALF = {"openai": sse(say("Hel")), "anthropic": messages(message_start(), *block(0, "Hel")[:-1])}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("wire", "body", "outcome", "native"),
    [
        ("openai", HELLO, "complete", "stop"),
        ("openai", sse(say("Hello", "length"), DONE), "length", "length"),
        ("openai", sse(say("Hello"), A_CALL, DONE), "tool_calls", "tool_calls"),
        ("openai", sse(say("Hello", "content_filter"), DONE), "filtered", "content_filter"),
        ("anthropic", HELLO_ANTHROPIC, "complete", "end_turn"),
        ("anthropic", stopped_by("max_tokens"), "length", "max_tokens"),
        ("anthropic", stopped_by("refusal"), "refused", "refusal"),
        ("anthropic", stopped_by("pause_turn"), "paused", "pause_turn"),
    ],
)
def test_an_answer_that_ends_well(face: Face, wire: str, body: bytes, outcome: str, native: str, serve: Serve) -> None:
    reading = read(face, **ask(serve(whole(body)), wire))
    assert reading.error is None
    message = reading.message
    assert (message.text, message.outcome, message.native_stop_reason) == ("Hello", outcome, native)
    assert reading.text == "Hello"
    assert reading.events[-1] == End(outcome=outcome, native_stop_reason=native)  # type: ignore[arg-type]
    assert message.provider == wire
    assert not message.warnings


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_cut_in_the_middle(face: Face, framing: str, wire: str, serve: Serve) -> None:
    body = HALF[wire]
    scripts: dict[str, Script] = {
        "chunked": [head() + chunked(body), CLOSE],
        "length": [head(framing=str(len(body) + 100)) + body, CLOSE],
        "close": [head(200, "text/event-stream", "request-id: req-9", framing="close") + body, CLOSE],
    }
    script = scripts[framing]
    reading = read(face, **ask(serve(script), wire))
    assert isinstance(reading.error, TruncatedError)
    assert "before the answer was complete" in str(reading.error)
    assert reading.error.info.provider == wire
    assert reading.error.request_id == ("req-9" if framing == "close" else None)
    assert (reading.message.text, reading.message.outcome) == ("Hel", "truncated")
    assert reading.text == "Hel"
    assert isinstance(reading.events[-1], End)
    assert reading.error.partial == reading.message
    assert reading.message.usage.output_tokens == 1


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
@pytest.mark.parametrize(
    "rest", [b"", b"20\r\ndata: {", b"4"], ids=["between frames", "in a frame", "in a chunk's head"]
)
def test_what_arrived_before_a_reset_is_given_out(face: Face, framing: str, rest: bytes, serve: Serve) -> None:
    body = sse(say("Hel"), say("lo "), say("wor"))
    given = chunked(body, 50) if framing == "chunked" else body
    start = head(framing="100000" if framing == "length" else framing)
    reading = read(face, **ask(serve([start + given + rest, RESET])))
    assert isinstance(reading.error, TruncatedError)
    if framing != "close":  # where the connection's end is the body's, aiohttp takes a reset for that
        assert "the stream broke before the answer was complete" in str(reading.error)
    assert reading.text == reading.message.text == "Hello wor"


@pytest.mark.parametrize("face", FACES)
def test_much_that_arrived_before_a_reset_is_given_out(face: Face, serve: Serve) -> None:
    # many chunks, more than one read takes; not more than the system holds, since a reset drops what was not sent
    body = sse(*[say("x" * 100) for _ in range(150)])
    gate = Gate()
    server = serve([head() + chunked(body, 1000), gate, RESET])
    s = stream_of(face, **ask(server))
    texts: list[str] = []

    def blocking() -> None:
        with s:
            for text in s.text_stream:
                gate.open()
                texts.append(text)

    async def asynchronous() -> None:
        async with s:
            async for text in s.text_stream:
                gate.open()
                texts.append(text)

    with pytest.raises(TruncatedError):
        blocking() if face == "sync" else asyncio.run(asynchronous())
    assert "".join(texts) == s.message.text == "x" * 15_000


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("cut", ["end", "reset"])
def test_a_finish_without_the_marker_is_an_end_with_a_warning(face: Face, cut: str, serve: Serve) -> None:
    body = sse(say("Hello", "stop"))
    script: Script = whole(body) if cut == "end" else [head() + chunked(body), RESET]
    reading = read(face, **ask(serve(script)))
    assert reading.error is None
    assert (reading.message.text, reading.message.outcome) == ("Hello", "complete")
    assert any(isinstance(e, StreamWarning) for e in reading.events)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("ends", [False, True])
def test_the_marker_alone_is_no_success_unless_the_provider_s_row_says_so(face: Face, ends: bool, serve: Serve) -> None:
    server = serve(whole(sse(say("Hello"), DONE)))
    config = read_config({"providers": {"mine": {"base_url": server.url, "marker_ends": ends}}}, "a test")
    reading = read(face, "mine/m", "Hi", config=config)
    assert reading.text == "Hello"
    assert reading.message.outcome == ("complete" if ends else "truncated")
    assert isinstance(reading.error, TruncatedError) != ends


@pytest.mark.parametrize("face", FACES)
def test_several_choices_and_tools(face: Face, serve: Serve) -> None:
    body = sse(
        chunk(choice({"content": "one"}), choice({"content": "two"}, index=1)),
        calls(tool(0, "c1", "f", '{"a":')),
        calls(tool(1, "c2", "g", "{}")),
        calls(tool(0, None, None, "1}")),
        chunk(choice(finish="tool_calls"), choice(finish="stop", index=1)),
        DONE,
    )
    message = read(face, **ask(serve(whole(body)), n=2)).message
    assert (message.text, message.outcome) == ("one", "tool_calls")
    assert [(c.name, c.parsed()) for c in message.tool_calls] == [("f", {"a": 1}), ("g", {})]
    assert "".join(p.text for p in message.choices[1].parts) == "two"


# -- the connection afterwards


def two(face: Face, server: Server, first: Callable[[Any], Any] | None = None) -> list[Any]:
    """Ask twice with one client; `first` reads the first stream, by default to its end."""
    options = ask(server)
    settings = {name: options.pop(name) for name in ("base_url", "api_key")}
    streams: list[Any] = []

    def blocking() -> None:
        with headrace.Client(**settings) as client:
            for n in range(2):
                streams.append(s := client.stream(**options))
                with s:
                    for _ in s:
                        if n == 0 and first is not None and first(s):
                            break
            assert open_sockets(server.port) <= 1
        assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with headrace.AsyncClient(**settings) as client:
            for n in range(2):
                streams.append(s := client.stream(**options))
                async with s:
                    async for _ in s:
                        if n == 0 and first is not None and first(s):
                            break
        assert open_sockets(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())
    return streams


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "script",
    [
        whole(HELLO),
        [head(framing=str(len(HELLO))) + HELLO],
        [head() + chunked(HELLO), LAST],
        [head() + chunked(HELLO, 7) + LAST],
        [head() + chunked(HELLO + b": bye\n\n") + LAST],
    ],
    ids=["chunked", "length", "the end comes by itself", "small chunks", "a comment behind"],
)
def test_a_whole_answer_gives_its_connection_back(face: Face, script: Script, serve: Serve) -> None:
    server = serve(script)
    streams = two(face, server)
    assert [s.message.outcome for s in streams] == ["complete", "complete"]
    assert len(server.peers) == 1
    assert len(server.peers[0].requests) == 2


@pytest.mark.parametrize("face", FACES)
def test_leaving_one_stream_hurts_no_other(face: Face, serve: Serve) -> None:
    # the first one's body is whole, so that a pool may think its connection free; then it is broken off
    first = sse(*[say("x" * 1000)] * 5)
    gate = Gate()
    second: Script = [head() + chunked(sse(say("Hel"))), gate, chunked(sse(say("lo", "stop"), DONE)) + LAST]
    server = serve([head(framing=str(len(first))) + first], second)
    options = ask(server)
    settings = {name: options.pop(name) for name in ("base_url", "api_key")}

    def blocking() -> str:
        with headrace.Client(**settings) as client, client.stream(**options) as other:
            for _ in other.text_stream:
                break
            with client.stream(**options) as s:
                next(s.text_stream)
                other.close()
                gate.open()
                return s.get_final_text()

    async def asynchronous() -> str:
        async with headrace.AsyncClient(**settings) as client, client.stream(**options) as other:
            async for _ in other.text_stream:
                break
            async with client.stream(**options) as s:
                await anext(s.text_stream)
                await other.aclose()
                gate.open()
                return await s.get_final_text()

    assert (blocking() if face == "sync" else asyncio.run(asynchronous())) == "Hello"


@pytest.mark.parametrize("face", FACES)
def test_after_a_break_the_connection_is_not_used_again(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL], whole(HELLO))
    streams = two(face, server, lambda s: bool(s.message.text))
    assert [s.message.outcome for s in streams] == ["cancelled", "complete"]
    assert len(server.peers) == 2
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_server_that_holds_on_after_its_last_frame(face: Face, framing: str, serve: Serve) -> None:
    # the End comes with the marker, and closing waits no longer than a moment for the body's end
    given = chunked(HELLO) if framing == "chunked" else HELLO
    server = serve([head(framing="100000" if framing == "length" else framing) + given, STALL], whole(HELLO))
    streams = two(face, server)
    assert [s.message.outcome for s in streams] == ["complete", "complete"]
    assert len(server.peers) == 2
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_a_server_that_goes_on_after_its_last_frame(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(HELLO) + chunked(sse(say("more"))) * 10_000, STALL], whole(HELLO))
    streams = two(face, server)
    assert [s.message.text for s in streams] == ["Hello", "Hello"]
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("last", [CLOSE, RESET])
def test_a_server_that_goes_after_its_last_frame(face: Face, last: Any, serve: Serve) -> None:
    server = serve([head() + chunked(HELLO), last])
    streams = two(face, server)
    assert [s.message.outcome for s in streams] == ["complete", "complete"]
    assert not [s.message.warnings for s in streams if s.message.warnings]
    assert len(server.peers) == 2


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("framing", ["close", "length"])
def test_a_server_that_keeps_no_connection(face: Face, framing: str, serve: Serve) -> None:
    start = (
        head(framing="close")
        if framing == "close"
        else head(200, "text/event-stream", "connection: close", framing=str(len(HELLO)))
    )
    server = serve([start + HELLO, CLOSE])
    streams = two(face, server)
    assert [s.message.outcome for s in streams] == ["complete", "complete"]
    assert len(server.peers) == 2


@pytest.mark.parametrize("face", FACES)
def test_a_connection_that_the_server_closed_meanwhile_is_not_used(face: Face, serve: Serve) -> None:
    server = serve([*whole(HELLO), CLOSE], whole(HELLO))
    options = ask(server)
    settings = {name: options.pop(name) for name in ("base_url", "api_key")}

    def blocking() -> None:
        with headrace.Client(**settings) as client:
            for _ in range(2):
                with client.stream(**options) as s:
                    assert s.get_final_text() == "Hello"
                assert server.peers[0].wait_gone()

    async def asynchronous() -> None:
        async with headrace.AsyncClient(**settings) as client:
            for _ in range(2):
                async with client.stream(**options) as s:
                    assert await s.get_final_text() == "Hello"
                assert await asyncio.to_thread(server.peers[0].wait_gone)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert len(server.peers) == 2


@pytest.mark.parametrize("face", FACES)
def test_what_is_sent(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    read(face, **ask(server, system="Be brief", max_tokens=7, headers={"X-Mine": "yes"}))
    [request] = server.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-mine"] == "yes"
    assert request.headers["accept-encoding"] == "identity"
    body = json.loads(request.body)
    assert body["model"] == "test-model"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_completion_tokens"] == 7
    assert body["messages"] == [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("face", FACES)
def test_thinking_and_tools_of_anthropic(face: Face, serve: Serve) -> None:
    body = messages(
        message_start(),
        block_start(0, "thinking", thinking=""),
        block_delta(0, "thinking_delta", thinking="hm"),
        block_stop(0),
        *block(1, "Hello"),
        block_start(2, "tool_use", id="t1", name="f", input={}),
        block_delta(2, "input_json_delta", partial_json='{"a": 1}'),
        block_stop(2),
        message_delta("tool_use"),
        STOP,
    )
    reading = read(face, **ask(serve(whole(body)), "anthropic"))
    message = reading.message
    assert (message.thinking, message.text, message.outcome) == ("hm", "Hello", "tool_calls")
    assert [(c.id, c.name, c.arguments) for c in message.tool_calls] == [("t1", "f", '{"a": 1}')]
    assert message.usage.output_tokens == 7
