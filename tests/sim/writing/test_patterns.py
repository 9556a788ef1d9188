"""Texts that patterns match, and patterns that are too much."""

import re

import pytest
from hypothesis import given, strategies as st

from headrace.sim.dice import Dice
from headrace.sim.writing.patterns import compiled, held_against, text_for


@pytest.mark.parametrize(
    "pattern",
    [
        "", "abc", "^abc$", "a|b|", "(foo|bar)+", "(?:a|b){3}", "(?P<x>a)", r"\d{3}-\d{4}",
        r"^\+?[1-9]\d{1,14}$", "[A-Z]{2,4}", "[^abc]", "[]a]", "[^]a]", r"[\w.-]+@[\w-]+\.[a-z]{2,}", r"\S\D\W",
        "a*?b+?c??", "x{2,}", "x{3}?", r"\bword\b", r"\Aall\Z", r"\x41\u00e9", r"\t\n\r\f\v", r"\.\*\/\-", "a{2,",
        "[a-]", r"[+--]", "[[a]",
        "😀+", "((((a))))", "[一-龥]{2}", r"[\x20-\x7e]", ".",
    ],
)  # fmt: skip
def test_simple_patterns_are_matched(pattern: str) -> None:
    for seed in range(10):
        text = text_for(pattern, Dice(seed, "test"))
        assert text is not None
        assert re.search(pattern.replace("[[", r"[\["), text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", r"(a)\1", r"\p{L}", "(", "a)", "(?i)a", "[z-a]", "[", "*", r"\ud83d", r"\xzz", r"\x4",
        "a{1001}", r"[\d-x]",
        "a*+", "((((a{1000}){1000}){1000}))", "(" * 50 + ")" * 50, r"[\ud800-\udfff]", r"[^\x20-\x7e]", r"[a-\d]",
        "^b$a", "\\",
    ],
)  # fmt: skip
def test_other_patterns_are_not_guessed(pattern: str) -> None:
    assert text_for(pattern, Dice(7, "test")) is None


@pytest.mark.parametrize(
    "pattern", [r"^(\w+\s?)+!$", "^(a|a)*b$", "^((a+))+$", "^(a*)*!$", "^((a)?)+$", "^(x{1,9}){2,}$"]
)
def test_a_pattern_that_may_take_for_ever_is_not_tried_for_long(pattern: str) -> None:
    assert held_against(pattern, "a" * 5000 + "?") is None
    assert held_against(pattern, "a" * 8 + "?") is False
    text_for(pattern, Dice(7, "test"), least=5000)  # it comes back


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("^[a-z]+$", 40, 40), ("^[a-z]*$", 0, 0), ("^a+$", 900, 1001), ("a", 12, 14), ("^(ab|c){2,}", 9, None),
        (r"^\w{1,}$", 3, 3),
    ],
)  # fmt: skip
def test_a_length_is_met_if_it_can_be(pattern: str, least: int, most: int | None) -> None:
    text = text_for(pattern, Dice(7, "test"), least=least, most=most)
    assert text is not None
    assert least <= len(text) <= (most or len(text))


def test_a_length_that_cannot_be_met() -> None:
    assert text_for("^a{3}$", Dice(7, "test"), least=5) is None
    assert text_for("^a{3}$", Dice(7, "test"), most=2) is None


def test_patterns_are_compiled_without_a_word() -> None:
    assert compiled("[[a]") is not None
    assert compiled("(") is None


@given(st.text("ab01^$*+?(|)[]{},-\\dwsDWSxu.<>P:=!"), st.integers(0, 99))
def test_any_pattern_gives_a_match_or_nothing(pattern: str, seed: int) -> None:
    text = text_for(pattern, Dice(seed, "test"))
    found = compiled(pattern)
    assert text is None or (found is not None and found.search(text))
