"""Encoding for openai-chat: what was encoded decodes to the same events.

`answers` draws events as the decoder gives them, which must come back exactly; `runs` draws anything that the grammar
allows, whose content must come back, or an error in its place.
"""

import json
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from headrace.errors import ErrorInfo
from headrace.events import (
    VERSION,
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
    StepStart,
    StepUpdate,
    StopReason,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.grammar import Grammar
from headrace.message import fold
from headrace.wire.framing import SSEFramer
from headrace.wire.openai_chat.encode import OpenAIChatEncoder
from headrace.wire.openai_chat.usage import read_usage
from headrace.wire.parts import Parts
from tests.wire.streams import Decoded, Json, decode

FAILURES: tuple[Outcome, ...] = ("cancelled", "timeout", "truncated", "failed")


def encode(events: list[Event], **options: Any) -> bytes:
    grammar, encoder = Grammar(), OpenAIChatEncoder(**options)
    out: list[bytes] = []
    for event in events:
        grammar.feed(event)
        out.append(encoder.feed(event))
    out.append(encoder.finish())
    assert encoder.done
    assert encoder.finish() == b""
    return b"".join(out)


def read(data: bytes) -> list[Json]:
    """Read the chunks, in the shape that every client relies on."""
    frames = [frame.data for frame in SSEFramer().feed(data)]
    chunks = [cast("Json", json.loads(frame)) for frame in frames if frame != b"[DONE]"]
    assert frames.count(b"[DONE]") == (0 if "error" in chunks[-1] else 1)
    assert b"[DONE]" not in frames[:-1]
    return chunks


def recoded(events: list[Event]) -> Decoded:
    return decode("openai-chat", encode(events))


def start(name: str | None = "chatcmpl-1", model: str | None = "m", step: int = 0, attempt: int = 0) -> StepStart:
    return StepStart(v=VERSION, step=step, attempt=attempt, model=model, id=name)


DONE = End(outcome="complete")
TEXT: list[Event] = [PartStart("t"), PartDelta("t", "x")]

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
WHOLE_ONLY: tuple[PartKind, ...] = ("server_tool_call", "citation", "media")
VOICES: tuple[PartKind, ...] = ("text", "thinking", "refusal")


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


# -- case by case, as a client sees it


def chunks(*events: Event, **options: Any) -> list[Json]:
    return read(encode([start(), *events], **options))


def deltas(*events: Event) -> list[Json]:
    """Give what the chunks add to choice 0, but for the role and the finish."""
    found = [c["delta"] for chunk in chunks(*events) for c in chunk["choices"]]
    return [delta for delta in found if delta and "role" not in delta]


def last_error(*events: Event) -> Json:
    return cast("Json", chunks(*events)[-1]["error"])


def test_a_text_as_openai_writes_it() -> None:
    events: list[Event] = [
        PartStart("t"),
        PartDelta("t", "Hel"),
        PartDelta("t", "lo"),
        PartEnd("t"),
        ChoiceFinish(0, "complete"),
    ]
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    same = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    said: list[tuple[Json, str | None]] = [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "Hel"}, None),
        ({"content": "lo"}, None),
        ({}, "stop"),
    ]
    assert chunks(*events, used, DONE, created=7) == [
        *[
            {**same, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
            for delta, finish in said
        ],
        {**same, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    ]


def test_usage_is_kept_back_from_who_did_not_ask() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    assert not any("usage" in chunk for chunk in chunks(used, DONE, include_usage=False))


def test_a_call_as_openai_writes_it() -> None:
    assert deltas(
        PartStart("c", "tool_call", 0, "add", "call_1"), PartDelta("c", '{"a"', "tool_call"), PartEnd("c"), DONE
    ) == [
        {
            "tool_calls": [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "add", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
    ]


def test_a_call_without_an_id_gets_the_one_that_the_message_shows() -> None:
    events: list[Event] = [start(), PartWhole("0.0.0", "tool_call", 0, "{}", "add"), ChoiceFinish(0, "tool_calls")]
    events.append(End(outcome="tool_calls"))
    assert recoded(events).message.tool_calls == fold(events).tool_calls


def test_a_name_is_written_once() -> None:
    begun = PartStart("c", "tool_call", 0, None, "call_1")
    named: list[Event] = [begun, PartUpdate("c", name="add"), PartUpdate("c", name="other"), PartEnd("c"), DONE]
    assert deltas(*named)[1:] == [{"tool_calls": [{"index": 0, "function": {"name": "add"}}]}]


def test_redacted_thinking_of_anthropic_is_a_part_of_its_own_here_too() -> None:
    hidden = {"type": "redacted_thinking", "data": "x1"}
    back = recoded([start(), PartWhole("a", "thinking", text="Hm."), PartWhole("b", "thinking", data=hidden), DONE])
    assert [(p.kind, p.text, p.data) for p in back.message.parts] == [
        ("thinking", "Hm.", None),
        ("thinking", "", {"type": "reasoning.encrypted", "data": "x1"}),
    ]


def test_audio_grows() -> None:
    begun: list[Event] = [
        PartStart("a", "media", data={"type": "audio", "id": "audio_1"}),
        PartDelta("a", "UklG", "media"),
    ]
    more: list[Event] = [PartUpdate("a", data={"expires_at": 9}), PartDelta("a", "AAAA", "media"), PartEnd("a"), DONE]
    said = [{"id": "audio_1"}, {"data": "UklG"}, {"expires_at": 9}, {"data": "AAAA"}]
    assert deltas(*begun, *more) == [{"audio": fields} for fields in said]
    *before, _ = chunks(*begun, ChoiceFinish(0, "complete"), *more)
    assert before == chunks(*begun, PartEnd("a"), DONE)
    assert "audio goes on after the finish" in last_error(*begun, ChoiceFinish(0, "complete"), *more)["message"]


def test_extra_content_is_written_where_it_belongs() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    other = {"extra_content": {"google": {"thought_signature": "t"}}}
    call = PartStart("c", "tool_call", 0, "add", "call_1", data=extra)
    fragments = [d["tool_calls"][0] for d in deltas(call, PartUpdate("c", data=other), PartEnd("c"), DONE)]
    assert [f["extra_content"] for f in fragments] == [extra["extra_content"], other["extra_content"]]
    assert deltas(PartWhole("t", text="x", data={**extra, "else": 1}), DONE) == [{"content": "x", **extra}]
    finished: list[Event] = [call, PartEnd("c"), ChoiceFinish(0, "tool_calls"), PartUpdate("c", data=other), DONE]
    assert len(deltas(*finished)) == 1
    probable = PartDelta("t", "x", logprobs=[{"token": "x", "logprob": -1.0}])
    assert deltas(PartStart("t", data=extra), probable, PartEnd("t"), DONE) == [{"content": "x", **extra}]


def test_citations_images_and_server_side_tools_are_written_whole() -> None:
    data = {"type": "web_search", "id": "x1"}
    for kind, field in zip(WHOLE_ONLY, ("executed_tools", "annotations", "images"), strict=True):
        assert deltas(PartWhole("p", kind, data=data), DONE) == [{field: [data]}]


def test_a_model_that_changes_on_the_way_is_told_at_once() -> None:
    last, *_ = reversed(chunks(*TEXT, StepUpdate(model="other", id="ignored"), PartEnd("t"), DONE))
    assert (last["id"], last["model"]) == ("chatcmpl-1", "other")
    models = [e.model for e in recoded([start(), *TEXT, StepUpdate(model="other"), PartEnd("t"), DONE]).of(StepUpdate)]
    assert models == ["other"]
    same = [*TEXT, StepUpdate(model="m"), PartEnd("t"), DONE]
    assert chunks(*same) == chunks(*TEXT, PartEnd("t"), DONE)


def test_a_late_filter_takes_the_answer_back() -> None:
    back = recoded([start(), *TEXT, PartEnd("t"), Retract(reason="hate"), ChoiceFinish(0, "complete"), DONE])
    assert back.of(Retract) == [Retract(0, reason="hate")]
    assert back.message.outcome == "filtered"


def test_a_signature_waits_for_its_thinking() -> None:
    signature = PartUpdate("t", data={"signature": "s"})
    orders: list[list[Event]] = [
        [PartStart("t", "thinking", data={"signature": "s"}), PartDelta("t", "Hm.", "thinking"), PartEnd("t")],
        [PartStart("t", "thinking"), signature, PartDelta("t", "Hm.", "thinking"), PartEnd("t")],
        [PartStart("t", "thinking"), PartDelta("t", "Hm.", "thinking"), signature, PartEnd("t")],
        [PartStart("t", "thinking"), PartDelta("t", "Hm.", "thinking"), PartEnd("t"), signature],
    ]
    for events in orders:
        part = recoded([start(), *events, DONE]).message.parts[0]
        assert (part.text, part.data) == ("Hm.", {"signature": "s"})


def test_what_would_be_read_as_thinking_is_not_written_beside_it() -> None:
    whole = PartWhole("t", "thinking", text="Hm.", data={"summary": "Hm.", "text": "Hm.", "signature": "s"})
    assert deltas(whole, DONE) == [{"reasoning_content": "Hm.", "reasoning_details": [{"signature": "s"}]}]


def test_a_choice_of_several_says_its_role_when_it_begins() -> None:
    events: list[Event] = [
        PartStart("a", "text", 1),
        PartDelta("a", "x", "text", 1),
        PartEnd("a"),
        ChoiceFinish(1, "length"),
    ]
    found = [
        (c["index"], c["delta"].get("role"), c["finish_reason"]) for k in chunks(*events, DONE) for c in k["choices"]
    ]
    assert found == [(1, "assistant", None), (1, None, None), (1, None, "length")]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("complete", "stop"),
        ("stopped", "stop"),
        ("length", "length"),
        ("filtered", "content_filter"),
        ("refused", "refusal"),
        ("paused", "pause_turn"),
    ],
)
def test_an_end_alone_finishes_the_answer(outcome: Outcome, word: str) -> None:
    assert chunks(End(outcome=outcome))[-1]["choices"][0]["finish_reason"] == word
    native = chunks(End(outcome=outcome, native_stop_reason="because"))
    assert native[-1]["choices"][0]["finish_reason"] == "because"


def test_a_finish_that_is_a_failure() -> None:
    *_, finish, error = chunks(ChoiceFinish(0, "failed"), End(outcome="failed"))
    assert finish["choices"][0]["finish_reason"] == "error"
    assert error["error"] == {"message": "the answer failed", "type": "failed", "param": None, "code": None}


@pytest.mark.parametrize("outcome", FAILURES)
def test_an_end_that_is_no_success_is_an_error(outcome: Outcome) -> None:
    info = ErrorInfo(type=outcome, message="it broke")
    text = PartWhole("t", text="half")
    for error in (info, None):
        back = recoded([start(), text, End(outcome=outcome, error=error)])
        assert (back.message.outcome, back.message.text) == ("failed", "half")
        assert back.message.error is not None
        assert back.message.error.code == outcome
    assert last_error(text, End(outcome=outcome, error=info))["message"] == "it broke"


def test_an_error_keeps_status_and_request_id() -> None:
    info = ErrorInfo(type="rate_limit", message="slowly", status=429, code="tokens", request_id="req_1")
    last = chunks(End(outcome="failed", error=info))[-1]
    assert last["error"] == {
        "message": "slowly",
        "type": "rate_limit_error",
        "param": None,
        "code": "tokens",
        "status_code": 429,
    }
    assert last["request_id"] == "req_1"
    error = recoded([start(), End(outcome="failed", error=info)]).message.error
    assert error is not None
    assert (error.type, error.status, error.code, error.request_id) == ("rate_limit", 429, "tokens", "req_1")


def test_an_answer_without_an_end_is_an_error() -> None:
    encoder = OpenAIChatEncoder()
    begun = b"".join([encoder.feed(e) for e in (start(), PartStart("t"), PartDelta("t", "half"))])
    assert read(begun + encoder.finish())[-1]["error"]["type"] == "truncated"
    assert encoder.feed(PartDelta("t", "more")) == b""


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([*TEXT, PartReplace("t", "y"), PartEnd("t"), DONE], "retracted"),
        ([*TEXT, PartEnd("t"), Reset(), start(attempt=1), DONE], "retracted"),
        ([ChoiceFinish(0, "complete"), start(step=1), DONE], "unsupported"),
        (
            [
                PartStart("c", "tool_call", 0, "add"),
                ChoiceFinish(0, "tool_calls"),
                PartDelta("c", "{}", "tool_call"),
                PartEnd("c"),
                DONE,
            ],
            "unsupported",
        ),
        (
            [
                PartWhole("c", "tool_call", text="{}", call_id="call_1"),
                ChoiceFinish(0, "tool_calls"),
                PartUpdate("c", name="add"),
                DONE,
            ],
            "unsupported",
        ),
    ],
)
def test_what_cannot_be_taken_back_is_an_error(events: list[Event], kind: str) -> None:
    assert last_error(*events)["type"] == kind


def test_a_replacement_before_anything_was_said_is_the_text() -> None:
    back = recoded([start(), PartStart("t"), PartReplace("t", "y"), PartEnd("t"), DONE])
    assert (back.message.text, back.message.outcome) == ("y", "complete")


def test_an_attempt_that_said_nothing_leaves_no_trace_but_its_usage() -> None:
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=0))
    again = StepStart(v=VERSION, attempt=1, model="other", id="chatcmpl-2")
    back = recoded([start(None), used, PartStart("a"), PartEnd("a"), Reset(), again, *TEXT, PartEnd("t"), used, DONE])
    assert (back.message.id, back.message.model, back.message.text) == ("chatcmpl-2", "other", "x")
    assert back.message.usage.input_tokens == 6


def test_usage_that_grows_is_one_snapshot() -> None:
    first, last = UsageUpdate(Usage(input_tokens=3, output_tokens=1)), UsageUpdate(Usage(output_tokens=9))
    back = recoded([start(), first, last, DONE])
    assert (back.message.usage.input_tokens, back.message.usage.output_tokens) == (3, 9)


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        # Anthropic counts the cache beside the input
        (
            Usage(
                input_tokens=3,
                output_tokens=2,
                cached_input_tokens=10,
                cache_write_tokens=4,
                input_includes_cached=False,
                raw={"input_tokens": 3},
            ),
            {
                "prompt_tokens": 17,
                "completion_tokens": 2,
                "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 4},
            },
        ),
        (Usage(input_tokens=3, input_includes_cached=False), {"prompt_tokens": 3}),
        # Gemini and xAI count thinking beside the output
        (
            Usage(output_tokens=2, reasoning_tokens=5, output_includes_reasoning=False),
            {"completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 5}},
        ),
        (Usage(output_tokens=2, output_includes_reasoning=False), {"completion_tokens": 2}),
        (
            Usage(input_tokens=3, output_tokens=2, total_tokens=6),
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 6},
        ),
        (Usage(input_tokens=1, raw={"prompt_tokens": 1, "cost": 0.1}), {"prompt_tokens": 1, "cost": 0.1}),
    ],
)
def test_usage_is_counted_as_openai_counts(usage: Usage, written: Json) -> None:
    assert chunks(UsageUpdate(usage), DONE)[-1]["usage"] == written


def test_usage_that_says_nothing_is_not_written() -> None:
    assert not any("usage" in chunk for chunk in chunks(UsageUpdate(Usage()), DONE))


def test_frames_of_this_wire_that_are_not_known_pass() -> None:
    filters = {"object": "", "id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    events = [start(None, None), Raw("", filters), StepUpdate(model="m", id="chatcmpl-1"), *TEXT]
    events += [PartEnd("t", implicit=True), ChoiceFinish(0, "complete", "stop")]
    assert [type(e) for e in recoded([*events, DONE]).events][:3] == [StepStart, Raw, StepUpdate]
    assert filters in chunks(*events[1:], DONE)
    for other in (Raw("ping", {"type": "ping"}), Raw("", [1]), Raw("other", filters), StreamWarning("odd", "it is")):
        assert encode([start(), other, DONE]) == encode([start(), DONE])


def test_what_this_wire_has_no_words_for_is_left_out() -> None:
    kinds: list[PartKind] = ["tool_result", "compaction", "model_switch", "raw"]
    for kind in [*kinds, *WHOLE_ONLY]:
        data = {"type": "web_search", "extra_content": {"a": 1}}
        grown: list[Event] = [
            PartStart("t", kind, data=data),
            PartDelta("t", "x", kind),
            PartUpdate("t", data=data),
            PartEnd("t"),
        ]
        assert deltas(*grown, DONE) == []
        assert deltas(PartWhole("t", kind, text="x"), DONE) == []


def test_thinking_has_no_probabilities() -> None:
    probable = PartDelta("t", "Hm.", "thinking", 0, [{"token": "Hm.", "logprob": -1.0}])
    assert deltas(PartStart("t", "thinking"), probable, PartEnd("t"), DONE) == [{"reasoning_content": "Hm."}]
