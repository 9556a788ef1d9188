"""What the answers are made of: topics, pieces, chance."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from headrace.sim.dice import Deck, Dice
from headrace.sim.writing.answers import written
from headrace.sim.writing.tokens import count, cut
from headrace.sim.writing.topic import Topic, quoted
from tests.sim.scenarios.asking import asking


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("What is the capital of France?", "capital of France"),
        ("Write 300 words about sharks", "sharks"),
        ("a function counting words", "counting words"),
        ("Explain the difference between TCP and UDP in detail", "“difference between TCP and UDP”"),
        ("Kubernetes", "kubernetes"),
        ("NASA, please", "NASA"),
        ("write code", "write code"),
        ("what is it", "nothing in particular"),
        ("", "nothing in particular"),
        ("\U0001f642", "nothing in particular"),
        ("日本語で", "日本語で"),
        ("x" * 1000, "x" * 24),
    ],
)
def test_topics(prompt: str, name: str) -> None:
    topic = Topic(prompt)
    assert topic.name == name
    assert len(set(topic.words)) >= 4


def test_quotes_are_short() -> None:
    assert quoted("“Hello”, <b>world</b>") == "Hello b world b"
    assert quoted("a b c", 2) == "a b …"


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    pieces = [*cut(text)]
    assert "".join(pieces) == text
    assert all(pieces)
    assert len(pieces) == count(text)


def test_pieces_are_like_tokens() -> None:
    assert [*cut("Hello, wonderful world!\n\n- 流れる水 (née)")] == [
        "Hello", ",", " wonderf", "ul", " world", "!", "\n\n", "-", " 流れ", "る水", " (", "née", ")",
    ]  # fmt: skip
    text = written("prose", asking(words=500), Dice(7, "test"), 7)
    assert 3 < len(text) / count(text) < 5


def test_the_deck_is_dealt_through_before_a_card_comes_again() -> None:
    deck = Deck(Dice(7, "deck"), ("a", "b", "c"))
    rounds = [[deck.deal() for _ in range(3)] for _ in range(20)]
    assert all(sorted(dealt) == ["a", "b", "c"] for dealt in rounds)
    dealt = [card for cards in rounds for card in cards]
    assert all(one != next_one for one, next_one in pairwise(dealt))
