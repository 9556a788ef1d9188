"""A response's head, as bytes, and what it says of the body's end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from headrace.sim.play import Head

Framing = Literal["chunked", "length", "close"]

_OURS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_REASONS = {529: "Site Overloaded"}


def has_body(status: int) -> bool:
    """Tell whether an answer with this status has a body at all."""
    return status >= 200 and status not in (204, 304)


def write_head(head: Head, framing: Framing | None, *, length: int = 0, keep: bool = True) -> bytes:
    """Write a head.

    Args:
        head: what it says.
        framing: how the body's end is known; None: there is no body.
        length: the body's, where a length says it.
        keep: whether the connection stays open for another request.
    """
    lines = [f"HTTP/1.1 {head.status} {_reason(head.status)}"]
    lines += [f"{name}: {value}" for name, value in head.headers if name.lower() not in _OURS]
    if framing == "chunked":
        lines.append("transfer-encoding: chunked")
    elif framing == "length":
        lines.append(f"content-length: {length}")
    lines.append("connection: keep-alive" if keep else "connection: close")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _REASONS.get(status, "Unknown")
