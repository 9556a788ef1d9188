"""What is wrong with a request is said before any stream begins, as a status and JSON of one shape."""

from __future__ import annotations

import asyncio
import json

import pytest

from headrace.gateway import create_app
from headrace.gateway.chat import MAX_BODY_BYTES
from headrace.sim import Scenario
from tests.gateway.serving import SECRET, Viewer, answer, config_for, gateway, post, refused, serving


@pytest.fixture(scope="module")
def port():
    # Nobody listens there, and no test here gets so far.
    with serving(create_app(config=config_for("http://127.0.0.1:9/v1"))) as port:
        yield port


@pytest.mark.parametrize(
    ("body", "kind", "word"),
    [
        (b"", "invalid_request", "truncated"),
        (b"prompt=Hi", "invalid_request", "JSON"),
        (b'{"prompt": "Hi"', "invalid_request", "truncated"),
        (b'{"prompt": "\xff"}', "invalid_request", "utf-8"),
        (b'{"prompt": "\\ud800"}', "invalid_request", "not what is expected"),
        (b"[" * 100_000, "invalid_request", "object"),
        ([], "invalid_request", "object"),
        ({}, "invalid_request", "prompt"),
        ({"prompt": ""}, "invalid_request", "prompt"),
        ({"prompt": " \n"}, "invalid_request", "prompt"),
        ({"prompt": None}, "invalid_request", "prompt"),
        ({"prompt": ["Hi"]}, "invalid_request", "prompt"),
        ({"prompt": "Hi", "max_tokens": 0}, "invalid_request", "max_tokens"),
        ({"prompt": "Hi", "max_tokens": True}, "invalid_request", "max_tokens"),
        ({"prompt": "Hi", "max_tokens": "9"}, "invalid_request", "max_tokens"),
        ({"prompt": "Hi", "max_tokens": 10**30}, "invalid_request", "max_tokens"),
        ({"prompt": "Hi", "system": 1}, "invalid_request", "system"),
        ({"prompt": "Hi", "model": ""}, "invalid_request", "model"),
        ({"prompt": "Hi", "temperature": 1}, "invalid_request", "temperature"),
        ({"prompt": "Hi", "model": "nobody/m"}, "unknown_provider", "nobody"),
        ({"prompt": "Hi", "model": "up"}, "usage", "name a model"),
        ({"prompt": "Hi", "model": "gpt"}, "unknown_provider", "provider/model"),
    ],
)
async def test_a_bad_body_is_a_400(port, body, kind, word) -> None:
    status, said, message = await refused(port, post(port, body))
    assert (status, said) == (400, kind)
    assert word in message
    assert SECRET not in message


async def test_a_large_body_is_a_413(port) -> None:
    body = json.dumps({"prompt": "x" * MAX_BODY_BYTES}).encode()
    assert (await refused(port, post(port, body)))[:2] == (413, "request_too_large")
    # In pieces, without a length, too.
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (body[:1000], body[1000:])) + b"0\r\n\r\n"
    head = post(port, b"", "transfer-encoding: chunked", content_length=None)
    assert (await refused(port, head + chunks))[:2] == (413, "request_too_large")


async def test_the_largest_body_is_no_413() -> None:
    async with gateway(Scenario(answer="Hi")) as (sim, port):
        body = b'{"prompt": "Hi"}'.ljust(MAX_BODY_BYTES)
        assert (await answer(port, raw=post(port, body)))[-1] == "[DONE]"
        assert (await refused(port, post(port, body + b" ")))[0] == 413
    assert len(sim.journal.exchanges) == 1


async def test_a_body_that_comes_byte_by_byte() -> None:
    async with gateway(Scenario(answer="Hi")) as (_, port):
        data = post(port, {"prompt": "Hi ☃"})
        async with await Viewer.ask(port, raw=data[:-20]) as viewer:
            for at in range(len(data) - 20, len(data)):
                await asyncio.get_running_loop().sock_sendall(viewer.sock, data[at : at + 1])
            assert (await viewer.all())[-1] == "[DONE]"


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "a/json"]
)
async def test_anything_but_json_is_a_415(port, kind) -> None:
    data = post(port, {"prompt": "Hi"}, content_type=kind)
    assert (await refused(port, data))[:2] == (415, "unsupported_media_type")


async def test_json_with_parameters_is_json() -> None:
    async with gateway(Scenario(answer="Hi")) as (_, port):
        data = post(port, {"prompt": "Hi"}, content_type="Application/JSON ; charset=utf-8")
        assert (await answer(port, raw=data))[-1] == "[DONE]"


async def test_what_is_not_there(port) -> None:
    assert (await refused(port, post(port, {}, path="/nowhere")))[:2] == (404, "not_found")
    assert (await refused(port, post(port, {}, path="/chat/stream/")))[:2] == (404, "not_found")
    assert (await refused(port, post(port, {}, path="/healthz")))[:2] == (405, "method_not_allowed")
    async with await Viewer.ask(port, raw=b"GET /chat/stream HTTP/1.1\r\nhost: localhost\r\n\r\n") as viewer:
        assert (await viewer.json())["error"]["type"] == "method_not_allowed"
        assert (viewer.status, viewer.headers["allow"]) == (405, "POST")


async def test_a_bug_before_the_stream_is_a_500(monkeypatch, caplog) -> None:
    app = create_app(model="sim/demo")
    monkeypatch.setattr(app.state.chat, "model", 7)
    with serving(app) as port:
        status, kind, message = await refused(port, post(port, {"prompt": "Hi"}))
    assert (status, kind) == (500, "internal")
    assert "int" not in message
    assert "AttributeError" in caplog.text
