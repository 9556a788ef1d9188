"""What went wrong, out: OpenAI's error object, for a chunk and for a response of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.wire.failures import status_of

if TYPE_CHECKING:
    from headrace.errors import ErrorInfo

_WORDS = {
    "authentication": "authentication_error",
    "permission_denied": "permission_error",
    "not_found": "not_found_error",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "invalid_request": "invalid_request_error",
    "server": "server_error",
}

# How OpenAI itself refuses: type and code
_REFUSALS = {
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "not_found": ("invalid_request_error", "model_not_found"),
    "rate_limit": ("requests", "rate_limit_exceeded"),
}


def error_object(info: ErrorInfo) -> dict[str, Any]:
    """Write an error as it stands in a chunk; what this wire has no type for keeps ours."""
    return {
        "message": info.message,
        "type": _WORDS.get(info.type, info.type),
        "param": None,
        "code": info.code,
    }


def encode_failure(info: ErrorInfo) -> tuple[int, bytes]:
    """Write a refusal: the HTTP status and the body."""
    status, kind = status_of(info, overloaded=503)
    error = error_object(msgspec.structs.replace(info, type=kind))
    word, code = _REFUSALS.get(kind, (error["type"], info.code))
    if info.code in (None, code):
        error["type"], error["code"] = word, code
    return status, msgspec.json.encode({"error": error})
