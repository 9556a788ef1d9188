"""Requests, out: what each wire is sent, and what it cannot say."""

import json
from typing import Any

import pytest

from headrace.errors import UnsupportedError, UsageError
from headrace.request import Request, make_request
from headrace.wire.providers import PROVIDERS, Provider
from headrace.wire.registry import encode_http

ACME = Provider(name="acme", base_url="https://acme.example/v1")
CLAUDE = PROVIDERS["anthropic"]


def body(request: Request, provider: Provider = ACME) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(encode_http(request, provider, key=None, base_url=provider.base_url).body)
    return sent


def openai(*prompt: Any, provider: Provider = ACME, **fields: Any) -> dict[str, Any]:
    return body(make_request("m", *prompt, **fields), provider)


def claude(*prompt: Any, **fields: Any) -> dict[str, Any]:
    return body(make_request("m", *prompt, **fields), CLAUDE)


OPENAI_TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
ANTHROPIC_TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}

# -- openai-chat


def test_the_least_request_to_openai() -> None:
    assert openai("hi") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_full_request_to_openai() -> None:
    fields: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "seed": 0, "n": 2, "tool_choice": "auto"}
    sent = openai(
        "hi", system="s", max_tokens=9, stop="END", tools=[OPENAI_TOOL], extra={"user": "u", "top_p": 1}, **fields
    )
    assert sent["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
    assert {k: sent[k] for k in fields if k != "top_p"} == {k: v for k, v in fields.items() if k != "top_p"}
    assert (sent["max_tokens"], sent["stop"], sent["tools"], sent["user"]) == (9, ["END"], [OPENAI_TOOL], "u")
    assert sent["top_p"] == 1  # what is passed on for the provider wins


def test_habits_of_a_provider_change_the_request() -> None:
    sent = openai("hi", max_tokens=9, provider=PROVIDERS["openai"])
    assert (sent["max_completion_tokens"], "max_tokens" in sent) == (9, False)
    assert "stream_options" not in openai("hi", provider=PROVIDERS["mistral"])


def test_conversations_pass_as_they_are() -> None:
    turns = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "4"},
        {"role": "assistant"},
    ]
    assert openai(turns)["messages"] == turns


def test_anthropics_tools_are_put_into_openais_words() -> None:
    assert openai("hi", tools=[ANTHROPIC_TOOL])["tools"] == [OPENAI_TOOL]
    bare = {"name": "f", "input_schema": {"type": "object"}}
    assert openai("hi", tools=[bare])["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    ]


@pytest.mark.parametrize("kind", ["image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"])
def test_anthropics_parts_are_refused_by_name(kind: str) -> None:
    turns: list[Any] = ["hi", {"role": "user", "content": ["odd", {"type": "text", "text": "a"}, {"type": kind}]}]
    with pytest.raises(UnsupportedError, match=rf"messages\[1\] has a part of the type '{kind}'.*openai-chat"):
        openai(turns)


# -- anthropic


def test_the_least_request_to_anthropic() -> None:
    assert claude("hi") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 4096,
        "stream": True,
    }


def test_a_full_request_to_anthropic() -> None:
    sent = claude(
        "hi",
        system="s",
        max_tokens=9,
        temperature=0.0,
        top_p=0.5,
        stop=["END"],
        n=1,
        tools=[ANTHROPIC_TOOL],
        extra={"top_k": 3},
    )
    assert (sent["system"], sent["max_tokens"], sent["temperature"], sent["top_p"]) == ("s", 9, 0.0, 0.5)
    assert (sent["stop_sequences"], sent["tools"], sent["top_k"]) == (["END"], [ANTHROPIC_TOOL], 3)
    assert "n" not in sent


@pytest.mark.parametrize("fields", [{"seed": 0}, {"seed": 1}, {"n": 2}], ids=str)
def test_what_anthropic_has_no_field_for_is_refused_by_name(fields: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=f"has no '{next(iter(fields))}'"):
        claude("hi", **fields)


def test_system_prompts_are_gathered_at_the_start() -> None:
    turns: list[Any] = [
        {"role": "system", "content": "b"},
        {"role": "developer", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
        "hi",
    ]
    assert claude(turns, system="a")["system"] == "a\n\nb\n\ncd"
    assert claude(turns)["messages"] == [{"role": "user", "content": "hi"}]


def test_a_system_prompt_later_on_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"messages\[1\]: .* only at the start"):
        claude(["hi", {"role": "system", "content": "b"}])


@pytest.mark.parametrize("part", [{"type": "image_url"}, "text", {"type": "text", "text": 5}], ids=str)
def test_a_system_prompt_holds_text_only(part: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"messages\[0\]: a system prompt may hold text only"):
        claude([{"role": "system", "content": [part]}, "hi"])


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "refusal"])
def test_openais_parts_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"messages\[0\] has a part of the type '{kind}'"):
        claude([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": kind}]}])


def test_anthropics_own_parts_pass() -> None:
    parts = [{"type": "image", "source": {}}, {"type": "tool_result", "tool_use_id": "t"}, "odd"]
    turns = [{"role": "user", "content": parts}]
    assert claude(turns)["messages"] == turns


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_calls_and_their_results_are_put_into_anthropics_words() -> None:
    sent = claude(
        [
            "2+2?",
            {"role": "assistant", "content": "let me", "tool_calls": [call('{"a": 1}'), call("")]},
            {"role": "tool", "tool_call_id": "t", "content": "4"},
            {"role": "assistant", "content": None, "tool_calls": [call(None)]},
            {"role": "assistant", "content": "", "tool_calls": [call(None)]},
            {"role": "assistant", "content": [{"type": "text", "text": "so"}], "tool_calls": [call("{}")]},
            {"role": "assistant", "content": None},
            {"role": "assistant"},
        ]
    )

    def use(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"type": "tool_use", "id": "t", "name": "f", "input": arguments}

    assert sent["messages"] == [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": [{"type": "text", "text": "let me"}, use({"a": 1}), use({})]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "4"}]},
        {"role": "assistant", "content": [use({})]},
        {"role": "assistant", "content": [use({})]},
        {"role": "assistant", "content": [{"type": "text", "text": "so"}, use({})]},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": ""},
    ]


@pytest.mark.parametrize(
    "arguments", ["{", "[]", "5", '{"a": "cut', '{"a":' * 100_000, "\ud800", 5], ids=lambda a: repr(a)[:9]
)
def test_arguments_that_are_no_object_are_a_usage_error(arguments: Any) -> None:
    with pytest.raises(UsageError, match=r"messages\[1\]: the arguments of a tool call are no JSON object"):
        claude(["hi", {"role": "assistant", "content": "", "tool_calls": [call(arguments)]}])


@pytest.mark.parametrize("calls", [["odd"], [{"id": "t"}], {"id": "t"}, "odd", 5], ids=repr)
def test_calls_of_another_shape_are_a_usage_error(calls: Any) -> None:
    with pytest.raises(UsageError, match=r"messages\[0\]: a tool call must be a dict with a 'function'"):
        claude([{"role": "assistant", "content": "", "tool_calls": calls}])


def test_openais_tools_are_put_into_anthropics_words() -> None:
    assert claude("hi", tools=[OPENAI_TOOL])["tools"] == [ANTHROPIC_TOOL]
    bare = {"type": "function", "function": {"name": "f"}}
    assert claude("hi", tools=[bare])["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
        ({"type": "tool", "name": "f"}, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choices_are_put_into_anthropics_words(choice: Any, sent: dict[str, Any]) -> None:
    assert claude("hi", tool_choice=choice)["tool_choice"] == sent


# -- http


def test_the_request_to_openai() -> None:
    request = encode_http(
        make_request("m", "hi"), PROVIDERS["openai"], key="sk-1", base_url="https://api.openai.com/v1/"
    )
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/chat/completions")
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "authorization": "Bearer sk-1",
    }


@pytest.mark.parametrize(
    "base",
    [
        "https://api.anthropic.com",
        "https://api.anthropic.com/",
        "https://api.anthropic.com/v1",
        "https://api.anthropic.com/v1/",
    ],
)
def test_the_request_to_anthropic(base: str) -> None:
    request = encode_http(make_request("m", "hi"), CLAUDE, key="sk-1", base_url=base)
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == ("sk-1", "2023-06-01")
    assert "authorization" not in request.headers


@pytest.mark.parametrize("provider", [ACME, CLAUDE], ids=lambda p: p.name)
def test_without_a_key_none_is_shown_and_the_users_headers_win(provider: Provider) -> None:
    request = encode_http(
        make_request("m", "hi"), provider, key=None, base_url="http://x", headers={"Accept": "a", "X-Mine": "b"}
    )
    assert not {"authorization", "x-api-key"} & set(request.headers)
    assert (request.headers["accept"], request.headers["x-mine"]) == ("a", "b")
    assert "x-mine" not in provider.headers


def test_no_key_in_what_is_printed() -> None:
    request = encode_http(make_request("m", "a secret prompt"), ACME, key="sk-1", base_url="http://x")
    assert repr(request) == str(request) == f"HTTPRequest(POST http://x/chat/completions, {len(request.body)} bytes)"


@pytest.mark.parametrize("odd", [object(), "\ud800", {1, 2, "\ud800"}], ids=["an object", "half a pair", "a set"])
def test_what_json_cannot_say_is_a_usage_error(odd: Any) -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        openai("hi", extra={"odd": odd})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        openai("hi", extra={"odd": loop})
