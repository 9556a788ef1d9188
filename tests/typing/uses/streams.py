"""One stream, as users read it: what type checkers make of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import headrace


def a_stream_chains() -> None:
    s = headrace.stream("sim/demo", "Hi").until("stop").limit(tokens=5, seconds=1.5)
    assert_type(s, headrace.Stream)
    assert_type(s.until(re.compile("x")), headrace.Stream)
    assert_type(s.until(lambda text: len(text) > 5), headrace.Stream)
    assert_type(s.until(headrace.has_complete_code_block), headrace.Stream)
    assert_type(s.entered, bool)
    assert_type(s.cancel(), None)


def a_blocking_stream() -> None:
    with headrace.stream(
        "sim/demo",
        messages=[{"role": "user", "content": "Hi"}],
        system="Be brief.",
        max_tokens=5,
        temperature=0.5,
        stop=["x", "y"],
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice="auto",
        headers={"x-a": "b"},
        timeouts=(5, None, 10.5),
        extra={"user": "me"},
        base_url=None,
    ) as s:
        assert_type(s, headrace.Stream)
        assert_type(s.text_stream, Iterator[str])
        for text in s.text_stream:
            assert_type(text, str)
        for event in s:
            assert_type(event, headrace.Event)
        for event, frame in s.raw_stream:
            assert_type(event, headrace.Event)
            if frame is not None:
                assert_type(frame.data, bytes)
        for batch in s.batches():
            assert_type(batch[0][0], headrace.Event)
        for chunk in s.chunks:
            assert_type(chunk.at_s, float | None)
            assert_type(chunk.usage, headrace.Usage | None)
        assert_type(s.wait_first_token(), bool)
        assert_type(s.get_final_text(), str)
        assert_type(s.get_final_message(), headrace.Message)
    assert_type(s.timing, headrace.Timing)
    assert_type(s.timing.first_token_s, float | None)


async def an_async_stream() -> None:
    async with headrace.astream("sim/demo", "Hi", timeouts=headrace.Timeouts(5, 5, None)) as s:
        assert_type(s, headrace.AsyncStream)
        assert_type(s.text_stream, AsyncIterator[str])
        async for text in s.text_stream:
            assert_type(text, str)
        async for event in s:
            assert_type(event, headrace.Event)
        async for event, _ in s.raw_stream:
            assert_type(event, headrace.Event)
        async for batch in s.batches():
            assert_type(batch[0][0], headrace.Event)
        async for chunk in s.chunks:
            assert_type(chunk.delta, str)
        assert_type(await s.wait_first_token(), bool)
        assert_type(await s.get_final_text(), str)
        assert_type(await s.get_final_message(), headrace.Message)
    assert_type(s.limit(chars=5), headrace.AsyncStream)


def clients(messages: list[str | headrace.Message]) -> None:
    with headrace.Client(api_key="k", base_url="http://127.0.0.1:1/v1", timeouts=(1, 2, 3), debug=True) as client:
        assert_type(client, headrace.Client)
        assert_type(client.stream("m", messages, max_tokens=5), headrace.Stream)
        assert_type(client.stream(), headrace.Stream)


async def async_clients(message: headrace.Message) -> None:
    async with headrace.AsyncClient() as client:
        assert_type(client.stream("m", ["Hi", message, {"role": "user", "content": "And?"}]), headrace.AsyncStream)


def a_message(message: headrace.Message) -> None:
    assert_type(message.text, str)
    assert_type(message.thinking, str)
    assert_type(message.outcome, headrace.Outcome | None)
    assert_type(message.usage, headrace.Usage)
    assert_type(message.usage.output_tokens, int | None)
    assert_type(message.tool_calls, list[headrace.ToolCall])
    assert_type(message.tool_calls[0].arguments, str)
    assert_type(message.parts, tuple[headrace.Part, ...])
    assert_type(message.parts[0].kind, headrace.PartKind)
    assert_type(message.choices, tuple[headrace.Choice, ...])
    assert_type(message.error, headrace.ErrorInfo | None)
    assert_type(message.warnings, tuple[headrace.StreamWarning, ...])
    if message.outcome == "complete":
        return


if __name__ == "__main__":
    asyncio.run(an_async_stream())
