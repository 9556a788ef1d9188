"""Events, matched: the union is closed, and each member says what it has."""

from typing import Any, assert_never, assert_type

import headrace
from headrace import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    UsageUpdate,
)


def what_most_do(event: Event) -> str:
    match event:
        case PartDelta(kind="text", text=text):
            return assert_type(text, str)
        case End(outcome=outcome, error=error):
            assert_type(outcome, headrace.Outcome)
            assert_type(error, headrace.ErrorInfo | None)
            return outcome
        case UsageUpdate(usage=usage):
            return str(assert_type(usage, headrace.Usage).output_tokens)
        case _:
            return ""


def all_of_them(event: Event) -> str:
    match event:
        case StepStart() | StepUpdate():
            return assert_type(event.model, str | None) or ""
        case PartStart() | PartWhole():
            return assert_type(event.name, str | None) or assert_type(event.kind, headrace.PartKind)
        case PartDelta() | PartReplace():
            return assert_type(event.text, str)
        case PartUpdate():
            return str(assert_type(event.data, dict[str, Any] | None))
        case PartEnd():
            return event.part
        case ChoiceFinish():
            return event.stop_reason
        case UsageUpdate():
            return str(event.usage.input_tokens)
        case Reset() | Retract():
            return event.reason
        case StreamWarning():
            return event.text
        case Raw():
            return event.name
        case End():
            return event.outcome
        case _:
            assert_never(event)


def as_json(event: Event) -> Event:
    written = assert_type(headrace.encode_event(event), bytes)
    return assert_type(headrace.decode_event(written), Event)
