"""Our client behind the proxy: what a fault of the network becomes for a user, and that leaving gets through."""

import asyncio
from typing import Any

import pytest

import headrace
from headrace.sim.fault_proxy import FaultProxy, Toxics
from tests.faces import FACES, KEY, Face, read, stream_of
from tests.servers import STALL, Script, Server, chunked, head, open_sockets, whole
from tests.wire.streams import sse

pytestmark = pytest.mark.usefixtures("bare")


def chunk(text: str | None = None, reason: str | None = None) -> Any:
    delta = {} if text is None else {"content": text}
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


ANSWER = sse(*[chunk(f"word{number} ") for number in range(50)], chunk(reason="stop"), "[DONE]")
TEXT = "".join(f"word{number} " for number in range(50))


def ask(proxy: FaultProxy, **more: Any) -> dict[str, Any]:
    return {"model": "openai/test-model", "prompt": "Hi", "base_url": proxy.url, "api_key": KEY, **more}


def served(serve: Any, *script: Any) -> Server:
    server: Server = serve(*script)
    return server


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("toxics", [Toxics(slice_bytes=1), Toxics(jitter_s=0.001), Toxics(bandwidth=1e6)])
def test_the_answer_is_the_same(face: Face, toxics: Toxics, serve: Any) -> None:
    server = served(serve, whole(ANSWER))
    with FaultProxy(server.url, faults=toxics, upload=toxics) as proxy:
        reading = read(face, **ask(proxy))
        assert (reading.error, reading.message.outcome, reading.text) == (None, "complete", TEXT)
        assert proxy.url.endswith("/v1")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("reset", headrace.TruncatedError),
        ("close", headrace.TruncatedError),
        ("truncate", headrace.TruncatedError),
        ("stall", headrace.StreamTimeoutError),
        ("blackhole", headrace.StreamTimeoutError),
    ],
)
def test_a_fault_in_the_middle(face: Face, ending: Any, error: type[Exception], serve: Any) -> None:
    server = served(serve, whole(ANSWER))
    with FaultProxy(server.url, faults=Toxics(ending=ending, at_byte=len(ANSWER) // 2)) as proxy:
        reading = read(face, **ask(proxy, timeouts=(30, 0.3, None)))
        assert type(reading.error) is error
        assert reading.text.startswith("word0 word1 ")
        assert TEXT.startswith(reading.message.text)
        assert server.peers[0].wait_gone()
        proxy.wait_closed()
        assert open_sockets(proxy.port) == 0


@pytest.mark.parametrize("face", FACES)
def test_a_stall_is_the_idle_timeouts_business(face: Face, serve: Any) -> None:
    server = served(serve, whole(ANSWER))
    with FaultProxy(server.url, faults=Toxics(ending="stall", at_byte=len(ANSWER) // 2)) as proxy:
        reading = read(face, **ask(proxy, timeouts=(30, 0.3, None)))
        assert isinstance(reading.error, headrace.StreamTimeoutError)
        assert reading.error.info.phase == "idle"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("toxics", [Toxics(), Toxics(slice_bytes=3), Toxics(ending="stall", at_byte=400)])
def test_leaving_is_passed_on_at_once(face: Face, toxics: Toxics, serve: Any) -> None:
    script: Script = [head() + chunked(sse(*[chunk(f"word{number} ") for number in range(9)])), STALL]
    server = served(serve, script)
    with FaultProxy(server.url, faults=toxics) as proxy:
        stream = stream_of(face, **ask(proxy))

        def blocking() -> None:
            with stream as s:
                next(iter(s.text_stream))

        async def asynchronous() -> None:
            async with stream as s:
                async for _ in s.text_stream:
                    break

        blocking() if face == "sync" else asyncio.run(asynchronous())
        assert server.peers[0].wait_gone()
        proxy.wait_closed()
        assert proxy.connections[0].closed_by == "client"


@pytest.mark.parametrize("face", FACES)
def test_an_upstream_that_is_not_there(face: Face, serve: Any) -> None:
    server = served(serve)
    server.close()
    with FaultProxy(server.url) as proxy:
        assert isinstance(read(face, **ask(proxy)).error, headrace.TransportError)
