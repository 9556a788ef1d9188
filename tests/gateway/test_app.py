"""The app as a whole: its page, its description, and how it lives in other people's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import pytest
from fastapi import FastAPI

from headrace.client import AsyncClient
from headrace.config import Config
from headrace.errors import ConfigError, UsageError
from headrace.gateway import create_app
from headrace.sim import Scenario, Simulator
from tests.gateway.serving import Viewer, answer, config_for, post, serving
from tests.simulated import SILENT, asked, left_async, none_open


async def get(port: int, path: str, method: str = "GET") -> tuple[Viewer, bytes]:
    async with await Viewer.ask(port, raw=f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()) as viewer:
        await viewer.head()
        length = 0 if method == "HEAD" else int(viewer.headers["content-length"])
        return viewer, await viewer._reader.readexactly(length)


HELLO = Scenario(answer="Hi")


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/headrace.js", "headrace.js", "text/javascript; charset=utf-8"),
        ("/assets/page.js", "page.js", "text/javascript; charset=utf-8"),
        ("/assets/page.css", "page.css", "text/css; charset=utf-8"),
    ],
)
async def test_the_page(path: str, name: str, kind: str) -> None:
    with serving(create_app(model="sim/demo")) as port:
        viewer, body = await get(port, path)
        headers = viewer.headers
        assert viewer.status == 200
        assert body == files("headrace.ui").joinpath(name).read_bytes()
        assert headers["content-type"] == kind
        assert headers["cache-control"] == "no-cache"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].split("; ")[:2] == ["default-src 'none'", "script-src 'self'"]
        assert "unsafe" not in headers["content-security-policy"]
        viewer, _ = await get(port, path, "HEAD")
        assert viewer.status == 200


async def test_it_says_that_it_lives_and_what_it_knows() -> None:
    with serving(create_app(model="sim/demo")) as port:
        assert (await get(port, "/healthz"))[1] == b'{"status":"ok"}'
        viewer, _ = await get(port, "/openapi.json")
        assert viewer.status == 200
        for page in ("/docs", "/redoc"):
            assert (await get(port, page))[0].status == 404
    document = create_app(model="sim/demo").openapi()
    assert document["paths"].keys() == {"/chat/stream", "/healthz"}
    asked = document["paths"]["/chat/stream"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert asked["properties"].keys() == {"prompt", "model", "system", "max_tokens"}
    assert asked["required"] == ["prompt"]
    assert "text/event-stream" in document["paths"]["/chat/stream"]["post"]["responses"]["200"]["content"]


async def test_it_is_mounted_in_another_app() -> None:
    with Simulator(HELLO) as sim:
        inner = create_app(config=config_for(sim.openai_url))

        @asynccontextmanager
        async def lifespan(_: FastAPI):
            async with inner.router.lifespan_context(inner):
                yield

        outer = FastAPI(lifespan=lifespan)
        outer.mount("/talk", inner)
        with serving_any(outer) as port:
            assert (await answer(port, raw=post(port, {"prompt": "Hi"}, path="/talk/chat/stream")))[-1] == "[DONE]"
            assert b"assets/page.js" in (await get(port, "/talk/"))[1]
            assert (await get(port, "/talk/assets/page.js"))[0].status == 200
        await none_open(sim)


async def test_two_gateways_share_nothing() -> None:
    with Simulator(HELLO) as one, Simulator(HELLO) as other:
        with serving(create_app(config=config_for(one.openai_url))) as first:
            with serving(create_app(config=config_for(other.openai_url), model="up/m-2")) as second:
                await asyncio.gather(answer(first), answer(second))
        # With its app, each client closed what it held.
        await none_open(one)
        await none_open(other)
    assert [[e.model for e in sim.journal.exchanges] for sim in (one, other)] == [["m-1"], ["m-2"]]


async def test_a_client_that_was_given_stays_open() -> None:
    with Simulator(HELLO) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client:
            app = create_app(client=client)
            for _ in range(2):
                async with app.router.lifespan_context(app):
                    assert await in_process(app) == 200
            async with client.stream(None, "Hi") as stream:
                assert await stream.get_final_text() == "Hi"


async def test_an_app_may_live_twice() -> None:
    with Simulator(HELLO) as sim:
        app = create_app(config=config_for(sim.openai_url))
        for _ in range(2):
            with serving(app) as port:
                assert (await answer(port))[-1] == "[DONE]"


def test_what_makes_no_sense_is_said_at_once(tmp_path) -> None:
    with pytest.raises(UsageError, match="client or a config"):
        create_app(client=AsyncClient(config=Config({}, {})), config=Config({}, {}))
    with pytest.raises(ConfigError, match="cannot be read"):
        create_app(config=tmp_path / "none.toml")


async def test_a_server_that_raises_where_the_viewer_has_left() -> None:
    # As ASGI's text allows; uvicorn doesn't, so the server is ours here.
    with Simulator(SILENT) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client:
            assert await in_process(create_app(client=client, keep_alive_s=0.01), leave_after=3) == 200
            assert (await left_async(sim)).left_at_token == 0


async def test_a_server_that_cancels_the_request() -> None:
    with Simulator(SILENT) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client:
            app = create_app(client=client)
            task = asyncio.create_task(in_process(app))
            await asked(sim)
            assert len(app.state.chat.streams) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await left_async(sim)).left_at_token == 0
            assert len(app.state.chat.streams) == 0


def serving_any(app: FastAPI):
    """Serve an app that is none of ours."""
    app.state.chat = create_app(model="sim/demo").state.chat
    return serving(app)


async def in_process(app: FastAPI, *, leave_after: int | None = None) -> int:
    """Ask without a socket; after so many messages sending raises. Give the status."""
    said: list[Any] = []
    bodies = [{"type": "http.request", "body": body, "more_body": False} for body in (b"", b'{"prompt": "Hi"}')]

    async def receive():
        return bodies.pop() if bodies else await asyncio.Event().wait()

    async def send(message) -> None:
        if leave_after is not None and len(said) >= leave_after:
            raise OSError("gone")
        said.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/chat/stream",
        "raw_path": b"/chat/stream",
        "root_path": "",
    }
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "query_string": b"", "scheme": "http", "asgi": {}}
    await app(scope, receive, send)
    return said[0]["status"]
