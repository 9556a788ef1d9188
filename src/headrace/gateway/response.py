"""Responses that are no stream. Law kept here: whatever goes wrong, the body is ``{"error": {"type", "message"}}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_TYPES = {404: "not_found", 405: "method_not_allowed"}


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a response of a value."""
    return Response(
        msgspec.json.encode(value),
        status_code=status,
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})},
        media_type="application/json",
    )


def error_response(status: int, kind: str, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Make a response that says what is wrong with the request."""
    return json_response({"error": {"type": kind, "message": message}}, status=status, headers=headers)


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Answer what the router refuses: no such path, no such method."""
    status: int = getattr(error, "status_code", 500)
    text = f"{getattr(error, 'detail', 'refused')}: the paths are listed at openapi.json"
    return error_response(status, _TYPES.get(status, "refused"), text, headers=getattr(error, "headers", None))


async def on_bug(_: Request, __: Exception) -> Response:
    """Answer for a failure of ours; the server logs the exception itself."""
    return error_response(500, "internal", "the gateway failed; its log says more")
