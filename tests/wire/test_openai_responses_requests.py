"""Requests for openai-responses, out: what the wire is sent, and what it cannot say."""

import json
from typing import Any

import pytest

from headrace.errors import UnsupportedError, UsageError
from headrace.events import PartWhole
from headrace.message import fold
from headrace.request import make_request
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import encode_http
from tests.wire.encoding import start
from tests.wire.responses import answer, call, done, message, summary, text_part
from tests.wire.streams import decode

ROW = PROVIDERS["openai-responses"]


def sent(*prompt: Any, model: str = "gpt-4o", **fields: Any) -> dict[str, Any]:
    request = make_request(model, *prompt, **fields)
    body: dict[str, Any] = json.loads(encode_http(request, ROW, key=None, base_url=ROW.base_url).body)
    return body


def items(*turns: Any, **fields: Any) -> list[Any]:
    found: list[Any] = sent(list(turns), **fields)["input"]
    return found


def test_the_least_request() -> None:
    assert sent("hi") == {
        "model": "gpt-4o",
        "input": [{"role": "user", "content": "hi"}],
        "stream": True,
        "store": False,
    }


def test_a_full_request() -> None:
    text = {"format": {"type": "json_schema", "name": "n", "schema": {}}}
    more = {"reasoning": {"effort": "low"}, "text": text, "metadata": {"a": "b"}, "top_p": 1}
    body = sent("hi", system="s", max_tokens=20, temperature=0.0, top_p=0.5, n=1, tool_choice="auto", extra=more)
    assert body == {
        "model": "gpt-4o",
        "instructions": "s",
        "input": [{"role": "user", "content": "hi"}],
        "stream": True,
        "store": False,
        "max_output_tokens": 20,
        "temperature": 0.0,
        "tool_choice": "auto",
        **more,  # what is passed on for the provider wins
    }


def test_the_request_goes_to_its_path() -> None:
    request = encode_http(make_request("m", "hi"), ROW, key="sk-1", base_url="https://api.openai.com/v1/")
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/responses")
    assert request.headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(("name", "value"), [("stop", "x"), ("seed", 0), ("n", 2)])
def test_what_it_cannot_say_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedError, match=f"openai-responses has no '{name}'"):
        sent("hi", **{name: value})


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("gpt-5", True),
        ("gpt-5.2-codex", True),
        ("o3-mini", True),
        ("openai/gpt-5-mini", True),
        ("gpt-5-chat-latest", False),
        ("gpt-4.1", False),
        ("gpt-4o", False),
    ],
)
def test_models_that_think_are_asked_for_what_is_encrypted(model: str, thinks: bool) -> None:
    # OpenAI refuses the field for models that do not
    assert sent("hi", model=model).get("include") == (["reasoning.encrypted_content"] if thinks else None)


def test_nothing_is_stored_unless_that_is_asked_for() -> None:
    assert sent("hi", model="gpt-5", extra={"background": True}) == {
        **sent("hi", extra={"background": True}),
        "model": "gpt-5",
    }
    assert sent("hi", extra={"background": True})["store"] is True
    assert sent("hi", extra={"background": False})["store"] is False
    stored = sent("hi", model="gpt-5", extra={"store": True})
    assert (stored["store"], "include" in stored) == (True, False)
    assert sent("hi", model="gpt-5", extra={"store": False})["include"] == ["reasoning.encrypted_content"]


# -- what is said


def test_conversations_are_input_items() -> None:
    found = items(
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, "b", {"type": "input_text", "text": "c"}]},
        {"role": "assistant", "content": "x"},
        {"role": "assistant", "content": [{"type": "text", "text": "y"}, {"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": []},
        {"role": "user", "content": ""},
    )
    assert found == [
        {"role": "developer", "content": "d"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a"},
                {"type": "input_text", "text": "b"},
                {"type": "input_text", "text": "c"},
            ],
        },
        {"role": "assistant", "content": "x"},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "y"}, {"type": "refusal", "refusal": "No."}],
        },
        {"role": "user", "content": ""},
    ]


PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "image_url", "image_url": {"url": "u"}}, {"type": "input_image", "image_url": "u"}),
    (
        {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        {"type": "input_image", "image_url": "u", "detail": "low"},
    ),
    ({"type": "image_url", "image_url": "u"}, {"type": "input_image", "image_url": "u"}),
    (
        {"type": "file", "file": {"file_data": "data:x", "filename": "f"}},
        {"type": "input_file", "file_data": "data:x", "filename": "f"},
    ),
    ({"type": "image", "source": {"type": "url", "url": "u"}}, {"type": "input_image", "image_url": "u"}),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, {"type": "input_image", "file_id": "f"}),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AA"},
    ),
    ({"type": "document", "source": {"type": "url", "url": "u"}}, {"type": "input_file", "file_url": "u"}),
    (
        {"type": "document", "title": "t", "source": {"type": "base64", "media_type": "application/pdf", "data": "A"}},
        {"type": "input_file", "filename": "t", "file_data": "data:application/pdf;base64,A"},
    ),
    (
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "A"}},
        {"type": "input_file", "filename": "document", "file_data": "data:application/pdf;base64,A"},
    ),
    ({"type": "document", "source": {"type": "text", "data": "x"}}, {"type": "input_text", "text": "x"}),
    ({"type": "input_image", "file_id": "f"}, {"type": "input_image", "file_id": "f"}),
    ({"type": "input_audio", "input_audio": {"data": "A"}}, {"type": "input_audio", "input_audio": {"data": "A"}}),
]


@pytest.mark.parametrize(("part", "written"), PARTS)
def test_images_and_files(part: dict[str, Any], written: dict[str, Any]) -> None:
    assert items({"role": "user", "content": [part]}) == [{"role": "user", "content": [written]}]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking"},
        {"type": "image"},
        {"type": "image", "source": {"type": "odd"}},
        {"type": "refusal", "refusal": "No."},
        {},
    ],
)
def test_parts_that_it_has_not_are_refused_by_name(part: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"messages\[1\] has a.*openai-responses"):
        items("hi", {"role": "user", "content": [part]})


# -- tools


def test_calls_and_their_results() -> None:
    function = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    bare = {"id": "c3", "type": "function", "function": {"name": "g"}}
    found = items(
        "hi",
        {"role": "assistant", "content": "let me", "tool_calls": [function, custom, bare]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "x"}, "y"]},
        {"role": "assistant", "content": None, "tool_calls": function},
    )
    assert found[1:] == [
        {"role": "assistant", "content": "let me"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT 1"},
        {"type": "function_call", "call_id": "c3", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "x"}, {"type": "input_text", "text": "y"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
    ]


def test_anthropics_calls_and_results_are_items_between_what_is_said() -> None:
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "é"}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "4"}
    text = {"type": "text", "text": "x"}
    assert items({"role": "assistant", "content": [text, use]}, {"role": "user", "content": [result, text]}) == [
        {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":"é"}'},
        {"type": "function_call_output", "call_id": "c", "output": "4"},
        {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
    ]


@pytest.mark.parametrize("calls", [["odd"], [{"id": "t"}], {"id": "t"}, "odd", 5], ids=repr)
def test_calls_of_another_shape_are_a_usage_error(calls: Any) -> None:
    with pytest.raises(UsageError, match=r"messages\[0\]: a tool call must be a dict with a 'function'"):
        items({"role": "assistant", "content": "", "tool_calls": calls})


SCHEMA = {"type": "object", "properties": {}}
TOOLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": False},
    ),
    (
        {"type": "function", "function": {"name": "f", "strict": True}},
        {"type": "function", "name": "f", "parameters": None, "strict": True},
    ),
    (
        {"name": "f", "description": "d", "input_schema": SCHEMA},
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": False},
    ),
    (
        {"type": "custom", "custom": {"name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "regex"}}}},
        {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "regex"}},
    ),
    ({"type": "custom", "custom": {"name": "sql"}}, {"type": "custom", "name": "sql"}),
    ({"type": "web_search"}, {"type": "web_search"}),
    ({"type": "function", "name": "f", "strict": None}, {"type": "function", "name": "f", "strict": None}),
]


@pytest.mark.parametrize(("tool", "written"), TOOLS)
def test_tools_in_any_shape(tool: dict[str, Any], written: dict[str, Any]) -> None:
    assert sent("hi", tools=[tool])["tools"] == [written]


CHOICES: list[tuple[Any, Any]] = [
    ("required", "required"),
    ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
    ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
    ({"type": "custom", "custom": {"name": "f"}}, {"type": "custom", "name": "f"}),
    ({"type": "tool", "name": "f"}, {"type": "function", "name": "f"}),
    ({"type": "any"}, "required"),
    ({"type": "auto"}, "auto"),
    ({"type": "none"}, "none"),
    ({"type": "web_search"}, {"type": "web_search"}),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
        {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "f"}],
        },
    ),
]


@pytest.mark.parametrize(("choice", "written"), CHOICES)
def test_choices_of_tools_in_any_shape(choice: Any, written: Any) -> None:
    assert sent("hi", tool_choice=choice)["tool_choice"] == written


# -- what was received


def received(*frames: Any, **turn: Any) -> dict[str, Any]:
    parts = decode("openai-responses", answer(*frames)).message.parts
    return {"role": "assistant", "content": "", "parts": parts, **turn}


ROUND: list[Any] = [
    *summary(0, "hm", encrypted_content="gA"),
    *summary(1, name="rs_2"),
    *message(2, "a", phase="final_answer"),
    *call(3, "{}"),
    done(4, "custom_tool_call", id="ctc_1", call_id="c4", name="sql", input="x"),
    done(5, "web_search_call", id="ws_1", status="completed", action={"type": "search"}),
    done(6, "compaction", id="cmp_1", encrypted_content="gC"),
    done(7, "image_generation_call", id="ig_1", status="completed", result="AAAA"),
    done(8, "novel", id="n_1", x=1),
]
URL = {"type": "url_citation", "url": "u"}


def test_what_was_received_goes_back_as_it_was() -> None:
    result = {"role": "tool", "tool_call_id": "c4", "content": "4"}
    text = {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}
    found = items("hi", received(*ROUND), result)
    assert found[1:] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gA"},
        {"type": "message", "role": "assistant", "content": [text], "phase": "final_answer"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c4", "name": "sql", "input": "x"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gC"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"},
        {"type": "novel", "id": "n_1", "x": 1},
        {"type": "custom_tool_call_output", "call_id": "c4", "output": "4"},
    ]


def test_what_is_stored_goes_back_with_its_ids() -> None:
    found = items(received(*ROUND), extra={"store": True})
    assert [item["id"] for item in found] == [
        "rs_1",
        "rs_2",
        "msg_1",
        "fc_1",
        "ctc_1",
        "ws_1",
        "cmp_1",
        "ig_1",
        "n_1",
    ]


def test_citations_go_back_with_their_text() -> None:
    turn = received(done(0, "message", id="msg_1", content=[text_part("a", annotations=[URL])]))
    assert items(turn)[0]["content"][0]["annotations"] == [URL]


def test_of_another_wires_parts_texts_and_calls_go_back() -> None:
    parts = fold(
        [
            start(),
            PartWhole("a", "thinking", text="hm", data={"signature": "s"}),
            PartWhole("b", "text", text="x"),
            PartWhole("c", "refusal", text="No."),
            PartWhole("d", "tool_call", 0, "{}", "f", "c1"),
            PartWhole("e", "server_tool_call", 0, "{}", "g", data={"type": "server_tool_use"}),
            PartWhole("f", "text", 1, "other"),
        ]
    ).parts
    found = items({"role": "assistant", "content": "", "parts": [*parts, "odd"]})
    assert [item["type"] for item in found] == ["message", "message", "function_call"]
