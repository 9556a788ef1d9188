"""What the loops on msgspec share: the three fields that are needed of each record, and the floor's reading of HTTP.

It does the least that gives the text: blank lines split, every byte is trusted, no part, no usage, no end is known.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.clients.answers import Wire


class _Delta(msgspec.Struct):
    content: str | None = None
    text: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


class _Body(msgspec.Struct):
    delta: _Delta | None = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_body = msgspec.json.Decoder(_Body).decode


def reader(wire: Wire) -> Callable[[bytes, list[str]], None]:
    """Make what takes bytes of a body, and adds the text that is whole to a list."""
    rest = b""

    def openai_chat(data: bytes, pieces: list[str]) -> None:
        nonlocal rest
        *records, rest = (rest + data if rest else data).split(b"\n\n")
        for record in records:
            if record != b"data: [DONE]":
                choices = _chunk(record[6:]).choices
                if choices:
                    delta = choices[0].delta
                    if delta is not None and delta.content:
                        pieces.append(delta.content)

    def anthropic(data: bytes, pieces: list[str]) -> None:
        nonlocal rest
        *records, rest = (rest + data if rest else data).split(b"\n\n")
        for record in records:
            delta = _body(record[record.index(b"\n") + 7 :]).delta
            if delta is not None and delta.text:
                pieces.append(delta.text)

    return openai_chat if wire == "openai-chat" else anthropic


class Dechunker:
    """Read one response of HTTP/1.1: its headers passed over, its chunks given; `done` at its end."""

    def __init__(self, feed: Callable[[bytes, list[str]], None], pieces: list[str]) -> None:
        self.done = False
        self._feed = feed
        self._pieces = pieces
        self._held = b""
        self._in_body = False

    def take(self, data: bytes) -> None:
        """Take what the socket gave."""
        held = self._held + data if self._held else data
        at = 0
        if not self._in_body:
            at = held.find(b"\r\n\r\n") + 4
            if at == 3:
                self._held = held
                return
            assert held.startswith(b"HTTP/1.1 200 "), held[:200]
            self._in_body = True
        while True:
            line_end = held.find(b"\r\n", at)
            if line_end < 0:
                break
            size = int(held[at:line_end], 16)
            end = line_end + 2 + size
            if len(held) < end + 2:
                break
            if size == 0:
                self.done = True
                return
            self._feed(held[line_end + 2 : end], self._pieces)
            at = end + 2
        self._held = held[at:]


def request_body(wire: Wire, model: str) -> bytes:
    """Write the body of a request."""
    asked: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "Say something."}]}
    return json.dumps({**asked, "stream": True, **({"max_tokens": 100} if wire == "anthropic" else {})}).encode()


def path(wire: Wire) -> str:
    """Give the path of a wire's requests."""
    return "/v1/chat/completions" if wire == "openai-chat" else "/v1/messages"


def raw_request(wire: Wire, host: str, model: str) -> bytes:
    """Write a whole request."""
    body = request_body(wire, model)
    head = f"POST {path(wire)} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)
