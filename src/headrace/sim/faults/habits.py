"""What servers are used to do with the chunks of ``openai-chat``: each habit a function, which several servers share.

Laws kept here: a habit is lazy, it holds back no more than it must see; a frame that it leaves alone stays as it was
written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.sim.faults import oddities, stream_ends
from headrace.sim.faults.frame import Frame, Json, changed, opened
from headrace.sim.faults.shape import choices, delta_of, fields, is_finish, is_marker, says_nothing, with_choices
from headrace.sim.faults.usage_places import place_usage
from headrace.wire.lenient_json import as_dict, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.sim.faults.dialects import Habit, Known

# -- any chunk, any choice, any delta


def each(change: Callable[[Json], Json]) -> Habit:
    """Make a habit that changes every chunk."""

    def habit(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
        for frame in map(opened, frames):
            data = fields(frame)
            yield changed(frame, change(data)) if data else frame

    return habit


def each_choice(change: Callable[[Json], Json]) -> Habit:
    """Make a habit that changes every choice."""

    def changed_choices(data: Json) -> Json:
        listed = choices(data)
        return with_choices(data, [change(choice) for choice in listed]) if listed else data

    return each(changed_choices)


def each_delta(change: Callable[[Json], Json]) -> Habit:
    """Make a habit that changes every delta."""
    return each_choice(lambda choice: {**choice, "delta": change(delta_of(choice))})


def chunk_fields(**more: Any) -> Habit:
    """Make a habit of fields that every chunk has."""
    return each(lambda data: {**data, **more})


def usage_at(where: str) -> Habit:
    """Make a habit of a place for the usage, which is then told unasked."""

    def habit(frames: Iterator[Frame], known: Known) -> Iterator[Frame]:
        return place_usage(
            frames, where, "openai-chat", total_tokens=known.total_tokens, prompt_tokens=known.prompt_tokens
        )

    return habit


def no_marker(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Send no ``[DONE]``."""
    return stream_ends.no_marker(frames, "openai-chat")


def marker_only(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Send ``[DONE]`` without a finish reason."""
    return stream_ends.marker_only(frames, "openai-chat")


def halved_emoji(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Cut emoji into lone surrogates over two deltas."""
    return oddities.surrogates(frames, "openai-chat")


# -- the role, and how a stream begins


def _without(value: Json, *names: str) -> Json:
    return {key: kept for key, kept in value.items() if key not in names}


def _without_null(value: Json, *names: str) -> Json:
    return {key: kept for key, kept in value.items() if key not in names or kept is not None}


no_refusal = each_delta(lambda delta: _without_null(delta, "refusal"))
"""Leave ``refusal: null`` out of the first chunk."""

role_always = each_delta(lambda delta: {"role": "assistant", "content": "", **delta})
"""Repeat the role, and content, on every chunk."""


def role_never(frames: Iterator[Frame], known: Known) -> Iterator[Frame]:
    """Give no role, and no chunk that would be for it alone."""
    for frame in each_delta(lambda delta: _without(delta, "role"))(frames, known):
        if frame.data == "[DONE]" or not choices(fields(frame)) or not says_nothing(fields(frame)):
            yield frame


def role_with_text(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Give the role with the first delta that says something, not before it."""
    waiting: dict[Any, Any] = {}
    for frame in map(opened, frames):
        data = fields(frame)
        listed = choices(data)
        if len(listed) != 1:
            yield frame
            continue
        index, delta = listed[0].get("index"), delta_of(listed[0])
        if "role" in delta and says_nothing(with_choices(data, [{"delta": _without(delta, "role")}])):
            waiting[index] = delta["role"]
        elif index in waiting:
            delta = {**delta, "role": waiting.pop(index)}
            yield changed(frame, with_choices(data, [{**listed[0], "delta": delta}]))
        else:
            yield frame


def opening(**delta: Any) -> Habit:
    """Make a habit of a first chunk with this delta."""

    def habit(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
        first = True
        for frame in map(opened, frames):
            data = fields(frame)
            if first and data:
                first = False
                yield changed(
                    frame, with_choices(data, [{"index": 0, "delta": delta, "finish_reason": None}]), tokens=0
                )
            yield frame

    return habit


def prompt_filter(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Begin with a verdict on the prompt, in a chunk that has neither id nor model nor choices."""
    first = True
    for frame in frames:
        if first:
            first = False
            verdict = {"prompt_index": 0, "content_filter_results": {**_SAFE, "jailbreak": _NOT_DETECTED}}
            data = {
                "choices": [],
                "created": 0,
                "id": "",
                "model": "",
                "object": "",
                "prompt_filter_results": [verdict],
            }
            yield Frame(at_s=frame.at_s, data=data)
        yield frame


_SAFE: Json = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_NOT_DETECTED: Json = {"filtered": False, "detected": False}


def _judged(choice: Json) -> Json:
    said = delta_of(choice).get("content")
    return {**choice, "content_filter_results": _SAFE if said else {}}


content_filter = each_choice(_judged)
"""Put the filter's verdicts beside every delta."""

# -- what is absent, null, or doubled

absent_nulls = each_choice(lambda choice: _without_null(choice, "finish_reason", "logprobs"))
"""Leave the finish reason out rather than null, and the log probabilities."""

null_usage = each(lambda data: {"usage": None, **data} if "choices" in data else data)
"""Say ``usage: null`` on every chunk that has none."""

text_beside = each_choice(lambda choice: {"text": as_text(delta_of(choice).get("content")), **choice})
"""Repeat the delta's text beside it."""


def _native(choice: Json) -> Json:
    return {**choice, "native_finish_reason": choice.get("finish_reason")}


native_finish = each_choice(_native)
"""Repeat the finish reason in the upstream's word."""


def whole_so_far(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Repeat all that was said so far beside every delta, as a message."""
    said: dict[Any, str] = {}
    for frame in map(opened, frames):
        data, listed = fields(frame), list[Json]()
        for choice in choices(data):
            index = choice.get("index")
            said[index] = said.get(index, "") + as_text(delta_of(choice).get("content"))
            listed.append({**choice, "message": {"role": "assistant", "content": said[index]}})
        yield changed(frame, with_choices(data, listed)) if listed else frame


def finish_object(name: str) -> Habit:
    """Make a habit of another ``object`` on the chunk with the finish reason."""

    def habit(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
        for frame in map(opened, frames):
            finish = is_finish(frame, "openai-chat")
            yield changed(frame, {**fields(frame), "object": name}) if finish else frame

    return habit


def finish_fields(**more: Any) -> Habit:
    """Make a habit of fields that a choice has beside its finish reason."""
    return each_choice(lambda choice: {**choice, **more} if choice.get("finish_reason") else choice)


# -- thinking


def reasoning_as(change: Callable[[str], Json]) -> Habit:
    """Make a habit of other fields for thinking."""

    def renamed(delta: Json) -> Json:
        text = delta.get("reasoning_content")
        return {**_without(delta, "reasoning_content"), **change(text)} if isinstance(text, str) else delta

    return each_delta(renamed)


reasoning = reasoning_as(lambda text: {"reasoning": text})
"""Call thinking ``reasoning``."""

reasoning_details = reasoning_as(
    lambda text: {
        "reasoning": text,
        "reasoning_details": [{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}],
    }
)
"""Give thinking twice, once in details."""

# -- tool calls


def _calls(delta: Json) -> list[Json]:
    return [call for item in as_list(delta.get("tool_calls")) or () if (call := as_dict(item)) is not None]


def each_call(change: Callable[[Json], Json]) -> Habit:
    """Make a habit that changes every fragment of a tool call."""

    def called(delta: Json) -> Json:
        listed = _calls(delta)
        return {**delta, "tool_calls": [change(call) for call in listed]} if listed else delta

    return each_delta(called)


no_index = each_call(lambda call: _without(call, "index"))
"""Give tool calls no index."""

first_index = each_call(lambda call: {**call, "index": 0})
"""Give every tool call the index 0."""

empty_ids = each_call(lambda call: {"id": "", "type": "function", **call})
"""Give fragments that go on an empty id."""


def repeated_names(frames: Iterator[Frame], known: Known) -> Iterator[Frame]:
    """Repeat id and name on every fragment of a tool call."""
    heads: dict[Any, Json] = {}

    def repeat(call: Json) -> Json:
        head = heads.setdefault(call.get("index"), call)
        function = {**(as_dict(head.get("function")) or {}), **(as_dict(call.get("function")) or {})}
        return {**head, **call, "function": function}

    yield from each_call(repeat)(frames, known)


def whole_calls(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Give each tool call whole, in one chunk."""
    held: dict[tuple[Any, Any], tuple[Frame, Json]] = {}  # by choice and index; the last frame and the call so far
    tokens: dict[tuple[Any, Any], int] = {}
    for frame in map(opened, frames):
        data = fields(frame)
        listed = choices(data)
        calls = _calls(delta_of(listed[0])) if len(listed) == 1 else []
        if len(calls) == 1:
            key = (listed[0].get("index"), calls[0].get("index"))
            for other in [other for other in held if other != key]:
                yield _given(held, tokens, other)
            so_far = held[key][1] if key in held else {}
            held[key] = frame, _joined(so_far, calls[0])
            tokens[key] = tokens.get(key, 0) + frame.tokens
            continue
        for key in list(held):
            yield _given(held, tokens, key)
        yield frame


def _given(
    held: dict[tuple[Any, Any], tuple[Frame, Json]], tokens: dict[tuple[Any, Any], int], key: tuple[Any, Any]
) -> Frame:
    frame, call = held.pop(key)
    data = fields(frame)
    choice = {**choices(data)[0], "delta": {"tool_calls": [call]}}
    return changed(frame, with_choices(data, [choice]), tokens=tokens.pop(key))


def _joined(call: Json, fragment: Json) -> Json:
    before, more = as_dict(call.get("function")) or {}, as_dict(fragment.get("function")) or {}
    arguments = as_text(before.get("arguments")) + as_text(more.get("arguments"))
    return {**fragment, **call, "function": {**more, **before, "arguments": arguments}}


# -- the last chunk


def last_chunk(more: Callable[[Known, int], Json]) -> Habit:
    """Make a habit of fields that the last chunk before the marker has, from what is known and the tokens written."""

    def habit(frames: Iterator[Frame], known: Known) -> Iterator[Frame]:
        held, tokens = list[Frame](), 0
        for frame in map(opened, frames):
            if held and is_marker(frame, "openai-chat"):
                held = [changed(held[0], {**fields(held[0]), **more(known, tokens)})]
            yield from held
            held = [frame]
            tokens += frame.tokens
        yield from held

    return habit


def _timings(known: Known, tokens: int) -> Json:
    prompt = known.prompt_tokens or 0
    return {
        "timings": {
            "prompt_n": prompt,
            "prompt_ms": 1.5 * prompt,
            "prompt_per_token_ms": 1.5,
            "predicted_n": tokens,
            "predicted_ms": 25.0 * tokens,
            "predicted_per_token_ms": 25.0,
            "predicted_per_second": 40.0,
        }
    }


timings = last_chunk(_timings)
"""Put the server's own measurements on the last chunk."""


def x_groq(frames: Iterator[Frame], _: Known) -> Iterator[Frame]:
    """Name the request in ``x_groq`` on the first chunk, and repeat the usage there."""
    first = True
    for frame in map(opened, frames):
        data = fields(frame)
        name = f"req_{as_text(data.get('id')).removeprefix('chatcmpl-')}"
        if data and first:
            first = False
            frame = changed(frame, {**data, "x_groq": {"id": name, "seed": 1}})
        elif data.get("usage"):
            frame = changed(frame, {**data, "x_groq": {"id": name, "usage": data["usage"]}})
        yield frame


def usage_fields(more: Callable[[Json], Json]) -> Habit:
    """Make a habit of further figures in the usage, from it."""

    def told(data: Json) -> Json:
        usage = as_dict(data.get("usage"))
        return {**data, "usage": {**usage, **more(usage)}} if usage else data

    return each(told)
