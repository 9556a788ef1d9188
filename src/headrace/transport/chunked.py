"""HTTP/1.1's chunked coding, taken off: a stage, sans-IO.

Servers write each event as a chunk of its own, and urllib3 reads each chunk by itself, which costs more than all else
that is done for a token; here all chunks of a read are taken apart at once.

Laws kept here: any cutting of the bytes gives the same content; content is given out as it comes, before its chunk is
whole, and before what is wrong behind it; what is held back is bounded; a body is whole only when its last chunk and
its trailers were read.

Source: RFC 9112, section 7.1; as lenient with line ends and spaces as Python's `http.client`.
"""

from __future__ import annotations

_MAX_LINE = 8192  # of a size with its extensions, or of a trailer, in bytes


class Dechunker:
    """Take the chunks of one body apart.

    Attributes:
        done: whether the body was read to its end.
        error: why it cannot be, or None.
        rest: what came after its end, and is none of it.
    """

    def __init__(self) -> None:
        self.done = False
        self.error: str | None = None
        self.rest = b""
        self._held = b""  # a line that has not ended, or half of a chunk's end
        self._left: int | None = None  # content of the open chunk that is to come; None: a size is next
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and give the content that is in them."""
        if self._held:
            data = self._held + data
        pieces: list[bytes] = []
        at, left = 0, self._left
        while not self._in_trailers:
            if left is not None:
                end = at + left
                if end + 2 > len(data):
                    piece = data[at:end]
                    pieces.append(piece)
                    at += len(piece)
                    left -= len(piece)
                    break
                pieces.append(data[at:end])
                at, left = end + 2, None
                if data[end:at] != b"\r\n":
                    self.error = f"a chunk of the body goes on behind its end, with {data[end : end + 20]!r}"
                    break
            end = data.find(b"\n", at)
            if end < 0:
                break
            left = _read_size(data[at:end])
            if left < 0:
                self.error = f"the body is not in chunks: {data[at : min(end, at + 20)]!r} is no chunk's size"
                break
            at = end + 1
            self._in_trailers = left == 0
        if self._in_trailers:
            at = self._pass_trailers(data, at)
        self._left, self._held = left, data[at:]
        if self.done:
            self.rest, self._held = self._held, b""
        elif len(self._held) > _MAX_LINE and self.error is None:
            self.error = "a line between the chunks of the body is too long"
        return b"".join(pieces)

    def finish(self) -> None:
        """Say that no more bytes come; a body that lacks nothing but the end of its trailers is whole."""
        if self._in_trailers:
            self.done = True
        elif self.error is None:
            self.error = "the server closed it in the middle of the body"

    def _pass_trailers(self, data: bytes, at: int) -> int:
        while not self.done:
            end = data.find(b"\n", at)
            if end < 0:
                break
            self.done = data[at:end] in (b"\r", b"")
            at = end + 1
        return at


def _read_size(line: bytes) -> int:
    """Give a chunk's size, below 0 if it is none."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1
