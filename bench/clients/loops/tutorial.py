"""The loop of the tutorials: httpx2, its lines, and json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2

from bench.clients.loops.records import path, request_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.clients.answers import Wire

_HEADERS = {"content-type": "application/json"}


def _text(wire: Wire, value: Any) -> str:
    if wire == "openai-chat":
        return value["choices"][0]["delta"].get("content") or "" if value["choices"] else ""
    return value["delta"].get("text", "") if value["type"] == "content_block_delta" else ""


def blocking(wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the lines, in blocking code."""
    client = httpx2.Client(timeout=None)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        with client.stream("POST", url + path(wire), content=request_body(wire, model), headers=_HEADERS) as response:
            for line in response.iter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    text = _text(wire, json.loads(line[6:]))
                    if text:
                        pieces.append(text)
        return pieces

    return run


async def asynchronous(wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the lines, in async code."""
    client = httpx2.AsyncClient(timeout=None)

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        asked = client.stream("POST", url + path(wire), content=request_body(wire, model), headers=_HEADERS)
        async with asked as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    text = _text(wire, json.loads(line[6:]))
                    if text:
                        pieces.append(text)
        return pieces

    return run
