"""What the official SDKs make of an answer, in the same words as ours."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

from headrace import Message
from tests.faces import KEY, Face


@dataclass
class Answer:
    """What somebody made of an answer, in the words of its wire."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    stop: str | None = None
    usage: tuple[int | None, int | None] | None = None
    model: str | None = None
    id: str | None = None


def ours(message: Message) -> Answer:
    used = (message.usage.input_tokens, message.usage.output_tokens)
    return Answer(
        text=message.text,
        thinking=message.thinking,
        calls=[(c.id, c.name, c.arguments) for c in message.tool_calls],
        stop=message.native_stop_reason,
        usage=None if used == (None, None) else used,
        model=message.model,
        id=message.id,
    )


def openai_answer(chunks: list[Any]) -> Answer:
    """Add up raw chunks, as a user of the SDK does."""
    answer = Answer()
    made: dict[int, list[str]] = {}
    for each in chunks:
        answer.id, answer.model = each.id, each.model
        if each.usage is not None:
            answer.usage = (each.usage.prompt_tokens, each.usage.completion_tokens)
        for part in each.choices:
            answer.text += part.delta.content or ""
            answer.thinking += getattr(part.delta, "reasoning_content", None) or ""
            answer.stop = part.finish_reason or answer.stop
            for call in part.delta.tool_calls or ():
                one = made.setdefault(call.index, ["", "", ""])
                one[0] += call.id or ""
                one[1] += call.function.name or ""
                one[2] += call.function.arguments or ""
    answer.calls = [(one[0], one[1], one[2]) for one in made.values()]
    return answer


def openai_final(done: Any) -> Answer:
    [part] = done.choices
    return Answer(
        text=part.message.content or "",
        thinking=getattr(part.message, "reasoning_content", None) or "",
        calls=[(c.id, c.function.name, c.function.arguments) for c in part.message.tool_calls or ()],
        stop=part.finish_reason,
        usage=(done.usage.prompt_tokens, done.usage.completion_tokens) if done.usage else None,
        model=done.model,
        id=done.id,
    )


OPENAI_REQUEST: dict[str, Any] = {"model": "test-model", "messages": [{"role": "user", "content": "Hi"}]}


def ask_openai(face: Face, url: str, *, helper: bool = False, retries: int = 0, **more: Any) -> Answer:
    """Ask with OpenAI's SDK: its raw chunks, added up, or what its streaming helper made of them."""
    settings: dict[str, Any] = {"base_url": url, "api_key": KEY, "max_retries": retries}
    request = {**OPENAI_REQUEST, **more}

    def blocking() -> Answer:
        with openai.OpenAI(**settings) as client:
            if helper:
                with client.chat.completions.stream(**request) as stream:
                    return openai_final(stream.get_final_completion())
            return openai_answer(list(client.chat.completions.create(**request, stream=True)))

    async def asynchronous() -> Answer:
        async with openai.AsyncOpenAI(**settings) as client:
            if helper:
                async with client.chat.completions.stream(**request) as stream:
                    return openai_final(await stream.get_final_completion())
            return openai_answer([c async for c in await client.chat.completions.create(**request, stream=True)])

    return blocking() if face == "sync" else asyncio.run(asynchronous())


def anthropic_answer(events: list[Any]) -> Answer:
    """Add up raw events, as a user of the SDK does."""
    answer = Answer()
    made: dict[int, list[str]] = {}
    used: dict[str, int] = {}
    for event in events:
        if event.type == "message_start":
            answer.id, answer.model = event.message.id, event.message.model
            used = {"input": event.message.usage.input_tokens, "output": event.message.usage.output_tokens}
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            made[event.index] = [event.content_block.id, event.content_block.name, ""]
        elif event.type == "content_block_delta":
            answer.text += getattr(event.delta, "text", "")
            answer.thinking += getattr(event.delta, "thinking", "")
            if event.delta.type == "input_json_delta":
                made[event.index][2] += event.delta.partial_json
        elif event.type == "message_delta":
            answer.stop = event.delta.stop_reason
            used["output"] = event.usage.output_tokens
            used["input"] = event.usage.input_tokens or used["input"]
    answer.calls = [(one[0], one[1], one[2]) for one in made.values()]
    answer.usage = (used["input"], used["output"])
    return answer


def anthropic_final(done: Any) -> Answer:
    of = {kind: [b for b in done.content if b.type == kind] for kind in ("text", "thinking", "tool_use")}
    return Answer(
        text="".join(b.text for b in of["text"]),
        thinking="".join(b.thinking for b in of["thinking"]),
        calls=[(b.id, b.name, b.input) for b in of["tool_use"]],
        stop=done.stop_reason,
        usage=(done.usage.input_tokens, done.usage.output_tokens),
        model=done.model,
        id=done.id,
    )


ANTHROPIC_REQUEST: dict[str, Any] = {**OPENAI_REQUEST, "max_tokens": 100}


def ask_anthropic(face: Face, url: str, *, helper: bool = False, retries: int = 0, **more: Any) -> Answer:
    """Ask with Anthropic's SDK: its raw events, added up, or what its streaming helper made of them."""
    settings: dict[str, Any] = {"base_url": url.removesuffix("/v1"), "api_key": KEY, "max_retries": retries}
    request = {**ANTHROPIC_REQUEST, **more}

    def blocking() -> Answer:
        with anthropic.Anthropic(**settings) as client:
            if helper:
                with client.messages.stream(**request) as stream:
                    return anthropic_final(stream.get_final_message())
            return anthropic_answer(list(client.messages.create(**request, stream=True)))

    async def asynchronous() -> Answer:
        async with anthropic.AsyncAnthropic(**settings) as client:
            if helper:
                async with client.messages.stream(**request) as stream:
                    return anthropic_final(await stream.get_final_message())
            return anthropic_answer([e async for e in await client.messages.create(**request, stream=True)])

    return blocking() if face == "sync" else asyncio.run(asynchronous())
