"""How frames are written as bytes: line ends, spaces, comments, escapes, one line of data or several.

Law kept here: a style changes bytes, never what a reader that keeps to the standards makes of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from headrace.sim.faults.frame import written
from headrace.sim.play import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.sim.dice import Dice
    from headrace.sim.faults.fault import Fault
    from headrace.sim.faults.frame import Frame

BOM = b"\xef\xbb\xbf"

_COMMENTS = (b": ping\n\n", b": \n\n", b":\n", b": keep-alive\n\n")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[,{\[]|[^",{\[]+|.', re.DOTALL)


class Style(Struct, frozen=True, kw_only=True):
    """A way to write server-sent events.

    Attributes:
        newline: what ends a line.
        space: whether a space follows ``data:``.
        names: whether ``event:`` lines are written.
        comments: what stands between frames, by chance; of the first one, before the first frame.
        comment_share: before which share of the frames.
        escapes: whether what is not ASCII is escaped.
        multiline: whether the data stands on several lines.
        padding: how many spaces stand before an object's last brace at most.
        bom: whether a byte order mark stands before all.
    """

    newline: bytes = b"\n"
    space: bool = True
    names: bool = True
    comments: tuple[bytes, ...] = ()
    comment_share: float = 0.5
    escapes: bool = False
    multiline: bool = False
    padding: int = 0
    bom: bool = False


PLAIN = Style()


def styled(style: Style, faults: Iterable[Fault]) -> Style:
    """Give a style with what faults make of it."""
    for fault in faults:
        match fault.kind:
            case "crlf":
                style = msgspec.structs.replace(style, newline=b"\r\n")
            case "cr":
                style = msgspec.structs.replace(style, newline=b"\r")
            case "no-space":
                style = msgspec.structs.replace(style, space=False)
            case "comments":
                style = msgspec.structs.replace(style, comments=_COMMENTS)
            case "multiline":
                style = msgspec.structs.replace(style, multiline=True)
            case "bom":
                style = msgspec.structs.replace(style, bom=True)
            case "escapes":
                style = msgspec.structs.replace(style, escapes=True)
            case "cut" if fault.value == "escape":  # what is to be cut must be there
                style = msgspec.structs.replace(style, escapes=True)
            case "cut" if fault.value == "crlf":
                style = msgspec.structs.replace(style, newline=b"\r\n")
            case _:
                pass
    return style


def write_frames(frames: Iterator[Frame], style: Style, dice: Dice) -> Iterator[Piece]:
    """Write frames, each a piece; what stands before it belongs to it."""
    if style == PLAIN:
        for frame in frames:
            yield Piece(frame.at_s, written(frame), frame.tokens)
        return
    first = True
    for frame in frames:
        data = restyled(written(frame), style, dice)
        if style.comments and (first or dice.chance(style.comment_share)):
            data = _newlines(style.comments[0] if first else dice.pick(style.comments), style) + data
        if first and style.bom:
            data = BOM + data
        first = False
        yield Piece(frame.at_s, data, frame.tokens)


def restyled(data: bytes, style: Style, dice: Dice) -> bytes:
    """Write a frame's bytes in a style."""
    lines = list[bytes]()
    for line in data[:-1].split(b"\n"):
        name, colon, value = line.partition(b": ")
        if name == b"event" and not style.names:
            continue
        if name != b"data" or not colon:
            lines.append(line)
            continue
        if style.escapes:
            value = escaped(value)
        if style.padding and value.endswith(b"}"):
            value = value[:-1] + b" " * dice.between(0, style.padding) + b"}"
        values = _split(value) if style.multiline and value[:1] == b"{" else [value]
        lines += [(b"data: " if style.space else b"data:") + part for part in values]
    return style.newline.join(lines) + style.newline


def escaped(data: bytes) -> bytes:
    """Escape what is not ASCII; bytes that are no UTF-8 stay."""
    text = _NOT_ASCII.sub(_escape, data.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "surrogateescape")


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if 0xDC80 <= ord(char) <= 0xDCFF:  # how Python carries a byte that is no UTF-8
        return char
    return "".join([f"\\u{unit:04x}" for unit in memoryview(char.encode("utf-16-le")).cast("H")])


def _split(value: bytes) -> list[bytes]:
    """Break JSON into lines where white space may stand."""
    parts = [b""]
    for token in _TOKENS.findall(value):
        parts[-1] += token
        if token in b",{[":
            parts.append(b"")
    return [part for part in parts if part]


def _newlines(data: bytes, style: Style) -> bytes:
    return data.replace(b"\n", style.newline)
