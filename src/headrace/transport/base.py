"""What the two transports have in common: the shape of a connection, proxies, certificates.

Laws kept here: a connection can be cut from any thread, at any moment, also before the first byte and while the other
side is silent; `close` leaves no socket behind, unless the answer was read to its end and the pool may have it back.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import ssl
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from headrace.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from headrace.wire.registry import HTTPRequest


class WaitExpired(Exception):
    """The wait that the runner allowed is over: no error yet, the exchange knows what it means."""


class Head(Struct, frozen=True):
    """A response's beginning: status, and headers with their names in lower case."""

    status: int
    headers: dict[str, str]


class BlockingConnection(Protocol):
    """One request and its answer, in blocking calls of one thread; `cut` may come from another."""

    def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Send the request and wait for the headers.

        Raises:
            WaitExpired: if they did not come within the wait.
            TransportError: if there is no connection, or it broke, or was cut.
        """
        ...

    def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end.

        Raises:
            WaitExpired: if none came within the wait.
            TransportError: if the connection broke or was cut.
        """
        ...

    def cut(self) -> None:
        """End the connection now, from any thread."""
        ...

    def close(self, *, reuse: bool) -> None:
        """Close the connection; with `reuse` it goes back to the pool if its answer was read whole."""
        ...


class AsyncConnection(Protocol):
    """The same for a task of an event loop; `cut` is called in the loop's thread."""

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Send the request and wait for the headers."""
        ...

    async def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end."""
        ...

    def cut(self) -> None:
        """End the connection now."""
        ...

    async def close(self, *, reuse: bool) -> None:
        """Close the connection, or give it back."""
        ...


SETTLE_S = 0.05
"""How long the end of a body whose last frame has come may take before its connection is given up, in seconds."""


def proxy_for(url: str) -> str | None:
    """Find the proxy for a URL in the usual variables: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.

    Raises:
        ConfigError: for a proxy of a kind that is not spoken here.
    """
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = "http://" + proxy
    if not proxy.startswith(("http://", "https://")):
        raise ConfigError(
            f"the proxy for {parts.scheme} is of the kind {proxy.split(':', 1)[0]!r}: only http(s) is known"
        )
    try:
        good = bool(urlsplit(proxy).hostname) and urlsplit(proxy).port != 0
    except ValueError:
        good = False
    if not good:  # not shown: it may hold a password
        raise ConfigError(f"the proxy for {parts.scheme} has no host, or no good port")
    return proxy


def why_not(host: object, port: object, error: OSError) -> str:
    """Say in words why there is no connection to a host; both transports say it alike."""
    if error.errno is not None and error.errno > 0:
        reason = os.strerror(error.errno)
    else:
        reason = error.strerror or str(error) or type(error).__name__
    return f"no connection to {host}:{port}: {reason}"


def check_url(url: str) -> None:
    """Refuse what is no address.

    Raises:
        UsageError: naming the address.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"the address {url!r} is not one of http:// or https:// with a host")


def default_ssl_context() -> ssl.SSLContext:
    """Make the context that users expect: the system's certificates, or those that the environment names.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` take the place of the system's (OpenSSL's own rule); ``REQUESTS_CA_BUNDLE``
    is added to them.  Where a system has no certificates at all, certifi's are taken if it is installed.

    Raises:
        ConfigError: if a file that the environment names cannot be read.
    """
    context = ssl.create_default_context()
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        bundle = os.environ.get(name)
        if not bundle:
            continue
        try:
            if Path(bundle).is_dir():
                context.load_verify_locations(capath=bundle)
            else:
                context.load_verify_locations(cafile=bundle)
        except OSError as error:
            raise ConfigError(f"{name} names {bundle!r}, which cannot be read as certificates: {error}") from None
    paths = ssl.get_default_verify_paths()
    if not (context.get_ca_certs() or paths.cafile or paths.capath):
        with contextlib.suppress(ImportError):
            context.load_verify_locations(importlib.import_module("certifi").where())
    return context
