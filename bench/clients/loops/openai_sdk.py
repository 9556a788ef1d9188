"""The openai SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai.types.chat import ChatCompletionUserMessageParam

    from bench.clients.answers import Wire

_MESSAGE: ChatCompletionUserMessageParam = {"role": "user", "content": "Say something."}


def blocking(_wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the chunks, in blocking code."""
    client = openai.OpenAI(base_url=url + "/v1", api_key="a-key-of-the-bench", max_retries=0)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        for chunk in client.chat.completions.create(model=model, messages=[_MESSAGE], stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
        return pieces

    return run


async def asynchronous(_wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the chunks, in async code."""
    client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="a-key-of-the-bench", max_retries=0)

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async for chunk in await client.chat.completions.create(model=model, messages=[_MESSAGE], stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
        return pieces

    return run


async def hold(_wire: Wire, url: str) -> Callable[[str], Awaitable[object]]:
    """Open a stream, read its first piece, and keep it."""
    client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="a-key-of-the-bench", max_retries=0)

    async def hold(model: str) -> object:
        stream = await client.chat.completions.create(model=model, messages=[_MESSAGE], stream=True)
        while not (await anext(stream)).choices[0].delta.content:
            pass
        return client, stream

    return hold
