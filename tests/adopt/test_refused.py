"""What cannot be adopted is a `UsageError` that says what to do."""

import contextlib
import http.client
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
import requests
import urllib3

import headrace
from headrace import UnknownProviderError, UnsupportedError, UsageError
from tests.adopt.holding import ASYNC, SYNC
from tests.adopt.test_sources import WHOLE
from tests.faces import KEY
from tests.sdks import ANTHROPIC_REQUEST, OPENAI_REQUEST
from tests.servers import Server, whole

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]


def generator() -> Any:
    yield b""


async def coroutine() -> Any:
    return None


def closed_file() -> Any:
    file = io.BytesIO(b"data: {}\n\n")
    file.close()
    return file


class WriteOnly:
    def read(self) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "adopt cannot read None"),
        (5, "adopt cannot read int"),
        (object(), "adopt cannot read object"),
        (httpx2.Response, "adopt cannot read a Response"),
        (generator, "adopt cannot read function"),
        ("data: {}", "no text, no path"),
        (Path("recorded.sse"), "no text, no path"),
        (b"data: {}\n\n", r"adopt\(\[body\]\)"),
        ({"choices": []}, r"adopt\(\[chunk\]\)"),
        (io.StringIO("data: {}"), "binary mode"),
        (closed_file(), "open it again"),
        (WriteOnly(), "adopt cannot read WriteOnly"),
        (headrace.stream("sim/demo", "Hi"), "use it as it is"),
        (headrace.astream("sim/demo", "Hi"), "use it as it is"),
    ],
)
def test_what_is_no_stream(source: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        headrace.adopt(source)


def test_a_coroutine() -> None:
    made = coroutine()
    with pytest.raises(UsageError, match="was not awaited"):
        headrace.adopt(made)
    made.close()


def test_options() -> None:
    with pytest.raises(UnsupportedError, match=r"gemini.*openai-chat, anthropic"):
        headrace.adopt([], wire="gemini")
    with pytest.raises(UnknownProviderError, match="acme"):
        headrace.adopt([], provider="acme")
    with pytest.raises(UsageError, match="timeouts"):
        headrace.adopt([], timeouts=(0, 1, 1))
    with pytest.raises(UsageError, match="lines="):
        headrace.adopt(io.BytesIO(), lines=True)


def test_managers_that_were_not_entered() -> None:
    with openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY) as client:
        managers: list[Any] = [client.chat.completions.stream(**OPENAI_REQUEST)]
        managers.append(client.chat.completions.with_streaming_response.create(**OPENAI_REQUEST, stream=True))
        with anthropic.Anthropic(base_url="http://127.0.0.1:9", api_key=KEY) as other, httpx2.Client() as http_client:
            managers.append(other.messages.stream(**ANTHROPIC_REQUEST))
            managers.append(http_client.stream("POST", "http://127.0.0.1:9"))
            for manager in managers:
                with pytest.raises(UsageError, match=r"was not entered: 'with "):
                    headrace.adopt(manager)


async def test_async_managers_that_were_not_entered() -> None:
    async with (
        openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY) as client,
        anthropic.AsyncAnthropic(base_url="http://127.0.0.1:9", api_key=KEY) as other,
        httpx2.AsyncClient() as http_client,
        aiohttp.ClientSession() as session,
    ):
        awaited: Any = client.chat.completions.create(**OPENAI_REQUEST, stream=True)
        with pytest.raises(UsageError, match="was not awaited"):
            headrace.adopt(awaited)
        awaited.close()
        post = session.post("http://127.0.0.1:9")
        with pytest.raises(UsageError, match="was not awaited"):
            headrace.adopt(post)
        post.close()
        manager: Any = other.messages.stream(**ANTHROPIC_REQUEST)
        with pytest.raises(UsageError, match="'async with "):
            headrace.adopt(manager)
        with contextlib.suppress(anthropic.APIConnectionError):
            await manager.__aenter__()
        with pytest.raises(UsageError, match="'async with "):
            headrace.adopt(http_client.stream("POST", "http://127.0.0.1:9"))


def test_whole_answers(serve: Serve) -> None:
    server = serve(whole(b'{"choices": []}', kind="application/json"))
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        with pytest.raises(UsageError, match="stream=True"):
            headrace.adopt(client.chat.completions.create(**OPENAI_REQUEST))


def test_responses_that_were_read(serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/")
    last = connection.getresponse()
    last.read()
    with httpx2.Client() as client, requests.Session() as session, urllib3.PoolManager() as pool:
        read: list[Any] = [
            client.get(server.url),
            session.get(server.url),
            pool.request("GET", server.url),
            last,
        ]
        begun = client.send(client.build_request("GET", server.url), stream=True)
        next(begun.iter_bytes())
        read.append(begun)
        for response in read:
            with pytest.raises(UsageError, match="was read already"):
                headrace.adopt(response)
        begun.close()
    connection.close()


async def test_async_responses_that_were_read(serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    async with httpx2.AsyncClient() as client, aiohttp.ClientSession() as session:
        read: list[Any] = [await client.get(server.url)]
        async with session.get(server.url) as response:
            await response.read()
            read.append(response)
        async with session.get(server.url) as response:
            while await response.content.readany():
                pass
            read.append(response)
        for each in read:
            with pytest.raises(UsageError, match="was read already"):
                headrace.adopt(each)


@pytest.mark.parametrize("kind", ["openai", "openai helper", "anthropic", "anthropic helper"])
def test_sdk_streams_that_were_read(kind: str, serve: Serve) -> None:
    wire = "anthropic" if kind.startswith("anthropic") else "openai-chat"
    with SYNC[kind](serve(whole(WHOLE[wire]))) as stream:
        assert list(stream)
        with pytest.raises(UsageError, match="read to its end"):
            headrace.adopt(stream)


def test_other_apis_of_the_sdks(serve: Serve) -> None:
    server = serve(whole(b"event: response.created\ndata: {}\n\n"))
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        made: list[Any] = [
            client.responses.create(model="m", input="Hi", stream=True),
            client.completions.create(model="m", prompt="Hi", stream=True),
        ]
        for stream in made:
            with pytest.raises(UnsupportedError, match="is not read"):
                headrace.adopt(stream)
            stream.close()
        with client.responses.stream(model="m", input="Hi") as helper:
            with pytest.raises(UnsupportedError, match="is not read"):
                headrace.adopt(helper)
        with client.audio.speech.with_streaming_response.create(model="m", voice="alloy", input="Hi") as speech:
            with pytest.raises(UnsupportedError, match="is not read"):
                headrace.adopt(speech)


def test_objects_of_an_sdk_that_are_no_stream() -> None:
    with openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY) as client:
        with pytest.raises(UsageError):
            headrace.adopt(client)
        with pytest.raises(UsageError, match="adopt cannot read Completions"):
            headrace.adopt(client.chat.completions)


def test_iterators_of_an_sdk_that_are_over_no_response() -> None:
    class Pages:
        """A stand-in for what an SDK may iterate beside its streams."""

        __module__ = "openai.lib"

        def __iter__(self) -> Any:
            return iter([])

    with pytest.raises(UnsupportedError, match="Pages is the stream of an API that is not read"):
        headrace.adopt(Pages())


def test_an_sdk_s_stream_of_another_address_may_be_said_to_be_ours(serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        stream = client.completions.create(model="m", prompt="Hi", stream=True)
        with headrace.adopt(stream, wire="openai-chat") as s:
            assert s.get_final_message().outcome == "complete"


async def test_a_stream_is_read_in_its_own_kind_of_code(serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    async with ASYNC["openai"](server) as source:
        s: Any = headrace.adopt(source)
        assert isinstance(s, headrace.AsyncStream)
        await s.aclose()
    with SYNC["openai"](server) as source:
        t: Any = headrace.adopt(source)
        assert isinstance(t, headrace.Stream)
        t.close()
