"""A connection is closed at once, also where a gentle close would wait: unsent bytes, a TLS peer's farewell."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import trustme

import headrace
from headrace import End
from tests.faces import FACES, stream_of
from tests.servers import GONE_S, STALL, Server, chunked, head, open_sockets
from tests.wire.streams import say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

LOOPS = (*FACES, "uvloop")
"""The gateway runs on uvloop, whose transports are classes of their own."""


def run(face: str, coroutine: Coroutine[Any, Any, Any]) -> Any:
    if face == "uvloop":
        return pytest.importorskip("uvloop").run(coroutine)
    return asyncio.run(coroutine)


class SilentTLS:
    """A TLS server that says the beginning of an answer, and then does not even answer a farewell."""

    def __init__(self, context: ssl.SSLContext, answer: bytes) -> None:
        self.gone = threading.Event()
        """The TCP connection has ended: a TLS farewell alone is not it."""
        self._answer = answer
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self._socket.accept()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    peer.sendall(outgoing.read())
                    incoming.write(peer.recv(65536))

        with peer:
            peer.settimeout(GONE_S)
            until_done(tls.do_handshake)
            request = b""
            while b'"stream"' not in request:
                request += until_done(lambda: tls.read(65536))
            tls.write(self._answer)
            peer.sendall(outgoing.read())
            with contextlib.suppress(ConnectionResetError):
                while peer.recv(65536):
                    pass
        self.gone.set()

    def close(self) -> None:
        self._socket.close()
        self._thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def silent(authority: trustme.CA) -> Iterator[SilentTLS]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = SilentTLS(context, head() + chunked(sse(say("Hel"))))
    yield server
    server.close()


@pytest.mark.parametrize("face", LOOPS)
@pytest.mark.parametrize("way", ["break", "cancel"])
def test_a_tls_peer_that_says_no_farewell(face: Any, way: str, silent: SilentTLS, authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    settings: dict[str, Any] = {"base_url": f"https://127.0.0.1:{silent.port}/v1", "ssl_context": trusting}

    def blocking() -> Any:
        with headrace.Client(**settings) as client:
            with client.stream("m", "Hi") as s:
                for _ in s.text_stream:
                    if way == "break":
                        break
                    s.cancel()
                    assert silent.gone.wait(GONE_S)
            assert silent.gone.wait(GONE_S)
            assert open_sockets(silent.port) == 0
            return s

    async def asynchronous() -> Any:
        async with headrace.AsyncClient(**settings) as client:
            async with client.stream("m", "Hi") as s:
                async for _ in s.text_stream:
                    if way == "break":
                        break
                    s.cancel()
                    assert await asyncio.to_thread(silent.gone.wait, GONE_S)
            assert await asyncio.to_thread(silent.gone.wait, GONE_S)
            assert open_sockets(silent.port) == 0
            return s

    s = blocking() if face == "sync" else run(face, asynchronous())
    assert (s.message.outcome, s.message.text) == ("cancelled", "Hel")


@pytest.mark.parametrize(
    ("face", "way"),
    [
        ("sync", "cancel"),
        ("sync", "deadline"),
        *[(loop, way) for loop in ("async", "uvloop") for way in ("cancel", "deadline", "task")],
    ],
)
def test_a_server_that_does_not_read_the_request(face: Any, way: str) -> None:
    # the request is larger than what the system takes: most of it waits to be sent
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(GONE_S)
        port = listener.getsockname()[1]
        options: dict[str, Any] = {"base_url": f"http://127.0.0.1:{port}/v1"}
        options["timeouts"] = (None, None, 0.3 if way == "deadline" else None)
        prompt = "x" * 20_000_000
        peers: list[socket.socket] = []
        s = stream_of(face, "m", prompt, **options)

        def leave() -> None:
            peer, _ = listener.accept()
            peers.append(peer)
            peer.settimeout(GONE_S)
            assert peer.recv(1)  # the request has begun
            if way == "cancel":
                s.cancel()

        other = threading.Thread(target=leave)
        other.start()

        def blocking() -> None:
            with s:
                assert [type(e) for e in s] == [End]

        async def asynchronous() -> None:
            async with headrace.AsyncClient(**options) as client:
                nonlocal s
                s = client.stream("m", prompt)
                task = asyncio.create_task(entering(s))
                await asyncio.to_thread(other.join)
                if way == "task":
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                else:
                    await task
                await asyncio.sleep(0)
                assert open_sockets(port) == 0

        async def entering(s: Any) -> None:
            async with s:
                assert [type(e) async for e in s] == [End]

        try:
            if way == "deadline":
                with pytest.raises(headrace.StreamTimeoutError):
                    blocking() if face == "sync" else run(face, asynchronous())
            else:
                blocking() if face == "sync" else run(face, asynchronous())
        finally:
            other.join()
        assert open_sockets(port) == 0
        assert s.message.outcome == ("timeout" if way == "deadline" else "cancelled")
        for peer in peers:
            peer.close()


@pytest.mark.parametrize("face", LOOPS)
def test_connecting_and_sending_take_their_share_of_the_wait(face: Any, serve: Serve) -> None:
    # a deadline is one for all: it does not begin anew once there is a connection
    server = serve([STALL])
    s = stream_of(face, "m", "Hi", base_url=server.url, connect_s=60.0, timeouts=(0.2, None, None))

    async def enter() -> None:
        async with s:
            pass

    with pytest.raises(headrace.StreamTimeoutError) as caught:
        s.__enter__() if face == "sync" else asyncio.run(enter())
    assert caught.value.info.phase == "first_token"
    assert server.peers[0].wait_gone()
