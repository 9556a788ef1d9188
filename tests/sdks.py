"""What the official SDKs make of an answer, in the same words as ours.

Each is asked in the ways that its users have: the stream as it is (``raw``), by the SDK's streaming helper
(``helper``), and not streamed (``whole``); in blocking and in asynchronous code.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import anthropic
import openai

from headrace import Message
from headrace.sim import Simulator
from tests.faces import KEY, Face

How = Literal["raw", "helper", "whole"]
HOWS: tuple[How, ...] = ("raw", "helper", "whole")

NO_TLS = False
"""Nothing here is asked over TLS, and to load certificates is most of what a client costs."""

Figures = tuple[int | None, ...]


@dataclass
class Answer:
    """What somebody made of an answer, in the words of its wire.

    Attributes:
        calls: id, name and arguments: the raw text, or what it says where an SDK gives no other.
        usage: input, output, read from the cache, written into it, thought.
        others: the texts of further answers.
    """

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    signature: str | None = None
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    stop: str | None = None
    sequence: str | None = None
    usage: Figures | None = None
    model: str | None = None
    id: str | None = None
    others: list[str] = field(default_factory=list)


def ours(message: Message) -> Answer:
    usage = message.usage
    used = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    first, *others = message.choices or (None,)
    data = [part.data or {} for part in message.parts if part.kind == "thinking"]
    return Answer(
        text=message.text,
        thinking=message.thinking,
        refusal=message.refusal,
        signature=data[-1].get("signature") if data else None,
        calls=[(c.id, c.name, c.arguments) for c in message.tool_calls],
        stop=message.native_stop_reason,
        sequence=((first and first.details) or {}).get("stop_sequence"),
        usage=None if set(used) == {None} else used,
        model=message.model,
        id=message.id,
        others=[choice.text for choice in others if choice],
    )


def parsed(answer: Answer) -> Answer:
    """Give an answer with the arguments of its calls parsed, as Anthropic's SDK does it in its final messages."""
    return replace(answer, calls=[(c[0], c[1], json.loads(c[2] or "{}")) for c in answer.calls])


# -- openai

OPENAI_REQUEST: dict[str, Any] = {"model": "test-model", "messages": [{"role": "user", "content": "Hi"}]}


def openai_answer(chunks: list[Any]) -> Answer:
    """Add up raw chunks, as a user of the SDK does."""
    answer = Answer()
    made: dict[int, list[str]] = {}
    others: dict[int, str] = {}
    for each in chunks:
        answer.id, answer.model = answer.id or each.id, each.model or answer.model
        if each.usage is not None:
            answer.usage = _openai_usage(each.usage)
        for part in each.choices or ():  # there are none where a server adds chunks of its own
            if part.index:
                others[part.index] = others.get(part.index, "") + (part.delta.content or "")
                continue
            answer.text += part.delta.content or ""
            answer.thinking += _openai_thinking(part.delta)
            answer.refusal += part.delta.refusal or ""
            answer.stop = part.finish_reason or answer.stop
            for call in part.delta.tool_calls or ():
                one = made.setdefault(call.index, ["", "", ""])
                one[0] += call.id or ""
                one[1] += call.function.name or ""
                one[2] += call.function.arguments or ""
    answer.calls = [(one[0], one[1], one[2]) for one in made.values()]
    answer.others = [text for _, text in sorted(others.items())]
    return answer


def openai_final(done: Any) -> Answer:
    part, *others = done.choices
    return Answer(
        text=part.message.content or "",
        thinking=_openai_thinking(part.message),
        refusal=part.message.refusal or "",
        calls=[(c.id, c.function.name, c.function.arguments) for c in part.message.tool_calls or ()],
        stop=part.finish_reason,
        usage=_openai_usage(done.usage) if done.usage else None,
        model=done.model,
        id=done.id,
        others=[other.message.content for other in others],
    )


def _openai_thinking(said: Any) -> str:
    """Give what is thought, which OpenAI has no field for: the SDK passes on what others call it."""
    return getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None) or ""


def _openai_usage(usage: Any) -> Figures:
    inputs, outputs = usage.prompt_tokens_details, usage.completion_tokens_details
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        inputs and inputs.cached_tokens,
        inputs and getattr(inputs, "cache_write_tokens", None),
        outputs and outputs.reasoning_tokens,
    )


def openai_client(face: Face, url: str, retries: int = 0) -> Any:
    settings: dict[str, Any] = {"base_url": url, "api_key": KEY, "max_retries": retries}
    if face == "sync":
        return openai.OpenAI(**settings, http_client=openai.DefaultHttpxClient(verify=NO_TLS))
    return openai.AsyncOpenAI(**settings, http_client=openai.DefaultAsyncHttpxClient(verify=NO_TLS))


def ask_openai(face: Face, url: str, *, how: How = "raw", retries: int = 0, **more: Any) -> Answer:
    """Ask with OpenAI's SDK, in one of its ways.

    Its helper makes errors of answers that their length or a filter ended: they hold the answer, which is given.
    """
    request = {**OPENAI_REQUEST, **more}
    if how != "whole":
        request = {"stream_options": {"include_usage": True}, **request}

    async def asynchronous() -> Answer:
        async with openai_client(face, url, retries) as client:
            chat = client.chat.completions
            if how == "whole":
                return openai_final(await chat.create(**request))
            if how == "helper":
                async with chat.stream(**request) as stream:
                    return openai_final(await stream.get_final_completion())
            return openai_answer([chunk async for chunk in await chat.create(**request, stream=True)])

    def blocking() -> Answer:
        with openai_client(face, url, retries) as client:
            chat = client.chat.completions
            if how == "whole":
                return openai_final(chat.create(**request))
            if how == "helper":
                with chat.stream(**request) as stream:
                    return openai_final(stream.get_final_completion())
            return openai_answer(list(chat.create(**request, stream=True)))

    try:
        return blocking() if face == "sync" else asyncio.run(asynchronous())
    except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as error:
        return openai_final(error.completion)  # type: ignore[union-attr]


# -- anthropic

ANTHROPIC_REQUEST: dict[str, Any] = {**OPENAI_REQUEST, "max_tokens": 4096}


def anthropic_answer(events: list[Any]) -> Answer:
    """Add up raw events, as a user of the SDK does."""
    answer = Answer()
    made: dict[int, list[str]] = {}
    used: dict[str, Any] = {}
    for event in events:
        if event.type == "message_start":
            answer.id, answer.model = event.message.id, event.message.model
            used = event.message.usage.to_dict() if event.message.usage else {}
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            made[event.index] = [event.content_block.id, event.content_block.name, ""]
        elif event.type == "content_block_delta":
            answer.text += getattr(event.delta, "text", "")
            answer.thinking += getattr(event.delta, "thinking", "")
            answer.signature = getattr(event.delta, "signature", answer.signature)
            if event.delta.type == "input_json_delta":
                made[event.index][2] += event.delta.partial_json
        elif event.type == "message_delta":
            answer.stop, answer.sequence = event.delta.stop_reason, event.delta.stop_sequence
            told = event.usage.to_dict() if event.usage else {}  # which some servers leave out
            used.update({name: value for name, value in told.items() if value is not None})
    answer.calls = [(one[0], one[1], one[2]) for one in made.values()]
    answer.usage = _anthropic_usage(used)
    return answer


def anthropic_final(done: Any) -> Answer:
    of = {kind: [b for b in done.content if b.type == kind] for kind in ("text", "thinking", "tool_use")}
    return Answer(
        text="".join(b.text for b in of["text"]),
        thinking="".join(b.thinking for b in of["thinking"]),
        signature=of["thinking"][-1].signature if of["thinking"] else None,
        calls=[(b.id, b.name, b.input) for b in of["tool_use"]],
        stop=done.stop_reason,
        sequence=done.stop_sequence,
        usage=_anthropic_usage(done.usage.to_dict()),
        model=done.model,
        id=done.id,
    )


def _anthropic_usage(used: dict[str, Any]) -> Figures | None:
    if not used:
        return None
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return (*[used.get(name) for name in names], (used.get("output_tokens_details") or {}).get("thinking_tokens"))


def anthropic_client(face: Face, url: str, retries: int = 0) -> Any:
    settings: dict[str, Any] = {"base_url": url.removesuffix("/v1"), "api_key": KEY, "max_retries": retries}
    if face == "sync":
        return anthropic.Anthropic(**settings, http_client=anthropic.DefaultHttpxClient(verify=NO_TLS))
    return anthropic.AsyncAnthropic(**settings, http_client=anthropic.DefaultAsyncHttpxClient(verify=NO_TLS))


def ask_anthropic(face: Face, url: str, *, how: How = "raw", retries: int = 0, **more: Any) -> Answer:
    """Ask with Anthropic's SDK, in one of its ways."""
    request = {**ANTHROPIC_REQUEST, **more}

    async def asynchronous() -> Answer:
        async with anthropic_client(face, url, retries) as client:
            if how == "whole":
                return anthropic_final(await client.messages.create(**request))
            if how == "helper":
                async with client.messages.stream(**request) as stream:
                    return anthropic_final(await stream.get_final_message())
            return anthropic_answer([e async for e in await client.messages.create(**request, stream=True)])

    def blocking() -> Answer:
        with anthropic_client(face, url, retries) as client:
            if how == "whole":
                return anthropic_final(client.messages.create(**request))
            if how == "helper":
                with client.messages.stream(**request) as stream:
                    return anthropic_final(stream.get_final_message())
            return anthropic_answer(list(client.messages.create(**request, stream=True)))

    return blocking() if face == "sync" else asyncio.run(asynchronous())


Read = tuple[Answer, Exception | None]


def read_openai(
    face: Face, url: str, *, leave: int | None = None, retries: int = 0, timeout: float = 30, **more: Any
) -> Read:
    """Read the raw chunks as far as they come, or until so many brought text: what was said, and what went wrong."""
    request = {**OPENAI_REQUEST, "stream_options": {"include_usage": True}, "timeout": timeout, **more, "stream": True}
    chunks: list[Any] = []

    def enough() -> bool:
        return sum(any(c.delta.content for c in chunk.choices or ()) for chunk in chunks) == leave

    async def asynchronous() -> None:
        async with (
            openai_client(face, url, retries) as client,
            await client.chat.completions.create(**request) as stream,
        ):
            async for chunk in stream:
                chunks.append(chunk)
                if enough():
                    return

    def blocking() -> None:
        with openai_client(face, url, retries) as client, client.chat.completions.create(**request) as stream:
            for chunk in stream:
                chunks.append(chunk)
                if enough():
                    return

    error = _failed(blocking if face == "sync" else lambda: asyncio.run(asynchronous()))
    return openai_answer(chunks), error


def read_anthropic(
    face: Face, url: str, *, leave: int | None = None, retries: int = 0, timeout: float = 30, **more: Any
) -> Read:
    """Read the raw events as far as they come, or until so many brought text: what was said, and what went wrong."""
    request = {**ANTHROPIC_REQUEST, "timeout": timeout, **more, "stream": True}
    events: list[Any] = []

    def enough() -> bool:
        return sum(event.type == "content_block_delta" for event in events) == leave

    async def asynchronous() -> None:
        async with anthropic_client(face, url, retries) as client, await client.messages.create(**request) as stream:
            async for event in stream:
                events.append(event)
                if enough():
                    return

    def blocking() -> None:
        with anthropic_client(face, url, retries) as client, client.messages.create(**request) as stream:
            for event in stream:
                events.append(event)
                if enough():
                    return

    error = _failed(blocking if face == "sync" else lambda: asyncio.run(asynchronous()))
    return anthropic_answer(events), error


def _failed(run: Callable[[], None]) -> Exception | None:
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whatever an SDK lets out
        return error
    return None


READ: dict[str, Callable[..., Read]] = {"openai": read_openai, "anthropic": read_anthropic}
ASK: dict[str, Callable[..., Answer]] = {"openai": ask_openai, "anthropic": ask_anthropic}
"""The SDKs, by the names of the providers."""


def url_of(sim: Simulator, name: str) -> str:
    """Give a simulator's address for the SDK of a provider."""
    return sim.openai_url if name == "openai" else sim.anthropic_url


_OURS = frozenset(("tools", "tool_choice", "stop", "n", "seed", "temperature", "top_p", "max_tokens", "system"))
_RENAMED = {"max_completion_tokens": "max_tokens", "stop_sequences": "stop"}


def for_us(asked: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of an SDK's request as our client takes them."""
    named = {_RENAMED.get(name, name): value for name, value in asked.items() if name != "messages"}
    fields = {name: value for name, value in named.items() if name in _OURS}
    extra = {name: value for name, value in named.items() if name not in _OURS}
    return {"messages": asked.get("messages", OPENAI_REQUEST["messages"]), **fields, "extra": extra or None}
