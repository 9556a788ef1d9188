"""The one fold: events in, message out. Nobody else accumulates.

Laws kept here: what had arrived is in the message, always, however the stream ended; folding an event costs what the
event brings (strings are kept as pieces until somebody looks); a snapshot is immutable.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from headrace.errors import ErrorInfo
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StopReason,
    StreamWarning,
    Usage,
    UsageUpdate,
)


class Part(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A piece of the answer.

    Attributes:
        id: our stable id.
        kind: text, thinking, tool_call, …
        choice: index of the alternative answer it belongs to.
        step: number of the request within the run.
        text: what it says; of a tool call, the raw JSON text of its arguments, which may be cut short.
        name: of the tool.
        call_id: the provider's id of the tool call.
        data: further attributes as the wire has them (a thinking part's signature, a citation's source, …).
        parent: of a citation, the id of the part that it belongs to.
        logprobs: log probabilities, an entry a token, where asked for.
        ended: whether it is whole.
    """

    id: str
    kind: PartKind = "text"
    choice: int = 0
    step: int = 0
    text: str = ""
    name: str | None = None
    call_id: str | None = None
    data: dict[str, Any] | None = None
    parent: str | None = None
    logprobs: list[Any] | None = None
    ended: bool = False


class ToolCall(Struct, frozen=True):
    """A call of one of the client's tools.

    Attributes:
        id: the provider's id, or one of ours where the provider gave none.
        name: of the tool.
        arguments: raw JSON text; it may be empty or cut short.
    """

    id: str
    name: str
    arguments: str

    def parsed(self) -> Any:
        """Parse the arguments; an empty text is a call without arguments.

        Raises:
            ValueError: if the text is not JSON, as when the answer was cut by its length.
        """
        if not self.arguments.strip():
            return {}
        try:
            return msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ValueError(f"the arguments of {self.name!r} are not JSON: {error}") from None


class _Said(Struct, frozen=True, kw_only=True):
    """What a message and a choice share: parts, and views of them."""

    parts: tuple[Part, ...] = ()

    def _own(self) -> tuple[Part, ...]:
        return self.parts

    def _joined(self, kind: PartKind) -> str:
        return "".join([p.text for p in self._own() if p.kind == kind])

    @property
    def text(self) -> str:
        """The answer's text."""
        return self._joined("text")

    @property
    def thinking(self) -> str:
        """The model's visible thinking, or a summary of it, as the provider gives it."""
        return self._joined("thinking")

    @property
    def refusal(self) -> str:
        """What the model said when it refused, where the wire has a place of its own for that."""
        return self._joined("refusal")

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls of the client's own tools, in order. Server-side tools are parts of their own kind."""
        return [ToolCall(p.call_id or p.id, p.name or "", p.text) for p in self._own() if p.kind == "tool_call"]


class Choice(_Said, frozen=True, kw_only=True):
    """One of several alternative answers (``n > 1``)."""

    index: int = 0
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None
    details: dict[str, Any] | None = None
    retractions: tuple[Retract, ...] = ()


class Message(_Said, frozen=True, kw_only=True):
    """What the events have said so far. `text`, `thinking`, `refusal` and `tool_calls` are those of choice 0.

    Attributes:
        parts: all parts of all choices and steps, in order of their start.
        choices: the alternative answers; empty before the first part.
        outcome: how the run ended; None while it has not.
        native_stop_reason: the provider's word for it.
        usage: the sum over steps and attempts; figures that no provider has given are None.
        model: the model that answered, as the provider names it.
        id: the provider's id of the (last) message.
        provider: whose wire it was.
        error: what went wrong, if something did.
        warnings: oddities on the way.
    """

    choices: tuple[Choice, ...] = ()
    outcome: Outcome | None = None
    native_stop_reason: str | None = None
    usage: Usage = Usage()
    model: str | None = None
    id: str | None = None
    provider: str | None = None
    error: ErrorInfo | None = None
    warnings: tuple[StreamWarning, ...] = ()

    def _own(self) -> tuple[Part, ...]:
        return tuple(p for p in self.parts if p.choice == 0)


class _Open:
    """A part while it grows."""

    __slots__ = ("call_id", "choice", "data", "ended", "id", "kind", "logprobs", "name", "parent", "pieces", "step")

    def __init__(self, event: PartStart | PartWhole, step: int) -> None:
        self.id = event.part
        self.kind: PartKind = event.kind
        self.choice = event.choice
        self.step = step
        self.name = event.name
        self.call_id = event.call_id
        self.data = event.data
        self.parent = event.parent if isinstance(event, PartWhole) else None
        self.pieces: list[str] = []
        self.logprobs: list[Any] | None = None
        self.ended = False

    def snapshot(self) -> Part:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return Part(
            id=self.id,
            kind=self.kind,
            choice=self.choice,
            step=self.step,
            text=self.pieces[0] if self.pieces else "",
            name=self.name,
            call_id=self.call_id,
            data=self.data,
            parent=self.parent,
            logprobs=self.logprobs and list(self.logprobs),
            ended=self.ended,
        )


class Fold:
    """Fold events into a message, one at a time.

    The events are taken as `headrace.grammar` allows them.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _Open] = {}
        self._step = 0
        self._attempt_parts: list[str] = []
        self._spent: Usage | None = None
        self._usage: Usage | None = None
        self._finishes: dict[int, ChoiceFinish] = {}
        self._retractions: list[Retract] = []
        self._kept_retractions = 0  # those of the attempts before
        self._model: str | None = None
        self._id: str | None = None
        self._provider: str | None = None
        self._warnings: list[StreamWarning] = []
        self._end: End | None = None
        self._made: Message | None = None

    @property
    def end(self) -> End | None:
        """Give the terminal event, once it has come."""
        return self._end

    def open_parts(self) -> list[str]:
        """Name the parts that have started and not ended."""
        return [p.id for p in self._parts.values() if not p.ended]

    def add(self, event: PartDelta) -> None:
        """Take a delta in, as `feed` does: most events are one."""
        self._made = None
        part = self._parts[event.part]
        part.pieces.append(event.text)
        if event.logprobs is not None:
            if part.logprobs is None:
                part.logprobs = []
            part.logprobs.extend(event.logprobs)

    def feed(self, event: Event) -> None:
        """Take an event in."""
        self._made = None
        match event:
            case PartDelta():
                self.add(event)
            case PartStart():
                self._parts[event.part] = _Open(event, self._step)
                self._attempt_parts.append(event.part)
            case PartWhole():
                part = self._parts[event.part] = _Open(event, self._step)
                self._attempt_parts.append(event.part)
                part.pieces.append(event.text)
                part.ended = True
            case PartEnd():
                self._parts[event.part].ended = True
            case PartReplace():
                self._parts[event.part].pieces = [event.text]
            case PartUpdate():
                part = self._parts[event.part]
                part.name = event.name or part.name
                part.call_id = event.call_id or part.call_id
                part.data = {**(part.data or {}), **event.data} if event.data else part.data
            case ChoiceFinish():
                self._finishes[event.choice] = event
            case UsageUpdate():
                self._usage = self._usage.merged(event.usage) if self._usage else event.usage
            case StepStart():
                self._spent = self._total()
                self._usage = None
                self._step = event.step
                self._attempt_parts = []
                self._kept_retractions = len(self._retractions)
                self._finishes.clear()
                self._provider = event.provider or self._provider
                self._identity(event)
            case StepUpdate():
                self._identity(event)
            case Reset():
                for name in self._attempt_parts:
                    del self._parts[name]
                self._finishes.clear()
                del self._retractions[self._kept_retractions :]
            case Retract():
                self._retractions.append(event)
            case StreamWarning():
                self._warnings.append(event)
            case End():
                self._end = event
            case _:  # Raw says nothing that a message holds
                pass

    def message(self) -> Message:
        """Give what has been said so far; the same object until the next event."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def _identity(self, event: StepStart | StepUpdate) -> None:
        self._model = event.model or self._model
        self._id = event.id or self._id

    def _total(self) -> Usage | None:
        if self._spent and self._usage:
            return self._spent + self._usage
        return self._usage or self._spent

    def _make(self) -> Message:
        parts = tuple([p.snapshot() for p in self._parts.values()])
        retracted = {r.choice for r in self._retractions}
        indices = sorted({p.choice for p in parts} | self._finishes.keys() | retracted)
        choices: list[Choice] = []
        for index in indices:
            finish = self._finishes.get(index)
            choices.append(
                Choice(
                    index=index,
                    parts=tuple([p for p in parts if p.choice == index]),
                    stop_reason=finish.stop_reason if finish else None,
                    native_stop_reason=finish.native_stop_reason if finish else None,
                    details=finish.details if finish else None,
                    retractions=tuple([r for r in self._retractions if r.choice == index]),
                )
            )
        first = self._finishes.get(0)
        end = self._end
        return Message(
            parts=parts,
            choices=tuple(choices),
            outcome=end.outcome if end else None,
            native_stop_reason=(end.native_stop_reason if end else None)
            or (first.native_stop_reason if first else None),
            usage=self._total() or Usage(),
            model=self._model,
            id=self._id,
            provider=self._provider,
            error=end.error if end else None,
            warnings=tuple(self._warnings),
        )


def fold(events: Any) -> Message:
    """Fold an iterable of events into a message."""
    folding = Fold()
    for event in events:
        folding.feed(event)
    return folding.message()
