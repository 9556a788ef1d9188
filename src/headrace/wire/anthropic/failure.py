"""What went wrong, out: Anthropic's error object, for a frame and for a response of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import type_for_word
from headrace.wire.failures import status_of

if TYPE_CHECKING:
    from headrace.errors import ErrorInfo

_WORDS: dict[str, str] = {
    "authentication": "authentication_error",
    "permission_denied": "permission_error",
    "not_found": "not_found_error",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "invalid_request": "invalid_request_error",
    "timeout": "timeout_error",
}

# Anthropic's API reference, "Errors": the types that go with one status
_BY_STATUS: dict[int, str] = {402: "billing_error", 413: "request_too_large", 504: "timeout_error"}

_OWN = frozenset((*_WORDS.values(), *_BY_STATUS.values(), "api_error"))


def error_body(info: ErrorInfo) -> dict[str, Any]:
    """Write an error; what this wire has no type for is an ``api_error``."""
    word = _WORDS.get(info.type, "api_error")
    if info.code in _OWN and type_for_word(info.code) == info.type:
        word = info.code
    body: dict[str, Any] = {"type": "error", "error": {"type": word, "message": info.message}}
    return body if info.request_id is None else {**body, "request_id": info.request_id}


def encode_failure(info: ErrorInfo) -> tuple[int, bytes]:
    """Write a refusal: the HTTP status and the body."""
    status, kind = status_of(info, overloaded=529)
    body = error_body(msgspec.structs.replace(info, type=kind))
    body["error"]["type"] = _BY_STATUS.get(status, body["error"]["type"])
    return status, msgspec.json.encode(body)
