"""An answer as one JSON document, out: OpenAI's ``response``.

What a stream of this wire cannot say (see `headrace.wire.openai_responses.encode`), the document cannot either; a
citation finds its text here also if it came late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import ErrorInfo
from headrace.events import End, PartDelta, PartEnd, PartStart, PartWhole
from headrace.wire.openai_responses.encode import OpenAIResponsesEncoder
from headrace.wire.openai_responses.failure import encode_failure
from headrace.wire.openai_responses.frame import write_reason, write_usage
from headrace.wire.openai_responses.writing import response_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.message import Message, Part


def encode_message(message: Message, *, created: int = 0) -> bytes:
    """Write a message that has ended; of one that is no success, the error.

    Args:
        message: it.
        created: seconds since the epoch.
    """
    outcome = message.outcome
    first = next((choice for choice in message.choices if choice.index == 0), None)
    native = first.native_stop_reason if first and first.stop_reason else message.native_stop_reason
    word = outcome and write_reason(outcome, native)
    if word is None:
        text = f"the answer ended as {outcome or 'truncated'}"
        return encode_failure(message.error or ErrorInfo(type=outcome or "truncated", message=text))[1]
    if first and first.retractions and outcome != "refused":
        word = write_reason("filtered")
    body = response_object(
        "incomplete" if word else "completed",
        items_of(part for part in message.parts if part.choice == 0),
        name=message.id or "",
        model=message.model or "",
        created=created,
        reason=word,
        usage=write_usage(message.usage),
    )
    return msgspec.json.encode(body)


def items_of(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Write the parts of an answer as the items that they are on this wire."""
    encoder = OpenAIResponsesEncoder()
    for part in parts:
        if part.logprobs:
            encoder.feed(PartStart(part.id, part.kind, 0, part.name, part.call_id, data=part.data))
            encoder.feed(PartDelta(part.id, part.text, part.kind, logprobs=part.logprobs))
            encoder.feed(PartEnd(part.id))
            continue
        whole = PartWhole(part.id, part.kind, 0, part.text, part.name, part.call_id, data=part.data, parent=part.parent)
        encoder.feed(whole)
    encoder.feed(End(outcome="complete"))
    return [item.fields for item in encoder.items]
