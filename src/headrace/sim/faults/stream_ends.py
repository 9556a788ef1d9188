"""How a stream says that it is over, and how it fails to: finish reasons, markers, errors in band.

Sources: the shapes of errors inside streams as OpenAI, OpenRouter, Groq, vLLM and Anthropic send them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.sim.faults.frame import Frame, Json, changed, opened
from headrace.sim.faults.place import reaching
from headrace.sim.faults.shape import (
    base_of,
    choices,
    fields,
    is_finish,
    is_marker,
    says_nothing,
    with_choices,
    with_finish,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.faults.place import Place
    from headrace.wire.providers import WireName


def no_marker(frames: Iterator[Frame], wire: WireName) -> Iterator[Frame]:
    """Leave the end's marker out."""
    for frame in map(opened, frames):
        if not is_marker(frame, wire):
            yield frame


def marker_only(frames: Iterator[Frame], wire: WireName) -> Iterator[Frame]:
    """Leave the finish reason out, not the marker."""
    for frame in map(opened, frames):
        if not is_finish(frame, wire):
            yield frame
            continue
        data = with_finish(fields(frame), wire, None)
        if wire == "anthropic" or not says_nothing(data):
            yield changed(frame, data)


def no_finish(frames: Iterator[Frame], wire: WireName) -> Iterator[Frame]:
    """Leave both out."""
    return marker_only(no_marker(frames, wire), wire)


def finish_word(frames: Iterator[Frame], wire: WireName, word: str) -> Iterator[Frame]:
    """Give another finish reason."""
    for frame in map(opened, frames):
        yield changed(frame, with_finish(fields(frame), wire, word)) if is_finish(frame, wire) else frame


def double_finish(frames: Iterator[Frame], wire: WireName) -> Iterator[Frame]:
    """Give the finish reason twice, the second time with nothing beside it."""
    for frame in map(opened, frames):
        yield frame
        if is_finish(frame, wire):
            data = fields(frame)
            if wire != "anthropic":
                data = with_choices(data, [{**choice, "delta": {"content": ""}} for choice in choices(data)])
            yield changed(frame, data, tokens=0)


# -- errors in band

_OPENAI: dict[str, Json] = {
    "server": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": None,
        "code": None,
    },
    "overloaded": {
        "message": "The model is currently overloaded with other requests. Please try again later.",
        "type": "overloaded_error",
        "param": None,
        "code": "overloaded",
    },
    "rate_limit": {
        "message": "Rate limit reached for requests per minute. Please try again in 2s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    },
    "invalid": {
        "message": "The request cannot be answered as it was asked.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    },
}

_ANTHROPIC: dict[str, Json] = {
    "server": {"type": "api_error", "message": "Internal server error"},
    "overloaded": {"type": "overloaded_error", "message": "Overloaded"},
    "rate_limit": {
        "type": "rate_limit_error",
        "message": "This request would exceed your organization's rate limit. Please try again later.",
    },
    "invalid": {"type": "invalid_request_error", "message": "The request cannot be answered as it was asked."},
    "timeout": {"type": "timeout_error", "message": "Request timed out"},
}

_PLAIN = "upstream error: the model's worker went away"


def error_frames(shape: str, wire: WireName, last: Json, *, at_s: float, request_id: str | None) -> Iterator[Frame]:
    """Give an error in band, and what follows it.

    Args:
        shape: which one, or whose; one that the wire has not, is its usual one.
        wire: which.
        last: the object of the last frame before, for what an error repeats of it.
        at_s: when it comes.
        request_id: of the provider, for the shapes that tell it.
    """
    if wire == "anthropic":
        error = _PLAIN if shape == "string" else _ANTHROPIC.get(shape, _ANTHROPIC["overloaded"])
        more = {} if request_id is None else {"request_id": request_id}
        yield Frame(at_s=at_s, event="error", data={"type": "error", "error": error, **more})
        return
    base = base_of(last)
    match shape:
        case "string":
            yield Frame(at_s=at_s, data={"error": _PLAIN})
        case "openrouter":  # a chunk like others, and the marker all the same
            choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "error"}
            error = {"code": 502, "message": "Provider returned error"}
            yield Frame(at_s=at_s, data={**base, "choices": [choice], "error": error})
            yield Frame(at_s=at_s, data="[DONE]")
        case "groq":
            error = {
                "message": "Failed to call a function. Please adjust your prompt. See 'failed_generation'.",
                "type": "invalid_request_error",
                "code": "tool_use_failed",
                "failed_generation": "",
                "status_code": 400,
            }
            yield Frame(at_s=at_s, event="error", data={"error": error})
        case "vllm":  # no key "error"
            message = "EngineCore encountered an issue. See stack trace (above) for the root cause."
            said = {"object": "error", "message": message, "type": "InternalServerError", "param": None, "code": 500}
            yield Frame(at_s=at_s, data=said)
            yield Frame(at_s=at_s, data="[DONE]")
        case _:
            yield Frame(at_s=at_s, data={"error": _OPENAI.get(shape, _OPENAI["server"])})


def failing(
    frames: Iterator[Frame], place: Place, shape: str, wire: WireName, *, request_id: str | None
) -> Iterator[Frame]:
    """Go on to a place, and there fail in band; nothing of the answer follows."""
    last: Json = {}
    for there, frame in reaching(frames, place):
        if there:
            at_s = place.at if place.kind == "time" else frame.at_s
            yield from error_frames(shape, wire, last, at_s=at_s, request_id=request_id)
            return
        last = fields(opened(frame)) or last
        yield frame
