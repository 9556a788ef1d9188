"""Answers as the decoder for anthropic gives them, drawn at random."""

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from headrace.errors import ErrorInfo, type_for_word
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartKind,
    Raw,
    Retract,
    StepUpdate,
    StopReason,
    UsageUpdate,
)
from headrace.wire.anthropic.frame import read_stop_reason, read_usage
from headrace.wire.parts import OpenPart, Parts
from tests.wire.drawing import counts, extras, texts, values, words
from tests.wire.encoding import start

if TYPE_CHECKING:
    from tests.wire.streams import Json

caches = {"cache_read_input_tokens": counts, "cache_creation_input_tokens": counts}
usages = st.fixed_dictionaries({"input_tokens": counts, "output_tokens": counts}, optional={**caches, "speed": words})
later_usages = st.fixed_dictionaries(
    {"output_tokens": counts},
    optional={"input_tokens": counts, "output_tokens_details": st.fixed_dictionaries({"thinking_tokens": counts})},
)
reasons = ["end_turn", "stop_sequence", "max_tokens", "tool_use", "pause_turn", "refusal", "compaction"]
inputs = st.dictionaries(words, values, max_size=2).map(lambda value: json.dumps(value, ensure_ascii=False))
error_words = ["rate_limit_error", "overloaded_error", "api_error", "invalid_request_error", "authentication_error"]
error_words += ["permission_error", "not_found_error", "request_too_large", "billing_error", "timeout_error"]
errors = st.builds(
    lambda word, message, request_id: ErrorInfo(
        type=type_for_word(word) or "", message=f"it broke: {message}", code=word, request_id=request_id
    ),
    st.sampled_from(error_words),
    texts,
    st.none() | words,
)


class Model:
    """Give the events that the decoder would give for the same things said."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.parts = Parts(0, 0)
        self.out: list[Event] = [start(draw(st.none() | words), draw(st.none() | words))]
        self.used = read_usage(draw(usages))
        self.out.append(UsageUpdate(self.used))
        self.count = 0
        self.open: dict[int, OpenPart] = {}
        self.left: dict[int, str] = {}  # of a call's input
        self.said = False

    def act(self) -> None:
        acts = [self.begin, self.begin, self.whole, self.unknown]
        acts += [self.grow, self.grow, self.grow, self.stop] if self.open else []
        self.draw(st.sampled_from(acts))()

    def begin(self) -> None:
        if self.open and self.draw(st.integers(0, 3)):  # mostly one after the other
            self.stop()
            return
        kinds: list[PartKind] = ["text", "text", "thinking", "tool_call", "server_tool_call", "compaction"]
        kind = self.draw(st.sampled_from(kinds))
        data: Json | None = self.draw(st.none() | extras)
        name = call_id = None
        if kind in ("tool_call", "server_tool_call"):
            name, call_id = self.draw(words), f"toolu_{self.count}"
            self.left[self.count] = self.draw(inputs)
        if kind == "server_tool_call":
            data = {**(data or {}), "type": self.draw(st.sampled_from(["server_tool_use", "mcp_tool_use"]))}
        index = self.count
        self.count += 1
        self.open[index] = self.parts.start(
            self.out, index, kind, name=name, call_id=call_id, native_index=index, data=data
        )

    def grow(self) -> None:
        index = self.draw(st.sampled_from([*self.open]))
        part = self.open[index]
        if part.kind == "compaction":
            return
        if part.kind == "text" and not self.draw(st.integers(0, 3)):
            data = {"type": "char_location", "cited_text": self.draw(texts)}
            self.parts.whole(self.out, "citation", data=data, parent=part.id)
            return
        text = self.draw(texts)
        if part.kind in ("tool_call", "server_tool_call"):
            left = self.left[index]
            text, self.left[index] = left[:5], left[5:]
        self.said = self.said or bool(text)
        self.parts.delta(self.out, part, text)

    def stop(self) -> None:
        index = self.draw(st.sampled_from([*self.open]))
        part = self.open.pop(index)
        if part.kind == "thinking" and self.draw(st.booleans()):
            self.parts.update(self.out, part.id, data={"signature": self.draw(words)})
        elif part.kind == "compaction" and self.draw(st.integers(0, 3)):
            self.parts.replace(self.out, part, self.draw(texts))
            if self.draw(st.booleans()):
                self.parts.update(self.out, part.id, data={"encrypted_content": self.draw(words)})
        elif self.left.get(index) and self.draw(st.integers(0, 3)):  # else its input was cut short
            self.said = True
            self.parts.delta(self.out, part, self.left[index])
        self.parts.end(self.out, index)

    def whole(self) -> None:
        kind: PartKind = self.draw(st.sampled_from(["thinking", "tool_result", "model_switch", "raw"]))
        name = call_id = None
        data: Json
        if kind == "thinking":
            data = {"type": "redacted_thinking", "data": self.draw(words)}
        elif kind == "tool_result":
            name, call_id = self.draw(words) + "_tool_result", self.draw(words)
            data = {"type": name, "tool_use_id": call_id, "content": self.draw(values)}
        elif kind == "raw":
            name = self.draw(words)
            data = {"type": name, "content": self.draw(values)}
        else:
            data = {"type": "fallback", "from": {"model": "m"}, "to": self.draw(st.none() | st.just({"model": "m2"}))}
        self.parts.whole(self.out, kind, name=name, call_id=call_id, native_index=self.count, data=data)
        self.count += 1
        if kind == "model_switch" and data["to"]:
            self.out.append(StepUpdate(model="m2"))

    def unknown(self) -> None:
        name = "novel_" + self.draw(words)
        self.out.append(Raw(name, {"type": name, "value": self.draw(values)}))

    def end(self, error: ErrorInfo | None) -> list[Event]:
        while self.open:
            self.stop()
        used = self.used.merged(read_usage(self.draw(later_usages)))
        if used != self.used and len(self.out) > 2:  # of an answer that says nothing the last is told at once
            self.out.append(UsageUpdate(used))
        if error is not None:
            return [*self.out, End(outcome="failed", error=error)]
        native: str = self.draw(st.sampled_from(reasons))
        reason: StopReason | None = read_stop_reason(native)
        assert reason is not None
        if native == "refusal" and self.said:
            self.out.append(Retract(reason="refusal"))
        details: Json = {}
        if native == "stop_sequence":
            details["stop_sequence"] = self.draw(texts)
        if native == "refusal" and self.draw(st.booleans()):
            details["stop_details"] = {"type": "refusal", "category": self.draw(values)}
        self.out.append(ChoiceFinish(0, reason, native, details or None))
        return [*self.out, End(outcome=reason, native_stop_reason=native)]


@st.composite
def answers(draw: Any, *, error: st.SearchStrategy[ErrorInfo | None] = st.none()) -> list[Event]:  # noqa: B008
    model = Model(draw)
    for _ in range(draw(st.integers(0, 15))):
        model.act()
    return model.end(draw(error))
