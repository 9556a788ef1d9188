"""``POST /chat/stream``: a prompt in, a stream of its answer out.

Laws kept here: what is wrong with a request is said as an HTTP status, before any stream begins; no field is dropped in
silence; a body is read no further than its limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request  # FastAPI reads the annotation

from headrace.errors import MissingKeyError, UsageError
from headrace.gateway.chat_stream import ChatStream, OpenStreams, failed_stream
from headrace.gateway.response import error_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from headrace.client import AsyncClient

MAX_BODY_BYTES = 1024 * 1024

_Text = Annotated[str, Meta(min_length=1)]


class ChatRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the body says."""

    prompt: _Text
    model: Annotated[_Text | None, Meta(description="provider/model; by default the gateway's")] = None
    system: str | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


_decoder = msgspec.json.Decoder(ChatRequest)


class Chat:
    """The path's handler.

    Args:
        client: whoever asks the models.
        model: what is asked when a request names none; None: what the client then asks.
        keep_alive_s: see `ChatStream`.
    """

    def __init__(self, client: AsyncClient, *, model: str | None, keep_alive_s: float) -> None:
        self.client = client
        self.model = model
        self.streams = OpenStreams()
        self._keep_alive_s = keep_alive_s

    async def handle(self, request: Request) -> Response:
        """Answer a request."""
        try:
            body = await _read(request)
        except ClientDisconnect:
            return error_response(400, "invalid_request", "the body was cut short")  # nobody reads it
        if body is None:
            return error_response(413, "request_too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            asked = _decoder.decode(body)
        except (msgspec.DecodeError, ValueError) as error:
            return error_response(400, "invalid_request", f"the body is not what is expected: {error}")
        if not asked.prompt.strip():
            return error_response(400, "invalid_request", "the prompt is empty")
        try:
            target = self.client.target(asked.model or self.model)
            # By its whole name: whom a missing name means was said at the start, and is not said again.
            stream = self.client.stream(
                target.name, asked.prompt, system=asked.system or None, max_tokens=asked.max_tokens
            )
        except MissingKeyError as error:
            return failed_stream(error)  # the request is right: the gateway is not
        except UsageError as error:
            return error_response(400, error.info.type, str(error))
        return ChatStream(stream, target, streams=self.streams, keep_alive_s=self._keep_alive_s)


async def _read(request: Request) -> bytes | None:
    """Read the body; None: it is too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def openapi() -> dict[str, Any]:
    """Describe the path in OpenAPI's words."""
    schema = msgspec.json.schema_components((ChatRequest,))[1]["ChatRequest"]
    frames = '`data: {"content": …}` a piece of text, `data: [DONE]` at the end; a failure is `data: {"error": …}`'
    stream = {"type": "string", "description": frames}
    refused = '`{"error": {"type", "message"}}`'
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": "The answer", "content": {"text/event-stream": {"schema": stream}}},
            **{str(status): {"description": refused} for status in (400, 403, 413, 415)},
        },
    }
