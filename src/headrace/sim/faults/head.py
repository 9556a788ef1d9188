"""What goes wrong before the body: connections that give no answer, refusals in the vendor's shape, strange heads."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.errors import ErrorInfo, type_for_status
from headrace.sim.faults.kinds import number, plain
from headrace.sim.play import Act, Head
from headrace.wire.registry import encode_failure

if TYPE_CHECKING:
    from headrace.sim.faults.fault import Fault
    from headrace.sim.play import ActKind
    from headrace.wire.providers import WireName

_EPOCH = 1_750_000_000  # the simulation's own time, where a head gives no date
_LATER_S = 3.0  # to wait, by a date that nobody gave seconds for
_ACTS: dict[str, ActKind] = {"refuse": "refuse", "drop": "reset", "hangup": "close", "hang": "stall"}
_ON_ITS_WAY = len("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")  # what the player adds, about

_SAID = {
    401: "Incorrect API key provided.",
    403: "You are not allowed to sample from this model.",
    404: "The model does not exist or you do not have access to it.",
    408: "The request timed out.",
    409: "The request conflicts with another one.",
    413: "The request is larger than allowed.",
    429: "Rate limit reached. Please slow down.",
    500: "The server had an error while processing your request.",
    502: "Bad gateway.",
    503: "The service is temporarily unavailable.",
    504: "The upstream did not answer in time.",
    529: "Overloaded.",
}

_TOO_LONG: dict[WireName, dict[str, Any]] = {
    "openai-chat": {
        "error": {
            "message": "This model's maximum context length is 128000 tokens. However, your messages resulted in "
            "128417 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "anthropic": {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "prompt is too long: 200417 tokens > 200000 maximum",
        },
    },
}

_PAGE = """<!DOCTYPE html>
<html>
<head><title>{title}</title></head>
<body>
<center><h1>{title}</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""
_TITLES = {200: "Sign in to the network", 502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable"}


class Answered(Struct, frozen=True):
    """An answer in place of the model's.

    Attributes:
        head: of the response.
        body: all of it.
    """

    head: Head
    body: bytes


def unanswered(fault: Fault, at_s: float) -> Act:
    """Give what a fault before the head does to the connection."""
    kind = _ACTS[fault.kind]
    if kind != "refuse":
        return Act(at_s, kind)
    return Act(at_s, kind, seconds=number(fault.value or "1") or 0.0)


def answered(fault: Fault, head: Head, wire: WireName, *, overlong: str) -> Answered | None:
    """Give the answer in place of the model's; None: it is another kind of fault."""
    match fault.kind:
        case "status":
            return _status(fault, head, wire)
        case "html":
            code = int(fault.value or "502")
            page = _PAGE.format(title=_TITLES.get(code, f"Error {code}")).encode()
            return Answered(_as(head, code, "text/html; charset=utf-8"), page)
        case "empty":
            return Answered(head, b"")
        case "prompt-too-long":
            return too_long(head, wire, overlong=overlong)
        case _:
            return None


def too_long(head: Head, wire: WireName, *, overlong: str) -> Answered:
    """Give a vendor's answer to a prompt that is too long, or its empty one."""
    if overlong == "empty":
        return Answered(head, b"")
    value = _TOO_LONG[wire]
    if wire == "anthropic" and (request_id := request_id_of(head)):
        value = {**value, "request_id": request_id}
    return Answered(_as(head, 400, "application/json"), msgspec.json.encode(value))


def reheaded(fault: Fault, head: Head) -> Head:
    """Give the head as a fault of the head's own makes it."""
    match fault.kind:
        case "content-type":
            return with_header(head, "content-type", fault.value or "")
        case "slow-headers":
            size = _ON_ITS_WAY + sum(len(name) + len(value) + len(": \r\n") for name, value in head.headers)
            return msgspec.structs.replace(head, drip_s=(number(fault.value or "") or 0.0) / size)
        case _:
            return head


def with_header(head: Head, name: str, value: str) -> Head:
    """Set a header, in place of the one of that name if there is one."""
    kept = tuple(header for header in head.headers if header[0] != name)
    return msgspec.structs.replace(head, headers=((name, value), *kept))


def request_id_of(head: Head) -> str | None:
    """Find the id of the request in a head."""
    return next((value for name, value in head.headers if name in ("request-id", "x-request-id")), None)


def _as(head: Head, status: int, content_type: str) -> Head:
    return msgspec.structs.replace(with_header(head, "content-type", content_type), status=status, framing="length")


def _status(fault: Fault, head: Head, wire: WireName) -> Answered:
    digits, _, form = (fault.value or "").partition(":")
    code = int(digits)
    said = _SAID.get(code, f"The request was refused with status {code}.")
    info = ErrorInfo(type=type_for_status(code), message=said, status=code, request_id=request_id_of(head))
    _, body = encode_failure(wire, info)
    head = _as(head, code, "application/json")
    if form == "date":
        began = _date(head)
        later = began + (_LATER_S if fault.retry_after_s is None else fault.retry_after_s)
        head = with_header(head, "retry-after", _http_date(later))
        return Answered(with_header(head, "date", _http_date(began)), body)
    if fault.retry_after_s is not None:
        head = with_header(head, "retry-after", plain(fault.retry_after_s))
    return Answered(head, body)


def _date(head: Head) -> float:
    given = next((value for name, value in head.headers if name == "date"), None)
    return _EPOCH if given is None else parsedate_to_datetime(given).timestamp()


def _http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
