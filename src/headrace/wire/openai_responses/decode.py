"""Frames to events for ``openai-responses``.

Laws kept here: only `WireError` escapes; items are known by their ``output_index``, and parts within them by theirs,
never by an id (Azure and GitHub's Copilot change the ids with every frame); the JSON's ``type`` counts, not the
``event:`` line; one of the terminal frames makes the end, ``[DONE]`` and the end of the bytes make none; numbers of
frames may have gaps or repeat, and are kept for resuming alone.

A response has no finish reason.  Ours come of its status, of what it lacks (``incomplete_details``), and of its calls
of the client's tools: functions and custom tools.  Every other tool is a part of the kind ``server_tool_call``, also
one that the API leaves to the client to carry out (a shell, a patch, an approval); its item stands in ``data``.

Sources: OpenAI's API reference ("Streaming events"), openai-python's types, and recorded streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, WireError
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Raw,
    Reset,
    StepStart,
    StepUpdate,
    StreamWarning,
    UsageUpdate,
)
from headrace.wire.failures import error_from_value
from headrace.wire.lenient_json import as_dict, as_list, as_text, loads_frame, loads_leniently, repaired, repaired_deep
from headrace.wire.openai_responses.failure import error_value
from headrace.wire.openai_responses.frame import Body, parse, read_reason, read_usage
from headrace.wire.openai_responses.items import GROWTH, STATUSES, TOLD, kind_of, said_by
from headrace.wire.openai_responses.output import WHOLE, Output, declared
from headrace.wire.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Event, Outcome
    from headrace.wire.framing import Frame

_TERMINAL = {
    "response.completed": "completed",
    "response.failed": "failed",
    "response.incomplete": "incomplete",
    "response.cancelled": "cancelled",
}


class OpenAIResponsesDecoder:
    """Decode one attempt's frames; those of a connection that goes on where one broke off may simply follow.

    Args:
        provider: whose stream it is, for `StepStart` and errors.
        step: number of the request within the run.
        attempt: number of the try within the step.
        secrets: what must not get into errors.

    Attributes:
        cursor: the number of the last frame, for ``starting_after`` when a response in the background is resumed.
    """

    def __init__(
        self, *, provider: str | None = None, step: int = 0, attempt: int = 0, secrets: Iterable[str] = ()
    ) -> None:
        self.done = False
        self.cursor: int | None = None
        self._provider = provider
        self._step = step
        self._attempt = attempt
        self._secrets = tuple(secrets)
        self._parts = Parts(step, attempt)
        self._output = Output(self._parts)
        self._started = False
        self._created = False  # whether a response.created came
        self._id: str | None = None
        self._model: str | None = None
        self._native: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self.done

    @property
    def native_stop_reason(self) -> str | None:
        """The provider's word for why the answer ended; None: it has not said one."""
        return self._native

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in and give its events; after the end, nothing.

        Raises:
            WireError: if the frame's data is not JSON.
        """
        out: list[Event] = []
        if self.done or not frame.data or frame.data.isspace():
            return out
        if frame.data[:1] != b"{" and frame.data.strip() == b"[DONE]":  # not OpenAI's; OpenRouter adds it
            return out
        body = parse(frame, self._secrets)
        if isinstance(body, Body):
            if body.sequence_number is not None:
                self.cursor = body.sequence_number
            kind = body.type or ("error" if body.error else frame.event)
            if kind == "response.output_text.delta" and isinstance(body.delta, str):
                self._begin(out)
                slot = ("content", body.content_index or 0)
                self._output.grow(out, body.output_index or 0, "message", slot, "text", body.delta, body.logprobs)
            else:
                self._other(out, kind, body, frame)
        elif frame.event == "error":
            self._fail(out, {"error": body})
        else:
            out.append(Raw(frame.event, repaired_deep(body)))
        return out

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document instead of a stream: a response, or an error.

        Raises:
            WireError: if it is neither.
        """
        out: list[Event] = []
        try:
            value = as_dict(loads_leniently(body)) or {}
        except ValueError:
            value = {}
        if as_list(value.get("output")) is not None or value.get("object") == "response":
            self._response(out, value)
            self._terminal(out, as_text(value.get("status")), value)
        elif value.get("error"):
            self._fail(out, value)
        else:
            raise WireError("the body is neither a response nor an error")
        return out

    def finish(self) -> list[Event]:
        """Say that no more frames come: the end, if none was given yet."""
        out: list[Event] = []
        if not self.done:
            what = "before the answer was complete" if self._started else "before the answer began"
            self._cut(out, f"closed the stream early, {what}")
        return out

    # -- frames

    def _other(self, out: list[Event], kind: str, body: Body, frame: Frame) -> None:
        index = body.output_index or 0
        match kind:
            case "response.output_item.added" if body.item is not None:
                self._begin(out)
                self._output.add(out, index, body.item)
            case "response.output_item.done" if body.item is not None:
                self._begin(out)
                self._output.finish(out, index, body.item)
            case "response.created" if body.response is not None:
                self._create(out, body.response)
            case "response.queued" | "response.in_progress" if body.response is not None:
                self._response(out, body.response)
            case "error" | "response.error":
                self._fail(out, as_dict(loads_frame(frame.data, self._secrets)) or {})
            case "keepalive":
                pass
            case _ if kind in _TERMINAL:
                response = body.response or {}
                self._response(out, response)
                self._terminal(out, as_text(response.get("status")) or _TERMINAL[kind], response, _TERMINAL[kind])
            case _:
                self._begin(out)
                if not self._said(out, kind, index, body):
                    value = repaired_deep(loads_frame(frame.data, self._secrets))
                    value.pop("sequence_number", None)  # of this stream alone
                    out.append(Raw(kind, value))

    def _said(self, out: list[Event], kind: str, index: int, body: Body) -> bool:
        """Take what a part says; False: the frame is not known."""
        base, _, verb = kind.rpartition(".")
        known = GROWTH.get(base)
        if known is not None and verb in ("delta", "done"):
            word, field = known
            if verb == "delta":
                self._output.grow(out, index, word, WHOLE, kind_of(word), as_text(body.delta))
            else:
                self._output.settle(out, index, word, WHOLE, kind_of(word), getattr(body, field))
            return True
        content, output = body.content_index or 0, self._output
        match kind:
            case "response.content_part.added" | "response.content_part.done" if body.part is not None:
                output.part(out, index, content, body.part, done=verb == "done")
            case "response.reasoning_part.added" | "response.reasoning_part.done" if body.part is not None:
                part = {"type": "reasoning_text", **body.part}
                output.part(out, index, content, part, done=verb == "done")
            case "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done" if body.part:
                part = {"type": "summary_text", **body.part}
                output.part(out, index, body.summary_index or 0, part, done=verb == "done")
            case "response.output_text.done":
                output.settle(out, index, "message", ("content", content), "text", body.text)
            case "response.refusal.delta":
                output.grow(out, index, "message", ("content", content), "refusal", as_text(body.delta))
            case "response.refusal.done":
                output.settle(out, index, "message", ("content", content), "refusal", body.refusal)
            case "response.reasoning_summary_text.delta":
                slot = ("summary", body.summary_index or 0)
                output.grow(out, index, "reasoning", slot, "thinking", as_text(body.delta))
            case "response.reasoning_summary_text.done":
                output.settle(out, index, "reasoning", ("summary", body.summary_index or 0), "thinking", body.text)
            case "response.reasoning_text.delta":
                output.grow(out, index, "reasoning", ("reasoning", content), "thinking", as_text(body.delta))
            case "response.reasoning_text.done":
                output.settle(out, index, "reasoning", ("reasoning", content), "thinking", body.text)
            case "response.output_text.annotation.added":
                output.cite(out, index, content, body.annotation)
            case "response.shell_call_command.delta":
                output.command(out, index, body.command_index or 0, as_text(body.delta))
            case "response.shell_call_output_content.delta":
                text = said_by([body.delta])
                output.grow(out, index, "shell_call_output", WHOLE, "tool_result", text)
            case "response.image_generation_call.partial_image" if body.partial_image_b64:
                output.image(out, index, body.partial_image_b64)
            case (
                "response.shell_call_command.added"
                | "response.shell_call_command.done"  # the item, done, has them all
                | "response.shell_call_output_content.done"
            ):
                pass
            case "response.audio.delta" | "response.audio.transcript.delta" | "response.audio.done":
                self._audio(out, kind, as_text(body.delta))
            case "response.audio.transcript.done":
                self._parts.end(out, "transcript")
            case _:
                word = base.removeprefix("response.")
                if verb not in STATUSES or word not in TOLD:
                    return False
                output.status(out, index, word, verb)
        return True

    def _audio(self, out: list[Event], kind: str, text: str) -> None:
        # of no item; what is said in it stands beside it as text
        if kind == "response.audio.done":
            self._parts.end(out, "audio")
            return
        spoken = kind == "response.audio.transcript.delta"
        key = "transcript" if spoken else "audio"
        data = {"type": "transcript" if spoken else "audio"}
        part = self._parts.get(key) or self._parts.start(
            out, key, "text" if spoken else "media", data=data, implicit=True
        )
        self._parts.delta(out, part, text)

    # -- the response

    def _begin(self, out: list[Event]) -> None:
        if not self._started:  # a connection that goes on where one broke off
            self._started = True
            out.append(StepStart(v=VERSION, step=self._step, attempt=self._attempt, provider=self._provider))

    def _create(self, out: list[Event], response: dict[str, Any]) -> None:
        if self._created and self._output.items:
            if repaired(as_text(response.get("id"))) == (self._id or ""):
                text = "the response was started twice; the second is left out"
                out.append(StreamWarning("duplicate_message_start", text))
                return
            # a router retried upstream and spliced the second answer into the first one's stream
            self._close(out)
            out.append(Reset("another response was spliced in"))
            self._attempt += 1
            self._parts = Parts(self._step, self._attempt)
            self._output = Output(self._parts)
            self._started = False
            self._id = self._model = None
        self._created = True
        self._response(out, response)

    def _response(self, out: list[Event], response: dict[str, Any]) -> None:
        """Take what a response says of itself; the first id stays, the model may change."""
        name = repaired(as_text(response.get("id"))) or None
        model = repaired(as_text(response.get("model"))) or None
        custom = declared(response.get("tools"))
        self._output.custom = self._output.custom if custom is None else custom
        if not self._started:
            self._started = True
            self._id, self._model = name, model
            start = StepStart(
                v=VERSION, step=self._step, attempt=self._attempt, provider=self._provider, model=model, id=name
            )
            out.append(start)
            return
        new_id = name if self._id is None else None
        new_model = model if model != self._model else None
        if new_id or new_model:
            self._id, self._model = self._id or name, model or self._model
            out.append(StepUpdate(model=new_model, id=new_id))

    # -- ends

    def _terminal(self, out: list[Event], status: str, response: dict[str, Any], named: str = "") -> None:
        self._final(out, as_list(response.get("output")) or [])
        self._close(out)
        usage = as_dict(response.get("usage"))
        if usage:
            out.append(UsageUpdate(read_usage(usage)))
        status = repaired(status)
        if status not in ("completed", "failed", "incomplete", "cancelled"):
            status = named or status
        match status:
            case "failed":
                self._refused(out, error_value({**response, "error": response.get("error") or "the response failed"}))
            case "cancelled":
                self._end(out, "cancelled", status, None)
            case "completed":
                self._finish(out, "tool_calls" if self._output.called else "complete", status)
            case "incomplete":
                self._incomplete(out, as_dict(response.get("incomplete_details")) or {})
            case _:
                self._cut(out, f"has given a response that is not complete: its status is {status or 'unknown'!r}")

    def _final(self, out: list[Event], output: list[Any]) -> None:
        """Take the items as they stand in the end, where the frames before have not told of them."""
        items = self._output.items
        nothing = not items
        for index, value in enumerate(output):
            final = as_dict(value) or {}
            item = items.get(index)
            if nothing or (item is not None and not item.done and item.word == final.get("type")):
                self._output.finish(out, index, final)

    def _incomplete(self, out: list[Event], details: dict[str, Any]) -> None:
        native = repaired(as_text(details.get("reason"))) or "incomplete"
        reason = read_reason(native)
        if reason is None:
            out.append(StreamWarning("unknown_stop_reason", f"the reason {native!r} is not known"))
        self._finish(out, reason or "length", native)

    def _finish(self, out: list[Event], reason: Any, native: str) -> None:
        out.append(ChoiceFinish(0, reason, native))
        self._end(out, reason, native, None)

    def _close(self, out: list[Event]) -> None:
        self._output.close(out)
        self._parts.end_all(out)

    def _fail(self, out: list[Event], value: dict[str, Any]) -> None:
        self._begin(out)
        self._close(out)
        self._refused(out, error_value(value))

    def _refused(self, out: list[Event], value: dict[str, Any]) -> None:
        self._end(out, "failed", None, error_from_value(value, provider=self._provider, secrets=self._secrets))

    def _cut(self, out: list[Event], how: str) -> None:
        self._begin(out)
        self._close(out)
        text = f"{self._provider or 'the provider'} {how}"
        self._end(out, "truncated", None, ErrorInfo(type="truncated", message=text, provider=self._provider))

    def _end(self, out: list[Event], outcome: Outcome, native: str | None, error: ErrorInfo | None) -> None:
        self.done = True
        self._native = native
        out.append(End(outcome=outcome, native_stop_reason=native, error=error))
