"""`bench/source.c` in Python, for machines without a C compiler: the same answers, commands and control path.

It is dearer, and has a core of its own: what the readers spend is not touched by that, but a blast comes slower, and so
in smaller pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import resource
import sys

from bench.clients.answers import Wire, events_of

_MODEL = re.compile(rb'"model"\s*:\s*"(blast|paced|stall)-(\d+)-(\d+)"')
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"x-request-id: req_bench\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n"
)


@functools.cache
def answer(wire: Wire, events: int, size: int, *, usage: bool) -> list[bytes]:
    """Give a response's pieces: the headers, and each HTTP chunk; size 0 makes each event a chunk of its own."""
    pieces, pending = [_HEAD], b""
    for event in events_of(wire, events, usage=usage):
        pending += event
        if len(pending) >= size:
            pieces.append(b"%x\r\n%b\r\n" % (len(pending), pending))
            pending = b""
    if pending:
        pieces.append(b"%x\r\n%b\r\n" % (len(pending), pending))
    pieces[-1] += b"0\r\n\r\n"
    return pieces


class Source:
    """The server, and what it has done."""

    def __init__(self) -> None:
        self.events = 0
        self.sends = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it goes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length:\s*(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                await self._answer(head.partition(b"\r\n")[0], body, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, asked: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if asked.startswith(b"GET /usage"):
            used = resource.getrusage(resource.RUSAGE_SELF)
            cpu_us = int((used.ru_utime + used.ru_stime) * 1e6)
            text = json.dumps({"cpu_us": cpu_us, "events": self.events, "sends": self.sends}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text))
            return
        command = _MODEL.search(body)
        if not command:
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return
        mode, events, number = command[1], int(command[2]), int(command[3])
        wire: Wire = "openai-chat" if b"/chat/completions" in asked else "anthropic"
        pieces = answer(wire, events, number if mode == b"blast" else 0, usage=b'"include_usage"' in body)
        if mode == b"stall":
            writer.write(b"".join(pieces[: 3 if wire == "openai-chat" else 5]))
            await reader.read()  # until the reader goes
            return
        if mode == b"blast":
            pieces = [b"".join(pieces)]
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            self.sends += 1
            if mode == b"paced":
                await asyncio.sleep(number / 1e6)
        self.events += events


async def main() -> None:
    """Print the port; serve until the standard input ends."""
    server = await asyncio.start_server(Source().serve, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
