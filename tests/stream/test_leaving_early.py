"""Ending a stream before there is a connection, and at any moment: nothing is left, with the garbage collector off."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import headrace
from headrace import StreamTimeoutError
from tests.faces import FACES, Face, ask, stream_of
from tests.servers import GONE_S, STALL, Server, chunked, head, open_sockets
from tests.wire.streams import say, sse

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

IN_THE_MIDDLE = [head() + chunked(sse(say("Hel"))), STALL]


def run(face: Face, body: Callable[[], Any], asynchronous: Callable[[], Any]) -> Any:
    return body() if face == "sync" else asyncio.run(asynchronous())


# -- before there is a connection


class Listener:
    """A socket that listens, and accepts nothing until it is asked to."""

    def __init__(self, *, full: bool) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port: int = self.socket.getsockname()[1]
        self._clients = [self._client() for _ in range(2 if full else 0)]

    def _client(self) -> socket.socket:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", self.port))
        return client

    def close(self) -> None:
        for each in (self.socket, *self._clients):
            each.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def start(*, full: bool = False) -> Listener:
        listeners.append(Listener(full=full))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def cancelled_meanwhile(face: Face, s: Any, port: int, others: int) -> None:
    def cancel() -> None:
        for _ in range(2000):
            if open_sockets(port) > others:
                break
            threading.Event().wait(0.005)
        s.cancel()

    other = threading.Thread(target=cancel)
    other.start()

    def blocking() -> None:
        with s:
            assert [type(e) for e in s] == [headrace.End]
            assert open_sockets(port) == others

    async def asynchronous() -> None:
        async with s:
            assert [type(e) async for e in s] == [headrace.End]
            await asyncio.sleep(0)
            assert open_sockets(port) == others

    run(face, blocking, asynchronous)
    other.join()
    assert s.message.outcome == "cancelled"


@pytest.mark.parametrize("face", FACES)
def test_cancel_while_it_connects(face: Face, listen: Callable[..., Listener]) -> None:
    port = listen(full=True).port
    s = stream_of(face, "m", "Hi", base_url=f"http://127.0.0.1:{port}/v1", connect_s=60.0)
    cancelled_meanwhile(face, s, port, open_sockets(port))


@pytest.mark.parametrize("face", FACES)
def test_cancel_during_a_handshake_that_is_never_answered(face: Face, listen: Callable[..., Listener]) -> None:
    listener = listen()
    s = stream_of(face, "m", "Hi", base_url=f"https://127.0.0.1:{listener.port}/v1", connect_s=60.0)

    def hello_then_cancel() -> None:
        peer, _ = listener.socket.accept()
        with peer:
            peer.settimeout(GONE_S)
            assert peer.recv(1)  # the handshake has begun
            s.cancel()
            while peer.recv(4096):
                pass
        closed.set()

    closed = threading.Event()
    other = threading.Thread(target=hello_then_cancel)
    other.start()

    def blocking() -> None:
        with s:
            assert closed.wait(GONE_S)
            assert [type(e) for e in s] == [headrace.End]

    async def asynchronous() -> None:
        async with s:
            assert await asyncio.to_thread(closed.wait, GONE_S)
            assert [type(e) async for e in s] == [headrace.End]

    run(face, blocking, asynchronous)
    other.join()
    assert s.message.outcome == "cancelled"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("timeouts", "phase"), [((0.1, None, None), "first_token"), ((None, None, 0.1), "total")])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_timeout_before_there_is_a_connection(
    face: Face, timeouts: Any, phase: str, scheme: str, listen: Callable[..., Listener]
) -> None:
    # http: nobody accepts; https: nobody answers the handshake
    port = listen(full=scheme == "http").port
    others = open_sockets(port)
    s = stream_of(face, "m", "Hi", base_url=f"{scheme}://127.0.0.1:{port}/v1", connect_s=60.0, timeouts=timeouts)
    with pytest.raises(StreamTimeoutError) as caught:
        run(face, lambda: s.__enter__(), lambda: s.__aenter__())  # noqa: PLW0108 - it has but one of them
    assert caught.value.info.phase == phase
    assert open_sockets(port) == others


# -- a hundred times


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("shared", [False, True], ids=["a client each", "one client"])
def test_nothing_is_left_after_a_hundred(face: Face, shared: bool, serve: Serve) -> None:
    server = serve(IN_THE_MIDDLE)
    options = ask(server)
    settings = {name: options.pop(name) for name in ("base_url", "api_key")}
    kept: list[Any] = []

    def blocking() -> None:
        with headrace.Client(**settings) as client:
            for n in range(100):
                s = client.stream(**options) if shared else headrace.stream(**options, **settings)
                kept.append(s)
                with s:
                    for _ in s.text_stream:
                        if n % 2:
                            s.cancel()
                        else:
                            break
            assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with headrace.AsyncClient(**settings) as client:
            for n in range(100):
                s = client.stream(**options) if shared else headrace.astream(**options, **settings)
                kept.append(s)
                async with s:
                    async for _ in s.text_stream:
                        if n % 2:
                            s.cancel()
                        else:
                            break
            await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn
            assert open_sockets(server.port) == 0

    run(face, blocking, asynchronous)
    assert len(server.peers) == 100
    assert all(peer.wait_gone() for peer in server.peers)


async def test_cancelled_at_any_turn_of_the_loop(serve: Serve) -> None:
    # the task is cancelled one turn later each time, from before the connection to the middle of the answer
    server = serve(IN_THE_MIDDLE)
    options = ask(server)
    settings = {name: options.pop(name) for name in ("base_url", "api_key")}
    kept: list[Any] = []

    async def reading(s: Any) -> None:
        async with s:
            async for _ in s:
                pass

    async with headrace.AsyncClient(**settings) as client:
        for turns in range(150):
            s = client.stream(**options)
            kept.append(s)
            task = asyncio.create_task(reading(s))
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns % 3:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                s.cancel()
                await task
            assert s.message.outcome == "cancelled"
        for _ in range(3):
            await asyncio.sleep(0)
        assert open_sockets(server.port) == 0


def test_cancelled_by_a_thread_at_any_time(serve: Serve) -> None:
    server = serve(IN_THE_MIDDLE)
    with headrace.Client(base_url=server.url) as client:
        for n in range(100):
            s = client.stream("m", "Hi")
            begin = threading.Barrier(2)

            def cancel(n: int = n, s: Any = s, begin: threading.Barrier = begin) -> None:
                begin.wait()
                for _ in range(n * 50):
                    pass
                s.cancel()

            other = threading.Thread(target=cancel)
            other.start()
            begin.wait()
            with s:
                for _ in s:
                    pass
            other.join()
            assert s.message.outcome == "cancelled"
        assert open_sockets(server.port) == 0
    assert all(peer.wait_gone() for peer in server.peers)
