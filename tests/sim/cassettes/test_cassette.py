"""The format: what is written is read again, people can read it, and what is wrong is said with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.errors import ConfigError
from headrace.sim.cassettes.cassette import (
    Body,
    Cassette,
    CassetteError,
    Headers,
    RecordedHead,
    RecordedRequest,
    body_of,
    chunk_line,
    end_line,
    first_line,
    head_line,
)
from headrace.sim.cassettes.reading import parse_cassette, read_cassette, read_cassettes

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
VALUES = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
BODIES = (
    st.just(Body())
    | st.builds(Body, st.just("json"), JSON)
    | st.builds(Body, st.just("text"), st.text())
    | st.builds(Body, st.just("base64"), st.binary())
)


def grouped(headers: Headers) -> Headers:
    """Give headers in the order in which they are read again: those of one name together."""
    names = dict.fromkeys(name for name, _ in headers)
    return tuple((name, value) for name in names for other, value in headers if other == name)


HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4).map(tuple).map(grouped)
TIMES = st.lists(st.floats(0, 1e6), min_size=12, max_size=12).map(lambda times: sorted(round(t, 4) for t in times))


@st.composite
def cassettes(draw: st.DrawFn) -> Cassette:
    times = iter(draw(TIMES))
    request = RecordedRequest(method="POST", path=draw(VALUES), headers=draw(HEADERS), body=draw(BODIES))
    head, chunks = None, ()
    if draw(st.booleans()):
        head = RecordedHead(
            at_s=next(times),
            status=draw(st.integers(200, 599)),
            headers=draw(HEADERS),
            framing=draw(st.sampled_from(["chunked", "length", "close"])),
            note=draw(st.none() | st.text()),
        )
        chunks = tuple((next(times), data) for data in draw(st.lists(st.binary(max_size=30), max_size=6)))
    endings = ["close", "reset", "client_left", None, *(["end"] if head else [])]
    ending = draw(st.sampled_from(endings))
    last_s = chunks[-1][0] if chunks else head.at_s if head else 0.0
    return Cassette(
        name="0001-x.jsonl",
        request=request,
        head=head,
        chunks=chunks,
        ending=ending,
        ended_s=next(times) if ending else last_s,
        provider=draw(st.none() | NAMES),
        recorded=draw(st.text(max_size=20)),
    )


def written(cassette: Cassette) -> bytes:
    lines = [first_line(cassette.request, provider=cassette.provider, recorded=cassette.recorded)]
    if cassette.head is not None:
        lines.append(head_line(cassette.head))
    lines += [chunk_line(at_s, data) for at_s, data in cassette.chunks]
    if cassette.ending is not None:
        lines.append(end_line(cassette.ended_s, cassette.ending))
    return b"".join(lines)


@given(cassettes())
def test_what_is_written_is_read_again(cassette: Cassette) -> None:
    data = written(cassette)
    assert parse_cassette(data, name=cassette.name) == cassette
    assert parse_cassette(data.replace(b"\n", b"\r\n"), name=cassette.name) == cassette
    assert data.count(b"\n") == len(data.splitlines())
    data.decode()


@given(st.binary())
def test_any_bytes_are_a_chunk(data: bytes) -> None:
    start = FIRST + HEAD
    for coded in (False, True):
        assert parse_cassette(start + chunk_line(0.5, data, coded=coded)).chunks == ((0.5, data),)


@given(st.binary() | st.text().map(str.encode) | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_a_body(data: bytes) -> None:
    body = body_of(data)
    line = first_line(RecordedRequest(method="POST", path="/", body=body), provider=None, recorded="")
    assert parse_cassette(line).request.body == body
    if body.kind == "json":
        assert json.loads(data) == body.value
    elif body.kind != "none":
        assert (body.value.encode() if body.kind == "text" else body.value) == data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "none"),
        (b'{"a": "\\ud83d"}', "json"),
        (b'{"a": NaN}', "text"),
        (b'{"a": 1e999}', "text"),
        (b"[" * 100_000, "text"),
        (b"[" * 300 + b"]" * 300, "text"),
        (b"1" * 5000, "text"),
        (b"{}\xff", "base64"),
    ],
)
def test_bodies_that_are_nearly_json(data: bytes, kind: str) -> None:
    body = body_of(data)
    assert body.kind == kind
    line = first_line(RecordedRequest(method="POST", path="/", body=body), provider=None, recorded="")
    assert parse_cassette(line).request.body == body


def test_a_compressed_body_is_base64_whatever_it_looks_like() -> None:
    assert body_of(b"{}", coded=True) == Body("base64", b"{}")
    assert b'"base64"' in chunk_line(0.0, b"text", coded=True)


def test_it_is_to_be_read_by_people() -> None:
    assert (
        chunk_line(0.41234, 'data: {"x": "ä"}\n\n'.encode())
        == '{"t": 0.4123, "text": "data: {\\"x\\": \\"ä\\"}\\n\\n"}\n'.encode()
    )
    assert chunk_line(1.0, b"\xe2\x82") == b'{"t": 1.0, "base64": "4oI="}\n'
    assert end_line(2.00004, "client_left") == b'{"t": 2.0, "end": "client_left"}\n'


FIRST = b'{"headrace_cassette": 1, "request": {"method": "POST", "path": "/v1/x"}}\n'
HEAD = b'{"t": 0.1, "status": 200}\n'
END = b'{"t": 0.2, "end": "end"}\n'


def test_the_least_and_what_is_not_known() -> None:
    plain = parse_cassette(FIRST + HEAD + END)
    assert plain.head is not None
    assert (plain.ending, plain.head.framing, plain.head.headers) == ("end", "chunked", ())
    more = [json.dumps({**json.loads(line), "later": [1]}).encode() for line in (FIRST, HEAD, END)]
    assert parse_cassette(b"\n".join(more)) == plain


def test_a_recording_that_was_broken_off() -> None:
    cassette = parse_cassette(FIRST + HEAD + b'{"t": 0.3, "text": "x"}\n')
    assert (cassette.ending, cassette.ended_s, cassette.chunks) == (None, 0.3, ((0.3, b"x"),))
    assert parse_cassette(FIRST).head is None


def changed(line: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(line), **fields}).encode() + b"\n"


def asking(**fields: Any) -> bytes:
    return changed(FIRST, request={"method": "POST", "path": "/", **fields})


@pytest.mark.parametrize(
    ("data", "number", "what"),
    [
        (b"", 1, "is no JSON"),
        (b"\xff\n", 1, "is no JSON"),
        (b"[" * 3000 + b"\n", 1, "is no JSON"),
        (b"[1]\n", 1, "is no JSON object"),
        (HEAD, 1, "is not the beginning of a cassette"),
        (changed(FIRST, headrace_cassette=True), 1, "is not the beginning of a cassette"),
        (changed(FIRST, headrace_cassette=2), 1, "reads version 1: update it"),
        (changed(FIRST, provider=3), 1, "has no text as provider"),
        (changed(FIRST, request=[]), 1, "has no request"),
        (changed(FIRST, request={"method": "POST"}), 1, "has no text as path"),
        (asking(headers=[]), 1, "has headers that are no JSON object"),
        (asking(headers={"a b": "c"}), 1, "has a header 'a b'"),
        (asking(headers={"a": 1}), 1, "has a header 'a'"),
        (asking(headers={"a": ["b", "c\nd"]}), 1, "has a header 'a'"),
        (asking(json=1, text="x"), 1, "has a body twice, as json and text"),
        (asking(text=1), 1, "has no text as text"),
        (asking(base64="x"), 1, "has base64 that is none"),
        (FIRST + b"\n" + END, 2, "is no JSON"),
        (FIRST + b"{}\n", 2, "is neither a head (status), nor a chunk (text or base64), nor an end"),
        (FIRST + b'{"t": 0, "text": "x"}\n', 2, "is a chunk before the response's head"),
        (FIRST + END, 2, "is a good end without a response"),
        (FIRST + changed(HEAD, t=None), 2, "has no time t"),
        (FIRST + changed(HEAD, t=True), 2, "has no time t"),
        (FIRST + changed(HEAD, t=-1), 2, "is at -1 s, before the line above it"),
        (FIRST + changed(HEAD, status="200"), 2, "has a status"),
        (FIRST + changed(HEAD, status=101), 2, "has a status"),
        (FIRST + changed(HEAD, framing="none"), 2, "none of chunked, length, close"),
        (FIRST + changed(HEAD, note=1), 2, "has no text as note"),
        (FIRST + HEAD + HEAD, 3, "is a second head"),
        (FIRST + HEAD + b'{"t": 0.05, "text": "x"}\n', 3, "is at 0.05 s, before the line above it (0.1 s)"),
        (FIRST + HEAD + b'{"t": 1, "text": "x", "base64": ""}\n', 3, "has both text and base64"),
        (FIRST + HEAD + b'{"t": 1, "text": "\\ud83d"}\n', 3, "half a surrogate pair"),
        (FIRST + HEAD + b'{"t": 1, "base64": "\xc3\xa4"}\n', 3, "has base64 that is none"),
        (FIRST + HEAD + b'{"t": 1, "base', 3, "is no JSON"),
        (FIRST + HEAD + changed(END, end="well"), 3, "none of end, close, reset, client_left"),
        (FIRST + HEAD + END + END, 4, "stands after the end"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, data: bytes, number: int, what: str) -> None:
    file = tmp_path / "0001-x.jsonl"
    file.write_bytes(data)
    with pytest.raises(CassetteError) as caught:
        read_cassette(file)
    assert str(caught.value).startswith(f"{file}, line {number}: ")
    assert what in str(caught.value)
    assert isinstance(caught.value, ConfigError)


@given(st.binary() | st.lists(st.sampled_from([FIRST, HEAD, END, b"{}\n", b'{"t": 1, "text": "x"}\n'])).map(b"".join))
def test_whatever_a_file_holds(data: bytes) -> None:
    try:
        parse_cassette(data)
    except CassetteError:
        pass


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for name in ("10000-b", "0002-a", "9999-z", "notes", "0002-A"):
        (tmp_path / f"{name}.jsonl").write_bytes(FIRST)
    (tmp_path / "README").write_text("no cassette")
    names = [cassette.name for cassette in read_cassettes(tmp_path)]
    assert names == ["notes.jsonl", "0002-A.jsonl", "0002-a.jsonl", "9999-z.jsonl", "10000-b.jsonl"]
    files = [tmp_path / "notes.jsonl", str(tmp_path / "0002-a.jsonl")]
    assert [cassette.name for cassette in read_cassettes(files)] == ["notes.jsonl", "0002-a.jsonl"]
    assert [cassette.name for cassette in read_cassettes(str(tmp_path / "notes.jsonl"))] == ["notes.jsonl"]


def test_no_cassettes(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="there are no cassettes"):
        read_cassettes(tmp_path)
    with pytest.raises(CassetteError, match="no cassettes were given"):
        read_cassettes([])
    with pytest.raises(CassetteError, match="cannot be read: No such file"):
        read_cassettes(tmp_path / "none.jsonl")
