"""What a viewer reads of one answer, whole or failed."""

from __future__ import annotations

import asyncio
import json
import logging
import socket

import pytest

from headrace.client import AsyncClient
from headrace.gateway import create_app
from headrace.stream import AsyncStream
from tests.gateway.serving import SECRET, Viewer, answer, config_for, gateway, serving
from tests.gateway.upstream import ENDING, Upstream, Visit, chunk

FIRST = {"content": "", "model": "up/m-1"}


async def test_an_answer_from_its_first_byte_to_its_last() -> None:
    begun = asyncio.Event()

    async def script(visit: Visit) -> None:
        await begun.wait()
        await visit.answer("Hel", "lo ☃")

    async with gateway(script) as (upstream, port):
        async with await Viewer.ask(port, {"prompt": "Hi", "system": "Be brief.", "max_tokens": 9}) as viewer:
            frames = viewer.frames()
            # Before the provider has said a word.
            assert await anext(frames) == FIRST
            begun.set()
            rest = [frame async for frame in frames]
    assert rest == [
        {"content": "Hel"},
        {"content": "lo ☃"},
        {
            "content": "",
            "outcome": "complete",
            "usage": {"input_tokens": 3, "output_tokens": 7},
            "model": "up/m-1",
            "warnings": [],
        },
        "[DONE]",
    ]
    assert viewer.status == 200
    assert viewer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert viewer.headers["cache-control"] == "no-cache, no-transform"
    assert viewer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in viewer.headers
    asked = upstream.visits[0].body
    assert asked["max_tokens"] == 9
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


async def test_each_token_is_there_before_the_next_is_sent() -> None:
    steps = [asyncio.Event() for _ in range(5)]

    async def script(visit: Visit) -> None:
        await visit.begin()
        for number, step in enumerate(steps):
            await visit.send(chunk(str(number)))
            await step.wait()
        await visit.send(ENDING)
        await visit.end()

    async with gateway(script) as (_, port), await Viewer.ask(port) as viewer:
        frames = viewer.frames()
        assert await anext(frames) == FIRST
        for number, step in enumerate(steps):
            assert await anext(frames) == {"content": str(number)}
            step.set()
        assert [frame async for frame in frames][-1] == "[DONE]"


async def test_what_comes_at_once_is_written_at_once() -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(*[chunk(text) for text in "abcde"])
        await visit.send(ENDING)
        await visit.end()

    async with gateway(script) as (_, port), await Viewer.ask(port) as viewer:
        assert await viewer.piece() == b'data: {"content":"","model":"up/m-1"}\n\n'
        assert await viewer.piece() == b"".join(b'data: {"content":"%c"}\n\n' % c for c in b"abcde")


@pytest.mark.parametrize(("finish", "outcome"), [("length", "length"), ("content_filter", "filtered")])
async def test_endings_that_are_no_failure(finish: str, outcome: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
        usage = {"prompt_tokens": 3, "completion_tokens": 7, **details}
        await visit.send(chunk("Hi"), chunk(finish=finish, usage=usage), b"data: [DONE]\n\n")
        await visit.end()

    async with gateway(script) as (_, port):
        *_, last, done = await answer(port)
    assert (last["outcome"], done) == (outcome, "[DONE]")
    counts = {"input_tokens": 3, "output_tokens": 7, "cached_input_tokens": 2, "reasoning_tokens": 1}
    assert last["usage"] == counts


async def test_a_refusal_is_there_to_read() -> None:
    async def script(visit: Visit) -> None:
        refusing = {"choices": [{"index": 0, "delta": {"refusal": "I may not."}}]}
        await visit.begin()
        await visit.send(b"data: " + json.dumps(refusing).encode() + b"\n\n", ENDING)
        await visit.end()

    async with gateway(script) as (_, port):
        _, said, last, done = await answer(port)
    assert said == {"content": "I may not.", "refusal": True}
    assert (last["outcome"], done) == ("complete", "[DONE]")


async def test_oddities_on_the_way_are_told() -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(chunk("Hi"), chunk(finish="stop"))
        await visit.end()

    async with gateway(script) as (_, port):
        *_, last, _done = await answer(port)
    assert [warning["code"] for warning in last["warnings"]] == ["no_terminal_marker"]
    assert last["usage"]["output_tokens"] is None


async def test_the_simulation_says_what_it_is() -> None:
    with serving(create_app(model="sim/demo;seed=1;speed=max")) as port:
        first, *texts, last, done = await answer(port)
    assert first["simulated"] is True
    assert first["model"].startswith("sim/demo")
    assert "".join(frame["content"] for frame in texts)
    assert last["outcome"] == "complete"
    assert done == "[DONE]"


async def unauthorized(visit: Visit) -> None:
    await visit.begin("401 Unauthorized", "application/json", "x-request-id: r-1")
    await visit.send(json.dumps({"error": {"message": f"bad key {SECRET}", "code": "invalid_api_key"}}).encode())
    await visit.end()


async def too_many(visit: Visit) -> None:
    await visit.begin("429 Too Many Requests", "application/json", "retry-after: 7")
    await visit.send(b'{"error": {"message": "slow down"}}')
    await visit.end()


async def html(visit: Visit) -> None:
    await visit.begin("200 OK", "text/html")
    await visit.send(b"<html>log in first</html>")
    await visit.end()


async def failed_inside(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("Hel"), b'data: {"error": {"message": "no room", "type": "overloaded_error"}}\n\n')
    await visit.end()


async def cut_short(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("Hel"))
    await visit.end()


async def reset(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("Hel"))
    visit.cut()


@pytest.mark.parametrize(
    ("script", "said", "kept"),
    [
        (unauthorized, {"type": "authentication", "status": 401, "code": "invalid_api_key", "request_id": "r-1"}, ""),
        (too_many, {"type": "rate_limit", "status": 429, "retry_after_s": 7.0}, ""),
        (html, {"type": "unexpected_response"}, ""),
        (failed_inside, {"type": "overloaded"}, "Hel"),
        (cut_short, {"type": "truncated"}, "Hel"),
        (reset, {"type": "truncated"}, "Hel"),
    ],
)
async def test_a_failure_is_no_success(script, said, kept, caplog) -> None:
    caplog.set_level(logging.INFO, "headrace.gateway")
    async with gateway(script) as (_, port):
        first, *texts, last = await answer(port)
    assert first == FIRST
    assert "".join(frame["content"] for frame in texts) == kept
    assert last.keys() == {"error"}
    assert said.items() <= last["error"].items()
    assert last["error"]["message"]
    assert SECRET not in str(last) + caplog.text
    assert f"error={said['type']}" in caplog.text


async def test_nobody_listens_where_the_provider_should_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
    with serving(create_app(config=config_for(url))) as port:
        first, last = await answer(port)
    assert first == FIRST
    assert last["error"]["type"] == "connect"


async def test_a_timeout_of_the_upstream() -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(chunk("Hel"))
        await visit.wait_left()

    async with Upstream(script) as upstream:
        async with AsyncClient(config=config_for(upstream.url), timeouts=(None, 0.05, None)) as client:
            with serving(create_app(client=client)) as port:
                *_, text, last = await answer(port)
                await upstream.none_open()
    assert text == {"content": "Hel"}
    assert (last["error"]["type"], last["error"]["phase"]) == ("timeout", "idle")


async def test_a_missing_key_is_the_gateways_fault_and_told_in_the_stream(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with serving(create_app(model="sim/demo")) as port:
        async with await Viewer.ask(port, {"prompt": "Hi", "model": "openai/gpt-4o-mini"}) as viewer:
            await viewer.head()
            assert (viewer.status, viewer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            said = await viewer._reader.readexactly(int(viewer.headers["content-length"]))
    assert json.loads(said.removeprefix(b"data: "))["error"]["type"] == "missing_key"


async def test_an_answer_that_begins_anew_cannot_be_appended_to() -> None:
    def frame(name: str, **more: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **more})}\n\n".encode()

    starts = [
        frame("message_start", message={"id": name, "model": "m-1", "usage": {"input_tokens": 1}}) for name in "ab"
    ]
    block = frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = frame("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hel"})

    async def script(visit: Visit) -> None:
        await visit.begin()
        for start in starts:
            await visit.send(start, block, delta)
        await visit.wait_left()

    async with gateway(script, row={"wire": "anthropic"}) as (upstream, port):
        *_, last = await answer(port)
        await upstream.none_open()
    assert last["error"]["type"] == "retracted"


async def test_a_failure_of_ours_is_told_and_logged(monkeypatch, caplog) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(AsyncStream, "text_of", broken)

    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(chunk("Hel"))
        await visit.wait_left()

    async with gateway(script) as (upstream, port):
        first, last = await answer(port)
        await upstream.none_open()
    assert first == FIRST
    assert last == {"error": {"type": "internal", "message": "the gateway failed; its log says more"}}
    assert "a bug" in caplog.text


async def test_silence_is_broken_before_the_first_token_and_after_it() -> None:
    go_on = asyncio.Event()

    async def script(visit: Visit) -> None:
        await go_on.wait()
        await visit.begin()
        await visit.send(chunk("Hel"))
        go_on.clear()
        await go_on.wait()
        await visit.send(chunk("lo"))
        await visit.send(ENDING)
        await visit.end()

    async with gateway(script, keep_alive_s=0.01) as (_, port), await Viewer.ask(port) as viewer:
        records = viewer.records()
        assert (await anext(records)).startswith("data: ")
        for text in ("Hel", "lo"):
            assert [await anext(records) for _ in range(3)] == [": keep-alive"] * 3
            go_on.set()
            rest = [record async for record in records] if text == "lo" else [await _after_comments(records)]
            assert f'data: {{"content":"{text}"}}' in rest
        assert rest[-1] == "data: [DONE]"


async def _after_comments(records) -> str:
    while (record := await anext(records)) == ": keep-alive":
        pass
    return record


async def test_a_line_in_the_log_a_stream_and_nothing_of_what_was_said(caplog) -> None:
    caplog.set_level(logging.INFO, "headrace.gateway")

    async def script(visit: Visit) -> None:
        await visit.answer("privateanswer")

    async with gateway(script) as (_, port):
        await answer(port, {"prompt": "privateprompt", "model": "up/with\nline"})
    [record] = [r for r in caplog.records if r.name == "headrace.gateway"]
    line = record.getMessage()
    assert "outcome=complete input_tokens=3 output_tokens=7 first_token_s=" in line
    assert r"model='up/with\nline'" in line
    assert "private" not in line
