"""Providers' words for what went wrong, in HTTP bodies and inside streams, to our `ErrorInfo`.

Shapes read: OpenAI ``{"error": {message, type, param, code}}``, Anthropic ``{"type": "error", "error": {type, message},
"request_id"}``, Groq and OpenRouter (``status_code``, a numeric ``code``), vLLM ``{"object": "error", message, code}``,
FastAPI servers ``{"detail": …}``, and an error that is a bare text.  Law kept here: no secret gets through.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, redact, type_for_status, type_for_word
from headrace.wire.parts import as_count, as_dict, as_text, repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "cf-ray")
_SHOWN = 500


def error_from_value(
    value: Any,
    *,
    status: int | None = None,
    provider: str | None = None,
    request_id: str | None = None,
    retry_after_s: float | None = None,
    secrets: Iterable[str] = (),
) -> ErrorInfo:
    """Read a decoded error: the whole body, or the value of its ``error``."""
    outer = as_dict(value) or {}
    inner = outer.get("error") or value
    inside = as_dict(inner) or {}
    if isinstance(inner, str):
        text = inner
    else:
        text = as_text(inside.get("message")) or _detail(inside.get("detail"))
    code, word = inside.get("code"), as_text(inside.get("type"))
    given = [as_count(inside.get("status_code")), as_count(code), as_count(inside.get("status")), status]
    number = next((n for n in given if n is not None and 400 <= n < 600), status)
    named = type_for_word(as_text(code)) or type_for_word(word)
    if status is not None and status >= 400:
        kind = type_for_status(status)
    else:
        kind = named or (type_for_status(number) if number is not None and number >= 400 else "provider")
    said = redact(repaired(text) or "the provider gave no reason", secrets)[: _SHOWN * 4]
    return ErrorInfo(
        type=kind,
        message=_sentence(said, number, provider, kind),
        status=number,
        code=redact(repaired(_word(code) or word), secrets) or None,
        request_id=request_id or as_text(outer.get("request_id")) or None,
        retry_after_s=retry_after_s,
        provider=provider,
    )


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    provider: str | None = None,
    secrets: Iterable[str] = (),
) -> ErrorInfo:
    """Read an HTTP answer that is no stream: its status, headers (names in lower case) and the start of its body."""
    text = body.decode("utf-8", "replace").strip()
    value: Any
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {"message": _plain(text, headers.get("content-type", ""))}
    return error_from_value(
        value,
        status=status,
        provider=provider,
        request_id=request_id(headers),
        retry_after_s=retry_after_s(headers),
        secrets=secrets,
    )


def unexpected(
    what: str, headers: Mapping[str, str], body: bytes, *, provider: str | None, secrets: Iterable[str] = ()
) -> ErrorInfo:
    """Describe a 200 that is not the stream that was asked for."""
    start = redact(body[:_SHOWN].decode("utf-8", "replace").strip(), secrets)
    shown = f"; it begins {start[:120]!r}" if start else ""
    return ErrorInfo(
        type="unexpected_response",
        message=f"{provider or 'the server'} answered with {what} instead of a stream{shown} "
        "(is the base URL right, and does it end where the API begins, mostly in /v1?)",
        status=200,
        request_id=request_id(headers),
        provider=provider,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Find the provider's id of the request in the headers (names in lower case)."""
    return next((headers[h] for h in _REQUEST_ID_HEADERS if headers.get(h)), None)


def retry_after_s(headers: Mapping[str, str], *, now_s: float | None = None) -> float | None:
    """Read how long to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    Args:
        headers: of the response, names in lower case.
        now_s: seconds since the epoch; by default the response's own ``date``.
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) / scale
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e9 else None
    try:
        then = parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
        now = parsedate_to_datetime(headers.get("date", "")).timestamp() if now_s is None else now_s
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, then - now)


_ADVICE = {
    "authentication": "check the API key",
    "not_found": "check the model's name and the base URL",
    "rate_limit": "wait, or ask the provider for a higher limit",
    "overloaded": "try again later",
}


def _sentence(said: str, status: int | None, provider: str | None, kind: str) -> str:
    where = f"{provider or 'the provider'}" + (f" (HTTP {status})" if status else "")
    advice = _ADVICE.get(kind)
    return f"{where}: {said}" + (f" [{advice}]" if advice else "")


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _detail(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str)[:_SHOWN] if value else ""


def _plain(text: str, content_type: str) -> str:
    if "html" in content_type or text[:1] == "<":
        return "an HTML page instead of an API's answer" if text else ""
    return text[:_SHOWN]
