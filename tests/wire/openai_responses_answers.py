"""Answers as the decoder for openai-responses gives them, drawn at random."""

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from headrace.errors import ErrorInfo, type_for_word
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartKind,
    Raw,
    StepUpdate,
    StopReason,
    UsageUpdate,
)
from headrace.wire.openai_responses.frame import read_usage
from headrace.wire.parts import OpenPart, Parts
from tests.wire.drawing import counts, probabilities, texts, values, words
from tests.wire.encoding import start

if TYPE_CHECKING:
    from tests.wire.streams import Json

usages = st.fixed_dictionaries(
    {
        "input_tokens": counts,
        "input_tokens_details": st.fixed_dictionaries({"cached_tokens": counts}),
        "output_tokens": counts,
        "output_tokens_details": st.fixed_dictionaries({"reasoning_tokens": counts}),
        "total_tokens": counts,
    },
    optional={"cost": counts},
)
inputs = st.dictionaries(words, values, max_size=2).map(lambda value: json.dumps(value, ensure_ascii=False))
fields = st.dictionaries(words.map("x_".__add__), values.filter(lambda v: v is not None), max_size=2)
reasons: list[tuple[StopReason, str]] = [
    ("length", "max_output_tokens"),
    ("length", "max_messages"),
    ("filtered", "content_filter"),
    ("paused", "steered"),
    ("paused", "pause_turn"),
    ("refused", "refusal"),
]
error_words = ["rate_limit_exceeded", "overloaded", "server_error", "invalid_request_error", "insufficient_quota"]
errors = st.builds(
    lambda word, message, request_id: ErrorInfo(
        type=type_for_word(word) or "", message=f"it broke: {message}", code=word, request_id=request_id
    ),
    st.sampled_from(error_words),
    texts,
    st.none() | words,
)

# item -> how its text grows, if it does: by deltas, or with its end alone
TOOLS: dict[str, bool | None] = {
    "mcp_call": True,
    "code_interpreter_call": True,
    "apply_patch_call": True,
    "shell_call": True,
    "program": False,
    "mcp_approval_request": False,
    "web_search_call": None,
    "file_search_call": None,
    "computer_call": None,
}
TOLD = ("mcp_call", "code_interpreter_call", "web_search_call", "file_search_call")


class Model:
    """Give the events that the decoder would give for the same things said."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.parts = Parts(0, 0)
        self.model = draw(st.none() | words)
        self.out: list[Event] = [start(draw(st.none() | words), self.model)]
        self.count = 0  # of items
        self.open: dict[int, tuple[OpenPart, str]] = {}  # a call or a tool that grows, and its type
        self.left: dict[int, str] = {}  # of a function's arguments
        self.called = False
        self.told: set[int] = set()  # the tools that have said what they are at

    def act(self) -> None:
        acts = [self.message, self.message, self.reasoning, self.call, self.tool, self.tool, self.whole, self.unknown]
        acts += [self.grow, self.grow, self.grow, self.stop] if self.open else []
        self.draw(st.sampled_from(acts))()

    def _index(self) -> int:
        self.count += 1
        return self.count - 1

    def message(self) -> None:
        index = self._index()
        data: Json = {"id": f"msg_{index}"}
        if self.draw(st.booleans()):
            data["phase"] = "commentary"
        for number in range(self.draw(st.integers(1, 2))):
            kind: PartKind = self.draw(st.sampled_from(["text", "text", "refusal"]))
            extra = self.draw(fields)
            part = self.parts.start(self.out, (index, number), kind, native_index=index, data={**extra, **data})
            for _ in range(self.draw(st.integers(0, 3))):
                if kind == "text" and self.draw(st.booleans()):
                    cited = {"type": "url_citation", "url": self.draw(texts)}
                    self.parts.whole(self.out, "citation", data=cited, parent=part.id)
                probable = self.draw(st.none() | probabilities) if kind == "text" else None
                self.parts.delta(self.out, part, self.draw(texts), probable)
            self.parts.end(self.out, (index, number))

    def reasoning(self) -> None:
        index = self._index()
        name = f"rs_{index}"
        signed = {"encrypted_content": self.draw(words)} if self.draw(st.booleans()) else {}
        count = self.draw(st.integers(0, 2))
        if not count:
            data = {"type": "reasoning", "id": name, **signed}
            self.parts.whole(self.out, "thinking", native_index=index, data=data)
            return
        word = self.draw(st.sampled_from(["summary_text", "reasoning_text"]))
        last = ""
        for number in range(count):
            data = {"type": word, "id": name}
            part = self.parts.start(self.out, (index, number), "thinking", native_index=index, data=data)
            for _ in range(self.draw(st.integers(0, 2))):
                self.parts.delta(self.out, part, self.draw(texts))
            self.parts.end(self.out, (index, number))
            last = part.id
        if signed:
            self.parts.update(self.out, last, data=signed)

    def call(self) -> None:
        index = self._index()
        custom = self.draw(st.booleans())
        data: Json = {"type": "custom_tool_call"} if custom else {}
        data = {**data, "id": f"fc_{index}", **self.draw(fields)}
        name, call_id = self.draw(words), f"call_{index}"
        part = self.parts.start(self.out, index, "tool_call", name=name, call_id=call_id, native_index=index, data=data)
        self.called = True
        self.open[index] = (part, "custom_tool_call" if custom else "function_call")
        self.left[index] = self.draw(texts if custom else inputs)

    def tool(self) -> None:
        index = self._index()
        word = self.draw(st.sampled_from([*TOOLS]))
        data: Json = {"type": word, "id": f"x_{index}", **self.draw(fields)}
        if word in TOLD:
            data["status"] = "in_progress"
        call_id = self.draw(st.none() | st.just(f"call_{index}"))
        part = self.parts.start(
            self.out, index, "server_tool_call", name=word, call_id=call_id, native_index=index, data=data
        )
        self.open[index] = (part, word)

    def grow(self) -> None:
        index = self.draw(st.sampled_from([*self.open]))
        part, word = self.open[index]
        if index in self.left:
            left = self.left[index]
            text, self.left[index] = left[:5], left[5:]
            self.parts.delta(self.out, part, text)
        elif word in TOLD and index not in self.told and self.draw(st.booleans()):
            self.told.add(index)
            self.parts.update(self.out, part.id, data={"status": "searching"})
        elif TOOLS[word]:
            self.parts.delta(self.out, part, self.draw(texts))

    def stop(self) -> None:
        index = self.draw(st.sampled_from([*self.open]))
        part, word = self.open.pop(index)
        left = self.left.pop(index, "")
        if left:
            self.parts.delta(self.out, part, left)
        if TOOLS.get(word) is False:
            self.parts.delta(self.out, part, self.draw(texts))
        text = "".join([e.text for e in self.out if isinstance(e, PartDelta) and e.part == part.id])
        if word == "shell_call" and text:  # stands in the item, in a place of its own
            self.parts.update(self.out, part.id, data={"action": {"commands": text.split("\n")}})
            self.parts.end(self.out, index)
            return
        if word == "apply_patch_call" and text:
            self.parts.update(self.out, part.id, data={"operation": {"diff": text}})
            self.parts.end(self.out, index)
            return
        if word in TOOLS and self.draw(st.booleans()):
            self.parts.update(self.out, part.id, data={"y_result": self.draw(texts)})
        self.parts.end(self.out, index)

    def whole(self) -> None:
        index = self._index()
        kind, word = self.draw(
            st.sampled_from(
                [
                    ("compaction", "compaction"),
                    ("tool_result", "computer_call_output"),
                    ("raw", "novel"),
                    ("media", "image_generation_call"),
                ]
            )
        )
        data = {"type": word, "id": f"y_{index}", **self.draw(fields)}
        part = self.parts.start(self.out, index, kind, name=word, native_index=index, data=data)
        if kind == "media":
            for image in self.draw(st.lists(texts, max_size=2)):
                self.parts.replace(self.out, part, image)
        self.parts.end(self.out, index)

    def unknown(self) -> None:
        name = "response.novel_" + self.draw(words)
        self.out.append(Raw(name, {"type": name, "value": self.draw(values)}))

    def end(self, error: ErrorInfo | None) -> list[Event]:
        while self.open:
            self.stop()
        other = self.draw(st.none() | words)
        if other and other != self.model and len(self.out) > 1:  # before, the start tells it
            self.out.append(StepUpdate(model=other))
        self.out.append(UsageUpdate(read_usage(self.draw(usages))))
        if error is not None:
            return [*self.out, End(outcome="failed", error=error)]
        outcome: Outcome
        outcome, native = "tool_calls" if self.called else "complete", "completed"
        reason: StopReason = "tool_calls" if self.called else "complete"
        if self.draw(st.booleans()):
            outcome, native = reason, _ = self.draw(st.sampled_from(reasons))
        self.out.append(ChoiceFinish(0, reason, native))
        return [*self.out, End(outcome=outcome, native_stop_reason=native)]


@st.composite
def answers(draw: Any, *, error: st.SearchStrategy[ErrorInfo | None] = st.none()) -> list[Event]:  # noqa: B008
    model = Model(draw)
    for _ in range(draw(st.integers(0, 15))):
        model.act()
    return model.end(draw(error))
