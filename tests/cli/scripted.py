"""A server that says what a test tells it to, and notes when its peer goes away."""

import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

BOUND_S = 30.0


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Make an OpenAI chunk."""
    value: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "model": "m", **more}
    if delta is not None:
        value["choices"] = [{"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}]
        value.pop("finish", None)
    return value


class Peer:
    """One connection, with its request read."""

    def __init__(self, sock: socket.socket, request: dict[str, Any], gone: threading.Event) -> None:
        self._sock = sock
        self.request = request
        self._gone = gone

    def head(self, status: int = 200, kind: str = "text/event-stream") -> None:
        fields = f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
        self._sock.sendall(f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode())

    def raw(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """End the body; without it the connection is cut."""
        self._sock.sendall(b"0\r\n\r\n")

    def say(self, text: str, **delta: Any) -> None:
        """Send a chunk with some text, or with another delta."""
        self.chunk({"content": text, **delta} if text else delta)

    def chunk(self, delta: dict[str, Any] | None = None, **more: Any) -> None:
        self.raw(b"data: " + json.dumps(chunk(delta, **more)).encode() + b"\n\n")

    def finish(self, reason: str = "stop", usage: tuple[int, int] | None = (3, 5)) -> None:
        self.chunk({}, finish=reason)
        if usage:
            self.chunk(choices=[], usage={"prompt_tokens": usage[0], "completion_tokens": usage[1]})
        self.raw(b"data: [DONE]\n\n")
        self.end()

    def hold(self) -> None:
        """Be silent until the peer goes away, and note it."""
        self._sock.settimeout(BOUND_S)
        try:
            while self._sock.recv(65536):
                pass
        except ConnectionError:
            pass
        self._gone.set()

    def flood(self, text: str) -> None:
        """Say something again and again until the peer goes away, and note it."""
        try:
            while True:
                self.say(text)
        except ConnectionError:
            self._gone.set()


Script = Callable[[Peer], None]


class Server:
    """Serve on a free port of this machine, each connection by the script.

    Attributes:
        requests: the bodies that came.
        headers: their headers, names in lower case.
        gone: set once a peer went away while the script held, flooded or answered it.
        errors: what scripts raised.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.gone = threading.Event()
        self.asked = threading.Event()
        self.errors: list[Exception] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        # shutdown wakes the accept; close alone does not
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(BOUND_S)
        if exc[0] is None:
            assert self.errors == []

    def _start(self, run: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                with sock.makefile("rb") as file:
                    if not file.readline():
                        return
                    headers: dict[str, str] = {}
                    while (line := file.readline()) not in (b"\r\n", b""):
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    body = json.loads(file.read(int(headers["content-length"])))
                self.headers.append(headers)
                self.requests.append(body)
                self.asked.set()
                self._script(Peer(sock, body, self.gone))
            except (BrokenPipeError, ConnectionResetError):
                self.gone.set()  # a peer may leave at any moment; the test says whether it should have
            except Exception as error:  # noqa: BLE001 - shown by the test
                self.errors.append(error)
