"""Frames that are odd, doubled, broken, or not of this message.

Law kept here: what is kept for later is bounded by the place where it is wanted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from headrace.sim.faults.frame import Frame, Json, changed, dump, opened, written
from headrace.sim.faults.place import reaching
from headrace.sim.faults.shape import base_of, fields, is_marker, name_of, named, text_at, text_place, with_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.faults.place import Place
    from headrace.wire.providers import WireName

HUGE = 2 * 1024 * 1024

_NOVELTY: Json = {"kind": "something new", "level": 1}
_TEXT = re.compile(rb'"(?:content|text|reasoning_content|reasoning|thinking|partial_json|arguments)":"(?!")')
_KEY = re.compile(rb'"(\w+)":')
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
# what a proxy says when its upstream is gone
_GARBAGE = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"


def unknown(frames: Iterator[Frame], place: Place, wire: WireName) -> Iterator[Frame]:
    """Put an event of an unknown type before the frame at a place, and unknown fields into that frame."""
    done = False
    for there, frame in reaching(frames, place):
        data = fields(opened(frame)) if there and not done else {}
        if not data:
            yield frame
            continue
        done = True
        if wire == "anthropic":
            yield Frame(at_s=frame.at_s, event="novelty", data={"type": "novelty", "novelty": _NOVELTY})
        else:
            novelty = {**base_of(data), "object": "chat.completion.novelty", "novelty": _NOVELTY}
            yield Frame(at_s=frame.at_s, data=novelty)
        yield changed(opened(frame), {"novelty": _NOVELTY, **data})


def huge(frames: Iterator[Frame], place: Place, size: int, wire: WireName) -> Iterator[Frame]:
    """Pad the frame at a place, so that its data has this many bytes."""
    key = "padding" if wire == "anthropic" else "obfuscation"
    done = False
    for there, frame in reaching(frames, place):
        data = fields(opened(frame)) if there and not done else {}
        if not data:
            yield frame
            continue
        done = True
        left = size - len(dump({**data, key: ""}))
        yield changed(opened(frame), {**data, key: "x" * max(0, left)})


def duplicate(frames: Iterator[Frame], place: Place) -> Iterator[Frame]:
    """Give the frame at a place twice."""
    done = False
    for there, frame in reaching(frames, place):
        yield frame
        if there and not done:
            done = True
            yield frame


def splice(frames: Iterator[Frame], place: Place, wire: WireName) -> Iterator[Frame]:
    """Begin the message anew at a place, under another id: what had been said is said again."""
    before: list[Frame] | None = []
    name = ""
    for there, frame in reaching(frames, place):
        if before is None:
            yield _renamed(frame, wire, name)
            continue
        frame = opened(frame)
        name = name or name_of(fields(frame))
        if not there:
            before.append(frame)
        elif not is_marker(frame, wire):
            name = _other(name)
            for said in before:
                yield msgspec.structs.replace(_renamed(said, wire, name), at_s=frame.at_s)
            before = None
            frame = _renamed(frame, wire, name)
        yield frame


def _other(name: str) -> str:
    return name[:-1] + ("1" if name.endswith("0") else "0")


def _renamed(frame: Frame, wire: WireName, name: str) -> Frame:
    data = fields(opened(frame))
    other = named(data, wire, name)
    return frame if other is data else changed(opened(frame), other)


def surrogates(frames: Iterator[Frame], wire: WireName) -> Iterator[Frame]:
    """Cut characters beyond the basic plane into halves of which each comes in a delta of its own."""
    for frame in map(opened, frames):
        data = fields(frame)
        place = text_place(data, wire)
        text = text_at(data, place) if place else ""
        parts = _halved(text)
        if len(parts) == 1:
            yield frame
            continue
        for number, part in enumerate(parts, 1):
            yield changed(frame, with_text(data, place, part), tokens=frame.tokens if number == len(parts) else 0)


def _halved(text: str) -> list[str]:
    parts = [""]
    for char in text:
        if _ASTRAL.match(char):
            high, low = memoryview(char.encode("utf-16-le")).cast("H")
            parts[-1] += chr(high)
            parts.append(chr(low))
        else:
            parts[-1] += char
    return parts


def malformed(frames: Iterator[Frame], place: Place, how: str) -> Iterator[Frame]:
    """Break the JSON of the frame at a place."""
    done = False
    for there, frame in reaching(frames, place):
        if not there or done or not fields(opened(frame)):
            yield frame
            continue
        done = True
        name, _, data = written(frame).removesuffix(b"\n\n").rpartition(b"data: ")
        yield msgspec.structs.replace(frame, raw=name + b"data: " + broken(data, how) + b"\n\n")


def broken(data: bytes, how: str) -> bytes:
    """Break JSON."""
    match how:
        case "garbage":
            return _GARBAGE
        case "nan":
            return data.replace(b"{", b'{"score":NaN,', 1)
        case "unquoted":
            return _KEY.sub(rb"\1:", data)
        case _:
            return data[: len(data) // 2]


def bad_utf8(frames: Iterator[Frame], place: Place) -> Iterator[Frame]:
    """Put a byte that is no UTF-8 before the first text at or behind a place."""
    done = False
    for there, frame in reaching(frames, place):
        data = spoilt_text(written(frame)) if there and not done else None
        if data is not None:
            done = True
            frame = msgspec.structs.replace(frame, raw=data)
        yield frame


def spoilt_text(data: bytes) -> bytes | None:
    """Put a byte that is no UTF-8 before the first text; None: there is none."""
    found = _TEXT.search(data)
    return data[: found.end()] + b"\xff" + data[found.end() :] if found else None
