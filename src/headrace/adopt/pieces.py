"""What foreign iterators give, to the bytes of a stream. Sans-IO.

Three kinds of pieces: bytes in any cutting; lines of server-sent events without their ends; and chunk objects of an
SDK. An object is told by its type. Bytes (or text) are told from lines by the first pieces, held back until it is sure:

- a piece with a line's end in it: bytes, since a line has none inside;
- an empty piece, or another line, after data that is complete, with no line's end between them: lines;
- a beginning that no line of server-sent events has: bytes.

Laws kept here: nothing is lost, whatever the verdict; a verdict is never changed; what is held is bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from headrace.errors import UsageError
from headrace.wire.lenient_json import loads_leniently

_LINE = re.compile(rb"(?:data|event|id|retry)?:")
_FIELD = re.compile(rb"(?:data|event|id|retry):")
_BOM = b"\xef\xbb\xbf"
_MOST_HELD = 1024 * 1024  # bytes without a line's end: no line, or one that can be read as bytes as well
_HELPS = ("model_dump_json", "to_json", "json", "to_dict", "dict")


class Pieces:
    """Turn an iterator's pieces into bytes.

    Args:
        lines: whether text and bytes are lines without their ends; None: to be found out.

    Attributes:
        objects: whether chunk objects came: an SDK keeps the stream's terminal marker to itself.
    """

    def __init__(self, *, lines: bool | None = None) -> None:
        self.objects = False
        self._lines = lines
        self._held: list[bytes] = []
        self._size = 0
        self._blanks = False  # blank lines come: the iterator did not leave them out

    def feed(self, piece: Any) -> bytes:
        """Take a piece, and give the bytes that are sure by now.

        Raises:
            UsageError: if it is nothing that can be read.
        """
        data: bytes
        if type(piece) is bytes:
            data = piece
        elif isinstance(piece, str):
            data = piece.encode("utf-8", "surrogatepass")
        elif isinstance(piece, bytes | bytearray | memoryview):
            data = bytes(cast("bytes", piece))
        else:
            self.objects = True
            return frame_of(piece)
        if self._lines is None:
            return self._look(data)
        return self._line(data) if self._lines else data

    def finish(self) -> bytes:
        """Say that no more pieces come, and give what was held."""
        held, self._held = self._held, []
        return b"".join(held)

    def _look(self, data: bytes) -> bytes:
        if b"\n" in data or b"\r" in data:
            return self._decide(data, lines=False)
        if not self._held:
            data = data.removeprefix(_BOM)
            if not data:
                return b""
            if not _LINE.match(data):
                return self._decide(data, lines=False)
        elif _follows(self._held[-1], data):
            return self._decide(data, lines=True)
        self._held.append(data)
        self._size += len(data)
        return self._decide(b"", lines=False) if self._size > _MOST_HELD else b""

    def _decide(self, data: bytes, *, lines: bool) -> bytes:
        self._lines = lines
        held, self._held = self._held, []
        if lines:
            return b"".join([self._line(line) for line in [*held, data]])
        return b"".join([*held, data])

    def _line(self, line: bytes) -> bytes:
        line = line.rstrip(b"\r\n")
        if not line:
            self._blanks = True
        elif not self._blanks and line.startswith(b"data:") and _is_whole(line):
            return line + b"\n\n"  # its blank line may have been left out; if it was not, a second one says nothing
        return line + b"\n"


def _follows(line: bytes, data: bytes) -> bool:
    """Tell whether a piece can only be the line after a line: bytes that are cut anywhere do not look like this."""
    if line.startswith(b"data:"):
        return _is_whole(line) and (not data or _LINE.match(data) is not None)
    return bool(line) and not line.startswith(b":") and _FIELD.match(data) is not None


def _is_whole(line: bytes) -> bool:
    """Tell whether a line of data is complete in itself."""
    data = line[5:].strip()
    if data == b"[DONE]":
        return True
    if data[:1] != b"{" or data[-1:] != b"}":
        return False
    try:
        loads_leniently(data)
    except ValueError:
        return False
    return True


def frame_of(piece: Any) -> bytes:
    """Write a chunk object as a server-sent event.

    Raises:
        UsageError: if it cannot be written as JSON.
    """
    try:
        data = _json(piece)
    except (TypeError, ValueError, RecursionError) as error:
        what = type(piece).__name__
        raise UsageError(
            f"the source gave an object of the type {what}, which is no chunk of a stream ({error}): adopt what gives "
            "bytes, lines of server-sent events, or an SDK's chunks"
        ) from error
    name = cast("Mapping[str, Any]", piece).get("type") if isinstance(piece, Mapping) else getattr(piece, "type", None)
    head = b"event: %b\n" % name.encode() if isinstance(name, str) and name.isidentifier() else b""
    return b"%bdata: %b\n\n" % (head, data)


def error_piece(error: Exception) -> dict[str, Any] | None:
    """Give the error that a provider sent inside its stream, and an SDK raised; None: it is no such error."""
    body: Any = getattr(error, "body", None)
    if not isinstance(body, dict) or not body:
        return None
    inside = cast("dict[str, Any]", body)
    return inside if "error" in inside else {"error": inside}


def _json(piece: Any) -> bytes:
    thing: Any = piece
    for name in () if isinstance(piece, Mapping) else _HELPS:
        write = getattr(thing, name, None)
        if not callable(write):
            continue
        value: Any = _dumped(piece) if name == "model_dump_json" else write()
        if isinstance(value, bytes | str):
            text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            return text.replace(b"\r", b" ").replace(b"\n", b" ")
        return _encoded(value)
    if piece is None or isinstance(piece, bool | int | float | list | tuple):
        raise TypeError("it has no fields")
    return _encoded(piece)


def _dumped(model: Any) -> Any:
    # SDKs put things into pydantic's models that the models do not foresee: no warnings
    try:
        return model.model_dump_json(by_alias=True, warnings=False)
    except TypeError:  # one that only looks like pydantic's
        return model.model_dump_json()
    except ValueError:  # half a character, which pydantic does not write
        return model.model_dump()


def _encoded(value: Any) -> bytes:
    plain: Any = dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
    try:
        return msgspec.json.encode(plain, enc_hook=_inner)
    except UnicodeError:  # half a character, which JSON can say and UTF-8 cannot
        return json.dumps(plain, default=str).encode()


def _inner(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_json(value))
