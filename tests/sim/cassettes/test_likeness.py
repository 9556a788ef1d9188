"""What is compared, and how the nearest recording is found."""

import json
from typing import Any

import pytest

from headrace.sim.cassettes.cassette import Body, RecordedRequest, body_of
from headrace.sim.cassettes.likeness import (
    EXACT,
    Facts,
    differences,
    facts_of,
    facts_of_call,
    is_coded,
    points,
    route_of,
    same,
)
from headrace.sim.play import Call

PROVIDERS = ("openai", "anthropic", "groq")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/chat/completions", "chat/completions"),
        ("/openai/v1/chat/completions", "chat/completions"),
        ("/openai/chat/completions", "chat/completions"),
        ("/groq/openai/v1/chat/completions", "chat/completions"),
        ("/chat/completions", "chat/completions"),
        ("/api/paas/v4/chat/completions", "chat/completions"),
        ("/anthropic/v1/messages/count_tokens", "messages/count_tokens"),
        ("/v1beta/models/gemini-x:streamGenerateContent", "models/gemini-x:streamGenerateContent"),
        ("/openai", "openai"),
        ("/", ""),
    ],
)
def test_routes(path: str, route: str) -> None:
    assert route_of(path, PROVIDERS) == route


def facts(body: Any = None, path: str = "/v1/chat/completions", method: str = "POST") -> Facts:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return facts_of(RecordedRequest(method=method, path=path, body=body_of(data)), providers=PROVIDERS)


def chat(text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}], **more}


def test_wires() -> None:
    assert facts().wire == "openai-chat"
    assert facts(path="/anthropic/v1/messages").wire == "anthropic"
    assert facts(path="/v1/models").wire is None


@pytest.mark.parametrize(
    ("body", "said", "messages"),
    [
        (chat(), "Hi", 1),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "a", 2),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"x": 1}, "odd"]}]}, "a", 1),
        ({"contents": [{"parts": [{"text": "a"}]}]}, "a", 1),
        ({"input": "a"}, "a", 0),
        ({"input": [{"role": "user", "content": "a"}, {"role": "user", "content": []}]}, "a", 2),
        ({"prompt": "a"}, "a", 0),
        ({"messages": "odd"}, "", 0),
        ([1], "", 0),
        (b"text", "", 0),
    ],
)
def test_what_the_user_said_last(body: Any, said: str, messages: int) -> None:
    found = facts(body)
    assert (found.said, found.messages) == (said, messages)


def test_the_order_of_keys_is_nothing() -> None:
    body = chat()
    assert same(facts(body), facts(dict(reversed(body.items()))))


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        (chat(), chat("Ho")),
        (chat(), chat(n=1)),
        (chat(n=1), chat()),
        (chat(n=1), chat(n=True)),
        (chat(n=None), chat()),
        (chat(tools=[1]), chat(tools=[1, 2])),
        (chat(tools=[1, 2]), chat(tools=[1])),
        (chat(tools=[]), chat(tools={})),
        (chat(), b"text"),
        (b"text", b"texts"),
        (b"\xff1", b"\xff2"),
    ],
)
def test_other_bodies(recorded: Any, asked: Any) -> None:
    assert not same(facts(recorded), facts(asked))
    assert differences(facts(recorded), facts(asked))
    assert same(facts(recorded), facts(recorded))
    assert differences(facts(asked), facts(asked)) == ""


@pytest.mark.parametrize(
    ("recorded", "asked", "alike"),
    [
        ("[redacted]", "whatever", True),
        ("my key is [redacted]!", "my key is 123\n45!", True),
        ("my key is [redacted]!", "my key is 12345", False),
        ("whatever", "[redacted]", True),
        ("[redacted]", 12345678, True),
    ],
)
def test_what_was_scrubbed_is_like_anything(recorded: Any, asked: Any, alike: bool) -> None:
    assert same(facts(chat(x=recorded)), facts(chat(x=asked))) == alike


def test_what_was_scrubbed_may_be_missing() -> None:
    assert same(facts(chat(authorization_token="[redacted]")), facts(chat()))


def test_queries() -> None:
    def at(query: str) -> Facts:
        return facts(path=f"/v1/models{query}")

    assert same(at("?a=1&b=2"), at("?b=2&a=1"))
    assert same(at("?a=1&key=[redacted]"), at("?a=1"))
    assert not same(at("?a=1"), at("?a=2"))
    assert differences(at("?a=1"), at("?a=2")) == "the query is another"


def test_calls_are_scrubbed_before_they_are_compared() -> None:
    body = json.dumps(chat("my key is sk-12345678", authorization_token="abcdefghijk")).encode()
    call = Call(path="/v1/x?key=0123456789", headers={"authorization": "Bearer sk-12345678"}, body=body)
    found = facts_of_call(call, providers=PROVIDERS)
    assert found.said == "my key is [redacted]"
    assert found.query == ()
    assert found.body.value["authorization_token"] == "[redacted]"
    coded = facts_of_call(Call(headers={"content-encoding": "gzip"}, body=b"{}"), providers=PROVIDERS)
    assert coded.body == Body("base64", b"{}")
    assert facts_of_call(Call(body=b"text"), providers=PROVIDERS).body == Body("text", "text")


def test_compression() -> None:
    assert is_coded((("content-encoding", " GZip"),)) == "gzip"
    assert is_coded((("content-encoding", "identity"), ("accept-encoding", "br"))) is None


def test_points() -> None:
    asked = facts(chat("What is the capital of France?"))
    assert points(asked, asked) == EXACT
    assert points(facts(chat(), path="/v1/messages"), asked) is None
    assert points(facts(chat(), method="GET"), asked) is None
    nearest_first = [
        chat("What is the capital of France?", temperature=0),
        chat("What is the capital of Spain?"),
        chat("Tell me a joke"),
        {
            **chat("Tell me a joke"),
            "messages": [{"role": "system", "content": "x"}, *chat("Tell me a joke")["messages"]],
        },
        chat("What is the capital of France?", model="other"),
        chat("What is the capital of France?", stream=False),
    ]
    counted = [points(facts(body), asked) or 0.0 for body in nearest_first]
    assert counted == sorted(counted, reverse=True)
    assert len(set(counted)) == len(counted)


def test_differences_in_a_line() -> None:
    assert differences(facts(method="GET"), facts()) == "it was GET, and this is POST"
    assert differences(facts(path="/v1/models"), facts()) == (
        'it asked /v1/models, and this asks "/v1/chat/completions"'
    )
    assert differences(facts(chat("a" * 80)), facts(chat("b" * 80))) == (
        f'messages[0].content was "{"a" * 59}…, and is "{"b" * 59}…'
    )
    assert differences(facts(chat()), facts(chat(n=1))) == "n was not there, and is 1"
    assert differences(facts(chat()), facts(b"\xff")) == 'the body was "(json)", and is "(base64)"'
    assert differences(facts(b"\xff"), facts(b"\xfe")) == 'the body was "\xff", and is "\xfe"'
    many = differences(facts(chat(**{f"x{i}": 1 for i in range(9)})), facts(chat()))
    assert many.endswith("x2 was 1, and is not there; …")
    assert "\n" not in differences(facts(chat("a\nb")), facts(chat("c\n\nd")))


@pytest.mark.parametrize(
    ("recorded", "asked", "alike"),
    [
        ("/v1/x?key=[redacted]&a=1", "/v1/x?a=1&key=other", True),
        ("/v1/x?key=[redacted]&a=1", "/v1/x?a=1", True),
        ("/v1/x?page=[redacted]", "/v1/x?page=2", True),
        ("/v1/x?page=[redacted]", "/v1/x?other=2", False),
        ("/v1/x?page=[redacted]", "/v1/x?page=2&b=3", False),
        ("/v1/x?page=1", "/v1/x?page=2", False),
    ],
)
def test_queries_that_were_scrubbed(recorded: str, asked: str, alike: bool) -> None:
    assert same(facts(path=recorded), facts(path=asked)) == alike
    assert ("the query is another" in differences(facts(path=recorded), facts(path=asked))) != alike


@pytest.mark.parametrize(
    ("scrubbed", "text", "alike"),
    [
        ("a[redacted]b[redacted]b", "aXbYbZb", True),
        ("a[redacted]b[redacted]b", "abb", True),
        ("a[redacted]b[redacted]b", "ab", False),
        ("a[redacted]c[redacted]b", "aXbYbZb", False),
        ("ab[redacted]bc", "abc", False),
        ("[redacted]" * 40 + "x", "y" * 5000, False),
    ],
)
def test_several_marks_in_a_text(scrubbed: str, text: str, alike: bool) -> None:
    assert same(facts(chat(x=scrubbed)), facts(chat(x=text))) == alike
    assert same(facts(b"\xff" + scrubbed.encode()), facts(b"\xff" + text.encode())) == alike
