"""Clients: settings that streams share, connections that they share, and what closing one means."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import AsyncClient, Client, HeadraceError, TruncatedError, UsageError
from headrace.config import load_config
from tests.faces import FACES, KEY, Face, stream_of
from tests.servers import STALL, Server, chunked, head, open_sockets, whole
from tests.wire.streams import DONE, choice, chunk, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), DONE)


def client(face: Face, server: Server, **settings: Any) -> Any:
    kind: Any = Client if face == "sync" else AsyncClient
    return kind(**{"base_url": server.url, "api_key": KEY, **settings})


def texts(face: Face, ours: Any, *calls: dict[str, Any]) -> list[str]:
    """Ask a client for streams, one after another, and close it."""

    def blocking() -> list[str]:
        said: list[str] = []
        with ours:
            for call in calls:
                with ours.stream("openai/m", "Hi", **call) as s:
                    said.append(s.get_final_text())
        return said

    async def asynchronous() -> list[str]:
        said: list[str] = []
        async with ours:
            for call in calls:
                async with ours.stream("openai/m", "Hi", **call) as s:
                    said.append(await s.get_final_text())
        return said

    return blocking() if face == "sync" else asyncio.run(asynchronous())


# -- settings


@pytest.mark.parametrize("face", FACES)
def test_headers_of_the_client_and_of_the_request(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    ours = client(face, server, headers={"X-A": "client", "X-B": "client"})
    assert texts(face, ours, {"headers": {"X-B": "request"}}, {}) == ["Hello", "Hello"]
    first, second = (request.headers for request in server.requests)
    assert (first["x-a"], first["x-b"]) == ("client", "request")
    assert (second["x-a"], second["x-b"]) == ("client", "client")


@pytest.mark.parametrize("face", FACES)
def test_a_header_of_the_user_s_replaces_ours(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    texts(face, client(face, server, headers={"Authorization": "Basic abc"}), {})
    assert server.requests[0].headers["authorization"] == "Basic abc"


@pytest.mark.parametrize("face", FACES)
def test_timeouts_of_the_client_and_of_the_request(face: Face, serve: Serve) -> None:
    server = serve([STALL])
    with pytest.raises(headrace.StreamTimeoutError) as caught:
        texts(face, client(face, server, timeouts=(0.1, None, None)), {})
    assert caught.value.info.phase == "first_token"
    with pytest.raises(headrace.StreamTimeoutError) as caught:
        texts(face, client(face, server, timeouts=(0.1, None, None)), {"timeouts": (None, None, 0.1)})
    assert caught.value.info.phase == "total"


@pytest.mark.parametrize("face", FACES)
def test_what_a_request_may_say(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    call: dict[str, Any] = {
        "system": "Be brief",
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": "END",
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "auto",
        "extra": {"user": "u-1"},
    }
    texts(face, client(face, server), call)
    body = json.loads(server.requests[0].body)
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.5, 0.9, 7, ["END"])
    assert (body["tools"], body["tool_choice"], body["user"]) == (call["tools"], "auto", "u-1")


@pytest.mark.parametrize("face", FACES)
def test_messages_in_place_of_a_prompt(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    ours = client(face, server)
    with pytest.raises(UsageError, match="give a prompt or messages, one of the two"):
        ours.stream("openai/m", "Hi", messages=[{"role": "user", "content": "Hi"}])

    def blocking() -> Any:
        with ours, ours.stream("openai/m", messages=[{"role": "user", "content": "Hi"}]) as s:
            return s.get_final_message()

    async def asynchronous() -> Any:
        async with ours, ours.stream("openai/m", messages=[{"role": "user", "content": "Hi"}]) as s:
            return await s.get_final_message()

    message = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert message.text == "Hello"
    assert json.loads(server.requests[0].body)["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("tags", [True, None])
def test_think_tags(face: Face, tags: bool | None, serve: Serve) -> None:
    server = serve(whole(sse(say("<think>hm</think>"), say("Hello", "stop"), DONE)))
    expected = "Hello" if tags else "<think>hm</think>Hello"
    assert texts(face, client(face, server), {"think_tags": tags}) == [expected]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", [str, Path, load_config])
def test_a_configuration(face: Face, kind: Any, serve: Serve, tmp_path: Path) -> None:
    server = serve(whole(HELLO))
    file = tmp_path / "mine.toml"
    file.write_text(
        f'model = "mine/m"\n[providers.mine]\nbase_url = "{server.url}"\napi_key = "sk-file"', encoding="utf-8"
    )
    s = stream_of(face, None, "Hi", config=kind(file))

    def blocking() -> None:
        with s:
            assert s.get_final_text() == "Hello"

    async def asynchronous() -> None:
        async with s:
            assert await s.get_final_text() == "Hello"

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert server.requests[0].headers["authorization"] == "Bearer sk-file"


def test_whom_a_client_would_ask() -> None:
    assert Client(api_key="k").target("openai").name == "openai/gpt-4o-mini"
    with pytest.raises(headrace.MissingKeyError):
        AsyncClient().target("openai")


@pytest.mark.parametrize("times", [(1, 2), (1, 2, 3, 4), (0, 1, 1), (1, -1, 1)])
def test_timeouts_that_make_no_sense(times: Any) -> None:
    with pytest.raises(UsageError, match=r"timeouts are \(first_token_s, idle_s, total_s\)"):
        Client(timeouts=times)


@pytest.mark.parametrize("face", FACES)
def test_the_simulation_needs_no_network(face: Face) -> None:
    s = stream_of(face, "sim/demo;seed=7;speed=max", "Hi")

    def blocking() -> None:
        with s:
            assert s.get_final_text()

    async def asynchronous() -> None:
        async with s:
            assert await s.get_final_text()

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert s.message.outcome == "complete"
    assert [w.code for w in s.message.warnings] == ["simulation"]


# -- closing


@pytest.mark.parametrize("face", FACES)
def test_a_closed_client_makes_no_stream(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    ours = client(face, server)
    texts(face, ours, {})
    with pytest.raises(UsageError, match="this client is closed; make another"):
        ours.stream("openai/m", "Hi")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("used", [True, False])
def test_a_stream_of_a_client_that_was_closed_meanwhile(face: Face, used: bool, serve: Serve) -> None:
    # entering it would leave connections behind that nobody closes
    server = serve(whole(HELLO))
    ours = client(face, server)
    late = ours.stream("openai/m", "Hi")
    texts(face, ours, *([{}] if used else []))

    async def enter() -> None:
        async with late:
            pass

    with pytest.raises(UsageError, match="the client of this stream is closed; make another"):
        late.__enter__() if face == "sync" else asyncio.run(enter())
    assert len(server.requests) == int(used)


def test_closing_a_blocking_client_leaves_its_open_streams(serve: Serve) -> None:
    server = serve(whole(HELLO))
    ours = client("sync", server)
    with ours.stream("openai/m", "Hi") as s:
        next(s.text_stream)
        ours.close()
        assert s.get_final_text() == "Hello"
    assert open_sockets(server.port) == 0
    ours.close()


@pytest.mark.parametrize("face", FACES)
def test_closing_needs_no_collector(face: Face, serve: Serve) -> None:
    # an error that somebody keeps keeps much else alive, in its traceback
    server = serve(whole(HELLO), [STALL])
    ours = client(face, server)
    whole_one, stalled = ours.stream("openai/m", "Hi"), ours.stream("openai/m", "Hi", timeouts=(0.1, None, None))

    def blocking() -> None:
        with ours:
            with whole_one:
                next(whole_one.text_stream)
                with stalled:
                    pass

    async def asynchronous() -> None:
        async with ours:
            async with whole_one:
                await anext(whole_one.text_stream)
                async with stalled:
                    pass

    with pytest.raises(headrace.StreamTimeoutError) as caught:
        blocking() if face == "sync" else asyncio.run(asynchronous())
    assert open_sockets(server.port) == 0
    assert caught.value.__traceback__


async def test_closing_an_async_client_ends_its_open_streams(serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL], [STALL])
    ours = client("async", server)
    caught: list[HeadraceError] = []

    async def reading() -> None:
        try:
            async with ours.stream("openai/m", "Hi") as s:
                async for _ in s:
                    pass
        except HeadraceError as error:
            caught.append(error)

    tasks = [asyncio.create_task(reading()) for _ in range(2)]
    for _ in tasks:
        assert await asyncio.to_thread(server.wait_asked)
    await ours.aclose()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert all(isinstance(error, TruncatedError | headrace.TransportError) for error in caught)
    assert len(caught) == 2
    assert open_sockets(server.port) == 0
    await ours.aclose()


@pytest.mark.parametrize("face", FACES)
def test_a_stream_of_the_module_closes_all_that_it_opened(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    s = stream_of(face, "m", "Hi", base_url=server.url)
    closed: list[str] = []

    async def note() -> None:
        closed.append("async")

    def blocking() -> None:
        s.on_close(lambda: closed.append("sync"))
        with s:
            s.get_final_text()
            assert closed == []

    async def asynchronous() -> None:
        s.on_close(note)
        async with s:
            await s.get_final_text()
            assert closed == []

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert closed == [face]
    assert open_sockets(server.port) == 0
    assert server.peers[0].wait_gone()


# -- many at once


def test_threads_share_a_client(serve: Serve) -> None:
    server = serve(whole(HELLO))
    said: list[str] = []

    def ask(ours: Client) -> None:
        for _ in range(5):
            with ours.stream("openai/m", "Hi") as s:
                said.append(s.get_final_text())

    with client("sync", server) as ours:
        threads = [threading.Thread(target=ask, args=(ours,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == ["Hello"] * 40
    assert len(server.peers) <= 8
    assert open_sockets(server.port) == 0


async def test_tasks_share_a_client(serve: Serve) -> None:
    server = serve(whole(HELLO))

    async def ask(ours: AsyncClient) -> str:
        async with ours.stream("openai/m", "Hi") as s:
            return await s.get_final_text()

    async with client("async", server) as ours:
        assert await asyncio.gather(*[ask(ours) for _ in range(150)]) == ["Hello"] * 150
    assert open_sockets(server.port) == 0
