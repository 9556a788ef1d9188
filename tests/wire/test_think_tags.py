"""Thinking in tags inside the text, however the text is cut into deltas."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.wire.think_tags import ThinkTags
from tests.wire.streams import DONE, Decoded, cut, decode, say, sse

CASES = {
    "a thought": ("<think>hm</think>yes", "hm", "yes"),
    "line ends beside the tags are theirs": ("<think>\n\nhm\n</think>\n\nyes\n", "hm\n", "yes\n"),
    "white space before": (" \n<think>hm</think>yes", "hm", "yes"),
    "no thought": ("yes, no", "", "yes, no"),
    "an empty thought": ("<think></think>yes", "", "yes"),
    "a thought of line ends only": ("<think>\n\n</think>\n\nyes", "", "yes"),
    "a tag later on is text": ("yes <think>hm</think>", "", "yes <think>hm</think>"),
    "a second tag is text": ("<think>hm</think>yes <think>no</think>", "hm", "yes <think>no</think>"),
    "never closed": ("<think>hm, and", "hm, and", ""),
    "cut in the closing tag": ("<think>hm</thin", "hm</thin", ""),
    "cut in the opening tag": ("<thin", "", "<thin"),
    "almost a tag": ("<thinner>", "", "<thinner>"),
    "almost a closing tag": ("<think>a </thinx> < </ b</think>c", "a </thinx> < </ b", "c"),
    "an end in an end": ("<think>a</</think>b", "a</", "b"),
    "only white space": (" \n ", "", " \n "),
    "a little white space": (" " * 64 + "<think>a</think>b", "a", "b"),
    "too much white space for a tag": (" " * 65 + "<think>a</think>b", "", " " * 65 + "<think>a</think>b"),
    "nothing": ("", "", ""),
}


def split(pieces: list[str]) -> tuple[str, str]:
    tags = ThinkTags()
    said = [s for piece in pieces for s in tags.feed(piece)] + tags.finish()
    assert all(text for _, text in said)
    assert tags.finish() == []
    return "".join(t for k, t in said if k == "thinking"), "".join(t for k, t in said if k == "text")


@pytest.mark.parametrize(("text", "thinking", "rest"), CASES.values(), ids=CASES)
def test_tags(text: str, thinking: str, rest: str) -> None:
    assert split([text]) == (thinking, rest)
    assert split(list(text)) == (thinking, rest)
    for place in range(len(text)):
        assert split([text[:place], text[place:]]) == (thinking, rest)


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "<", "</", "think>", "a", "\n", " ", "</thi", "nk>"]), max_size=12
    ),
    st.data(),
)
def test_any_seam_gives_the_same(words: list[str], data: st.DataObject) -> None:
    text = "".join(words)
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    pieces = [piece.decode() for piece in cut(text.encode(), places)]
    assert split(pieces) == split([text])


@given(st.text(max_size=30))
def test_text_without_tags_is_left_alone(text: str) -> None:
    assert split([text.replace("<", "(")]) == ("", text.replace("<", "("))


def thought(*contents: str, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*[say(c) for c in contents], say("", "stop"), DONE), **habits)


def test_tags_in_a_stream_make_thinking_where_the_row_says_so() -> None:
    told = thought("<th", "ink>\nLet me", " see</thi", "nk>\n\nIt is", " 4", think_tags=True)
    assert (told.message.thinking, told.message.text) == ("Let me see", "It is 4")
    assert [p.kind for p in told.message.parts] == ["thinking", "text"]


def test_tags_are_text_unless_asked_for() -> None:
    told = thought("<th", "ink>hm</think>yes")
    assert (told.message.thinking, told.message.text) == ("", "<think>hm</think>yes")


def test_a_beginning_that_was_held_back_is_said_at_the_end() -> None:
    told = thought("<thi", think_tags=True)
    assert told.message.text == "<thi"
    cut_short = decode("openai-chat", sse(say("<think>a</th")), think_tags=True)
    assert cut_short.message.thinking == "a</th"
    assert cut_short.message.outcome == "truncated"


def test_log_probabilities_stay_with_the_first_piece() -> None:
    probs = {"content": [{"token": "x", "logprob": -1}]}
    stream = sse(
        say("<think>"), {"model": "m", "choices": [{"index": 0, "delta": {"content": "a</think>b"}, "logprobs": probs}]}
    )
    told = decode("openai-chat", stream, think_tags=True)
    assert [(p.text, p.logprobs) for p in told.message.parts] == [("a", probs["content"]), ("b", None)]
