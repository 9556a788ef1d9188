"""Run the gateway: bind, say where it is, serve until told to stop.

Laws kept here: without keys of its own the gateway listens on loopback only; a signal ends it, open streams or not,
within a bound: they may finish for a while, then their models are stopped and their viewers told, then they are cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from headrace.errors import HeadraceError, UsageError
from headrace.gateway.app import create_app
from headrace.gateway.guard import is_loopback

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from fastapi import FastAPI

    from headrace.gateway.chat_stream import OpenStreams
    from headrace.targets import Target

_LAST_WORDS_S = 1.0


def run_server(
    *,
    host: str = "127.0.0.1",
    port: int = 4747,
    config_path: str | None = None,
    model: str | None = None,
    grace_s: float = 3.0,
) -> int:
    """Serve the gateway until SIGINT or SIGTERM.

    Args:
        host: where to listen: a loopback address, or a name of one.
        port: 0: any that is free.
        config_path: a configuration file in place of the one that is found.
        model: what is asked when a request names no model.
        grace_s: how long streams may go on after the signal, in seconds; a second signal cuts them at once.

    Returns:
        An exit code: 0; 1 if the address could not be had; 2 if what was asked cannot work.
    """
    try:
        app = create_app(config=config_path, model=model, allowed_hosts=("localhost", host))
        target: Target = app.state.chat.client.target(model)
        family, address = _resolve(host, port)
    except HeadraceError as error:
        return _fail(str(error), 2)
    # with its protocol named, asyncio sends small writes at once (TCP_NODELAY)
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with sock:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that ended leaves the port waiting
        try:
            sock.bind((address, port))
            sock.listen(1024)
        except OSError as error:
            why = error.strerror or str(error)
            return _fail(f"cannot listen on {address} port {port}: {why}; give another one with --port (0: any)", 1)
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("headrace.gateway").setLevel(logging.INFO)
        _Server(app, grace_s, f"Headrace is at {_url(sock)} (Ctrl-C stops it)", _whom(target)).run(sockets=[sock])
    return 0


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI, grace_s: float, *greeting: str) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="on",
                server_header=False,
                log_config=None,
                access_log=False,
                proxy_headers=False,
            )
        )
        self._streams: OpenStreams = app.state.chat.streams
        self._grace_s = grace_s
        self._greeting = greeting
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for line in self._greeting:  # not before: now signals are heard, too
            _say(line)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        timers = (
            loop.call_later(self._grace_s, self._streams.stop),
            loop.call_later(self._grace_s + _LAST_WORDS_S, self._cut),
        )
        await super().shutdown(sockets)  # it waits for the connections to end
        for timer in timers:
            timer.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._cut)
        else:
            super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn does, but a signal is a good end: it is not raised again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def _cut(self) -> None:
        self._streams.stop()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    """Find the address that a host means: IPv4 first, as most people type it.

    Raises:
        UsageError: if it is not this machine's own, or none.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"the port must be between 0 and 65535, not {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"the host {host!r} has no address: {error}") from None
    addresses = sorted((family, str(address[0])) for family, _, _, _, address in found)
    if not all(is_loopback(address) for _, address in addresses):
        raise UsageError(
            f"will not listen on {host!r}: the gateway has no keys of its own yet, so whoever could reach it could "
            "spend yours; use 127.0.0.1 (for other machines: an SSH tunnel to it)"
        )
    return addresses[0]


def _url(sock: socket.socket) -> str:
    address, port = sock.getsockname()[:2]
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def _whom(target: Target) -> str:
    if not target.provider.simulated:
        why = f" ({target.chosen})" if target.chosen else ""
        return f"It asks {target.name}{why} unless a request names another model"
    return (
        f"SIMULATION: answers come from {target.name}, no model is called. For real ones set OPENAI_API_KEY or "
        "ANTHROPIC_API_KEY (headrace models lists all providers) and start again"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"headrace: {text}\n")
    sys.stderr.flush()


def _fail(text: str, code: int) -> int:
    _say(text)
    return code
