"""What went wrong: a frame's error read, and OpenAI's error object, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import type_for_word
from headrace.wire.lenient_json import as_count, as_dict, as_text
from headrace.wire.openai_chat.failure import encode_failure, error_object

if TYPE_CHECKING:
    from headrace.errors import ErrorInfo

__all__ = ["encode_failure", "error_fields", "error_value"]

# OpenAI's API reference, `response.error.code`: what is wrong with the request
_INVALID = ("invalid_", "image_", "unsupported_", "empty_", "failed_to_download_")


def error_value(value: dict[str, Any]) -> dict[str, Any]:
    """Bring an error into the one shape that `headrace.wire.failures` reads.

    Args:
        value: a frame of the type ``error``, flat or with an ``error`` in it, or a response that has one.
    """
    inner = value.get("error")
    if inner:
        inside = dict(as_dict(inner) or {"message": inner})
        if as_count(value.get("status")):  # over a WebSocket it stands outside
            inside.setdefault("status", value["status"])
    else:
        inside = {key: value[key] for key in ("code", "message", "param", "status_code") if key in value}
    code = as_text(inside.get("code"))
    if type_for_word(code) is None and code.startswith(_INVALID):
        inside["type"] = "invalid_request_error"
    return {"error": inside, "request_id": value.get("request_id")}


def error_fields(info: ErrorInfo) -> dict[str, Any]:
    """Write an error as it stands in a response that has failed, or in a frame of its own."""
    fields = error_object(info)
    fields["code"] = info.code or fields["type"]  # clients rely on one
    if info.status is not None:
        fields["status_code"] = info.status
    return fields
