"""What must be known of the wires' frames to spoil them: which is the finish, which the end's marker, where a text is.

Law kept here: a frame is never changed in place, since others may hold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from headrace.sim.faults.frame import Frame, Json
    from headrace.wire.providers import WireName

SAID = ("content", "reasoning_content", "reasoning", "refusal")
"""The keys of a delta's texts, in openai-chat."""

BASE = ("id", "object", "created", "model")
"""The keys that all chunks of a message share."""

_BLOCK_SAID = {"text_delta": "text", "thinking_delta": "thinking"}


def fields(frame: Frame) -> Json:
    """Give the object of a frame that was opened; nothing if it has none."""
    return frame.data if isinstance(frame.data, dict) else {}


def is_marker(frame: Frame, wire: WireName) -> bool:
    """Tell whether it is the end's marker."""
    if frame.data == "[DONE]":
        return True
    return wire == "anthropic" and fields(frame).get("type") == "message_stop"


def is_finish(frame: Frame, wire: WireName) -> bool:
    """Tell whether it gives a finish reason."""
    data = fields(frame)
    if wire == "anthropic":
        return data.get("type") == "message_delta" and bool((as_dict(data.get("delta")) or {}).get("stop_reason"))
    return any(choice.get("finish_reason") for choice in choices(data))


def base_of(data: Json) -> Json:
    """Give the fields that all chunks of a message share."""
    return {key: value for key, value in data.items() if key in BASE}


def choices(data: Json) -> list[Json]:
    """Give a chunk's choices."""
    return [choice for item in as_list(data.get("choices")) or () if (choice := as_dict(item)) is not None]


def delta_of(choice: Json) -> Json:
    """Give a choice's delta; nothing if it has none."""
    return as_dict(choice.get("delta")) or {}


def with_choices(data: Json, changed: list[Json]) -> Json:
    """Give a chunk with other choices."""
    return {**data, "choices": changed}


def with_finish(data: Json, wire: WireName, word: str | None) -> Json:
    """Give a frame with another finish reason; None: with none."""
    if wire == "anthropic":
        return {**data, "delta": {**delta_of(data), "stop_reason": word}}
    return with_choices(
        data,
        [{**choice, "finish_reason": word} if choice.get("finish_reason") else choice for choice in choices(data)],
    )


def says_nothing(data: Json) -> bool:
    """Tell whether a chunk brings nothing at all."""
    return not data.get("usage") and not any(
        value for choice in choices(data) for value in (*delta_of(choice).values(), choice.get("finish_reason"))
    )


def named(data: Json, wire: WireName, name: str) -> Json:
    """Give a frame with the id of another message."""
    if wire != "anthropic":
        return {**data, "id": name} if "id" in data else data
    message = as_dict(data.get("message"))
    return data if message is None else {**data, "message": {**message, "id": name}}


def name_of(data: Json) -> str:
    """Give the message's id, if the frame tells it."""
    name = (as_dict(data.get("message")) or data).get("id")
    return name if isinstance(name, str) else ""


def text_place(data: Json, wire: WireName) -> tuple[Any, ...]:
    """Say where the frame's only text stands, as keys and indices; nothing: it has none, or several."""
    delta = as_dict(data.get("delta")) if wire == "anthropic" else None
    if delta is not None:
        key = _BLOCK_SAID.get(str(delta.get("type")))
        return ("delta", key) if key and isinstance(delta.get(key), str) else ()
    listed = choices(data)
    said = [key for key in SAID if len(listed) == 1 and isinstance(delta_of(listed[0]).get(key), str)]
    said = [key for key in said if delta_of(listed[0])[key]]
    return ("choices", 0, "delta", said[0]) if len(said) == 1 else ()


def text_at(data: Json, place: tuple[Any, ...]) -> str:
    """Give the text at a place that `text_place` gave."""
    value: Any = data
    for step in place:
        value = value[step]
    return cast("str", value)


def with_text(data: Json, place: tuple[Any, ...], text: str) -> Json:
    """Give a frame with another text at a place that `text_place` gave."""
    return cast("Json", _put(data, place, text))


def _put(value: Any, place: tuple[Any, ...], text: str) -> Any:
    if not place:
        return text
    copy = value.copy()
    copy[place[0]] = _put(value[place[0]], place[1:], text)
    return copy
