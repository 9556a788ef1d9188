"""The chunked coding, taken off: any body, however it is cut, against Python's own reader."""

import http.client
import io
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.transport.chunked import Dechunker
from tests.wire.streams import Cuts, cut


def read(data: bytes, cuts: Cuts = None) -> tuple[bytes, Dechunker]:
    """Read as the transport does: to the end, the first thing that is wrong, or the end of the bytes."""
    chunks, content = Dechunker(), b""
    for piece in cut(data, cuts):
        if piece and not chunks.done and chunks.error is None:
            content += chunks.feed(piece)
    if not chunks.done and chunks.error is None:
        chunks.finish()
    assert chunks.done == (chunks.error is None)
    return content, chunks


def by_the_library(data: bytes) -> tuple[bytes, bool]:
    """Read with `http.client`; whether it found the body whole."""

    class Socket:
        def makefile(self, *_: Any) -> io.BytesIO:
            return io.BytesIO(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + data)

    response, content = http.client.HTTPResponse(Socket()), b""  # type: ignore[arg-type]
    response.begin()
    try:
        while piece := response.read1(65536):
            content += piece
    except http.client.HTTPException:
        return content, False
    return content, True


spaces = st.sampled_from([b"", b"", b" ", b"\t "])
ends = st.sampled_from([b"\r\n", b"\r\n", b"\n"])
extensions = st.sampled_from([b"", b"", b";a", b'; a="b;c"', b" ;\xff=1"])
sizes = st.sampled_from([b"%x", b"%X", b"0%x", b"%06X"])


@st.composite
def chunk(draw: st.DrawFn) -> tuple[bytes, bytes]:
    content = draw(st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from([b"\r\n", b"0\r\n\r\n", b"a" * 300])))
    size = draw(sizes) % len(content)
    return draw(spaces) + size + draw(spaces) + draw(extensions) + draw(ends) + content + b"\r\n", content


trailers = st.lists(st.sampled_from([b"a: b", b"c", b"\xff: ", b"x" * 100]), max_size=3)


@st.composite
def body(draw: st.DrawFn) -> tuple[bytes, bytes]:
    pairs = draw(st.lists(chunk(), max_size=8))
    lines = [draw(st.sampled_from([b"0", b"000", b"0;a"])), *draw(trailers), b""]
    return b"".join([p[0] for p in pairs]) + b"".join([x + draw(ends) for x in lines]), b"".join([p[1] for p in pairs])


places = st.lists(st.integers(0, 500), max_size=12)


@given(body(), places, st.binary(max_size=5))
def test_any_body_however_it_is_cut(given: tuple[bytes, bytes], cuts: list[int], after: bytes) -> None:
    data, content = given
    assert by_the_library(data) == (content, True)
    for how in (None, 1, cuts):
        told, chunks = read(data, how)
        assert (told, chunks.done, chunks.rest) == (content, True, b"")
    told, chunks = read(data + after)
    assert (told, chunks.done, chunks.rest) == (content, True, after)


@given(body(), places, st.integers(0, 400))
def test_a_body_that_ends_too_early(given: tuple[bytes, bytes], cuts: list[int], size: int) -> None:
    data, content = given
    data = data[: min(size, len(data) - 1)]
    told, whole = by_the_library(data)
    for how in (None, 1, cuts):
        said, chunks = read(data, how)
        assert said == told
        assert content.startswith(said)
        if not data.endswith(b"0") and b";" not in data.rpartition(b"\n")[2]:  # the library needs no line end there
            assert chunks.done == whole
    if not chunks.done:
        assert chunks.error == "the server closed it in the middle of the body"


@given(st.lists(st.one_of(body().map(lambda b: b[0][:-3]), st.binary(max_size=9)), max_size=3).map(b"".join), places)
def test_any_bytes_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    expected, whole = read(data)
    for how in (1, cuts):
        content, chunks = read(data, how)
        assert (content, chunks.done) == (expected, whole.done)
        assert (chunks.error is None) == (whole.error is None)


def test_content_comes_before_its_chunk_is_whole() -> None:
    chunks = Dechunker()
    assert [chunks.feed(bytes([byte])) for byte in b"3\r\nabc\r\n1\r\nd"] == [
        *[b""] * 3, b"a", b"b", b"c", *[b""] * 5, b"d",
    ]  # fmt: skip
    assert (chunks.done, chunks.error) == (False, None)


@pytest.mark.parametrize("size", [b"", b"g", b"-1", b"1 1", b"\xff", b";a", b"data: x"])
def test_a_size_that_is_none(size: bytes) -> None:
    content, chunks = read(b"2\r\nab\r\n" + size + b"\r\nc\r\n0\r\n\r\n")
    assert content == b"ab"
    assert chunks.error is not None
    assert "is no chunk's size" in chunks.error


def test_a_chunk_that_is_longer_than_its_size() -> None:
    content, chunks = read(b"2\r\nabcd\r\n0\r\n\r\n")
    assert content == b"ab"
    assert chunks.error is not None
    assert "goes on behind its end, with b'cd" in chunks.error


@pytest.mark.parametrize("start", [b"", b"0\r\n", b"0\r\na: b\r\n"])
def test_a_line_without_an_end(start: bytes) -> None:
    chunks = Dechunker()
    chunks.feed(start)
    for _ in range(9):
        assert chunks.error is None
        chunks.feed(b"0" * 1000)
    assert chunks.error == "a line between the chunks of the body is too long"


@pytest.mark.parametrize("end", [b"", b"a: b", b"a: b\r\n", b"\r"])
def test_a_body_that_lacks_nothing_but_the_end_of_its_trailers(end: bytes) -> None:
    content, chunks = read(b"2\r\nab\r\n0\r\n" + end)
    assert (content, chunks.done) == (b"ab", True)
