"""Headrace: its text, and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import headrace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.clients.answers import Wire


def _settings(wire: Wire, url: str) -> dict[str, str]:
    return {"base_url": url + "/v1" if wire == "openai-chat" else url, "api_key": "a-key-of-the-bench"}


def _name(wire: Wire, model: str) -> str:
    return f"{'openai' if wire == 'openai-chat' else wire}/{model}"


def text_blocking(wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the text, in blocking code."""
    client = headrace.Client(**_settings(wire, url))  # type: ignore[arg-type]

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        with client.stream(_name(wire, model), "Say something.") as stream:
            for text in stream.text_stream:
                pieces.append(text)
        return pieces

    return run


def events_blocking(wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the events, in blocking code."""
    client = headrace.Client(**_settings(wire, url))  # type: ignore[arg-type]

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        with client.stream(_name(wire, model), "Say something.") as stream:
            for event in stream:
                if isinstance(event, headrace.PartDelta):
                    pieces.append(event.text)
        return pieces

    return run


async def text_asynchronous(wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the text, in async code."""
    client = headrace.AsyncClient(**_settings(wire, url))  # type: ignore[arg-type]

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async with client.stream(_name(wire, model), "Say something.") as stream:
            async for text in stream.text_stream:
                pieces.append(text)
        return pieces

    return run


async def events_asynchronous(wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the events, in async code."""
    client = headrace.AsyncClient(**_settings(wire, url))  # type: ignore[arg-type]

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async with client.stream(_name(wire, model), "Say something.") as stream:
            async for event in stream:
                if isinstance(event, headrace.PartDelta):
                    pieces.append(event.text)
        return pieces

    return run


async def hold(wire: Wire, url: str) -> Callable[[str], Awaitable[object]]:
    """Open a stream, read its first piece, and keep it."""
    client = headrace.AsyncClient(**_settings(wire, url))  # type: ignore[arg-type]

    async def hold(model: str) -> object:
        stream = await client.stream(_name(wire, model), "Say something.").__aenter__()
        texts = stream.text_stream
        await anext(texts)
        return client, stream, texts

    return hold
