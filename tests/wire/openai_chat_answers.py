"""Answers as the decoder for openai-chat gives them, drawn at random."""

from typing import Any

from hypothesis import strategies as st

from headrace.errors import ErrorInfo
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartKind,
    Raw,
    Retract,
    StepUpdate,
    StopReason,
    Usage,
    UsageUpdate,
)
from headrace.wire.openai_chat.usage import read_usage
from headrace.wire.parts import Parts
from tests.wire.drawing import counts, extras, probabilities, signatures, texts, values, words
from tests.wire.encoding import VOICES, start
from tests.wire.streams import Json

usages = st.builds(
    lambda prompt, completion, inputs, outputs: read_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": inputs,
            "completion_tokens_details": outputs,
        }
    ),
    counts,
    counts,
    st.fixed_dictionaries({}, optional={"cached_tokens": counts, "cache_write_tokens": counts}),
    st.fixed_dictionaries({}, optional={"audio_tokens": counts}),
)
native_reasons: dict[str, StopReason] = {
    "stop": "complete",
    "length": "length",
    "content_filter": "filtered",
    "refusal": "refused",
    "pause_turn": "paused",
}
errors = st.builds(
    ErrorInfo,
    type=st.sampled_from(["rate_limit", "overloaded", "server", "invalid_request", "not_found", "authentication"]),
    message=texts.map(lambda text: f"it broke: {text}"),
    code=st.none() | words,
    request_id=st.none() | words,
    status=st.none(),
)


class Choice:
    """What the decoder remembers of a choice, as far as it shows in the events."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.voice: Any = None
        self.thinking: str | None = None
        self.calls: list[dict[str, Any]] = []
        self.entries: dict[str, int] = {}
        self.finished = False
        self.filtered = False
        self.reason: StopReason = "complete"
        self.native: str | None = None


class Model:
    """Give the events that the decoder would give for the same things said."""

    def __init__(self, draw: Any, choices: int) -> None:
        self.draw = draw
        self.parts = Parts(0, 0)
        self.model: str | None = draw(st.none() | words)
        self.id: str | None = draw(st.none() | words)
        self.out: list[Event] = [start(self.id, self.model)]
        self.choices = [Choice(i) for i in range(choices)]
        self.begun: list[Choice] = []

    def act(self) -> None:
        draw = self.draw
        if self.begun and draw(st.integers(0, 9)) == 0:
            draw(st.sampled_from([self.rename, self.unknown]))()
            return
        choice = draw(st.sampled_from(self.choices))
        acts = [self.say, self.say, self.say, self.call, self.grow, self.whole, self.sign, self.extra, self.audio]
        acts += [self.retract] if not choice.filtered else []
        acts += [self.finish] if not choice.finished else []
        size = len(self.out)
        draw(st.sampled_from(acts))(choice)
        if len(self.out) > size and choice not in self.begun:
            self.begun.append(choice)

    def rename(self) -> None:
        model, name = self.draw(words), None if self.id else self.draw(words)
        if model != self.model:
            self.model, self.id = model, self.id or name
            self.out.append(StepUpdate(model=model, id=name))

    def unknown(self) -> None:
        name = self.draw(words)
        self.out.append(Raw(name, {"object": name, "choices": [], "prompt_filter_results": self.draw(values)}))

    def silence(self, choice: Choice) -> None:
        if choice.voice is not None:
            self.parts.end(self.out, ("voice", choice.index), implicit=True)
            choice.voice = None

    def say(self, choice: Choice) -> None:
        kind = self.draw(st.sampled_from(VOICES))
        if choice.voice is None or choice.voice.kind != kind:
            self.silence(choice)
            key = ("voice", choice.index)
            choice.voice = self.parts.start(self.out, key, kind, choice.index, implicit=True)
            choice.thinking = choice.voice.id if kind == "thinking" else choice.thinking
        probable = kind != "thinking" and self.draw(st.booleans())
        text = self.draw(st.just("") | texts if probable else texts)
        self.parts.delta(self.out, choice.voice, text, self.draw(probabilities) if probable else None)

    def call(self, choice: Choice) -> None:
        self.silence(choice)
        index = len(choice.calls)
        key, name, call_id = ("call", choice.index, index), self.draw(st.none() | words), f"call_{choice.index}_{index}"
        part = self.parts.start(
            self.out,
            key,
            "tool_call",
            choice.index,
            name=name,
            call_id=call_id,
            native_index=index,
            data=self.draw(st.none() | extras),
            implicit=True,
        )
        choice.calls.append({"key": key, "part": part, "name": name, "id": call_id})

    def grow(self, choice: Choice) -> None:
        calls = [call for call in choice.calls if call["key"] in self.parts]
        if not calls:
            return
        call = self.draw(st.sampled_from(calls))
        if self.draw(st.booleans()):
            self.parts.delta(self.out, call["part"], self.draw(texts))
            return
        name, data = call["name"] or self.draw(st.none() | words), self.draw(st.none() | extras)
        if data or name != call["name"]:
            call["name"] = name
            self.parts.update(self.out, call["part"].id, name=name, call_id=call["id"], data=data)

    def whole(self, choice: Choice) -> None:
        kind: PartKind = self.draw(st.sampled_from(["citation", "media", "server_tool_call", "thinking"]))
        text = name = ""
        if kind == "server_tool_call":
            data: Json = {"type": self.draw(words), "arguments": self.draw(texts)}
            text, name = data["arguments"], data["type"]
        elif kind == "thinking":
            data = {"type": "reasoning.encrypted", "data": self.draw(words)}
        else:
            data = self.draw(st.dictionaries(words, values, min_size=1, max_size=2))
        data = self.placed(choice, kind, data)
        self.parts.whole(self.out, kind, choice.index, text, name=name or None, data=data)

    def sign(self, choice: Choice) -> None:
        if choice.thinking is not None:
            self.parts.update(self.out, choice.thinking, data=self.placed(choice, "thinking", self.draw(signatures)))

    def placed(self, choice: Choice, kind: PartKind, data: Json) -> Json:
        """Tell the place of an entry in its list, as the wire wants it."""
        place = choice.entries.get(kind, 0)
        choice.entries[kind] = place + 1
        return {**data, "index": place} if place else data

    def extra(self, choice: Choice) -> None:
        if choice.voice is not None:
            data = self.draw(extras)
            if choice.voice.kind == "thinking":  # which has no other place for it
                data = self.placed(choice, "thinking", data)
            self.parts.update(self.out, choice.voice.id, data=data)

    def audio(self, choice: Choice) -> None:
        key = ("audio", choice.index)
        part = self.parts.get(key)
        if part is None:
            data = {"type": "audio", "id": self.draw(words)}
            self.parts.start(self.out, key, "media", choice.index, data=data, implicit=True)
        elif self.draw(st.booleans()):
            self.parts.delta(self.out, part, self.draw(texts))
        else:
            self.parts.update(self.out, part.id, data={"expires_at": self.draw(counts)})

    def retract(self, choice: Choice) -> None:
        choice.filtered = True
        self.out.append(Retract(choice.index, reason=self.draw(words)))

    def finish(self, choice: Choice) -> None:
        self.flush(choice)
        choice.finished = True
        choice.native = "tool_calls" if choice.calls else self.draw(st.sampled_from([*native_reasons]))
        choice.reason = "tool_calls" if choice.calls else native_reasons[choice.native]
        self.out.append(ChoiceFinish(choice.index, choice.reason, choice.native))

    def flush(self, choice: Choice) -> None:
        self.parts.end_all(self.out, choice.index)
        choice.voice = None

    def end(self, usage: Usage | None, error: ErrorInfo | None) -> list[Event]:
        main = min(self.begun, key=lambda choice: choice.index) if self.begun else self.choices[0]
        if error is None:
            for choice in [c for c in self.choices if not c.finished and (c in self.begun or c is main)]:
                if choice not in self.begun:
                    self.begun.append(choice)
                self.finish(choice)
        if usage is not None:
            self.out.append(UsageUpdate(usage))
        if error is None:
            for choice in self.begun:
                self.flush(choice)
            outcome: Outcome = "filtered" if main.filtered else main.reason
            self.out.append(End(outcome=outcome, native_stop_reason=main.native))
        else:
            self.parts.end_all(self.out)
            self.out.append(End(outcome="failed", native_stop_reason=main.native, error=error))
        return self.out


@st.composite
def answers(draw: Any, *, error: st.SearchStrategy[ErrorInfo | None] = st.none()) -> list[Event]:  # noqa: B008
    model = Model(draw, draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(0, 12))):
        model.act()
    return model.end(draw(st.none() | usages), draw(error))
