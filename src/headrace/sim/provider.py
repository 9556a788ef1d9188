"""From a request to the bytes of its answer and their times.

Law kept here: the same request gives the same bytes, ids and the creation's time included; what nobody reads is not
made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from headrace.sim.writing.answers import answer_text
from headrace.sim.asked import Refused, read
from headrace.sim.dice import Dice, stable_hash
from headrace.sim.pace import Pace
from headrace.sim.writing.tokens import cut
from headrace.sim.writing.tool_arguments import arguments_for
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
    """One of the answers, while it is written."""

    def __init__(self, asked: Asked, index: int) -> None:
        self.index = index
        self.tokens = 0
        self._most = asked.max_tokens
        dice = Dice(asked.seed, f"answer {index}")
        part = f"0.0.{index}"
        if asked.functions:
            function = dice.pick(asked.functions)
            call_id = f"call_sim_{Dice(asked.mark, f'call {index}').between(0, 2**48 - 1):012x}"
            self.start = PartStart(part, "tool_call", index, function["name"], call_id)
            text = arguments_for(function, asked.prompt, dice)
            self.reason: StopReason = "tool_calls"
        else:
            self.start = PartStart(part, "text", index)
            text = answer_text(asked, dice)
            text = text[: min([at for stop in asked.stop if (at := text.find(stop)) >= 0], default=None)]
            self.reason = "complete"
        self._left = cut(text)

    def token(self) -> PartDelta | None:
        """Give the next token; None: there are no more, or there must be none."""
        text = next(self._left, None)
        if text is None:
            return None
        if self.tokens == self._most:
            self.reason = "length"
            return None
        self.tokens += 1
        return PartDelta(self.start.part, text, self.start.kind, self.index)


def _events(asked: Asked) -> Iterator[tuple[list[Event], bool]]:
    """Give the events of the run, a token at a time, and whether they bring one."""
    answers = [_Answer(asked, index) for index in range(asked.n)]
    yield [StepStart(v=VERSION, model=asked.model, id=f"chatcmpl-sim-{asked.mark:016x}")], False
    yield [answer.start for answer in answers], False
    turns = Dice(asked.seed, "turns")
    going = list(answers)
    while going:
        answer = turns.pick(going)
        token = answer.token()
        if token is not None:
            yield [token], True
        else:
            going.remove(answer)
            yield [PartEnd(answer.start.part), ChoiceFinish(answer.index, answer.reason)], False
    written = sum(answer.tokens for answer in answers)
    usage = Usage(
        input_tokens=asked.prompt_tokens,
        output_tokens=written,
        cached_input_tokens=0,
        reasoning_tokens=0,
        total_tokens=asked.prompt_tokens + written,
    )
    yield [UsageUpdate(usage), End(outcome=answers[0].reason)], False
