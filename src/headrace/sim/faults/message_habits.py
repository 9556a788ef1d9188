"""What servers are used to do with the frames of ``anthropic``, as `headrace.sim.faults.habits` for the other wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.sim.faults.frame import Frame, Json, changed, opened
from headrace.sim.faults.shape import fields, is_marker, name_of, named
from headrace.wire.lenient_json import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.faults.dialects import Habit, Known

_TOOLS = ("tool_use", "server_tool_use", "mcp_tool_use")


def message_ids(prefix: str) -> Habit:
    """Make a habit of message ids that begin so."""

    def habit(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
        for frame in map(opened, frames):
            data = fields(frame)
            name = name_of(data) if data.get("type") == "message_start" else ""
            yield changed(frame, named(data, "anthropic", prefix + name.removeprefix("msg_"))) if name else frame

    return habit


def platform_event(name: str) -> Habit:
    """Make a habit of an event of the platform's own, after the start."""

    def habit(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
        for frame in map(opened, frames):
            yield frame
            if fields(frame).get("type") == "message_start":
                yield Frame(at_s=frame.at_s, event=name, data={"type": name})

    return habit


def invocation_metrics(frames: Iterator[Frame], known: Known) -> Iterator[Frame]:
    """Put the platform's metrics into message_stop."""
    tokens = 0
    for frame in map(opened, frames):
        tokens += frame.tokens
        if is_marker(frame, "anthropic"):
            metrics = {
                "inputTokenCount": known.prompt_tokens or 0,
                "outputTokenCount": tokens,
                "invocationLatency": 1200,
                "firstByteLatency": 400,
            }
            frame = changed(frame, {**fields(frame), "amazon-bedrock-invocationMetrics": metrics})
        yield frame


def marker_appended(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Append ``[DONE]``."""
    for frame in map(opened, frames):
        yield frame
        if is_marker(frame, "anthropic"):
            yield Frame(at_s=frame.at_s, data="[DONE]")


def whole_input(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Give a tool's input in its block's start."""
    held: dict[Any, tuple[Frame, list[str]]] = {}  # the start of a block, by its index, and its input so far
    tokens: dict[Any, int] = {}
    for frame in map(opened, frames):
        data = fields(frame)
        index, kind = data.get("index"), data.get("type")
        block = as_dict(data.get("content_block")) or {}
        if kind == "content_block_start" and block.get("type") in _TOOLS:
            held[index], tokens[index] = (frame, []), frame.tokens
            continue
        if kind == "content_block_delta" and index in held:
            held[index][1].append(as_text((as_dict(data.get("delta")) or {}).get("partial_json")))
            tokens[index] += frame.tokens
            continue
        if kind == "content_block_stop" and index in held:
            yield _begun(*held.pop(index), at_s=frame.at_s, tokens=tokens.pop(index))
        yield frame


def _begun(start: Frame, pieces: list[str], *, at_s: float, tokens: int) -> Frame:
    data = fields(start)
    block: Json = as_dict(data.get("content_block")) or {}
    try:
        given: Any = json.loads("".join(pieces) or "{}")
    except ValueError:  # cut off by a limit: such a server gives nothing of it
        given = {}
    frame = changed(start, {**data, "content_block": {**block, "input": given}}, tokens=tokens)
    return msgspec.structs.replace(frame, at_s=at_s)
