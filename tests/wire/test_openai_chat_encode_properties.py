"""Encoding for openai-chat: what was encoded decodes to the same events.

`answers` draws events as the decoder gives them, which must come back exactly; `runs` draws anything that the grammar
allows, whose content must come back, or an error in its place.
"""

from typing import Any, cast

from hypothesis import given, strategies as st

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
    Raw,
    Reset,
    Retract,
    StepUpdate,
    StopReason,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.message import fold
from headrace.wire.openai_chat.usage import read_usage
from headrace.wire.parts import Parts
from tests.wire.encoding import FAILURES, VOICES, encode, read, recoded, start
from tests.wire.streams import Json, decode

# -- what the decoder gives comes back exactly

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
words = st.text("abc_é水", min_size=1, max_size=4)
counts = st.integers(0, 10**9)
values = st.recursive(
    st.none() | st.booleans() | counts | texts, lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
extras = st.fixed_dictionaries({"extra_content": st.dictionaries(words, values, min_size=1, max_size=2)})
signatures = st.dictionaries(words.map("sign_".__add__), texts, min_size=1, max_size=2)
probabilities = st.lists(st.fixed_dictionaries({"token": texts, "logprob": st.floats(-20, 0)}), min_size=1, max_size=2)
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
    "end_turn": "complete",
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
        self.parts.whole(self.out, kind, choice.index, text, name=name or None, data=data)

    def sign(self, choice: Choice) -> None:
        if choice.thinking is not None:
            self.parts.update(self.out, choice.thinking, data=self.draw(signatures))

    def extra(self, choice: Choice) -> None:
        if choice.voice is not None:
            self.parts.update(self.out, choice.voice.id, data=self.draw(extras))

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


@given(answers())
def test_what_was_encoded_decodes_to_the_same_events(events: list[Event]) -> None:
    data = encode(events, created=1_750_000_000)
    assert decode("openai-chat", data).events == events
    for chunk in read(data):
        if chunk.get("object") == "chat.completion.chunk":  # the others are `Raw`
            assert chunk["created"] == 1_750_000_000


@given(answers(error=errors))
def test_an_error_in_band_decodes_to_the_same_error(events: list[Event]) -> None:
    *body, last = recoded(events).events
    assert body == events[:-1]
    given, end = cast("End", events[-1]), cast("End", last)
    assert given.error is not None
    assert end.error is not None
    assert (end.outcome, end.native_stop_reason) == ("failed", given.native_stop_reason)
    assert (end.error.type, end.error.request_id) == (given.error.type, given.error.request_id)
    assert given.error.message in end.error.message
    assert given.error.code in (None, end.error.code)


# -- anything that the grammar allows


@st.composite
def runs(draw: Any) -> list[Event]:
    """Draw a run by the grammar alone: kinds, data and order as they fall."""
    kinds: list[PartKind] = ["text", "thinking", "refusal", "tool_call", "media", "citation", "tool_result", "raw"]
    datas = (
        st.none() | extras | signatures | st.just({"type": "audio", "id": "a"}) | st.just({"text": "t", "type": "x"})
    )
    out: list[Event] = draw(st.lists(st.just(StreamWarning("odd", "it is")), max_size=1))
    if draw(st.integers(0, 19)) == 0:
        return [*out, End(outcome="failed", error=ErrorInfo(type="connect", message="nobody there"))]
    out.append(start(draw(st.none() | words), draw(st.none() | words)))
    step = attempt = number = 0
    attempt_parts: dict[str, tuple[PartKind, int]] = {}
    started: dict[str, tuple[PartKind, int]] = {}
    finished: set[int] = set()

    def close() -> None:
        out.extend(PartEnd(part) for part in started)
        started.clear()

    for _ in range(draw(st.integers(0, 25))):
        act = draw(st.integers(0, 23))
        choice = draw(st.integers(0, 2))
        known = draw(st.sampled_from([*attempt_parts])) if attempt_parts else None
        growing = draw(st.sampled_from([*started])) if started else None
        if act < 5:
            kind = draw(st.sampled_from(kinds))
            name, call_id = (draw(st.none() | words), draw(st.none() | st.just(f"id{number}")))
            part = f"p{number}"
            number += 1
            attempt_parts[part] = (kind, choice)
            if draw(st.booleans()):
                started[part] = (kind, choice)
                out.append(PartStart(part, kind, choice, name, call_id, None, draw(datas)))
            else:
                out.append(PartWhole(part, kind, choice, draw(st.just("") | texts), name, call_id, None, draw(datas)))
        elif act < 14 and growing:
            kind, of = started[growing]
            out.append(PartDelta(growing, draw(st.just("") | texts), kind, of, draw(st.none() | probabilities)))
        elif act < 16 and known:
            out.append(PartUpdate(known, draw(st.none() | words), draw(st.none() | words), draw(datas)))
        elif act == 16 and growing:
            kind, of = started[growing]
            out.append(PartReplace(growing, draw(texts), kind, of))
        elif act == 17 and growing:
            started.pop(growing)
            out.append(PartEnd(growing))
        elif act == 18 and choice not in finished:
            finished.add(choice)
            out.append(ChoiceFinish(choice, "complete", draw(st.none() | st.just("stop"))))
        elif act == 19:
            out.append(UsageUpdate(Usage(input_tokens=draw(counts), output_tokens=draw(st.none() | counts))))
        elif act == 20:
            out.append(draw(st.sampled_from([Raw("ping", {"a": 1}), Raw("x", [1]), StreamWarning("odd", "it is")])))
        elif act == 21:
            out.append(StepUpdate(model=draw(st.none() | words), id=draw(st.none() | words)))
        elif act == 22 and draw(st.booleans()):
            close()
            finished.clear()
            attempt_parts.clear()
            if draw(st.booleans()):
                attempt += 1
                out.append(Reset("again"))
            else:
                step, attempt = step + 1, 0
            out.append(start(draw(st.none() | words), draw(st.none() | words), step, attempt))
        elif act == 23:
            out.append(Retract(choice, draw(st.integers(0, 3)), draw(st.none() | st.just(5)), draw(words)))
    close()
    outcomes: list[Outcome] = ["complete", "length", "stopped", "paused", "refused", *FAILURES]
    outcome = draw(st.sampled_from(outcomes))
    said = ErrorInfo(type=outcome, message="it broke", status=draw(st.none() | st.just(500)))
    out.append(End(outcome=outcome, error=said if outcome in FAILURES and draw(st.booleans()) else None))
    return out


def calls_said(events: list[Event]) -> list[tuple[int, str, str, str]]:
    """Give choice, id, name and arguments of each call as the encoder promises them: the first id and name stay."""
    names: dict[str, str] = {}
    ids: dict[str, str] = {}
    for event in events:
        if isinstance(event, PartStart | PartWhole):
            ids[event.part] = event.call_id or event.part
        if isinstance(event, PartStart | PartWhole | PartUpdate) and event.name:
            names.setdefault(event.part, event.name)
    parts = [p for p in fold(events).parts if p.kind == "tool_call"]
    return sorted((p.choice, ids[p.id], names.get(p.id, ""), p.text) for p in parts)


def said(events: list[Event]) -> dict[tuple[int, PartKind], str]:
    """Give what was said by choice and kind, in the order of its coming."""
    found: dict[tuple[int, PartKind], str] = {}
    for event in events:
        if isinstance(event, PartDelta | PartWhole | PartReplace) and event.kind in VOICES and event.text:
            key = (event.choice, event.kind)
            found[key] = found.get(key, "") + event.text
    return found


@given(runs())
def test_whatever_the_grammar_allows_is_said_or_becomes_an_error(events: list[Event]) -> None:
    data = encode(events)
    read(data)
    back = decode("openai-chat", data)
    end = cast("End", back.events[-1])
    given = cast("End", events[-1])
    reason = end.error.code if end.error else None
    if reason in ("retracted", "unsupported"):
        causes = Reset | PartReplace if reason == "retracted" else ChoiceFinish
        assert any(isinstance(event, causes) for event in events)
        return
    assert (end.outcome == "failed") == (given.outcome in FAILURES)
    message = fold(events)
    assert said(back.events) == said(events)
    assert calls_said(back.events) == calls_said(events)
    assert back.message.usage.input_tokens == message.usage.input_tokens
    assert back.message.usage.output_tokens == message.usage.output_tokens
    # what is left out is left out once: encoding it again loses nothing more
    if end.outcome != "failed":
        twice = recoded(back.events)
        assert (said(twice.events), twice.message.outcome) == (said(back.events), back.message.outcome)
        assert calls_said(twice.events) == calls_said(back.events)
