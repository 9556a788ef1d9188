"""Who may talk to a gateway that knows no keys of its own: this machine, and no web page of another's.

Laws kept here: a web page that the user visits must not spend the user's keys. It can point a name of its own at
127.0.0.1 (so `Host` must be a name of this machine), send forms and plain text without asking (so a POST must be JSON,
which a browser asks about first), and say where it comes from (so `Origin` must be ours). What is doubtful is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from headrace.gateway.response import error_response

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]@/]+)(?::[0-9]{1,5})?", re.ASCII)
_HARMLESS = ("GET", "HEAD", "OPTIONS")


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address is one of this machine's own, also when IPv6 wraps an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


class Guard:
    """Let requests through that come from this machine, and from no other site.

    Args:
        app: what is guarded.
        allowed_hosts: names that `Host` may have beside numeric loopback addresses.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Collection[str] = ("localhost",)) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        host = _only(headers, b"host")
        peer = scope.get("client")
        if not (peer and is_loopback(peer[0])):
            return _forbidden("this gateway answers its own machine only")
        if host is None or not self._is_ours(host):
            return _forbidden("the Host header must name this machine: use http://127.0.0.1 or http://localhost")
        if scope["method"] in _HARMLESS:
            return None
        if b"origin" in headers and _only(headers, b"origin") not in (f"http://{host}", f"https://{host}"):
            return _forbidden("the Origin header names another site than this gateway")
        if b"sec-fetch-site" in headers and _only(headers, b"sec-fetch-site") not in ("same-origin", "none"):
            return _forbidden("another site made the browser send this")
        media_type = (_only(headers, b"content-type") or "").partition(";")[0].strip()
        if scope["method"] == "POST" and media_type != "application/json":
            return error_response(415, "unsupported_media_type", "send JSON, with content-type: application/json")
        return None

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1]
        return name in self._names or is_loopback(name.strip("[]"))


def _only(headers: dict[bytes, list[bytes]], name: bytes) -> str | None:
    """Give the value of a header that stands there once, in lower case; else None."""
    values = headers.get(name, ())
    return values[0].decode("latin-1").lower() if len(values) == 1 else None


def _forbidden(message: str) -> Response:
    return error_response(403, "permission_denied", message)
