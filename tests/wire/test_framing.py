"""Bytes to frames: each rule of the standard, what lies beyond it, the limit, and any cutting."""

import re
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from headrace.errors import FrameTooLarge
from headrace.wire import framing
from headrace.wire.framing import MAX_FRAME, Frame, SSEFramer
from tests.wire.streams import Cuts, cut

BOM = b"\xef\xbb\xbf"


@pytest.fixture(params=["as it is", "any chunk may hold many frames"], autouse=True, scope="module")
def many(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have everything here be read twice: small chunks too by the way that backlogs go."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "as it is":
            patch.setattr(framing, "_MANY", 0)
        yield


def frames(data: bytes, cuts: Cuts = None) -> list[Frame]:
    framer = SSEFramer()
    out = [frame for piece in cut(data, cuts) for frame in framer.feed(piece)]
    return out + list(framer.finish())


def F(data: str | bytes, event: str = "", name: str | None = None, truncated: bool = False) -> Frame:
    return Frame(data.encode() if isinstance(data, str) else data, event, name, truncated)


STANDARD = {
    "1: a byte order mark is stripped": (BOM + b"data: a\n\n", [F("a")]),
    "1: exactly one byte order mark is stripped": (BOM + BOM + b"data: a\n\ndata: b\n\n", [F("b")]),
    "1: a byte order mark later on is none": (b"data: a\n\n" + BOM + b"data: b\n\ndata: c\n\n", [F("a"), F("c")]),
    "1: a byte order mark alone": (BOM, []),
    "1: the beginning of one is none": (b"\xef\xbbdata: a\n\ndata: b\n\n", [F("b")]),
    "1: bytes that are no UTF-8 stay in the data": (b"data: \xff\xfe\n\n", [F(b"\xff\xfe")]),
    "1: bytes that are no UTF-8 are replaced in names": (b"event: \xff\nid: \xff\ndata: a\n\n", [F("a", "�", "�")]),
    "2: LF": (b"data: a\ndata: b\n\n", [F("a\nb")]),
    "2: CRLF": (b"data: a\r\ndata: b\r\n\r\n", [F("a\nb")]),
    "2: CR": (b"data: a\rdata: b\r\r", [F("a\nb")]),
    "2: a mix of line ends": (
        b"data: a\rdata: b\ndata: c\r\n\r\ndata: d\n\rdata: e\r\r\n",
        [F("a\nb\nc"), F("d"), F("e")],
    ),
    "3: other line ends of Unicode are text": (
        "data: a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg\n\n".encode(),
        [F("a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg")],
    ),
    "4: comments": (b": hello\n:\n:a: b\ndata: a\n: between\ndata: b\n\n", [F("a\nb")]),
    "4: one space is stripped, no more": (b"data:  a \n\n", [F(" a ")]),
    "4: no space is fine": (b"data:a\n\ndata:{}\n\n", [F("a"), F("{}")]),
    "4: a tab is no space": (b"data:\ta\n\n", [F("\ta")]),
    "4: the first colon counts": (b"data: a: b: c\n\n", [F("a: b: c")]),
    "4: names are case-sensitive": (b"Data: a\nDATA: b\ndata: c\n\n", [F("c")]),
    "4: a space before the colon is of the name": (b"data : x\n\ndata: y\n\n", [F("y")]),
    "4: a line without a colon is a name": (b"event\ndata: a\nwhatever\n\n", [F("a")]),
    "5: data lines are joined": (b"data: a\ndata:\ndata: b\n\n", [F("a\n\nb")]),
    "5: only one line end is taken off": (b"data: a\ndata: \n\n", [F("a\n")]),
    "5: the last event name counts": (b"event: x\nevent: y\ndata: a\n\n", [F("a", "y")]),
    "5: an id with a NUL is ignored": (
        b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n",
        [F("a", name="1"), F("b", name="1")],
    ),
    "5: an empty id clears it": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [F("a", name="1"), F("b")]),
    "5: unknown fields are ignored": (b"foo: bar\ndata: a\n\n", [F("a")]),
    "6: an id counts without data": (b"id: 7\n\ndata: a\n\n", [F("a", name="7")]),
    "6: an event without data is none, and its name is gone": (b"event: x\n\ndata: a\n\n", [F("a")]),
    "6: data alone is an empty frame": (b"data\n\ndata:\n\ndata: \n\n", [F(""), F(""), F("")]),
    "6: two data alone are a line end": (b"data\ndata\n\n", [F("\n")]),
    "6: blank lines are nothing": (b"\n\n\r\r\r\n\ndata: a\n\n\n\n", [F("a")]),
    "7: ids persist, names and data do not": (
        b"id: 1\nevent: x\ndata: a\n\ndata: b\n\n",
        [F("a", "x", "1"), F("b", name="1")],
    ),
    "8: a block that was cut in its data is dropped": (b'data: {}\n\ndata: {"a": 1', [F("{}")]),
    "8: a block that was cut in its name is dropped": (b"data: {}\n\neven", [F("{}")]),
    "8: nothing": (b"", []),
    "beyond: a block that lacks only its end is given": (b'data: {"a": 1}', [F('{"a": 1}', truncated=True)]),
    "beyond: also after the line's end": (b"event: x\ndata: [1,\ndata: 2]\n", [F("[1,\n2]", "x", truncated=True)]),
    "beyond: also the marker": (b"data: [DONE] ", [F("[DONE] ", truncated=True)]),
    "beyond: as leniently as the decoders read": (
        b'data: {"a": "\xff\x01", "b": NaN}\r',
        [F(b'{"a": "\xff\x01", "b": NaN}', truncated=True)],
    ),
    "beyond: with an id after it": (b"data: 1\nid: 4", [F("1", name="4", truncated=True)]),
    "beyond: a bare word is not complete": (b"data: hello", []),
    "beyond: too deep to be read": (b"data: " + b"[" * 100_000, []),
}


@pytest.mark.parametrize(("data", "expected"), STANDARD.values(), ids=STANDARD)
def test_standard(data: bytes, expected: list[Frame]) -> None:
    assert frames(data) == expected


SHORT = {name: case for name, case in STANDARD.items() if len(case[0]) < 1000}


@pytest.mark.parametrize(("stream", "expected"), SHORT.values(), ids=SHORT)
def test_standard_is_the_same_however_it_is_cut(stream: bytes, expected: list[Frame]) -> None:
    for size in (1, 2, 3, 5):
        assert frames(stream, size) == expected
    for place in range(len(stream)):
        assert frames(stream, [place]) == expected
        assert frames(stream, [place, place]) == expected  # with an empty piece between


def test_a_cr_ends_its_line_at_once() -> None:
    framer = SSEFramer()
    assert list(framer.feed(b"data: a\r")) == []
    assert list(framer.feed(b"\r")) == [F("a")]
    assert list(framer.feed(b"\n")) == []  # the rest of the CRLF, no blank line
    assert list(framer.feed(b"data: b\r\n\r")) == [F("b")]


def test_comments_and_retry_are_kept_aside() -> None:
    framer = SSEFramer()
    assert (
        list(framer.feed(b":one\n: two\n:408: 408 Request Timeout\nretry: 1500\nretry: -5\nretry: 1e3\nretry:\n")) == []
    )
    assert framer.last_comment == "408: 408 Request Timeout"
    assert framer.retry_ms == 1500
    for odd in ("9" * 10, "9" * 5000, "٣"):
        assert list(framer.feed(f"retry: {odd}\n".encode())) == []
        assert framer.retry_ms == 1500
    assert list(framer.feed(b"retry: 999999999\n")) == []
    assert framer.retry_ms == 999999999
    assert list(framer.feed(b": \xff\n")) == []
    assert framer.last_comment == "�"
    assert list(framer.feed(b":" + b"x" * 5000 + b"\n")) == []
    assert framer.last_comment == "x" * 1000


def test_finish_is_said_once() -> None:
    framer = SSEFramer()
    assert list(framer.feed(b"data: 1")) == []
    before = framer.done
    assert list(framer.finish()) == [F("1", truncated=True)]
    assert (before, framer.done) == (False, True)
    assert list(framer.finish()) == []


# -- any bytes, any cutting, against the standard's own words


def by_the_book(data: bytes) -> list[Frame]:
    """Read the standard's algorithm literally, on the whole of the bytes, without the block at the end."""
    out: list[Frame] = []
    text = data.removeprefix(BOM)
    lines = re.split(rb"\r\n|\r|\n", text)[:-1]  # the last piece has no line end
    buffer, event, last_id = b"", b"", b""
    for line in lines:
        if not line:
            if buffer:
                out.append(
                    Frame(buffer[:-1], event.decode("utf-8", "replace"), last_id.decode("utf-8", "replace") or None)
                )
            buffer = event = b""
            continue
        name, colon, value = line.partition(b":")
        if colon and not name:
            continue
        value = value[1:] if value[:1] == b" " else value
        if name == b"data":
            buffer += value + b"\n"
        elif name == b"event":
            event = value
        elif name == b"id" and b"\0" not in value:
            last_id = value
    return out


ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
line = st.one_of(
    st.just(b""),
    st.sampled_from(
        [b"data", b"data:", b"data: ", b"event: x", b"id: 1", b"id", b": c", b"retry: 3", b"id: \0", b"data : n"]
    ),
    st.binary(max_size=12).map(lambda b: b"data: " + b),
    st.binary(max_size=12),
)
streams = st.lists(st.tuples(line, ends).map(b"".join), max_size=24).map(b"".join)


@given(streams, st.lists(st.integers(0, 400), max_size=12), st.booleans())
@example(b"data: a\r\n\r\n", [8], False)
@example(b"\xef\xbb\xbfdata\n\n", [1, 2], False)
def test_any_bytes_are_read_by_the_book(data: bytes, cuts: list[int], bom: bool) -> None:
    data = BOM + data if bom else data
    expected = by_the_book(data)
    whole = frames(data)
    assert [frame for frame in whole if not frame.truncated] == expected
    assert frames(data, cuts) == whole
    assert frames(data, 1) == whole


usual = st.tuples(
    st.sampled_from([b"", b"", b"event: x\n", b"event: y\n", b"event: \xff\n", b"event:x\n", b"event: x\nid: 1\n"]),
    st.sampled_from([b"data: 1", b"data: {}", b"data: \xff ", b"data: ", b"data:1", b"data: 1\ndata: 2"]),
    st.sampled_from([b"", b"", b"", b"\nid: 3", b"\nevent: z"]),
    st.sampled_from([b"\n\n", b"\n\n", b"\n\n\n", b"\n"]),
).map(b"".join)  # fmt: skip


@given(st.lists(usual, max_size=12).map(b"".join), st.lists(st.integers(0, 300), max_size=6))
@example(b"event: x\ndata: 1\n\nevent: y\ndata: 2\n\ndata: 3\n\nevent: x\ndata: 4\n\nevent: x\ndata: 5\n\n", [9, 17])
def test_many_blocks_at_once_are_read_by_the_book(data: bytes, cuts: list[int]) -> None:
    expected = by_the_book(data)
    for how in (None, 1, 7, cuts):
        assert [frame for frame in frames(data, how) if not frame.truncated] == expected


# -- the limit


def until_too_large(data: bytes, max_frame: int, cuts: Cuts = None) -> tuple[list[Frame], bool]:
    framer, out = SSEFramer(max_frame=max_frame), []
    try:
        for piece in cut(data, cuts):
            for frame in framer.feed(piece):
                out.append(frame)  # noqa: PERF402 - what came before the error shall be kept
    except FrameTooLarge:
        return out, True
    return out, False


TOO_LARGE = {
    "a line": b"data: " + b"x" * 64 + b"\n\n",
    "a line without an end": b"data: " + b"x" * 64,
    "many lines": b"data: 0123456789\n" * 4 + b"\n",
    "many empty lines": b"data\n" * 40 + b"\n",
    "a comment": b": " + b"x" * 64 + b"\n",
    "a name": b"event: " + b"x" * 64 + b"\n",
    "an unknown field": b"x" * 64 + b"\n",
    "a byte order mark before it": b"data: " + b"x" * 64 + b"\n",
}


@pytest.mark.parametrize("bad", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("before", [b"", b"data: a\n\nevent: x\ndata: b\n\n", BOM, b"data: a\r\r"])
def test_a_frame_over_the_limit(bad: bytes, before: bytes) -> None:
    expected = [frame for frame in frames(before) if not frame.truncated]
    data = before + bad + b"\n\ndata: after\n\n"
    assert until_too_large(data, 32) == (expected, True)
    for place in range(len(data)):
        assert until_too_large(data, 32, [place]) == (expected, True)
    for size in (1, 2, 7):
        assert until_too_large(data, 32, size) == (expected, True)


@given(streams, st.integers(1, 40), st.lists(st.integers(0, 400), max_size=12))
def test_the_limit_is_at_the_same_place_however_it_is_cut(data: bytes, limit: int, cuts: list[int]) -> None:
    whole = until_too_large(data, limit)
    assert until_too_large(data, limit, cuts) == whole
    assert until_too_large(data, limit, 1) == whole
    assert all(len(frame.data) <= limit + 5 for frame in whole[0])


@pytest.mark.parametrize("size", [31, 32, 33, 64])
def test_the_limit_counts_the_data(size: int) -> None:
    data = b"data:" + b"x" * size + b"\n\n"
    for start in (b"", BOM):
        for cuts in (None, 1):
            told = until_too_large(start + data, 32, cuts)
            assert told == (([F("x" * size)], False) if size <= 32 else ([], True))


@pytest.mark.parametrize("size", [36, 37, 38])
def test_the_limit_counts_other_lines_too(size: int) -> None:
    data = b":" + b"x" * (size - 1) + b"\ndata: a\n\n"
    assert until_too_large(data, 32) == (([F("a")], False) if size <= 37 else ([], True))


def test_the_limit_is_a_frames_own() -> None:
    data = b"data: 0123456789\ndata: 0123456789\n\n" * 50
    assert until_too_large(data, 32) == ([F("0123456789\n0123456789")] * 50, False)


def test_the_limit_is_16_mib_and_is_said() -> None:
    assert MAX_FRAME == 16 * 1024 * 1024
    framer = SSEFramer()
    fit = b"data:" + b"x" * MAX_FRAME + b"\n\n"
    assert [len(frame.data) for frame in framer.feed(fit)] == [MAX_FRAME]
    with pytest.raises(FrameTooLarge, match="16777216 bytes"):
        list(framer.feed(b"data:" + b"x" * (MAX_FRAME + 1)))


# -- linear


def calls_of(pieces: list[bytes]) -> int:
    """Count the calls that the framer makes, of Python and of C."""
    framer, count = SSEFramer(), 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        for piece in pieces:
            for _ in framer.feed(piece):
                pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", [b"x", b"data: y\n", b"data: y\n\n", b": c\n"], ids=repr)
def test_work_grows_with_the_bytes_and_not_with_what_came_before(piece: bytes) -> None:
    counts = [calls_of([b"data: "] + [piece] * n) for n in (1000, 2000, 3000)]
    first, second = (b - a for a, b in pairwise(counts))
    assert first == second


def test_a_large_frame_in_small_pieces_is_copied_once() -> None:
    framer = SSEFramer()
    pieces = [b"data: ", *[bytes([65 + i % 26]) * 100 for i in range(2000)]]
    for piece in pieces:
        assert list(framer.feed(piece)) == []
        # kept as it came: nothing that came before is touched until the line ends
        assert framer._tail[-1] is piece
    assert len(framer._tail) == len(pieces)
    assert list(framer.feed(b"\n\n")) == [F(b"".join(pieces[1:]))]
    assert framer._tail == []
