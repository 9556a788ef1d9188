"""Events drawn at random, for any wire: anything that the grammar allows, and what it says."""

from typing import Any

from hypothesis import strategies as st

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
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.message import fold
from tests.wire.encoding import FAILURES, start
from tests.wire.streams import Json

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
words = st.text("abc_é水", min_size=1, max_size=4)
counts = st.integers(0, 10**9)
values = st.recursive(
    st.none() | st.booleans() | counts | texts, lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
extras = st.fixed_dictionaries({"extra_content": st.dictionaries(words, values, min_size=1, max_size=2)})
signatures = st.dictionaries(words.map("sign_".__add__), texts, min_size=1, max_size=2)
places = st.lists(st.integers(0, 4000), max_size=30)
probabilities = st.lists(st.fixed_dictionaries({"token": texts, "logprob": st.floats(-20, 0)}), min_size=1, max_size=2)


DATAS: list[Json] = [
    {"type": "audio", "id": "a"},
    {"text": "t", "type": "x"},
    {"signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "reasoning.encrypted", "data": "x"},
    {"type": "mcp_tool_use", "server_name": "s"},
    {"type": "search_tool_result", "content": []},
    {"type": "fallback", "to": {"model": "m2"}},
    {"encrypted_content": "e"},
]
ODDITIES: list[Event] = [
    Raw("ping", {"type": "ping"}),
    Raw("novel", {"type": "novel", "index": 1}),
    Raw("x", [1]),
    StreamWarning("odd", "it is"),
]
ARGUMENTS = ("{}", '{"a":', "1}", " ", "x")


@st.composite
def runs(draw: Any) -> list[Event]:
    """Draw a run by the grammar alone: kinds, data and order as they fall."""
    kinds: list[PartKind] = ["text", "thinking", "refusal", "tool_call", "server_tool_call", "tool_result", "citation"]
    kinds += ["media", "compaction", "model_switch", "raw"]
    datas = st.none() | extras | signatures | st.sampled_from(DATAS)
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
        choice = draw(st.sampled_from([0, 0, 0, 1, 2]))
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
                out.append(PartStart(part, kind, choice, name, call_id, None, draw(datas), draw(st.booleans())))
            else:
                text, parent = draw(st.just("") | texts), draw(st.none() | st.sampled_from([part, *started]))
                out.append(PartWhole(part, kind, choice, text, name, call_id, None, draw(datas), parent))
        elif act < 14 and growing:
            kind, of = started[growing]
            text = draw(st.sampled_from(ARGUMENTS) if kind == "tool_call" else st.just("") | texts)
            out.append(PartDelta(growing, text, kind, of, draw(st.none() | probabilities)))
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
            out.append(draw(st.sampled_from(ODDITIES)))
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
