"""The anthropic SDK: its raw events (`create(stream=True)`), and the text of its helper (`messages.stream`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anthropic.types import MessageParam

    from bench.clients.answers import Wire

_MESSAGE: MessageParam = {"role": "user", "content": "Say something."}


def raw_blocking(_wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the raw events, in blocking code."""
    client = anthropic.Anthropic(base_url=url, api_key="a-key-of-the-bench", max_retries=0)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        for event in client.messages.create(model=model, messages=[_MESSAGE], max_tokens=100, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                pieces.append(event.delta.text)
        return pieces

    return run


def text_blocking(_wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the text, in blocking code."""
    client = anthropic.Anthropic(base_url=url, api_key="a-key-of-the-bench", max_retries=0)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        with client.messages.stream(model=model, messages=[_MESSAGE], max_tokens=100) as stream:
            for text in stream.text_stream:
                pieces.append(text)
        return pieces

    return run


async def raw_asynchronous(_wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the raw events, in async code."""
    client = anthropic.AsyncAnthropic(base_url=url, api_key="a-key-of-the-bench", max_retries=0)

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async for event in await client.messages.create(model=model, messages=[_MESSAGE], max_tokens=100, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                pieces.append(event.delta.text)
        return pieces

    return run


async def text_asynchronous(_wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the text, in async code."""
    client = anthropic.AsyncAnthropic(base_url=url, api_key="a-key-of-the-bench", max_retries=0)

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async with client.messages.stream(model=model, messages=[_MESSAGE], max_tokens=100) as stream:
            async for text in stream.text_stream:
                pieces.append(text)
        return pieces

    return run
