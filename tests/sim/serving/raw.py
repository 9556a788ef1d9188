"""Clients and sources that say and show every byte."""

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from headrace.sim.play import Act, Call, Head, Piece, Play, Step
from headrace.sim.serving.simulator import Simulator

BOUND_S = 30.0

SSE = Head(headers=(("content-type", "text/event-stream"),))
START = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
HEAD = START + b"connection: keep-alive\r\n\r\n"
LAST = b"0\r\n\r\n"


class Source:
    """Answers with plays, one after the other; the last one answers all that comes after it."""

    def __init__(self, *plays: Play | Callable[[], Play]) -> None:
        self.calls: list[Call] = []
        self._plays = list(plays)

    def play(self, call: Call) -> Play:
        self.calls.append(call)
        play = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
        return play() if callable(play) else play


def play(*steps: Step | bytes, head: Head | None = SSE, **more: Any) -> Callable[[], Play]:
    """Make plays of these steps; bytes are a piece that comes at once."""
    made = [Piece(0.0, step) if isinstance(step, bytes) else step for step in steps]
    return lambda: Play(head=head, steps=iter(made), **more)


class Endless:
    """Steps without end, a token a second; it notes how many were made, and when it was closed."""

    def __init__(self, size: int = 2, every_s: float = 1.0) -> None:
        self.made = 0
        self.closed = threading.Event()
        self._size = size
        self._every_s = every_s

    def steps(self) -> Iterator[Step]:
        try:
            while True:
                self.made += 1
                yield Piece(self._every_s * self.made, b"x" * self._size, 1)
        finally:
            self.closed.set()

    def __call__(self) -> Play:
        return Play(head=SSE, steps=self.steps())


def simulator(*plays: Play | Callable[[], Play] | Source, **options: Any) -> Simulator:
    """Make a simulator of these plays, or of a source."""
    source = plays[0] if isinstance(plays[0], Source) else Source(*plays)  # type: ignore[arg-type]
    return Simulator(source=source, **options)


def request(
    body: bytes = b"{}", *headers: str, line: str = "POST /v1/chat/completions HTTP/1.1", host: str = "localhost"
) -> bytes:
    lines = [line, f"host: {host}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(path: str, *headers: str, host: str = "localhost", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *headers, "", ""]).encode()


class Client:
    """A socket, and what came out of it so far."""

    def __init__(self, sim: Simulator, *first: bytes, small: bool = False) -> None:
        self.socket = socket.socket()
        if small:  # it takes little before it is read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(BOUND_S)
        self.socket.connect(("127.0.0.1", sim.port))
        self.held = b""
        for data in first:
            self.send(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def expect(self, data: bytes) -> None:
        """Read exactly these bytes, whatever comes after them."""
        self.fill(lambda held: len(held) >= len(data))
        assert self.held[: len(data)] == data
        self.held = self.held[len(data) :]

    def until(self, end: bytes) -> bytes:
        """Read up to some bytes, and give all with them."""
        self.fill(lambda held: end in held)
        before, _, self.held = self.held.partition(end)
        return before + end

    def rest(self) -> bytes:
        """Read to the connection's end, which must be a FIN."""
        pieces = [self.held]
        while data := self.socket.recv(65536):
            pieces.append(data)
        self.held = b""
        return b"".join(pieces)

    def rest_and_reset(self) -> bytes:
        """Read to the connection's end, which must be a RST."""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self.held += data
            raise AssertionError("it ended with a FIN")
        held, self.held = self.held, b""
        return held

    def fill(self, enough: Callable[[bytes], bool]) -> None:
        while not enough(self.held):
            data = self.socket.recv(65536)
            assert data, f"it ended after {self.held!r}"
            self.held += data

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read an answer with a length."""
        head = self.until(b"\r\n\r\n").decode()
        line, *fields = head.split("\r\n")[:-2]
        headers = dict(field.split(": ", 1) for field in fields)
        size = int(headers.get("content-length", "0"))
        self.fill(lambda held: len(held) >= size)
        body, self.held = self.held[:size], self.held[size:]
        return int(line.split()[1]), headers, body

    def json(self) -> Any:
        return json.loads(self.answer()[2])

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def dechunk(data: bytes) -> bytes:
    """Read a body in chunks, which must be whole."""
    out = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        assert re.fullmatch(rb"[0-9a-f]+", size)
        count = int(size, 16)
        out, end, data = out + data[:count], data[count : count + 2], data[count + 2 :]
        assert end == b"\r\n"
        if not count:
            assert not data
            return out


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def act(kind: Any, at_s: float = 0.0, **more: Any) -> Act:
    return Act(at_s, kind, **more)


def wait_for(holds: Callable[[], Any]) -> Any:
    """Wait until something of the server's is so; it bounds a hang."""
    ticking = threading.Event()
    for _ in range(int(BOUND_S * 1000)):
        if value := holds():
            return value
        ticking.wait(0.001)
    raise AssertionError("it did not come")
