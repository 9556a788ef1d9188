"""What is asked: prompts and conversations in one form, and the errors that say what was wrong."""

from collections import UserDict
from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.events import ChoiceFinish, End, PartWhole, StepStart
from headrace.message import Message, fold
from headrace.request import Request, assistant_turn, make_request, turns

USER = {"role": "user", "content": "hi"}


def answer(*parts: PartWhole) -> Message:
    return fold([StepStart(v=1), *parts, ChoiceFinish(0, "complete"), End(outcome="complete")])


PROMPTS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a text": ("hi", [USER]),
    "an empty text": ("", [{"role": "user", "content": ""}]),
    "one dict": (USER, [USER]),
    "a list": ([{"role": "system", "content": "s"}, USER], [{"role": "system", "content": "s"}, USER]),
    "a tuple": ((USER,), [USER]),
    "texts in a list": (["hi", USER], [USER, USER]),
    "any mapping": ([UserDict(USER)], [USER]),
    "parts": (
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    ),
    "an assistant's turn that only calls": (
        [{"role": "assistant", "content": None, "tool_calls": []}],
        [{"role": "assistant", "content": None, "tool_calls": []}],
    ),
    "an assistant's turn without a content": ([{"role": "assistant"}], [{"role": "assistant"}]),
    "a tool's turn": (
        [{"role": "tool", "tool_call_id": "c", "content": "4"}],
        [{"role": "tool", "tool_call_id": "c", "content": "4"}],
    ),
    "a message of ours": (
        ["2+2?", answer(PartWhole("a", text="4")), "sure?"],
        [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": "sure?"},
        ],
    ),
    "a message of ours alone": (answer(PartWhole("a", text="4")), [{"role": "assistant", "content": "4"}]),
}


@pytest.mark.parametrize(("prompt", "expected"), PROMPTS.values(), ids=PROMPTS)
def test_prompts(prompt: Any, expected: list[dict[str, Any]]) -> None:
    assert turns(prompt) == expected
    assert make_request("m", prompt).messages == expected
    assert make_request("m", messages=prompt).messages == expected


WRONG = {
    "nothing": ([], "not empty"),
    "no list": (5, "a prompt or a list"),
    "a generator": ((USER for _ in "a"), "a prompt or a list"),
    "a number in it": ([USER, 5], r"messages\[1\] must be a dict with 'role' and 'content', not int"),
    "bytes": (b"hi", r"messages\[0\] must be a dict"),
    "no role": ([{"content": "hi"}], r"messages\[0\] has the role None; it must be one of system, developer, user"),
    "an unknown role": ([USER, {"role": "wizard", "content": "hi"}], r"messages\[1\] has the role 'wizard'"),
    "a role that is no text": ([{"role": ["user"], "content": "hi"}], r"has the role \['user'\]"),
    "no content": ([{"role": "user"}], r"messages\[0\] must have a 'content'"),
    "a content of another type": ([{"role": "user", "content": 5}], "a text or a list of parts"),
    "an assistant's content of another type": ([{"role": "assistant", "content": 5}], "a text or a list of parts"),
    "a tool without content": ([{"role": "tool", "content": None}], "must have a 'content'"),
}


@pytest.mark.parametrize(("prompt", "what"), WRONG.values(), ids=WRONG)
def test_wrong_prompts(prompt: Any, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        make_request("m", prompt)


def test_a_prompt_or_messages() -> None:
    with pytest.raises(UsageError, match="one of the two"):
        make_request("m")
    with pytest.raises(UsageError, match="one of the two"):
        make_request("m", "a", messages=["b"])


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_one(limit: int) -> None:
    with pytest.raises(UsageError, match=f"at least 1, not {limit}"):
        make_request("m", "hi", max_tokens=limit)


def test_all_fields() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    request = make_request(
        "m",
        "hi",
        system="s",
        max_tokens=1,
        temperature=0.0,
        top_p=0.5,
        seed=0,
        stop=("a", "b"),
        n=2,
        tools=(UserDict(tool),),
        tool_choice=UserDict({"type": "function"}),
        extra=UserDict({"x": 1}),
    )
    assert request == Request(
        model="m",
        messages=[USER],
        system="s",
        max_tokens=1,
        temperature=0.0,
        top_p=0.5,
        seed=0,
        stop=["a", "b"],
        n=2,
        tools=[tool],
        tool_choice={"type": "function"},
        extra={"x": 1},
    )
    assert make_request("m", "hi", stop="END", tool_choice="auto", tools=[]) == Request(
        model="m", messages=[USER], stop=["END"], tool_choice="auto", tools=[]
    )


def test_what_a_user_gave_is_not_held_on_to() -> None:
    mine = dict(USER)
    request = make_request("m", [mine])
    mine["role"] = "system"
    assert request.messages == [USER]


CALL = PartWhole("c", "tool_call", text='{"a": 1}', name="f", call_id="call_1")
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def test_a_received_message_becomes_the_assistants_turn() -> None:
    assert assistant_turn(answer(PartWhole("t", "thinking", text="hm"), PartWhole("a", text="4"))) == {
        "role": "assistant",
        "content": "4",
    }
    assert assistant_turn(answer(PartWhole("r", "refusal", text="no"))) == {"role": "assistant", "content": "no"}
    assert assistant_turn(answer()) == {"role": "assistant", "content": ""}
    assert assistant_turn(answer(CALL)) == {"role": "assistant", "content": None, "tool_calls": [CALLED]}
    assert assistant_turn(answer(PartWhole("a", text="4"), CALL)) == {
        "role": "assistant",
        "content": "4",
        "tool_calls": [CALLED],
    }


def test_a_call_without_arguments_or_id_can_be_sent_back() -> None:
    turn = assistant_turn(answer(PartWhole("0.0.1", "tool_call", name="f")))
    assert turn["tool_calls"] == [{"id": "0.0.1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
