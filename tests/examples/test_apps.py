"""The apps among the examples: served by uvicorn, asked over sockets, and left in every way that there is."""

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from headrace.sim import Scenario, Simulator
from tests.examples.running import BOUND_S, EXAMPLES, MODEL, SKY, serving
from tests.gateway.serving import Viewer, answer, post

Serve = Callable[[str], AbstractContextManager[int]]


@pytest.fixture
def serve(sim: Simulator, tmp_path: Path) -> Serve:
    """Serve an example's app before the simulator."""

    def run(app: str) -> AbstractContextManager[int]:
        return serving(app, home=tmp_path, env={**sim.env(), "HEADRACE_MODEL": MODEL})

    return run


# -- an endpoint of one's own


async def test_text_is_there_before_the_answer_is_whole(sim: Simulator, serve: Serve) -> None:
    sim.script(Scenario(answer=SKY, faults=("hold:rest@token:3",)))
    with serve("fastapi_sse") as port:
        async with await Viewer.ask(port, {"prompt": "Why is the sky blue?"}) as viewer:
            coming = viewer.frames()
            assert [await anext(coming) for _ in range(3)] == [{"content": c} for c in ("Blue", " light", " is")]
            sim.release("rest")
            *texts, outcome, done = [frame async for frame in coming]
    assert "".join(text["content"] for text in texts) == " turned aside more than red."
    assert (outcome, done) == ({"outcome": "complete"}, "[DONE]")
    assert viewer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert sim.journal.last.body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.mark.parametrize(
    ("fault", "tokens"),
    [("hold@token:3", 3), ("hold@token:0", 0), ("slow-headers:30", 0)],
    ids=["mid", "first", "head"],
)
async def test_who_leaves_stops_the_model(fault: str, tokens: int, sim: Simulator, serve: Serve) -> None:
    sim.script(Scenario(answer=SKY, faults=(fault,)))
    with serve("fastapi_sse") as port:
        async with await Viewer.ask(port) as viewer:
            await viewer.head()
            coming = viewer.frames()
            for _ in range(tokens):
                await anext(coming)
            await sim.journal.wait_async(lambda e: e.tokens == tokens)
        exchange = await sim.journal.wait_async()
        assert (exchange.how, exchange.left_at_token, exchange.tokens_after_leaving) == ("left", tokens, 0)
        await sim.journal.wait_closed_async()


@pytest.mark.parametrize(
    ("fault", "kind", "texts"),
    [("eof@token:2", "truncated", 2), ("error@token:2", "server", 2), ("status:429", "rate_limit", 0)],
)
async def test_a_failure_is_a_frame(fault: str, kind: str, texts: int, sim: Simulator, serve: Serve) -> None:
    sim.script(Scenario(answer=SKY, faults=(fault,)))
    with serve("fastapi_sse") as port:
        *before, last = await answer(port)
    assert last["error"]["type"] == kind
    assert last["error"]["message"]
    assert [list(frame) for frame in before] == [["content"]] * texts


async def test_no_other_site_may_ask(sim: Simulator, serve: Serve) -> None:
    odd: list[tuple[dict[str, str], int]] = [({"host": "evil.example"}, 400), ({"content_type": "text/plain"}, 422)]
    with serve("fastapi_sse") as port:
        for headers, status in odd:
            async with await Viewer.ask(port, raw=post(port, {"prompt": "Hi"}, **headers)) as viewer:
                await viewer.head()
                assert viewer.status == status
    assert sim.journal.exchanges == []


@pytest.fixture
def app(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the example's app into this process."""
    for name, value in {**sim.env(), "HEADRACE_MODEL": MODEL}.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("fastapi_sse", EXAMPLES / "fastapi_sse.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


async def test_who_does_not_read_and_leaves_stops_the_model(app: Any, sim: Simulator) -> None:
    # The server's own way of saying so: sending waits, and then the client is gone. The frames' generator is not
    # running at that moment.
    sim.script(Scenario(answer=SKY, faults=("hold@token:3",)))
    stuck, for_ever = asyncio.Event(), asyncio.Event()
    body = {"type": "http.request", "body": b'{"prompt": "Hi"}', "more_body": False}

    async def receive() -> dict[str, Any]:
        if body:
            given, _ = body.copy(), body.clear()
            return given
        await stuck.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await for_ever.wait()

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST"}
    scope |= {"path": "/chat/stream", "raw_path": b"/chat/stream", "query_string": b"", "headers": headers}
    async with asyncio.timeout(BOUND_S):
        await app(scope, receive, send)
    assert (await sim.journal.wait_async()).how == "left"


# -- the gateway in an app


async def test_the_gateway_in_an_app(sim: Simulator, serve: Serve) -> None:
    with serve("mount_gateway") as port:
        frames = await answer(port, raw=post(port, {"prompt": "Hi"}, path="/ask/chat/stream"))
    assert "".join(frame.get("content", "") for frame in frames[:-1]) == SKY
    assert frames[-1] == "[DONE]"
