"""Leaving and cutting through TLS, whose peer does not even answer a farewell; on uvloop too."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx2
import pytest
import requests
import trustme

import headrace
from headrace import PartDelta
from tests.adopt.test_sources import BEGUN
from tests.servers import STALL, Server, chunked, head, open_sockets

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

LOOPS = ["asyncio", "uvloop"]
WAYS = ["break", "cancel", "timeout"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def silent(serve: Serve, authority: trustme.CA) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return serve([head() + chunked(BEGUN["openai-chat"]), STALL], tls=context)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def adopted(source: Any, way: str) -> Any:
    return headrace.adopt(source, timeouts=(None, 0.05, None) if way == "timeout" else None)


def leave(s: Any, way: str) -> None:
    try:
        with s:
            for event in s:
                if isinstance(event, PartDelta) and way == "break":
                    break
                if isinstance(event, PartDelta) and way == "cancel":
                    threading.Thread(target=s.cancel).start()
    except headrace.StreamTimeoutError:
        assert way == "timeout"


async def leave_async(s: Any, way: str) -> None:
    try:
        async with s:
            async for event in s:
                if isinstance(event, PartDelta) and way == "break":
                    break
                if isinstance(event, PartDelta) and way == "cancel":
                    threading.Thread(target=s.cancel).start()
    except headrace.StreamTimeoutError:
        assert way == "timeout"


OUTCOMES = {"break": "cancelled", "cancel": "cancelled", "timeout": "timeout"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("library", ["httpx", "requests"])
def test_blocking(library: str, way: str, silent: Server, trusting: ssl.SSLContext, authority: Any) -> None:
    with httpx2.Client(verify=trusting) as client, requests.Session() as session, authority.cert_pem.tempfile() as pem:
        if library == "httpx":
            source: Any = client.send(client.build_request("POST", silent.url), stream=True)
        else:
            source = session.post(silent.url, stream=True, verify=pem)
        s = adopted(source, way)
        leave(s, way)
        assert silent.peers[0].wait_gone()
        assert open_sockets(silent.port) == 0
    assert (s.message.outcome, s.message.text) == (OUTCOMES[way], "Hel")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("library", ["httpx", "aiohttp", "aiohttp reader"])
def test_async(library: str, way: str, loop: str, silent: Server, trusting: ssl.SSLContext) -> None:
    async def main() -> Any:
        async with httpx2.AsyncClient(verify=trusting) as client, aiohttp.ClientSession() as session:
            if library == "httpx":
                source: Any = await client.send(client.build_request("POST", silent.url), stream=True)
            else:
                source = response = await session.post(silent.url, ssl=trusting)
                source = response.content if library == "aiohttp reader" else response
            s = adopted(source, way)
            await leave_async(s, way)
            assert await asyncio.to_thread(silent.peers[0].wait_gone)
            for _ in range(10):
                await asyncio.sleep(0)
            assert open_sockets(silent.port) == 0
        return s

    run: Any = asyncio.run if loop == "asyncio" else pytest.importorskip("uvloop").run
    s = run(main())
    assert (s.message.outcome, s.message.text) == (OUTCOMES[way], "Hel")
