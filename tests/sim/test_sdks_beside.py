"""How the official SDKs ask, what they ask for beside answers, and what they read in the heads of these."""

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest

from headrace.sim import Scenario, Simulator
from headrace.sim.play import Call, Play
from headrace.sim.provider import SimulatedProvider
from headrace.sim.scenarios.builtin import BUILTINS
from tests.faces import FACES, KEY, Face, read
from tests.sdks import ANTHROPIC_REQUEST, ASK, OPENAI_REQUEST, anthropic_client, openai_client, url_of

pytestmark = pytest.mark.usefixtures("bare")

TEXT = "Hello, world."


class Heard:
    """A provider that keeps what it is asked, keys included: the journal has none."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._provider = SimulatedProvider((Scenario(answer=TEXT),), speed="max")

    def play(self, call: Call) -> Play:
        self.calls.append(call)
        return self._provider.play(call)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
def test_we_ask_as_the_sdks_do(face: Face, name: str) -> None:
    heard = Heard()
    with Simulator(source=heard) as sim:
        asked = {"base_url": url_of(sim, name), "api_key": KEY}
        assert read(face, f"{name}/test-model", "Hi", **asked).text == TEXT
        assert ASK[name](face, url_of(sim, name)).text == TEXT
    mine, theirs = heard.calls
    assert (mine.method, mine.path) == (theirs.method, theirs.path)
    assert json.loads(mine.body) == json.loads(theirs.body)
    assert mine.headers["content-type"] == theirs.headers["content-type"]
    assert ("anthropic-version" in mine.headers) is ("anthropic-version" in theirs.headers) is (name == "anthropic")
    for call in heard.calls:  # one key, under the one or the other of the two names that Anthropic reads
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        assert KEY in ((bearer,) if name == "openai" else (bearer, call.headers.get("x-api-key")))


@pytest.mark.parametrize("face", FACES)
def test_the_models_for_openai_s_sdk(face: Face) -> None:
    async def asynchronous() -> Any:
        async with openai_client(face, sim.openai_url) as client:
            listed = [model async for model in client.models.list()]
            with pytest.raises(openai.NotFoundError) as caught:
                await client.models.retrieve("gpt-none")
            return listed, await client.models.retrieve("sim/prose"), caught.value

    def blocking() -> Any:
        with openai_client(face, sim.openai_url) as client:
            with pytest.raises(openai.NotFoundError) as caught:
                client.models.retrieve("gpt-none")
            return list(client.models.list()), client.models.retrieve("sim/prose"), caught.value

    with Simulator() as sim:
        listed, one, error = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert [model.id for model in listed] == [f"sim/{name}" for name in BUILTINS]
    assert one in listed
    assert (one.object, one.owned_by, error.code) == ("model", "headrace", "model_not_found")


@pytest.mark.parametrize("face", FACES)
def test_the_models_for_anthropic_s_sdk(face: Face) -> None:
    async def asynchronous() -> Any:
        async with anthropic_client(face, sim.anthropic_url) as client:
            listed = [model async for model in client.models.list()]
            with pytest.raises(anthropic.NotFoundError) as caught:
                await client.models.retrieve("claude-none")
            return listed, await client.models.retrieve("sim/prose"), caught.value

    def blocking() -> Any:
        with anthropic_client(face, sim.anthropic_url) as client:
            with pytest.raises(anthropic.NotFoundError) as caught:
                client.models.retrieve("claude-none")
            return list(client.models.list()), client.models.retrieve("sim/prose"), caught.value

    with Simulator() as sim:
        listed, one, error = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert [model.id for model in listed] == [f"sim/{name}" for name in BUILTINS]
    assert one in listed
    assert (one.type, error.type) == ("model", "not_found_error")


@pytest.mark.parametrize("face", FACES)
def test_tokens_are_counted(face: Face) -> None:
    asked: dict[str, Any] = {**ANTHROPIC_REQUEST, "system": "Be short."}
    counted = {name: value for name, value in asked.items() if name != "max_tokens"}

    async def asynchronous() -> Any:
        async with anthropic_client(face, sim.anthropic_url) as client:
            return await client.messages.count_tokens(**counted), await client.messages.create(**asked)

    def blocking() -> Any:
        with anthropic_client(face, sim.anthropic_url) as client:
            return client.messages.count_tokens(**counted), client.messages.create(**asked)

    with Simulator() as sim:
        counts, message = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert counts.input_tokens == message.usage.input_tokens > 0


@pytest.mark.parametrize("face", FACES)
def test_the_heads_of_openai_s_answers(face: Face) -> None:
    async def asynchronous() -> Any:
        async with openai_client(face, sim.openai_url) as client:
            return [await client.chat.completions.with_raw_response.create(**OPENAI_REQUEST) for _ in range(2)]

    def blocking() -> Any:
        with openai_client(face, sim.openai_url) as client:
            return [client.chat.completions.with_raw_response.create(**OPENAI_REQUEST) for _ in range(2)]

    with Simulator(Scenario(answer=TEXT)) as sim:
        first, second = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert first.parse().choices[0].message.content == TEXT
    assert first.request_id == first.headers["x-request-id"] != second.request_id
    left = [int(each.headers["x-ratelimit-remaining-requests"]) for each in (first, second)]
    assert left == [int(first.headers["x-ratelimit-limit-requests"]) - 1, left[0] - 1]
    assert int(second.headers["x-ratelimit-remaining-tokens"]) < int(first.headers["x-ratelimit-remaining-tokens"])


@pytest.mark.parametrize("face", FACES)
def test_the_heads_of_anthropic_s_answers(face: Face) -> None:
    async def asynchronous() -> Any:
        async with anthropic_client(face, sim.anthropic_url) as client:
            raw = client.messages.with_raw_response
            first, second = [await raw.create(**ANTHROPIC_REQUEST) for _ in range(2)]
            return await first.parse(), first.headers, second.headers

    def blocking() -> Any:
        with anthropic_client(face, sim.anthropic_url) as client:
            first, second = [client.messages.with_raw_response.create(**ANTHROPIC_REQUEST) for _ in range(2)]
            return first.parse(), first.headers, second.headers

    with Simulator(Scenario(answer=TEXT)) as sim:
        message, first, second = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert (message.content[0].text, message._request_id) == (TEXT, first["request-id"])
    assert first["request-id"] != second["request-id"]
    assert first["anthropic-organization-id"] == second["anthropic-organization-id"]
    left = [int(each["anthropic-ratelimit-requests-remaining"]) for each in (first, second)]
    assert left == [int(first["anthropic-ratelimit-requests-limit"]) - 1, left[0] - 1]
