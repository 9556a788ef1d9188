"""Until and limit: exact, wherever the chunks' seams are."""

import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from headrace.errors import UsageError
from headrace.events import PartDelta, PartStart, PartWhole, Reset, Usage, UsageUpdate
from headrace.flow.bounds import (
    REGEX_WINDOW,
    Bound,
    Limit,
    Until,
    estimate_tokens,
    has_complete_code_block,
)


def pieces(text: str, places: Sequence[int]) -> list[str]:
    """Cut a text at places, which may lie anywhere."""
    edges = [0, *sorted({p % (len(text) + 1) for p in places}), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def kept(bound: Bound, texts: Sequence[str]) -> tuple[str, bool]:
    """Feed a text in pieces; give what came through, and whether the bound was met."""
    said = ""
    for text in texts:
        event = bound.feed(PartDelta("p", text))
        said += event.text if isinstance(event, PartDelta) else ""
        if bound.done:
            break
    return said, bound.done


places = st.lists(st.integers(0, 500), max_size=12)
prose = st.text("aAbB.!\n `~é", max_size=80)


# -- until a text


@given(before=prose, after=prose, needle=st.text("aAbB.!", min_size=1, max_size=6), cuts=places)
def test_a_text_is_found_across_every_seam(before: str, after: str, needle: str, cuts: list[int]) -> None:
    text = before + needle + after
    end = text.index(needle) + len(needle)
    assert kept(Until(needle), pieces(text, cuts)) == (text[:end], True)
    assert kept(Until(needle), list(text)) == (text[:end], True)


@given(text=prose, cuts=places)
def test_a_text_that_does_not_come_changes_nothing(text: str, cuts: list[int]) -> None:
    assert kept(Until("zebra"), pieces(text, cuts)) == (text, False)


def test_what_follows_the_text_is_not_given_out() -> None:
    until = Until("STOP")
    assert until.feed(PartDelta("p", "go ST")) == PartDelta("p", "go ST")
    assert until.feed(PartDelta("p", "OP and on")) == PartDelta("p", "OP")
    assert until.done


def test_a_whole_event_at_its_end_is_the_same_object() -> None:
    event = PartDelta("p", "STOP")
    assert Until("STOP").feed(event) is event


@pytest.mark.parametrize("condition", [re.compile(r"(?=b)"), re.compile(r"\A")])
def test_a_match_of_nothing_gives_nothing(condition: re.Pattern[str]) -> None:
    until = Until(condition)
    assert until.feed(PartDelta("p", "b")) is None
    assert until.done


def test_only_the_first_choice_s_text_counts() -> None:
    until = Until("x")
    for event in (
        PartDelta("p", "x", "thinking"),
        PartDelta("p", "x", "text", 1),
        PartWhole("p", "citation", 0, "x"),
        PartStart("x"),
    ):
        assert until.feed(event) is event
        assert not until.done
    whole = PartWhole("p", "text", 0, "axb")
    assert until.feed(whole) == PartWhole("p", "text", 0, "ax")
    assert until.done


def test_a_reset_begins_anew() -> None:
    until = Until("ab")
    until.feed(PartDelta("p", "a"))
    until.feed(Reset("another attempt"))
    until.feed(PartDelta("q", "b"))
    assert not until.done


# -- until a regular expression


@given(before=st.text("ab \n", max_size=60), after=st.text("ab9 \n", max_size=30), cuts=places)
def test_a_regex_is_found_across_every_seam(before: str, after: str, cuts: list[int]) -> None:
    text = before + "END42" + after
    end = len(before) + 5
    pattern = re.compile(r"\bEND\d\d|(?<=[ab])END\d\d")
    assert kept(Until(pattern), pieces(text, cuts)) == (text[:end], True)
    assert kept(Until(pattern), list(text)) == (text[:end], True)


def test_a_regex_sees_a_match_as_long_as_its_window() -> None:
    pattern = re.compile("<.*>", re.DOTALL)
    text = "." * 10_000 + "<" + "-" * (REGEX_WINDOW - 2)
    texts = [text[i : i + 777] for i in range(0, len(text), 777)]
    assert kept(Until(pattern), [*texts, ">", "x"]) == (text + ">", True)
    too_long = "<" + "-" * (2 * REGEX_WINDOW)
    texts = [too_long[i : i + 777] for i in range(0, len(too_long), 777)]
    assert kept(Until(pattern), [*texts, ">"]) == (too_long + ">", False)


@pytest.mark.parametrize("pattern", [r"^end", r"\Aend"])
def test_the_beginning_of_the_window_is_not_the_beginning_of_the_text(pattern: str) -> None:
    # the last character before the window stays, so that ^ does not match in the middle of a line
    until = Until(re.compile(pattern))
    text = "x" * (REGEX_WINDOW + 10) + "end" + "y" * (REGEX_WINDOW - 3)
    assert kept(until, [text, "z", "end"]) == (text + "zend", False)


def test_a_line_s_beginning_is_found_behind_the_window() -> None:
    text = "x" * (REGEX_WINDOW + 10) + "\n"
    assert kept(Until(re.compile(r"^end", re.MULTILINE)), [text, "en", "d!"]) == (text + "end", True)


# -- until a predicate


@given(text=prose, cuts=places, size=st.integers(1, 60))
def test_a_predicate_sees_all_the_text_so_far(text: str, cuts: list[int], size: int) -> None:
    texts = pieces(text, cuts)
    expected, seen = "", False
    for piece in texts:
        expected += piece
        seen = len(expected) >= size
        if seen:
            break
    assert kept(Until(lambda so_far: len(so_far) >= size), texts) == (expected, seen)


@pytest.mark.parametrize(
    ("condition", "words"),
    [("", "is empty"), (3, "takes a text, a compiled regex or a predicate, not int"), (b"x", "not bytes")],
)
def test_until_says_what_it_wants(condition: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Until(condition)  # type: ignore[arg-type]


# -- a code block


@pytest.mark.parametrize(
    "text",
    [
        "```\nx\n```",
        "Here:\n\n```python\nprint()\n```\n",
        "~~~\nx\n~~~",
        "   ```\nx\n   ```",
        "````\n```\nx\n````",
        "```\nx\n`````",
        "```\r\nx\r\n```\r\n",
        "```\n\n```  \t\n",
        "~~~ `a`\nx\n~~~",
        "```\n" + "long " * 100 + "\n```",
    ],
)
def test_a_whole_code_block(text: str) -> None:
    assert has_complete_code_block(text)
    assert kept(Until(has_complete_code_block), [text])[1]
    said, met = kept(Until(has_complete_code_block), list(text))
    assert met
    assert has_complete_code_block(said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no code",
        "`x`",
        "```",
        "```\nx",
        "```\nx\n``",
        "```\nx\n~~~",
        "````\nx\n```",
        "```\nx\n    ```",
        "    ```\nx\n",
        "```\nx\n```js\n",
        "``` a`b\nx\n```",
        "a ```\nx\n",
        "long " * 100 + "```\nx\n",
    ],
)
def test_no_whole_code_block(text: str) -> None:
    assert not has_complete_code_block(text)


@given(text=st.text("`~\n x", max_size=40), cuts=places)
def test_a_code_block_is_seen_as_soon_as_the_text_so_far_has_one(text: str, cuts: list[int]) -> None:
    texts = pieces(text, cuts)
    so_far, expected = "", False
    for piece in texts:
        so_far += piece
        expected = has_complete_code_block(so_far)
        if expected:
            break
    said, met = kept(Until(has_complete_code_block), texts)
    assert met == expected
    assert so_far.startswith(said)
    assert has_complete_code_block(said) == expected


def test_text_after_the_code_block_is_not_given_out() -> None:
    assert kept(Until(has_complete_code_block), ["a\n``", "`\nx\n`", "``\nmore", "on"]) == ("a\n```\nx\n```", True)


# -- limits


@given(text=prose, cuts=places, chars=st.integers(1, 100))
def test_a_limit_of_characters_is_exact(text: str, cuts: list[int], chars: int) -> None:
    assert kept(Limit(chars=chars), pieces(text, cuts)) == (text[:chars], len(text) >= chars)


def test_characters_are_the_first_choice_s_text_s() -> None:
    limit = Limit(chars=2)
    limit.feed(PartDelta("p", "xxxx", "thinking"))
    limit.feed(PartDelta("p", "xxxx", "text", 1))
    assert limit.feed(PartWhole("p", "text", 0, "abc")) == PartWhole("p", "text", 0, "ab")
    assert limit.done


def test_tokens_are_estimated_where_nobody_counts() -> None:
    limit = Limit(tokens=3)
    limit.feed(PartDelta("p", "1234", "thinking"))  # all that the model writes
    assert not limit.done
    limit.feed(PartDelta("p", "1234", "tool_call", 1))
    assert not limit.done
    limit.feed(PartDelta("p", "é"))
    assert limit.done


def test_the_provider_s_count_goes_before_the_estimate() -> None:
    limit = Limit(tokens=10)
    limit.feed(PartDelta("p", "x" * 36))
    limit.feed(UsageUpdate(Usage(output_tokens=2)))  # it says less
    assert not limit.done
    limit.feed(UsageUpdate(Usage(input_tokens=50)))  # nothing about the output
    limit.feed(PartDelta("p", "x" * 28))
    assert not limit.done
    limit.feed(UsageUpdate(Usage(output_tokens=10)))
    assert limit.done


def test_tokens_and_characters_together() -> None:
    limit = Limit(tokens=100, chars=5)
    assert kept(limit, ["abc", "defg"]) == ("abcde", True)


def test_a_reset_counts_anew() -> None:
    limit = Limit(chars=4)
    limit.feed(PartDelta("p", "abc"))
    limit.feed(Reset("another attempt"))
    assert kept(limit, ["ab", "cdef"]) == ("abcd", True)


@pytest.mark.parametrize("options", [{"tokens": 0}, {"chars": 0}, {"tokens": -1}])
def test_a_limit_is_positive(options: dict[str, int]) -> None:
    [name] = options
    with pytest.raises(UsageError, match=rf"limit\({name}=…\) must be at least 1"):
        Limit(**options)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2)])
def test_the_estimate_is_a_quarter_of_the_bytes(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
