"""Where a stream tells its usage: the places that servers were seen to choose.

openai-chat, by the names of the values:

- ``separate``: a chunk of its own without choices, before the marker (OpenAI, xAI, Ollama, Alibaba, Snowflake);
- ``finish``: on the chunk with the finish reason (DeepSeek, Mistral, z.ai, Together, Cloudflare);
- ``after-finish``: on one more chunk that has a choice again (OpenRouter, LiteLLM's proxy);
- ``both``: on the finish's chunk and on one of its own (Groq);
- ``every``: on every chunk, growing (Perplexity, models that Azure hosts);
- ``first``: on the first chunk only;
- ``null-after``: on its own, and then a chunk comes that says ``usage: null`` (OpenAI with moderation);
- ``x_groq``: within ``x_groq`` only (Groq, when usage was not asked for);
- ``none``.

anthropic: ``start`` in message_start only, ``delta`` in message_delta only, ``both`` with the input's figures repeated,
``none``.  A place that a wire has not, is the nearest one that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.sim.faults.frame import Frame, Json, changed, opened
from headrace.sim.faults.shape import BASE, base_of, choices, delta_of, fields, is_finish, is_marker
from headrace.wire.lenient_json import as_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.wire.providers import WireName

_OPENAI = {"start": "first", "delta": "finish"}
_ANTHROPIC = {"separate": "delta", "finish": "delta", "every": "both", "first": "start", "x_groq": "delta"}


def place_usage(
    frames: Iterator[Frame], where: str, wire: WireName, *, total_tokens: int | None, prompt_tokens: int | None
) -> Iterator[Frame]:
    """Move the usage to another place.

    Args:
        frames: with the usage anywhere, or nowhere: then it is counted.
        where: the name of the place.
        wire: which.
        total_tokens: how many tokens the answer will have, if known: for places before its end.
        prompt_tokens: how many the prompt has, if known.
    """
    if wire == "anthropic":
        known = {"input_tokens": prompt_tokens, "output_tokens": total_tokens}
        early = {key: value for key, value in known.items() if value is not None}
        return _anthropic(frames, _ANTHROPIC.get(where, where), early)
    return _OpenAI(_OPENAI.get(where, where), total_tokens, prompt_tokens).move(frames)


class _OpenAI:
    """One stream's usage."""

    def __init__(self, where: str, total_tokens: int | None, prompt_tokens: int | None) -> None:
        self._where = where
        self._total = total_tokens or 0
        self._prompt = prompt_tokens or 0
        self._written = 0
        self._usage: Json | None = None  # as the encoder, or a dialect, gave it
        self._base: Json = {}
        self._at_s = 0.0

    def move(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        finish: list[Frame] = []  # held back, since its usage may come behind it
        first = True
        for frame in map(opened, frames):
            self._at_s = frame.at_s
            if is_marker(frame, "openai-chat"):
                yield from self._end(finish)
                finish = []
                yield frame
                continue
            told = "usage" in fields(frame)
            frame = self._stripped(frame)
            data = fields(frame)
            self._written += frame.tokens
            if told and not choices(data) and not data.keys() - {*BASE, "choices"}:
                continue  # it brought usage, and nothing else
            self._base = base_of(data) or self._base
            yield from finish
            finish = []
            if self._where == "every" or (self._where == "first" and first):
                tokens = self._total if self._where == "first" else self._written
                frame = changed(frame, {**data, "usage": self._counted(tokens)})
            first = False
            if is_finish(frame, "openai-chat"):
                finish = [frame]
            else:
                yield frame
        yield from self._end(finish)

    def _stripped(self, frame: Frame) -> Frame:
        data = fields(frame)
        if "usage" not in data:
            return frame
        self._usage = as_dict(data["usage"]) or self._usage
        return changed(frame, {key: value for key, value in data.items() if key != "usage"})

    def _counted(self, tokens: int) -> Json:
        return {
            "prompt_tokens": self._prompt,
            "completion_tokens": tokens,
            "total_tokens": self._prompt + tokens,
        }

    def _end(self, finish: list[Frame]) -> Iterator[Frame]:
        if not finish:
            return
        frame, usage = finish[0], self._usage or self._counted(self._written)
        data = fields(frame)
        if self._where in ("finish", "both", "every"):
            frame = changed(frame, {**data, "usage": usage})
        elif self._where == "x_groq":
            frame = changed(frame, {**data, "x_groq": {"id": f"req_{self._base.get('id', '')}", "usage": usage}})
        yield frame
        if self._where in ("separate", "both", "null-after"):
            yield self._more({"choices": [], "usage": usage})
        elif self._where == "after-finish":
            choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            yield self._more({"choices": [choice], "usage": usage})
        if self._where == "null-after":
            yield self._more({"choices": [], "moderation": {"results": []}, "usage": None})

    def _more(self, data: Json) -> Frame:
        return Frame(at_s=self._at_s, data={**self._base, **data})


def _anthropic(frames: Iterator[Frame], where: str, early: Json) -> Iterator[Frame]:
    start: Json = {}
    for frame in map(opened, frames):
        data = fields(frame)
        kind = data.get("type")
        if kind == "message_start":
            message = as_dict(data.get("message")) or {}
            start = as_dict(message.get("usage")) or {}
            kept = {key: value for key, value in message.items() if key != "usage"}
            if where == "start":
                kept["usage"] = {**start, **early}
            elif where not in ("none", "delta"):
                kept["usage"] = start
            yield changed(frame, {**data, "message": kept})
        elif kind == "message_delta":
            yield from _delta(frame, where, start)
        else:
            yield frame


def _delta(frame: Frame, where: str, start: Json) -> Iterator[Frame]:
    data = fields(frame)
    usage = as_dict(data.get("usage")) or {}
    bare = {key: value for key, value in data.items() if key != "usage"}
    silent = {**bare, "delta": {**delta_of(data), "stop_reason": None}}
    match where:
        case "none" | "start":
            yield changed(frame, bare)
        case "after-finish":
            yield changed(frame, bare)
            yield changed(frame, {**silent, "usage": usage}, tokens=0)
        case "null-after":
            yield frame
            yield changed(frame, {**silent, "usage": {"output_tokens": None}}, tokens=0)
        case _:
            yield changed(frame, {**bare, "usage": {**start, **usage}})
