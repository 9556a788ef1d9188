"""``/_sim/``: the journal and the holds over HTTP, on the server's own port.

Law kept here: whoever asks sits at this machine, and is no web page: the address it comes from and the `Host` it names
are this machine's own, and a browser's word that another site sent it is refused.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from msgspec import Struct

from headrace.sim.play import Head

if TYPE_CHECKING:
    from headrace.sim.serving.holds import Holds
    from headrace.sim.serving.http import Request
    from headrace.sim.serving.journal import Journal

_PREFIX = "/_sim"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]@/]+)(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_PAGES = {
    "GET /_sim/journal": "what was asked, and what became of it",
    "DELETE /_sim/journal": "forget it",
    "POST /_sim/release?name=NAME": "let a hold of that name go on, now or when it comes; without a name: any",
}


class Reply(Struct, frozen=True):
    """An answer that the server gives by itself, at once and whole."""

    head: Head
    body: bytes = b""


def is_control(request: Request) -> bool:
    """Tell whether a request is for one of these pages."""
    path = request.path.partition("?")[0]
    return path == _PREFIX or path.startswith(_PREFIX + "/")


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address is the machine's own loopback, also when IPv6 wraps an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def why_not(request: Request, *, peer: str, ours: str) -> str | None:
    """Say why a request is not answered; None: it is.

    Args:
        request: as it came.
        peer: the client's address.
        ours: the address that it reached.
    """
    if not (is_loopback(peer) or peer == ours):
        return "this answers its own machine only"
    host = _HOST.fullmatch(request.hosts[0]) if len(request.hosts) == 1 else None
    name = host[1].strip("[]").lower() if host else ""
    if name not in ("localhost", ours) and not is_loopback(name):
        return "the Host header must name this machine"
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "this is for programs, and not for web pages"
    return None


def answer(request: Request, *, journal: Journal, holds: Holds) -> Reply:
    """Answer a request from this machine."""
    path, _, query = request.path.partition("?")
    page = path.removeprefix(_PREFIX).strip("/")
    method = "GET" if request.method == "HEAD" else request.method
    if page == "journal":
        if method == "GET":
            return _reply(200, journal.as_json())
        if method == "DELETE":
            journal.clear()
            return _reply(200, {"cleared": True})
        return refusal(405, "the journal is read with GET and forgotten with DELETE", allow="GET, HEAD, DELETE")
    if page == "release":
        if method == "POST":
            return _reply(200, {"released": holds.release(parse_qs(query).get("name", [""])[0])})
        return refusal(405, "a hold is released with POST", allow="POST")
    if page:
        return refusal(404, f"there is no such page; there are: {', '.join(_PAGES)}")
    if method == "GET":
        return _reply(200, {"simulation": True, "pages": _PAGES})
    return refusal(405, "this page is read with GET", allow="GET, HEAD")


def refusal(status: int, message: str, *, allow: str = "") -> Reply:
    """Say no, in the words that most clients know an error by."""
    return _reply(status, {"error": {"message": message, "type": "simulator_error", "code": None}}, allow=allow)


def options() -> Reply:
    """Answer OPTIONS: nothing is said of CORS, since no page of another site may ask."""
    return Reply(Head(status=204, headers=(("allow", "GET, HEAD, POST, OPTIONS"),)))


def _reply(status: int, body: bytes | dict[str, Any], *, allow: str = "") -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode() + b"\n"
    headers = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ]
    if allow:
        headers.append(("allow", allow))
    return Reply(Head(status=status, headers=tuple(headers), framing="length"), data)
