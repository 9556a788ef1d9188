"""Where an upstream is: ``host:port``, or a URL."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from msgspec import Struct

from headrace.errors import UsageError

_PORTS = {"http": 80, "https": 443}


class Address(Struct, frozen=True):
    """A host and a port, and what a URL says beside them.

    Attributes:
        host: a name or an address.
        port: a number.
        scheme: ``http`` or ``https``; empty, if it was no URL.
        path: of a URL, without its last slash.
    """

    host: str
    port: int
    scheme: str = ""
    path: str = ""

    @property
    def authority(self) -> str:
        """Write host and port."""
        return authority(self.host, self.port)

    def __str__(self) -> str:
        """Write it as it was given, without a password."""
        return f"{self.scheme}://{self.authority}{self.path}" if self.scheme else self.authority


def authority(host: str, port: int) -> str:
    """Write host and port, as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_address(text: str) -> Address:
    """Read ``host:port``, ``[::1]:port`` or a URL.

    Raises:
        UsageError: if it is none of them. What was given is not shown: it may hold a password.
    """
    is_url = "://" in text
    parts = urlsplit("//")
    port: int | None = None
    with contextlib.suppress(ValueError):  # brackets that do not match, a port that is no number
        parts = urlsplit(text if is_url else "//" + text)
        port = parts.port or _PORTS.get(parts.scheme)
    host = parts.hostname
    if is_url:
        good = parts.scheme in _PORTS
    else:
        good = not (parts.path or parts.query or parts.fragment or parts.username)
    if not host or not port or not good:
        raise UsageError("the upstream must be HOST:PORT, as 127.0.0.1:8000, or a URL of http:// or https://")
    return Address(host, port, parts.scheme, parts.path.rstrip("/"))
