"""What a viewer reads of one answer, whole or failed."""

from __future__ import annotations

import json
import logging

import pytest

from headrace.client import AsyncClient
from headrace.gateway import create_app
from headrace.sim import Answer, Scenario, Simulator
from headrace.sim.play import Head
from headrace.stream import AsyncStream
from tests.gateway.serving import SECRET, Viewer, answer, config_for, gateway, serving
from tests.sim.serving.raw import Source, play
from tests.simulated import left_async, stalling

FIRST = {"content": "", "model": "up/m-1"}
USED = {"input_tokens": 3, "output_tokens": 7}


async def test_an_answer_from_its_first_byte_to_its_last() -> None:
    scenario = Scenario(answer=Answer(text="Hello ☃", usage=USED), faults=("hold:here@event:0",))
    async with gateway(scenario) as (sim, port):
        async with await Viewer.ask(port, {"prompt": "Hi", "system": "Be brief.", "max_tokens": 9}) as viewer:
            frames = viewer.frames()
            # Before the provider has said a word.
            assert await anext(frames) == FIRST
            sim.release("here")
            rest = [frame async for frame in frames]
    assert rest == [
        {"content": "Hello"},
        {"content": " ☃"},
        {"content": "", "outcome": "complete", "usage": USED, "model": "up/m-1", "warnings": []},
        "[DONE]",
    ]
    assert viewer.status == 200
    assert viewer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert viewer.headers["cache-control"] == "no-cache, no-transform"
    assert viewer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in viewer.headers
    asked = sim.journal.last.body
    assert asked["max_tokens"] == 9
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


async def test_each_token_is_there_before_the_next_is_sent() -> None:
    tokens = ["0", " 1", " 2", " 3", " 4"]
    holds = tuple([f"hold:after{number}@token:{number}" for number in range(1, 6)])
    scenario = Scenario(answer="".join(tokens), faults=holds)
    async with gateway(scenario) as (sim, port), await Viewer.ask(port) as viewer:
        frames = viewer.frames()
        assert await anext(frames) == FIRST
        for number, token in enumerate(tokens, 1):
            assert await anext(frames) == {"content": token}
            sim.release(f"after{number}")
        assert [frame async for frame in frames][-1] == "[DONE]"


async def test_what_comes_at_once_is_written_at_once() -> None:
    async with gateway(Scenario(answer="a.b.c")) as (_, port), await Viewer.ask(port) as viewer:
        assert await viewer.piece() == b'data: {"content":"","model":"up/m-1"}\n\n'
        assert await viewer.piece() == b"".join(b'data: {"content":"%c"}\n\n' % c for c in b"a.b.c")


@pytest.mark.parametrize("outcome", ["length", "filtered"])
async def test_endings_that_are_no_failure(outcome: str) -> None:
    usage = {**USED, "cached_input_tokens": 2, "reasoning_tokens": 1}
    scenario = Scenario(answer=Answer(text="Hi", stop_reason=outcome, usage=usage))
    async with gateway(scenario) as (_, port):
        *_, last, done = await answer(port)
    assert (last["outcome"], done) == (outcome, "[DONE]")
    assert last["usage"] == usage


async def test_a_refusal_is_there_to_read() -> None:
    async with gateway(Scenario(answer=Answer(refusal="I may not."))) as (_, port):
        _, *said, last, done = await answer(port)
    assert "".join(frame["content"] for frame in said) == "I may not."
    assert all(frame["refusal"] is True for frame in said)
    assert (last["outcome"], done) == ("complete", "[DONE]")


async def test_oddities_on_the_way_are_told() -> None:
    async with gateway(Scenario(answer="Hi", faults=("no-done", "usage:none"))) as (_, port):
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


# What no scenario says: the key is in it.
UNAUTHORIZED = play(
    json.dumps({"error": {"message": f"bad key {SECRET}", "code": "invalid_api_key"}}).encode(),
    head=Head(status=401, headers=(("content-type", "application/json"), ("x-request-id", "r-1"))),
)


@pytest.mark.parametrize(
    ("fault", "said", "kept"),
    [
        ("", {"type": "authentication", "status": 401, "code": "invalid_api_key", "request_id": "r-1"}, ""),
        ("status:429:7", {"type": "rate_limit", "status": 429, "retry_after_s": 7.0}, ""),
        ("html:200", {"type": "unexpected_response"}, ""),
        ("error:overloaded@token:1", {"type": "overloaded"}, "Hello"),
        ("eof@token:1", {"type": "truncated"}, "Hello"),
        ("reset@token:1", {"type": "truncated"}, "Hello"),
    ],
)
async def test_a_failure_is_no_success(fault, said, kept, caplog) -> None:
    caplog.set_level(logging.INFO, "headrace.gateway")
    scenarios = (Scenario(answer="Hello there.", faults=(fault,)),) if fault else ()
    async with gateway(*scenarios, source=None if fault else Source(UNAUTHORIZED)) as (_, port):
        first, *texts, last = await answer(port)
    assert first == FIRST
    assert "".join(frame["content"] for frame in texts) == kept
    assert last.keys() == {"error"}
    assert said.items() <= last["error"].items()
    assert last["error"]["message"]
    assert SECRET not in str(last) + caplog.text
    assert f"error={said['type']}" in caplog.text


async def test_nobody_listens_where_the_provider_should_be() -> None:
    async with gateway() as (sim, port):
        with sim.refuse():
            first, last = await answer(port)
    assert first == FIRST
    assert last["error"]["type"] == "connect"


async def test_a_timeout_of_the_upstream() -> None:
    with Simulator(stalling("Hello")) as sim:
        async with AsyncClient(config=config_for(sim.openai_url), timeouts=(None, 0.05, None)) as client:
            with serving(create_app(client=client)) as port:
                *_, text, last = await answer(port)
                assert (await left_async(sim)).left_at_token == 1
    assert text == {"content": "Hello"}
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
    scenario = Scenario(answer="Hello there.", faults=("splice@token:1", "stall@token:3"))
    async with gateway(scenario, row={"wire": "anthropic"}) as (sim, port):
        *_, last = await answer(port)
        await left_async(sim)
    assert last["error"]["type"] == "retracted"


async def test_a_failure_of_ours_is_told_and_logged(monkeypatch, caplog) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(AsyncStream, "text_of", broken)
    async with gateway(stalling("Hello")) as (sim, port):
        first, last = await answer(port)
        await left_async(sim)
    assert first == FIRST
    assert last == {"error": {"type": "internal", "message": "the gateway failed; its log says more"}}
    assert "a bug" in caplog.text


async def test_silence_is_broken_before_the_first_token_and_after_it() -> None:
    scenario = Scenario(answer="Hello there", faults=("hold:Hello@event:0", "hold:there@token:1"))
    async with gateway(scenario, keep_alive_s=0.01) as (sim, port), await Viewer.ask(port) as viewer:
        records = viewer.records()
        assert (await anext(records)).startswith("data: ")
        for text in ("Hello", " there"):
            assert [await anext(records) for _ in range(3)] == [": keep-alive"] * 3
            sim.release(text.strip())
            rest = [record async for record in records] if text[0] == " " else [await _after_comments(records)]
            assert f'data: {{"content":"{text}"}}' in rest
        assert rest[-1] == "data: [DONE]"


async def _after_comments(records) -> str:
    while (record := await anext(records)) == ": keep-alive":
        pass
    return record


async def test_a_line_in_the_log_a_stream_and_nothing_of_what_was_said(caplog) -> None:
    caplog.set_level(logging.INFO, "headrace.gateway")
    async with gateway(Scenario(answer=Answer(text="privateanswer", usage=USED))) as (_, port):
        await answer(port, {"prompt": "privateprompt", "model": "up/with\nline"})
    [record] = [r for r in caplog.records if r.name == "headrace.gateway"]
    line = record.getMessage()
    assert "outcome=complete input_tokens=3 output_tokens=7 first_token_s=" in line
    assert r"model='up/with\nline'" in line
    assert "private" not in line
