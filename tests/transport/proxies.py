"""A small HTTP proxy: it forwards what names a whole address, tunnels what asks to, and notes what it was asked."""

import contextlib
import socket
import socketserver
import threading
from typing import Any
from urllib.parse import urlsplit


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy on this machine. `refuse`: an answer that it gives to everybody. `silent`: it gives none."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, refuse: bytes = b"", silent: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuse = refuse
        self.silent = silent
        self.lines: list[str] = []
        self.heads: list[str] = []
        self.came = threading.Event()
        self.gone = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections are reset on purpose."""


class _Handler(socketserver.BaseRequestHandler):
    server: Proxy
    request: socket.socket

    def handle(self) -> None:
        held = b""
        while b"\r\n\r\n" not in held:
            data = self.request.recv(65536)
            if not data:
                return
            held += data
        start, _, rest = held.partition(b"\r\n\r\n")
        head = start.decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.server.lines.append(f"{method} {target}")
        self.server.heads.append(head)
        self.server.came.set()
        if self.server.silent:
            while self.request.recv(65536):
                pass
            self.server.gone.set()
        elif self.server.refuse:
            self.request.sendall(self.server.refuse)
        elif method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as upstream:
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._pump(upstream)
        else:
            parts = urlsplit(target)
            assert parts.hostname is not None
            with socket.create_connection((parts.hostname, parts.port or 80)) as upstream:
                upstream.sendall(held.replace(target.encode(), parts.path.encode(), 1))
                self._pump(upstream)

    def _pump(self, upstream: socket.socket) -> None:
        back = threading.Thread(target=_copy, args=(upstream, self.request))
        back.start()
        _copy(self.request, upstream)
        back.join()
        self.server.gone.set()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
