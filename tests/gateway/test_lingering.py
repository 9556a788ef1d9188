"""Who still sends when it is refused gets to read why."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from headrace.gateway import create_app, lingering
from headrace.gateway.chat import MAX_BODY_BYTES
from tests.gateway.serving import BOUND_S, config_for, post, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 30_000_000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(create_app(config=config_for("http://127.0.0.1:9/v1"))) as port:
        yield port


class Asker:
    """A blocking client."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), BOUND_S)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def answer(self) -> tuple[int, Any]:
        status = int(self.file.readline().split()[1])
        fields = dict(line.lower().split(b": ", 1) for line in iter(self.file.readline, b"\r\n"))
        return status, json.loads(self.file.read(int(fields[b"content-length"])))


REFUSED: dict[str, tuple[int, dict[str, str | None]]] = {
    "too large": (413, {}),
    "no JSON": (415, {"content_type": "text/plain"}),
    "another site": (403, {"origin": "http://evil.example"}),
}


@pytest.mark.parametrize("why", REFUSED)
def test_who_sends_all_of_it_reads_the_refusal(port: int, why: str) -> None:
    status, headers = REFUSED[why]
    for _ in range(3):
        with Asker(port) as asker:
            asker.sock.sendall(post(port, b"x" * SIZE, connection="close", **headers))
            assert asker.answer()[0] == status
            assert asker.file.read() == b""


@pytest.mark.parametrize("why", REFUSED)
def test_who_would_ask_again_does(port: int, why: str) -> None:
    status, headers = REFUSED[why]
    with Asker(port) as asker:
        for _ in range(2):
            asker.sock.sendall(post(port, b"x" * SIZE, **headers))
            assert asker.answer()[0] == status


def test_a_body_in_chunks_too(port: int) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with Asker(port) as asker:
        asker.sock.sendall(post(port, b"", "transfer-encoding: chunked", content_length=None, connection="close"))
        asker.sock.sendall(piece * (SIZE // 65536) + b"0\r\n\r\n")
        assert asker.answer()[0] == 413


def test_it_is_told_before_all_is_sent(port: int) -> None:
    raw = post(port, b"x" * SIZE)
    with Asker(port) as asker:
        asker.sock.sendall(raw[: MAX_BODY_BYTES + 100_000])
        assert asker.answer()[0] == 413
        asker.sock.sendall(raw[MAX_BODY_BYTES + 100_000 :])
        asker.sock.sendall(post(port, b"{}"))
        assert asker.answer()[0] == 400


def test_who_goes_before_he_has_sent_all_harms_nobody(port: int) -> None:
    with Asker(port) as asker:
        asker.sock.sendall(post(port, b"x" * SIZE, origin="http://evil.example")[:100_000])
        assert asker.answer()[0] == 403
    test_a_body_in_chunks_too(port)


def test_who_stays_and_sends_nothing_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "_LINGER_S", 0.05)
    with Asker(port) as asker:
        raw = post(port, b"x" * 100_000, origin="http://evil.example", connection="close")
        asker.sock.sendall(raw[:1000])
        assert asker.answer()[0] == 403
        with contextlib.suppress(ConnectionResetError):
            assert asker.file.read(1) == b""


async def test_what_is_whole_is_not_waited_for() -> None:
    said: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x"}

    async def send(message: Any) -> None:
        said.append(message)

    async with asyncio.timeout(BOUND_S):
        for scope in (
            {"type": "http", "headers": [(b"content-length", b"1")]},
            {"type": "http", "headers": [(b"content-length", b"0")]},
            {"type": "lifespan"},
        ):
            await lingering.Lingering(app)(scope, receive, send)
    assert [message["body"] for message in said] == [b"a", b"b"] * 3
