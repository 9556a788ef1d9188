"""What people hold: streams of SDKs and responses of HTTP libraries, over real sockets, each behind the same call."""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import requests
import urllib3

import headrace
from headrace import HeadraceError
from tests.faces import KEY, Face, Reading, bounded
from tests.sdks import ANTHROPIC_REQUEST, OPENAI_REQUEST
from tests.servers import Server

# -- sync


@contextlib.contextmanager
def _openai(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        yield client.chat.completions.create(**OPENAI_REQUEST, stream=True)


@contextlib.contextmanager
def _openai_helper(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        with client.chat.completions.stream(**OPENAI_REQUEST) as stream:
            yield stream


@contextlib.contextmanager
def _openai_raw(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        create = client.chat.completions.with_streaming_response.create
        with create(**OPENAI_REQUEST, stream=True) as response:
            yield response


@contextlib.contextmanager
def _anthropic(server: Server) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), api_key=KEY, max_retries=0) as client:
        yield client.messages.create(**ANTHROPIC_REQUEST, stream=True)


@contextlib.contextmanager
def _anthropic_helper(server: Server) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), api_key=KEY, max_retries=0) as client:
        with client.messages.stream(**ANTHROPIC_REQUEST) as stream:
            yield stream


@contextlib.contextmanager
def _httpx(server: Server) -> Iterator[Any]:
    with httpx2.Client() as client:
        yield client.send(client.build_request("POST", server.url, headers={"x-api-key": KEY}), stream=True)


@contextlib.contextmanager
def _httpx_bytes(server: Server) -> Iterator[Any]:
    with _httpx(server) as response:
        yield response.iter_bytes()


@contextlib.contextmanager
def _httpx_lines(server: Server) -> Iterator[Any]:
    with _httpx(server) as response:
        yield response.iter_lines()


@contextlib.contextmanager
def _requests(server: Server) -> Iterator[Any]:
    with requests.Session() as session:
        yield session.post(server.url, stream=True)


@contextlib.contextmanager
def _requests_bytes(server: Server) -> Iterator[Any]:
    with _requests(server) as response:
        yield response.iter_content(None)


@contextlib.contextmanager
def _requests_lines(server: Server) -> Iterator[Any]:
    with _requests(server) as response:
        yield response.iter_lines(chunk_size=1)


@contextlib.contextmanager
def _urllib3(server: Server) -> Iterator[Any]:
    with urllib3.PoolManager() as pool:
        yield pool.request("POST", server.url, preload_content=False, retries=False)


@contextlib.contextmanager
def _http_client(server: Server) -> Iterator[Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    try:
        connection.request("POST", "/v1")
        yield connection.getresponse()
    finally:
        connection.close()


# -- async


@contextlib.asynccontextmanager
async def _async_openai(server: Server) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        yield await client.chat.completions.create(**OPENAI_REQUEST, stream=True)


@contextlib.asynccontextmanager
async def _async_openai_helper(server: Server) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        async with client.chat.completions.stream(**OPENAI_REQUEST) as stream:
            yield stream


@contextlib.asynccontextmanager
async def _async_openai_raw(server: Server) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        create = client.chat.completions.with_streaming_response.create
        async with create(**OPENAI_REQUEST, stream=True) as response:
            yield response


@contextlib.asynccontextmanager
async def _async_anthropic(server: Server) -> AsyncIterator[Any]:
    url = server.url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        yield await client.messages.create(**ANTHROPIC_REQUEST, stream=True)


@contextlib.asynccontextmanager
async def _async_anthropic_helper(server: Server) -> AsyncIterator[Any]:
    url = server.url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        async with client.messages.stream(**ANTHROPIC_REQUEST) as stream:
            yield stream


@contextlib.asynccontextmanager
async def _async_httpx(server: Server) -> AsyncIterator[Any]:
    async with httpx2.AsyncClient() as client:
        yield await client.send(client.build_request("POST", server.url, headers={"x-api-key": KEY}), stream=True)


@contextlib.asynccontextmanager
async def _async_httpx_bytes(server: Server) -> AsyncIterator[Any]:
    async with _async_httpx(server) as response:
        yield response.aiter_bytes()


@contextlib.asynccontextmanager
async def _async_httpx_lines(server: Server) -> AsyncIterator[Any]:
    async with _async_httpx(server) as response:
        yield response.aiter_lines()


@contextlib.asynccontextmanager
async def _aiohttp(server: Server) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        yield await session.post(server.url)


@contextlib.asynccontextmanager
async def _aiohttp_reader(server: Server) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        async with session.post(server.url) as response:
            yield response.content


@contextlib.asynccontextmanager
async def _aiohttp_chunks(server: Server) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as session:
        async with session.post(server.url) as response:
            yield response.content.iter_any()


SYNC: dict[str, Callable[[Server], AbstractContextManager[Any]]] = {
    "openai": _openai,
    "openai helper": _openai_helper,
    "openai raw": _openai_raw,
    "anthropic": _anthropic,
    "anthropic helper": _anthropic_helper,
    "httpx": _httpx,
    "httpx bytes": _httpx_bytes,
    "httpx lines": _httpx_lines,
    "requests": _requests,
    "requests bytes": _requests_bytes,
    "requests lines": _requests_lines,
    "urllib3": _urllib3,
    "http.client": _http_client,
}
ASYNC: dict[str, Callable[[Server], AbstractAsyncContextManager[Any]]] = {
    "openai": _async_openai,
    "openai helper": _async_openai_helper,
    "openai raw": _async_openai_raw,
    "anthropic": _async_anthropic,
    "anthropic helper": _async_anthropic_helper,
    "httpx": _async_httpx,
    "httpx bytes": _async_httpx_bytes,
    "httpx lines": _async_httpx_lines,
    "aiohttp": _aiohttp,
    "aiohttp reader": _aiohttp_reader,
    "aiohttp chunks": _aiohttp_chunks,
}

KINDS: list[tuple[Face, str]] = [("sync", kind) for kind in SYNC] + [("async", kind) for kind in ASYNC]
RESPONSES = [(face, kind) for face, kind in KINDS if kind in ("httpx", "requests", "urllib3", "http.client", "aiohttp")]


def wires_of(kind: str) -> list[str]:
    """Say which wires can be asked for by what is held."""
    if kind.startswith("openai"):
        return ["openai-chat"]
    return ["anthropic"] if kind.startswith("anthropic") else ["openai-chat", "anthropic"]


def each_wire(kinds: list[tuple[Face, str]]) -> list[tuple[Face, str, str]]:
    return [(face, kind, wire) for face, kind in kinds for wire in wires_of(kind)]


def read_held(
    face: Face, kind: str, server: Server, until: Any = None, limit: dict[str, Any] | None = None, **options: Any
) -> Reading:
    """Adopt what is held, and read it to its end, whatever that is."""
    reading = Reading(None, [])

    def blocking() -> None:
        with SYNC[kind](server) as source:
            reading.stream = bounded(headrace.adopt(source, **options), until, limit)
            with reading.stream as s:
                reading.events.extend(s)

    async def asynchronous() -> None:
        async with ASYNC[kind](server) as source:
            reading.stream = bounded(headrace.adopt(source, **options), until, limit)
            async with reading.stream as s:
                async for event in s:
                    reading.events.append(event)

    try:
        blocking() if face == "sync" else asyncio.run(asynchronous())
    except HeadraceError as error:
        reading.error = error
    return reading


def read_source(face: Face, source: Any, **options: Any) -> Reading:
    """Adopt a source, and read it to its end, whatever that is."""
    reading = Reading(headrace.adopt(source, **options), [])

    async def asynchronous() -> None:
        async with reading.stream as s:
            async for event in s:
                reading.events.append(event)

    try:
        if face == "sync":
            with reading.stream as s:
                reading.events.extend(s)
        else:
            asyncio.run(asynchronous())
    except HeadraceError as error:
        reading.error = error
    return reading
