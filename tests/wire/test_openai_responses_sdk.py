"""openai-responses: the official SDK reads what our encoder writes, streamed, whole and refused."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from headrace.errors import ErrorInfo
from headrace.events import End, Event, PartDelta, PartEnd, PartStart, PartUpdate, PartWhole, Usage, UsageUpdate
from headrace.message import Message, fold
from headrace.wire.registry import encode_failure, encode_message
from tests.faces import FACES, KEY, Face
from tests.servers import Script, Server, head, whole
from tests.wire.encoding import encode, start
from tests.wire.responses import read_frames
from tests.wire.samples import ANTHROPIC, OPENAI_CHAT, OPENAI_RESPONSES
from tests.wire.streams import decode

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]
WIRE = "openai-responses"
REQUEST: dict[str, Any] = {"model": "m", "input": "Hi"}

SIGNED = {"type": "summary_text", "id": "rs_1"}
EVENTS: list[Event] = [
    start("resp_1"),
    PartStart("h", "thinking", data=SIGNED),
    PartDelta("h", "hm", "thinking"),
    PartEnd("h"),
    PartUpdate("h", data={"encrypted_content": "gA"}),
    PartStart("t"),
    PartDelta("t", "Grüße, "),
    PartDelta("t", "\U0001f600"),
    PartWhole("u", "citation", data={"type": "url_citation", "url": "u", "title": "t"}, parent="t"),
    PartEnd("t"),
    PartWhole("s", "server_tool_call", 0, "", "web_search_call", data={"type": "web_search_call", "id": "ws_1"}),
    PartStart("c", "tool_call", 0, "f", "call_1"),
    PartStart("d", "tool_call", 0, "g", "call_2"),
    PartDelta("c", '{"a"', "tool_call"),
    PartDelta("d", "{}", "tool_call"),
    PartDelta("c", ":1}", "tool_call"),
    PartEnd("c"),
    PartEnd("d"),
    UsageUpdate(Usage(input_tokens=3, output_tokens=4, cached_input_tokens=2, reasoning_tokens=1)),
    End(outcome="tool_calls"),
]


def document(status: int, body: bytes) -> Script:
    return [head(status, "application/json", framing=str(len(body))) + body]


def ask(face: Face, url: str, how: str) -> Any:
    """Ask as a user of the SDK does: its helper's final response, its raw events, or an answer that is not streamed."""
    settings: dict[str, Any] = {"base_url": url, "api_key": KEY, "max_retries": 0}

    def blocking() -> Any:
        with openai.OpenAI(**settings) as client:
            if how == "helper":
                with client.responses.stream(**REQUEST) as stream:
                    return stream.get_final_response()
            if how == "whole":
                return client.responses.create(**REQUEST)
            return list(client.responses.create(**REQUEST, stream=True))

    async def asynchronous() -> Any:
        async with openai.AsyncOpenAI(**settings) as client:
            if how == "helper":
                async with client.responses.stream(**REQUEST) as stream:
                    return await stream.get_final_response()
            if how == "whole":
                return await client.responses.create(**REQUEST)
            return [event async for event in await client.responses.create(**REQUEST, stream=True)]

    return blocking() if face == "sync" else asyncio.run(asynchronous())


def seen(response: Any) -> dict[str, Any]:
    thoughts = [item for item in response.output if item.type == "reasoning"]
    return {
        "text": response.output_text,
        "thinking": "".join(
            part.text for item in thoughts for part in (*item.summary, *(getattr(item, "content", None) or ()))
        ),
        "calls": [(c.call_id, c.name, c.arguments) for c in response.output if c.type == "function_call"],
        "usage": (response.usage.input_tokens, response.usage.output_tokens) if response.usage else None,
        "identity": (response.id, response.model),
    }


def ours(message: Message) -> dict[str, Any]:
    used = (message.usage.input_tokens, message.usage.output_tokens)
    calls = [c for c, p in zip(message.tool_calls, _calls(message), strict=True) if not (p.data or {}).get("type")]
    return {
        "text": message.text,
        "thinking": message.thinking,
        "calls": [(c.id, c.name, c.arguments) for c in calls],
        "usage": None if used == (None, None) else (used[0] or 0, used[1] or 0),
        "identity": (message.id or "", message.model or ""),
    }


def _calls(message: Message) -> list[Any]:
    return [part for part in message.parts if part.choice == 0 and part.kind == "tool_call"]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", ["helper", "whole"])
def test_the_sdk_reads_our_answer(face: Face, how: str, serve: Serve) -> None:
    if how == "helper":
        server = serve(whole(encode(EVENTS, WIRE)))
    else:
        server = serve(document(200, encode_message(WIRE, fold(EVENTS))))
    response = ask(face, server.url, how)
    assert seen(response) == ours(fold(EVENTS))
    assert response.status == "completed"
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "web_search_call",
        "function_call",
        "function_call",
    ]
    assert response.output[0].encrypted_content == "gA"
    assert response.output[1].content[0].annotations[0].url == "u"
    assert response.usage.input_tokens_details.cached_tokens == 2


@pytest.mark.parametrize("face", FACES)
def test_the_sdk_sees_every_frame(face: Face, serve: Serve) -> None:
    data = encode(EVENTS, WIRE)
    events = ask(face, serve(whole(data)).url, "raw")
    assert [(e.type, e.sequence_number) for e in events] == [
        (f["type"], f["sequence_number"]) for f in read_frames(data)
    ]
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == fold(EVENTS).text


# nothing is there to be read; of what it does not know the SDK warns
LEFT_OUT = ("spliced", "choices", "compaction and novelties")
SUCCESSES = [
    (wire, name, stream)
    for wire, streams in (("openai-chat", OPENAI_CHAT), ("anthropic", ANTHROPIC), (WIRE, OPENAI_RESPONSES))
    for name, stream in streams.items()
    if name not in LEFT_OUT and decode(wire, stream).message.outcome in ("complete", "tool_calls")
]


def test_the_sdks_helper_accepts_streams_of_all_wires(serve: Serve) -> None:
    server = serve(*[whole(encode(decode(wire, stream).events, WIRE)) for wire, _, stream in SUCCESSES])
    for wire, name, stream in SUCCESSES:
        expected = ours(decode(wire, stream).message)
        found = seen(ask("sync", server.url, "helper"))
        if wire != WIRE:
            expected["usage"] = found["usage"]  # counted as their wires count
        assert found == expected, (wire, name)


@pytest.mark.parametrize("face", FACES)
def test_the_sdk_sees_what_is_incomplete_and_what_has_failed(face: Face, serve: Serve) -> None:
    text = PartWhole("t", text="a")
    cut = encode([start("resp_1"), text, End(outcome="length")], WIRE)
    *_, last = ask(face, serve(whole(cut)).url, "raw")
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")
    assert last.response.output_text == "a"
    info = ErrorInfo(type="server", message="it broke", code="server_error")
    failed = encode([start("resp_1"), text, End(outcome="failed", error=info)], WIRE)
    *_, last = ask(face, serve(whole(failed)).url, "raw")
    assert (last.type, last.response.error.code, last.response.error.message) == (
        "response.failed",
        "server_error",
        "it broke",
    )
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        ask(face, serve(whole(failed)).url, "helper")
    [alone] = ask(face, serve(whole(encode([End(outcome="failed", error=info)], WIRE))).url, "raw")
    assert (alone.type, alone.code, alone.message) == ("error", "server_error", "it broke")


@pytest.mark.parametrize("face", FACES)
def test_the_sdk_sees_a_refusal(face: Face, serve: Serve) -> None:
    status, body = encode_failure(WIRE, ErrorInfo(type="rate_limit", message="slow down"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(face, serve(document(status, body)).url, "raw")
