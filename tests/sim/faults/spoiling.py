"""Good answers of both wires, spoilt, and read as a client reads them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from headrace.errors import BrokenStreamError
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    StepStart,
    Usage,
    UsageUpdate,
)
from headrace.flow.exchange import Exchange
from headrace.message import Message
from headrace.sim.dice import Dice
from headrace.sim.faults.dialects import DIALECTS
from headrace.sim.faults.parse import parse_fault
from headrace.sim.faults.spoil import Frame, cut_frames, spoil
from headrace.sim.play import Act, Head, Piece, Step
from headrace.wire.providers import WireName
from headrace.wire.registry import make_decoder, make_encoder, make_framer

WIRES: tuple[WireName, ...] = ("openai-chat", "anthropic")
TOKENS = ("Grüße", " aus", " 世界", ":", " \U0001f600", " and", ' "so"', "\n\ton", ",", " to", " the", " end.")
TEXT = "".join(TOKENS)
HEAD = Head(headers=(("content-type", "text/event-stream; charset=utf-8"), ("x-request-id", "req_1")), at_s=0.5)
USAGE = Usage(input_tokens=9, output_tokens=len(TOKENS), total_tokens=9 + len(TOKENS))
MOST = 4000  # steps that are taken of an answer that goes on for ever


def answer(tokens: Iterable[str] = TOKENS, *, thinking: str = "", tools: int = 0) -> Iterator[Event]:
    """Give the events of an answer."""
    yield StepStart(v=VERSION, model="m-1", id="msg_0123")
    if thinking:
        yield from _part("0.0", "thinking", thinking.partition(" "))
    if not tools:
        yield from _part("0.1", "text", tokens)
    for number in range(tools):
        start = PartStart(f"0.{number + 2}", "tool_call", name=f"tool_{number}", call_id=f"call_{number}")
        pieces = ('{"city":', ' "Zür', 'ich"}')
        yield start
        for piece in pieces:
            yield PartDelta(start.part, piece, "tool_call")
        yield PartEnd(start.part)
    reason = "tool_calls" if tools else "complete"
    yield ChoiceFinish(0, reason)
    yield UsageUpdate(USAGE)
    yield End(outcome=reason)


def _part(name: str, kind: Any, texts: Iterable[str]) -> Iterator[Event]:
    yield PartStart(name, kind)
    for text in texts:
        yield PartDelta(name, text, kind)
    yield PartEnd(name)


def encoded(wire: WireName, events: Iterable[Event], *, gap_s: float = 0.25, **options: Any) -> Iterator[Frame]:
    """Write events as frames, a gap between one token and the next."""
    encoder, at_s = make_encoder(wire, created=1_750_000_000, **options), 1.0
    for event in events:
        token = isinstance(event, PartDelta)
        blocks = list(cut_frames(encoder.feed(event)))
        for number, block in enumerate(blocks, 1):
            yield Frame(at_s=at_s, raw=block, tokens=int(token and number == len(blocks)))
        at_s += gap_s if token else 0.0


def steps_of(
    wire: WireName,
    *faults: str,
    events: Iterable[Event] | None = None,
    dialect: str | None = None,
    seed: int = 7,
    total: int | None = len(TOKENS),
    head: Head = HEAD,
    **options: Any,
) -> tuple[Head | None, Iterator[Step]]:
    """Spoil an answer."""
    return spoil(
        head,
        encoded(wire, answer() if events is None else events, **options),
        wire=wire,
        faults=[parse_fault(fault) for fault in faults],
        dialect=None if dialect is None else DIALECTS[dialect],
        dice=Dice(seed, "faults"),
        total_tokens=total,
        prompt_tokens=9,
    )


class Seen(NamedTuple):
    """What a client makes of it."""

    head: Head | None
    steps: list[Step]
    body: bytes
    acts: list[Act]
    message: Message
    error: str | None  # the type of our error
    status: int | None

    @property
    def outcome(self) -> str | None:
        return self.message.outcome

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def warnings(self) -> list[str]:
        return [warning.code for warning in self.message.warnings]


def seen(wire: WireName, *faults: str, **options: Any) -> Seen:
    """Spoil an answer, and read it."""
    return looked(wire, *steps_of(wire, *faults, **options))


def looked(wire: WireName, head: Head | None, given: Iterator[Step]) -> Seen:
    """Read what is played, with the real framer and decoder; times never go back."""
    exchange = Exchange(make_decoder(wire), make_framer(wire), debug=True)
    exchange.start(0.0)
    if head is not None:
        exchange.head(head.status, dict(head.headers), head.at_s)
    steps = list(itertools.islice(given, MOST))
    acts = [step for step in steps if isinstance(step, Act)]
    pieces = [step for step in steps if isinstance(step, Piece)]
    times = [step.at_s for step in steps]
    assert times == sorted(times)
    assert all(time >= (head.at_s if head else 0.0) for time in times)
    assert all(piece.data for piece in pieces)
    assert all(act.kind == "hold" for act in acts if act is not steps[-1])
    for piece in pieces:
        exchange.feed(piece.data, piece.at_s)
    last = acts[-1].kind if acts else "eof"
    if len(steps) == MOST or last == "stall":
        pass  # a client would wait for its own deadline
    elif last in ("eof", "hold"):
        exchange.eof(times[-1] if times else 0.0)
    else:
        exchange.fail(BrokenStreamError("broken"), times[-1])
    error = exchange.error()
    return Seen(
        head,
        steps,
        b"".join(piece.data for piece in pieces),
        acts,
        exchange.message(),
        error.info.type if error else None,
        error.status if error else None,
    )


def plain(wire: WireName, events: Iterable[Event] | None = None, **options: Any) -> bytes:
    """Give the good answer's bytes."""
    return b"".join(frame.raw for frame in encoded(wire, answer() if events is None else events, **options))
