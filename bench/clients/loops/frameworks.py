"""litellm and pydantic-ai. They stand in no environment that is linted, hence the imports by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.clients.answers import Wire

_MESSAGES = [{"role": "user", "content": "Say something."}]


def _litellm() -> Any:
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


def litellm_blocking(_wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read the chunks of `litellm.completion`; it keeps its clients itself."""
    litellm = _litellm()
    settings = {"messages": _MESSAGES, "stream": True, "api_base": url + "/v1", "api_key": "a-key-of-the-bench"}

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        for chunk in litellm.completion(model=f"openai/{model}", **settings):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
        return pieces

    return run


async def litellm_asynchronous(_wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the chunks of `litellm.acompletion`."""
    litellm = _litellm()
    settings = {"messages": _MESSAGES, "stream": True, "api_base": url + "/v1", "api_key": "a-key-of-the-bench"}

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async for chunk in await litellm.acompletion(model=f"openai/{model}", **settings):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
        return pieces

    return run


async def pydantic_ai_asynchronous(_wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read the text of an agent without tools, each piece when it comes (by default they are held for 0.1 s)."""
    pydantic_ai = importlib.import_module("pydantic_ai")
    model_of = importlib.import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider_of = importlib.import_module("pydantic_ai.providers.openai").OpenAIProvider
    provider = provider_of(base_url=url + "/v1", api_key="a-key-of-the-bench")
    agent = pydantic_ai.Agent()

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        async with agent.run_stream("Say something.", model=model_of(model, provider=provider)) as stream:
            async for text in stream.stream_text(delta=True, debounce_by=None):
                pieces.append(text)
        return pieces

    return run
