"""Cassettes written by hand, and clients that say every byte to a recorder."""

import contextlib
import json
import socket
import struct
from pathlib import Path
from typing import Any, Self

from headrace.sim.cassettes.cassette import (
    Ending,
    RecordedHead,
    RecordedRequest,
    body_of,
    chunk_line,
    end_line,
    first_line,
    head_line,
)

BOUND_S = 30.0
SSE = (("content-type", "text/event-stream"),)
HEAD = RecordedHead(at_s=0.5, status=200, headers=SSE)


def chat(text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}], **more}


def write_cassette(
    folder: Path,
    number: int,
    body: Any = None,
    chunks: tuple[tuple[float, bytes], ...] = (),
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    head: RecordedHead | None = HEAD,
    end: tuple[float, Ending] | None = (9.0, "end"),
    provider: str | None = "openai",
) -> str:
    """Write a cassette, and give its name."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [first_line(RecordedRequest(method=method, path=path, body=body_of(data)), provider=provider, recorded="")]
    lines += [head_line(head)] if head is not None else []
    lines += [chunk_line(at_s, chunk) for at_s, chunk in chunks]
    lines += [end_line(*end)] if end is not None else []
    file = folder / f"{number:04}-x.jsonl"
    file.write_bytes(b"".join(lines))
    return file.name


class Client:
    """A raw socket to a port of this machine."""

    def __init__(self, port: int, *first: bytes, small: bool = False) -> None:
        self.socket = socket.socket()
        if small:  # it takes little before it is read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(BOUND_S)
        self.socket.connect(("127.0.0.1", port))
        self.held = b""
        for data in first:
            self.socket.sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def until(self, end: bytes) -> bytes:
        """Read up to some bytes, and give all with them."""
        while end not in self.held:
            data = self.socket.recv(65536)
            assert data, f"it ended after {self.held!r}"
            self.held += data
        before, _, self.held = self.held.partition(end)
        return before + end

    def rest(self) -> tuple[bytes, str]:
        """Read to the connection's end, and tell which it was."""
        how = "fin"
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self.held += data
            return self.held, how
        return self.held, "reset"

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def post(body: Any = None, *headers: str, path: str = "/openai/chat/completions", host: str = "127.0.0.1") -> bytes:
    """Write a request."""
    data = body if isinstance(body, bytes) else json.dumps(chat() if body is None else body).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", f"content-length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def get(path: str, *headers: str, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *headers, "", ""]).encode("latin-1")
