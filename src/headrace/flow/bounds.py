"""Stages that end a stream when the caller has enough: `Until` and `Limit`.

Laws kept here: a condition holds across the seams of chunks; what came after it is not given out; the work a chunk is
bounded by the chunk and the condition's own window, never by all that came before (but for a predicate over the whole
text, whose cost is its own).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from headrace.errors import UsageError
from headrace.events import PartDelta, PartWhole, Reset, UsageUpdate

if TYPE_CHECKING:
    from headrace.events import Event

Condition = str | re.Pattern[str] | Callable[[str], bool]

REGEX_WINDOW = 4096
"""How many characters before a chunk a regular expression may look at: the longest match that is found."""


class Bound(Protocol):
    """A stage that may end the stream."""

    done: bool

    def feed(self, event: Event) -> Event | None:
        """Take an event; give it, a shortened one, or None. After `done`, nothing more is to be fed."""
        ...


class Matcher(Protocol):
    """Something that looks for a place in a growing text."""

    def feed(self, text: str) -> int | None:
        """Take the text's next piece; give how much of it is wanted once the condition holds, else None."""
        ...


class Until:
    """End the stream when a condition on choice 0's text holds; the text up to it, and it itself, is kept.

    Args:
        condition: a text, a compiled regular expression (a match of at most `REGEX_WINDOW` characters), or a predicate
            over the whole text so far; a predicate with a method `matcher()` is asked for an incremental one.

    Raises:
        UsageError: if it is none of these, or empty.
    """

    def __init__(self, condition: Condition) -> None:
        self.done = False
        self._condition = condition
        self._matcher = _matcher(condition)

    def feed(self, event: Event) -> Event | None:
        """Take an event."""
        if isinstance(event, PartDelta | PartWhole) and event.kind == "text" and event.choice == 0:
            cut = self._matcher.feed(event.text)
            if cut is not None:
                self.done = True
                if cut < len(event.text):
                    return msgspec.structs.replace(event, text=event.text[:cut]) if cut else None
        elif isinstance(event, Reset):
            self._matcher = _matcher(self._condition)
        return event


class Limit:
    """End the stream after so many characters of choice 0's text, or so many tokens of everything.

    Tokens are the provider's count wherever its stream gives one; between such counts, and without any, they are
    estimated by `estimate_tokens`.

    Raises:
        UsageError: if a limit is not positive.
    """

    def __init__(self, *, tokens: int | None = None, chars: int | None = None) -> None:
        for name, value in (("tokens", tokens), ("chars", chars)):
            if value is not None and value < 1:
                raise UsageError(f"limit({name}=…) must be at least 1, not {value}")
        self.done = False
        self._tokens = tokens
        self._chars = chars
        self._counted = 0  # by the provider
        self._bytes = 0  # since then
        self._said = 0

    def feed(self, event: Event) -> Event | None:
        """Take an event."""
        if isinstance(event, PartDelta | PartWhole):
            self._bytes += len(event.text.encode())
            if self._chars is not None and event.kind == "text" and event.choice == 0:
                self._said += len(event.text)
                if self._said >= self._chars:
                    self.done = True
                    over = self._said - self._chars
                    return msgspec.structs.replace(event, text=event.text[: len(event.text) - over])
        elif isinstance(event, UsageUpdate) and event.usage.output_tokens is not None:
            self._counted, self._bytes = event.usage.output_tokens, 0
        elif isinstance(event, Reset):
            self._counted = self._bytes = self._said = 0
        if self._tokens is not None and self._counted + -(-self._bytes // 4) >= self._tokens:
            self.done = True
        return event


def estimate_tokens(text: str) -> int:
    """Estimate a text's tokens: a quarter of its UTF-8 bytes, rounded up; right within a third for prose and code."""
    return -(-len(text.encode()) // 4)


def _matcher(condition: Condition) -> Matcher:
    if isinstance(condition, str):
        if not condition:
            raise UsageError("until(…): the text to wait for is empty")
        return _Text(condition)
    if isinstance(condition, re.Pattern):
        return _Regex(condition)
    if callable(condition):
        make = getattr(condition, "matcher", None)
        return make() if make is not None else _Predicate(condition)
    raise UsageError(f"until(…) takes a text, a compiled regex or a predicate, not {type(condition).__name__}")


class _Text:
    def __init__(self, needle: str) -> None:
        self._needle = needle
        self._tail = ""

    def feed(self, text: str) -> int | None:
        seen = self._tail + text
        at = seen.find(self._needle)
        if at >= 0:
            return at + len(self._needle) - len(self._tail)
        keep = len(self._needle) - 1
        self._tail = seen[-keep:] if keep else ""
        return None


class _Regex:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._tail = ""
        self._from = 0  # 1 once text was dropped: one character stays in front, so that ^ does not match at the window

    def feed(self, text: str) -> int | None:
        seen = self._tail + text
        match = self._pattern.search(seen, self._from)
        if match:
            return max(0, match.end() - len(self._tail))
        if len(seen) > REGEX_WINDOW:
            self._tail = seen[-REGEX_WINDOW - 1 :]
            self._from = 1
        else:
            self._tail = seen
        return None


class _Predicate:
    def __init__(self, predicate: Callable[[str], bool]) -> None:
        self._predicate = predicate
        self._text = ""

    def feed(self, text: str) -> int | None:
        self._text += text
        return len(text) if self._predicate(self._text) else None


class CodeBlock:
    """Tell whether a text holds a whole fenced code block of Markdown; made for ``until(has_complete_code_block)``.

    A fence is three or more backticks or tildes at the start of a line, indented by three spaces at most; it is closed
    by a line of at least as many of the same (CommonMark, "Fenced code blocks"). A closing fence counts once its line
    has ended, or once it is as long as the opening one and nothing else has come.
    """

    def __call__(self, text: str) -> bool:
        """Look at a whole text."""
        return self.matcher().feed(text) is not None

    def matcher(self) -> Matcher:
        """Make one that is fed piece by piece."""
        return _Fences()


class _Fences:
    _OPEN = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")

    def __init__(self) -> None:
        self._line = ""
        self._fence = ""

    def feed(self, text: str) -> int | None:
        start = 0
        while True:
            end = text.find("\n", start)
            piece = text[start:] if end < 0 else text[start:end]
            if len(self._line) < 256:  # a longer line is no fence that matters
                self._line += piece
            if self._fence and self._closes():
                return start + len(piece)
            if end < 0:
                return None
            if not self._fence:
                opened = self._OPEN.match(self._line)
                self._fence = opened.group(1) if opened else ""
            self._line = ""
            start = end + 1

    def _closes(self) -> bool:
        line = self._line.strip(" \t\r")
        indent = len(self._line) - len(self._line.lstrip(" "))
        return len(line) >= len(self._fence) and indent <= 3 and not line.strip(self._fence[0])


has_complete_code_block = CodeBlock()
