"""From a request to the bytes of its answer and their times.

Law kept here: the same request gives the same bytes, ids and the creation's time included; what nobody reads is not
made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    PartDelta,
    PartEnd,
    PartStart,
    StepStart,
    Usage,
    UsageUpdate,
)
from headrace.sim.answers import answer_text
from headrace.sim.asked import Refused, read
from headrace.sim.dice import Dice, stable_hash
from headrace.sim.pace import Pace
from headrace.sim.tokens import cut
from headrace.sim.tool_arguments import arguments_for
from headrace.wire.openai_chat.encode import OpenAIChatEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.events import Event, StopReason
    from headrace.sim.asked import Asked

_EPOCH = 1_750_000_000
_YEAR_S = 31_536_000
_HEAD_SHARE = 0.4  # of the wait for the first token: the headers come before it


class Play:
    """An answer that is played: headers, then pieces at their times.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        head_s: when the headers come, in seconds from the request.
        next_s: when the next piece comes; None: there is none.
    """

    def __init__(
        self, status: int, headers: dict[str, str], pieces: Iterator[tuple[float, bytes]], head_s: float = 0.0
    ) -> None:
        self.status = status
        self.headers = headers
        self.head_s = head_s
        self.next_s: float | None = None
        self._pieces = pieces
        self._piece = b""
        self.take()

    def take(self) -> bytes:
        """Give the next piece, and go on to the one after it."""
        piece = self._piece
        self.next_s, self._piece = next(self._pieces, (None, b""))
        return piece


def play(body: bytes) -> Play:
    """Answer a request's body."""
    try:
        asked = read(body)
    except Refused as refused:
        error = {"message": str(refused), "type": "invalid_request_error", "param": refused.param, "code": None}
        headers = _headers("application/json", stable_hash(body))
        return Play(400, headers, iter([(0.0, msgspec.json.encode({"error": error}))]))
    pace = Pace(asked.tempo, Dice(asked.seed, "pace"))
    headers = _headers("text/event-stream; charset=utf-8", asked.mark)
    return Play(200, headers, _pieces(asked, pace), pace.first_s * _HEAD_SHARE)


def _headers(content_type: str, mark: int) -> dict[str, str]:
    return {"content-type": content_type, "x-request-id": f"req_sim_{mark:016x}"}


def _pieces(asked: Asked, pace: Pace) -> Iterator[tuple[float, bytes]]:
    encoder = OpenAIChatEncoder(created=_EPOCH + asked.mark % _YEAR_S, include_usage=asked.include_usage)
    at_s = pace.first_s
    for events, token in _events(asked):
        frames = b"".join([encoder.feed(event) for event in events])
        if frames:
            yield at_s, frames
        if token:
            at_s += pace.gap_s()


class _Answer:
    """One of the answers: its pieces, and why it ends."""

    def __init__(self, asked: Asked, index: int) -> None:
        self.index = index
        self.part = f"0.0.{index}"
        self.left: list[str]
        self.start: PartStart
        self.reason: StopReason = "complete"
        dice = Dice(asked.seed, f"answer {index}")
        if asked.functions:
            function = dice.pick(asked.functions)
            text = arguments_for(function, asked.prompt, dice)
            call_id = f"call_sim_{Dice(asked.mark, f'call {index}').between(0, 2**48):012x}"
            self.kind = "tool_call"
            self.start = PartStart(self.part, "tool_call", index, function["name"], call_id)
            self.reason = "tool_calls"
        else:
            text = answer_text(asked, dice)
            ends = [at for stop in asked.stop if (at := text.find(stop)) >= 0]
            text = text[: min(ends, default=None)]
            self.start = PartStart(self.part, "text", index)
        pieces = cut(text)
        self.left = pieces[: asked.max_tokens]
        if len(self.left) < len(pieces):
            self.reason = "length"
        self.left.reverse()
        self.tokens = len(self.left)


def _events(asked: Asked) -> Iterator[tuple[list[Event], bool]]:
    """Give the events of the run, a token at a time, and whether they bring one."""
    answers = [_Answer(asked, index) for index in range(asked.n)]
    turns = Dice(asked.seed, "turns")
    first: list[Event] = [StepStart(v=VERSION, model=asked.model, id=f"chatcmpl-sim-{asked.mark:016x}")]
    yield [*first, *[answer.start for answer in answers]], False
    going = [*answers]
    while going:
        answer = turns.pick(going)
        events: list[Event] = []
        if answer.left:
            events.append(PartDelta(answer.part, answer.left.pop(), answer.start.kind, answer.index))
            yield events, True
            continue
        going.remove(answer)
        yield [PartEnd(answer.part), ChoiceFinish(answer.index, answer.reason)], False
    written = sum(answer.tokens for answer in answers)
    usage = Usage(
        input_tokens=asked.prompt_tokens,
        output_tokens=written,
        cached_input_tokens=0,
        reasoning_tokens=0,
        total_tokens=asked.prompt_tokens + written,
    )
    outcome: Any = answers[0].reason
    yield [UsageUpdate(usage), End(outcome=outcome)], False
