"""Providers' words for what went wrong, in HTTP bodies and inside streams, to our `ErrorInfo`; a status for it, out.

Shapes read: OpenAI ``{"error": {message, type, param, code}}``, Anthropic ``{"type": "error", "error": {type, message},
"request_id"}``, Groq and OpenRouter (``status_code``, a numeric ``code``), vLLM ``{"object": "error", message, code}``,
FastAPI servers ``{"detail": …}``, and an error that is a bare text.

Law kept here: no secret gets through, also none that was cut in half.
"""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, redact, type_for_status, type_for_word
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text, loads_leniently, repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "cf-ray")
_SHOWN = 2000  # characters of a provider's own words


def error_from_value(
    value: Any,
    *,
    status: int | None = None,
    provider: str | None = None,
    request_id: str | None = None,
    retry_after_s: float | None = None,
    secrets: Iterable[str] = (),
) -> ErrorInfo:
    """Read a decoded error: the whole body, or the value of its ``error``; `status`: of an HTTP answer that is none."""
    listed = as_list(value)
    if listed:  # Google's OpenAI-like address puts its errors into a list
        value = listed[0]
    outer = as_dict(value) or {}
    inner = outer.get("error") or value
    inside = as_dict(inner) or {"message": inner}
    code, word = inside.get("code"), as_text(inside.get("type"))
    given = [_number(inside.get("status_code")), _number(code), _number(inside.get("status")), status]
    number = next((n for n in given if n is not None and 400 <= n < 600), status)
    named = type_for_word(as_text(code)) or type_for_word(word)
    if status is not None:
        kind = type_for_status(status)
    else:
        kind = named or ("provider" if number is None else type_for_status(number))
    said = _detail(inside.get("message")) or _detail(inside.get("detail"))
    secrets = tuple(secrets)
    return ErrorInfo(
        type=kind,
        message=_sentence(_clean(said, secrets) or "the provider gave no reason", number, provider, kind),
        status=number,
        code=_clean(_word(code) or word, secrets) or None,
        request_id=request_id or _clean(as_text(outer.get("request_id")), secrets) or None,
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
    try:
        value = loads_leniently(body)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        html = "html" in headers.get("content-type", "") or text.startswith("<")
        value = "an HTML page instead of an API's answer" if html and text else text
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
    start = _clean(body.decode("utf-8", "replace").strip(), tuple(secrets))[:120]
    shown = f"; it begins {start!r}" if start else ""
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
        then = _seconds(headers.get("retry-after", ""))
        now = _seconds(headers.get("date", "")) if now_s is None else now_s
    except (ValueError, OverflowError):
        return None
    return max(0.0, then - now)


def _seconds(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_STATUSES = {
    "authentication": 401,
    "permission_denied": 403,
    "not_found": 404,
    "rate_limit": 429,
    "invalid_request": 400,
    "unsupported": 400,
    "usage": 400,
    "timeout": 504,
}


def status_of(info: ErrorInfo, *, overloaded: int) -> tuple[int, str]:
    """Give the HTTP status of a refusal, and the type of error that goes with it.

    Args:
        info: its own status counts, if it has one of an error.
        overloaded: the status for a provider that has no room: 503, or Anthropic's 529.
    """
    if info.status is not None and 400 <= info.status < 600:
        return info.status, type_for_status(info.status)
    status = overloaded if info.type == "overloaded" else _STATUSES.get(info.type, 500)
    return status, type_for_status(status)


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


def _clean(text: str, secrets: tuple[str, ...]) -> str:
    return redact(repaired(text), secrets)[:_SHOWN]


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(value: Any) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        return int(value)
    return as_count(value)


def _detail(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False) if value else ""
    except RecursionError:
        return ""
