"""Bytes to frames: server-sent events, to the WHATWG standard and a little beyond.

Laws kept here: any cutting of the bytes gives the same frames; work is proportional to the bytes that come in; what
is held back is bounded; no frame that was whole is lost, also when the one after it is too large.

Source: WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6.  Beyond it: a block whose closing blank line was
cut off is given out at the end if its data is complete (JSON, or the word ``[DONE]``), marked `Frame.truncated`, since
proxies cut the last newline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from headrace.errors import FrameTooLarge
from headrace.wire.lenient_json import loads_leniently

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

MAX_FRAME = 16 * 1024 * 1024
"""Default limit of a frame, in bytes."""

_MANY = 2000  # bytes, from which on a chunk is likely to hold many frames
_BOM = b"\xef\xbb\xbf"


class Frame(Struct, frozen=True, gc=False):
    """A record of a wire.

    Attributes:
        data: its payload; of an SSE event the data lines, joined by LF. It may be no valid UTF-8.
        event: the SSE event's name, "" if none was given.
        id: the last event id that the stream has set, if any.
        truncated: the bytes ended inside this frame, after its data was complete.
    """

    data: bytes
    event: str = ""
    id: str | None = None
    truncated: bool = False


class SSEFramer:
    """Cut server-sent events out of bytes.

    Feed chunks of any size; use up what `feed` gives before the next call.

    Attributes:
        retry_ms: the reconnection time that the server asked for, in milliseconds, or None.
        last_comment: the last comment line's text, for what servers hide there, or None.
        done: whether `finish` was called.
    """

    def __init__(self, *, max_frame: int = MAX_FRAME) -> None:
        self.retry_ms: int | None = None
        self.last_comment: str | None = None
        self.done = False
        # one measure wherever it is taken, a line's bytes and the data before it: no cutting changes the verdict
        self._limit = max_frame + len(b"data:")
        self._tail: list[bytes] = []  # pieces of a line that has not ended
        self._tail_size = 0
        self._after_cr = False  # a LF at the start of the next chunk belongs to the CR before it
        self._at_start = True  # a byte order mark may come
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = ""
        self._id: str | None = None
        self._name, self._named = b"", ""  # the last event's name, which mostly comes again

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take bytes in and give the frames that they complete.

        Raises:
            FrameTooLarge: if a frame grows over the limit; the frames before it have been given.
        """
        if self._at_start:
            chunk = b"".join(self._tail) + chunk
            self._tail.clear()
            self._tail_size = 0
            if _BOM.startswith(chunk):
                self._hold(chunk)
                return
            self._at_start = False
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == 10:
                chunk = chunk[1:]
        if b"\n" not in chunk and b"\r" not in chunk:
            self._hold(chunk)
            return
        if self._tail:
            self._tail.append(chunk)
            chunk = b"".join(self._tail)
            self._tail.clear()
            self._tail_size = 0
        if _MANY < len(chunk) <= self._limit and b"\r" not in chunk:
            chunk = yield from self._blocks(chunk)
        if chunk:
            lines = chunk.splitlines()  # bytes: at LF, CR and CRLF only
            rest = b"" if chunk[-1] in b"\r\n" else lines.pop()
            self._after_cr = chunk[-1] == 13
            yield from self._lines(lines)
            self._hold(rest)

    def _blocks(self, chunk: bytes) -> Generator[Frame, None, bytes]:
        """Cut many blocks at once, and give back what is left: the last one at least.

        Nearly every block is one line of data, or two lines, a name and data.
        """
        if self._data or self._event:  # one that has begun
            at = chunk.find(b"\n\n") + 2
            if at > 1:
                yield from self._lines(chunk[:at].splitlines())
                chunk = chunk[at:]
        named = chunk.startswith(b"event: ")
        head = b"event: " if named else b"data: "
        if self._data or self._event or not chunk.startswith(head):
            return chunk
        *blocks, last = chunk[len(head) :].split(b"\n\n" + head)
        event, usual = "", True
        for block in blocks:
            data = block
            if named:
                name, seam, data = block.partition(b"\ndata: ")
                if name != self._name and b"\n" not in name:
                    self._name, self._named = name, name.decode("utf-8", "replace")
                event, usual = self._named, name == self._name and seam != b""
            if usual and data.rfind(b"\n") < 0:
                yield Frame(data, event, self._id)
            else:
                yield from self._lines((head + block + b"\n\n").splitlines())
        return head + last

    def _lines(self, lines: Iterable[bytes]) -> Iterator[Frame]:
        data, limit = self._data, self._limit
        for line in lines:
            if line[:5] == b"data:":
                if len(line) + self._data_size > limit:
                    self._too_large()
                value = line[6:] if line[5:6] == b" " else line[5:]
                data.append(value)
                self._data_size += len(value) + 1
            elif not line:
                if data:
                    yield Frame(data[0] if len(data) == 1 else b"\n".join(data), self._event, self._id)
                    data.clear()
                    self._data_size = 0
                self._event = ""
            elif len(line) + self._data_size > limit:
                self._too_large()
            else:
                self._field(line)

    def finish(self) -> Iterator[Frame]:
        """Say that no more bytes come; give a last block that lacks nothing but its end."""
        if self.done:
            return
        self.done = True
        line = b"".join(self._tail)
        if line[:5] == b"data:":
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line:
            self._field(line)
        if self._data:
            data = b"\n".join(self._data)
            if _is_complete(data):
                yield Frame(data, self._event, self._id, truncated=True)

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            if self._tail_size + self._data_size > self._limit:
                self._too_large()

    def _too_large(self) -> NoReturn:
        size = self._limit - len(b"data:")
        raise FrameTooLarge(f"a frame of the stream is larger than the limit of {size} bytes")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"":
                self.last_comment = value[:1000].decode("utf-8", "replace")
            case b"event":
                self._event = value.decode("utf-8", "replace")
            case b"data":  # no colon: an empty line of data
                self._data.append(b"")
                self._data_size += 1
            case b"id" if b"\0" not in value:
                self._id = value.decode("utf-8", "replace") or None
            case b"retry" if value.isdigit() and len(value) < 10:  # more is no time that anybody waits
                self.retry_ms = int(value)
            case _:
                pass


def _is_complete(data: bytes) -> bool:
    if data.strip() == b"[DONE]":
        return True
    try:
        loads_leniently(data)
    except ValueError:
        return False
    return True
