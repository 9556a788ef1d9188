"""From what is said to frames and their times: tokens, where an answer stops, what it costs.

Laws kept here: an answer is the same, token by token, whether it is streamed or not, and however fast; it is cut into
tokens before it begins, so that its length is known, but no event and no frame is made before it is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.errors import ErrorInfo
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    StepStart,
    StopReason,
    Usage,
    UsageUpdate,
)
from headrace.message import Fold
from headrace.sim.dice import Dice
from headrace.sim.faults.frame import Frame, cut_frames
from headrace.sim.faults.stream_ends import finish_word
from headrace.sim.heads import moment
from headrace.sim.scenarios.compose import SaidPart, compose
from headrace.sim.writing.tokens import cut
from headrace.wire.lenient_json import repaired
from headrace.wire.registry import encode_failure, encode_message, make_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.asked.base import Asked
    from headrace.sim.pace import Pace
    from headrace.sim.scenarios.compose import Said
    from headrace.sim.scenarios.scenario import Scenario
    from headrace.wire.providers import WireName

_FAILED = ErrorInfo(type="server", message="The simulated model failed, as its scenario says.")
_AT_FIRST = (1, 4)  # output tokens that Anthropic tells of before there are any


class _Part(Struct, frozen=True):
    """A part of an answer, cut into tokens."""

    said: SaidPart
    tokens: tuple[str, ...]


class _Choice(Struct, frozen=True):
    """One of the answers, as far as it goes.

    Attributes:
        index: of it.
        parts: of it.
        stop_reason: how it ends.
        native_stop_reason: the provider's word for that, as the scenario says it.
        sequence: the stop sequence that ended it.
    """

    index: int
    parts: tuple[_Part, ...]
    stop_reason: StopReason
    native_stop_reason: str | None
    sequence: str | None

    def count(self, *kinds: str) -> int:
        """Count the tokens, of all parts or of those of some kinds."""
        return sum(len(part.tokens) for part in self.parts if not kinds or part.said.kind in kinds)


class Timed(Struct, frozen=True):
    """An event, and when it is due, in seconds from the request; `tokens`: how many it brings."""

    at_s: float
    event: Event
    tokens: int = 0


class Document(Struct, frozen=True):
    """An answer that is not streamed.

    Attributes:
        status: of HTTP.
        body: of it.
        at_s: when the last token was made, in seconds from the request.
    """

    status: int
    body: bytes
    at_s: float


class Answering:
    """An answer, or several, to one request.

    Args:
        asked: the request.
        scenario: what is said.

    Attributes:
        tokens: how many there are.
        seed: what was drawn by.
    """

    def __init__(self, asked: Asked, scenario: Scenario) -> None:
        self.seed = asked.seed if scenario.seed is None else scenario.seed
        self._asked = asked
        said = [compose(asked, scenario, index) for index in range(asked.n)]
        self._choices = [_limited(asked, each, index) for index, each in enumerate(said)]
        self._figures = said[0].usage
        self.tokens = sum(choice.count() for choice in self._choices)
        # a word of the scenario's own, if no answer was cut short
        words = {choice.native_stop_reason for choice in self._choices if choice.stop_reason != "failed"}
        self._word = words.pop() if len(words) == 1 else None

    # -- as it is sent

    def frames(self, pace: Pace) -> Iterator[Frame]:
        """Give the frames of the stream."""
        wire = self._asked.wire
        frames = self._frames(pace)
        return frames if self._word is None else finish_word(frames, wire, self._word)

    def document(self, pace: Pace) -> Document:
        """Give all of it as one document."""
        asked, fold, at_s = self._asked, Fold(), 0.0
        for timed in self._events(pace):
            fold.feed(timed.event)
            at_s = timed.at_s
        message = fold.message()
        body = encode_message(asked.wire, message, created=moment(asked.mark))
        if message.error is not None:
            return Document(encode_failure(asked.wire, message.error)[0], body, at_s)
        return Document(200, body if self._word is None else _worded(body, asked.wire, self._word), at_s)

    def _frames(self, pace: Pace) -> Iterator[Frame]:
        asked = self._asked
        encoder = make_encoder(asked.wire, created=moment(asked.mark), include_usage=asked.include_usage, pings=True)
        for timed in self._events(pace):
            blocks = list(cut_frames(encoder.feed(timed.event)))
            for number, block in enumerate(blocks, 1):
                yield Frame(at_s=timed.at_s, raw=block, tokens=timed.tokens if number == len(blocks) else 0)

    # -- as it happens

    def _events(self, pace: Pace) -> Iterator[Timed]:
        asked, at_s = self._asked, pace.first_s
        prefix = "msg_sim_" if asked.wire == "anthropic" else "chatcmpl-sim-"
        yield Timed(at_s, StepStart(v=VERSION, model=asked.model, id=f"{prefix}{asked.mark:016x}"))
        if asked.wire == "anthropic":
            yield Timed(at_s, UsageUpdate(self._usage(min(self.tokens, Dice(self.seed, "usage").between(*_AT_FIRST)))))
        turns = Dice(self.seed, "turns")
        going = [_told(choice) for choice in self._choices]
        first = list(going)  # they begin in order, which readers of the SDKs rely on
        while going:
            choice = first.pop(0) if first else turns.pick(going)
            for event in choice:
                if isinstance(event, PartDelta):
                    yield Timed(at_s, event, 1)
                    at_s += pace.gap_s()
                    break
                yield Timed(at_s, event)
            else:
                going.remove(choice)
        yield Timed(at_s, UsageUpdate(self._usage(self.tokens, final=True)))
        main = self._choices[0]
        failed = main.stop_reason == "failed"
        yield Timed(at_s, End(outcome=main.stop_reason, error=_FAILED if failed else None))

    def _usage(self, written: int, *, final: bool = False) -> Usage:
        """Count what was used, but for what the scenario says of it."""
        anthropic = self._asked.wire == "anthropic"
        thinking = sum(choice.count("thinking") for choice in self._choices)
        counted: dict[str, Any] = {
            "input_tokens": self._asked.prompt_tokens,
            "output_tokens": written,
            "cached_input_tokens": 0,
            # Anthropic tells of both always, OpenAI of writing only where it is billed; for thinking it is just so
            "cache_write_tokens": 0 if anthropic else None,
            "reasoning_tokens": None if anthropic and not (final and thinking) else thinking,
        }
        said = self._figures if final else {k: v for k, v in self._figures.items() if k in _READ}
        counted.update(said)
        if not anthropic and "total_tokens" not in said:
            counted["total_tokens"] = counted["input_tokens"] + counted["output_tokens"]
        # a scenario's figures are those that the wire has
        return Usage(**counted, input_includes_cached=not anthropic)


_READ = ("input_tokens", "cached_input_tokens", "cache_write_tokens")


def _told(choice: _Choice) -> Iterator[Event]:
    """Give the events of one of the answers."""
    index = choice.index
    for number, part in enumerate(choice.parts):
        name, said = f"0.{number}.{index}", part.said
        yield PartStart(name, said.kind, index, said.name, said.call_id, data=said.data)
        for token in part.tokens:
            yield PartDelta(name, token, said.kind, index)
        yield PartEnd(name)
    if choice.stop_reason != "failed":
        details = None if choice.sequence is None else {"stop_sequence": choice.sequence}
        yield ChoiceFinish(index, choice.stop_reason, choice.native_stop_reason, details)


def _limited(asked: Asked, said: Said, index: int) -> _Choice:
    """Cut an answer into tokens, as far as the request lets it go."""
    left = asked.max_tokens
    parts: list[_Part] = []
    for part in said.parts:
        text, sequence = _stopped(asked, part)
        tokens = tuple(cut(text))
        if left is not None and (len(tokens) > left or left == 0):
            if left:
                parts.append(_Part(part, tokens[:left]))
            return _Choice(index, tuple(parts), "length", None, None)
        parts.append(_Part(part, tokens))
        if sequence is not None:
            return _Choice(index, tuple(parts), "complete", None, sequence)
        left = None if left is None else left - len(tokens)
    return _Choice(index, tuple(parts), said.stop_reason, said.native_stop_reason, None)


def _stopped(asked: Asked, part: SaidPart) -> tuple[str, str | None]:
    """Give a part's text up to the first stop sequence in it, and that; what is thought or called has none."""
    text = repaired(part.text)
    if part.kind != "text":
        return text, None
    found = [(at, stop) for stop in asked.stop if (at := text.find(stop)) >= 0]
    at, sequence = min(found, default=(len(text), None))
    return text[:at], sequence


def _worded(body: bytes, wire: WireName, word: str) -> bytes:
    """Put a scenario's own word for the end in place of the wire's."""
    value = msgspec.json.decode(body, type=dict[str, Any])
    if wire == "anthropic":
        value["stop_reason"] = word
    for choice in value.get("choices", ()):
        choice["finish_reason"] = word
    return msgspec.json.encode(value)
