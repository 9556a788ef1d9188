"""A frame on its way out: as the encoder wrote it, and decoded only if somebody must look inside.

Law kept here: a frame that nobody looks into is written byte for byte as the encoder gave it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_LONE = re.compile("[\ud800-\udfff]")


class Frame(Struct, frozen=True, kw_only=True):
    """A server-sent event, with the time at which it is due.

    Attributes:
        at_s: when it is due, in seconds from the request.
        event: its ``event:`` name, or "".
        data: its decoded object; a text: a literal such as ``[DONE]``; None: it stands in `raw` only.
        tokens: how many tokens it brings.
        raw: its bytes as an encoder wrote them, the blank line included; b"": they are written from the rest.
    """

    at_s: float
    event: str = ""
    data: Json | str | None = None
    tokens: int = 0
    raw: bytes = b""


def cut_frames(data: bytes) -> Iterator[bytes]:
    """Cut what an encoder wrote (one frame or several) into its frames."""
    for block in data.split(b"\n\n"):
        if block:
            yield block + b"\n\n"


def opened(frame: Frame) -> Frame:
    """Decode a frame, unless that was done; what is no JSON object becomes a text."""
    if frame.data is not None:
        return frame
    event, lines = "", list[bytes]()
    for line in frame.raw.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            lines.append(value)
        elif name == b"event":
            event = value.decode()
    text = b"\n".join(lines)
    try:
        decoded: Any = json.loads(text)
    except ValueError:
        decoded = None
    data = cast("Json", decoded) if isinstance(decoded, dict) else text.decode("utf-8", "replace")
    return msgspec.structs.replace(frame, event=event, data=data)


def changed(frame: Frame, data: Json | str, *, tokens: int | None = None) -> Frame:
    """Give a frame with other data, to be written anew."""
    return msgspec.structs.replace(frame, data=data, raw=b"", tokens=frame.tokens if tokens is None else tokens)


def dump(value: Any) -> bytes:
    """Write JSON, compact, as encoders do; halves of surrogate pairs become escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()


def written(frame: Frame) -> bytes:
    """Give a frame's bytes."""
    if frame.raw:
        return frame.raw
    name = f"event: {frame.event}\n".encode() if frame.event else b""
    data = frame.data.encode() if isinstance(frame.data, str) else dump(frame.data)
    return name + b"data: " + data + b"\n\n"
