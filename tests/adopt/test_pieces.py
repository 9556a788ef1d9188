"""What iterators give, as bytes of a stream: bytes in any cutting, lines, chunk objects."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from headrace import UsageError
from headrace.adopt.pieces import Pieces, error_piece
from headrace.wire import Frame, SSEFramer
from tests.wire.streams import DONE, choice, chunk, cut, message_start, messages, say, sse

OPENAI = sse(say("Hel\u2028lo, \x85"), say("data: x"), say("event: x:\\n"), chunk(choice(finish="stop")), DONE)
ANTHROPIC = messages(message_start(), {"type": "ping"}, {"type": "message_stop"})
BODIES = [
    OPENAI,
    ANTHROPIC,
    b": hello\n\n: again\n\n" + OPENAI,
    b"\xef\xbb\xbf" + OPENAI,
    b"id: 5:\nretry: 3\n" + OPENAI,
]


def frames(data: bytes) -> list[Frame]:
    framer = SSEFramer()
    return [*framer.feed(data), *framer.finish()]


def whole(pieces: Iterable[Any], lines: bool | None = None) -> bytes:
    turned = Pieces(lines=lines)
    return b"".join([turned.feed(piece) for piece in pieces]) + turned.finish()


def lines_of(body: bytes) -> list[bytes]:
    return body.removeprefix(b"\xef\xbb\xbf").splitlines()


@given(st.sampled_from(BODIES), st.lists(st.integers(0, 400)) | st.integers(1, 40), st.sampled_from([None, False]))
def test_bytes_in_any_cutting_stay_as_they_are(body: bytes, cuts: Any, lines: bool | None) -> None:
    assert frames(whole(cut(body, cuts), lines)) == frames(body)


@given(st.sampled_from(BODIES), st.lists(st.integers(0, 400)) | st.integers(1, 40))
def test_text_in_any_cutting(body: bytes, cuts: Any) -> None:
    text = body.decode()
    pieces = list(cut(body, cuts))
    characters = [text[i : i + 3] for i in range(0, len(text), 3)]
    assert frames(whole(characters)) == frames(body)
    assert frames(whole([bytearray(p) for p in pieces])) == frames(body)
    assert frames(whole([memoryview(p) for p in pieces])) == frames(body)


@pytest.mark.parametrize("lines", [None, True])
@pytest.mark.parametrize("body", BODIES)
def test_lines_without_their_ends(body: bytes, lines: bool | None) -> None:
    assert frames(whole(lines_of(body), lines)) == frames(body)
    assert frames(whole([line.decode() for line in lines_of(body)], lines)) == frames(body)
    # nothing waits for what comes after the blank line
    *first, last = lines_of(sse(say("Hello")))
    turned = Pieces(lines=lines)
    assert frames(b"".join([turned.feed(line) for line in [*first, last]])) == frames(sse(say("Hello")))


@pytest.mark.parametrize("lines", [None, True])
@pytest.mark.parametrize("body", BODIES)
def test_lines_whose_blank_ones_were_left_out(body: bytes, lines: bool | None) -> None:
    given = [line for line in lines_of(body) if line]
    assert [f.data for f in frames(whole(given, lines))] == [f.data for f in frames(body)]


def test_lines_with_their_ends() -> None:
    assert frames(whole(OPENAI.splitlines(keepends=True))) == frames(OPENAI)
    assert frames(whole(OPENAI.splitlines(keepends=True), lines=True)) == frames(OPENAI)


def test_data_of_several_lines() -> None:
    body = b'data: {"choices":\ndata: []}\n\n'
    assert frames(whole(body.splitlines(), lines=True)) == frames(body)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"", b"data: {", b"", b"}\n\n"],  # an empty piece is no blank line there
        [b'data: {"a": "', b'data: {}"', b"}\n\n"],
        [b"id: 5", b":6\ndata: {}\n\n"],
        [b": hi", b": ho\n\ndata: {}\n\n"],
        [b"da", b"ta: {}\n\n"],
        [b'data: {"a": "}', b'data:"}', b"\n\n"],
        [b"data", b": {}", b"\n\n"],
        [b"data: [1", b"]", b"\n\n"],
        [b'{"choices": []}'],
        [b"\xef\xbb\xbf", b"data: {}\r", b"\ndata: {}\r\n\r\n"],
        [b"data: " + b"x" * (1024 * 1024), b"y", b"\n\n"],
    ],
)
def test_what_looks_like_lines_and_is_none(pieces: list[bytes]) -> None:
    assert frames(whole(pieces)) == frames(b"".join(pieces))


def test_what_is_held_is_bounded() -> None:
    turned = Pieces()
    assert turned.feed(b'data: "') == b""
    given = sum(len(turned.feed(b"x" * 65536)) for _ in range(20))
    assert given > 1024 * 1024


# -- objects


class Model(BaseModel):
    choices: list[Any] = []
    model: str | None = None


class OldModel:
    """Pydantic's first version has neither of the options."""

    def json(self) -> str:
        return '{"choices":\n[]}'


class LooksLikePydantic:
    def model_dump_json(self) -> str:
        return '{"choices": []}'


class WithDict:
    def to_dict(self) -> dict[str, Any]:
        return {"choices": []}


class JsonOfBytes:
    def to_json(self) -> bytes:
        return b'{"choices": []}'


class Event(msgspec.Struct):
    type: str = "ping"


@dataclasses.dataclass
class Data:
    type: str = "ping"


@pytest.mark.parametrize(
    ("piece", "name", "value"),
    [
        ({"choices": []}, "", {"choices": []}),
        ({"type": "ping"}, "ping", {"type": "ping"}),
        ({"type": "a\nb", "n": 1}, "", {"type": "a\nb", "n": 1}),
        ({"choices": [Model()]}, "", {"choices": [{"choices": [], "model": None}]}),
        ({"text": "\ud800"}, "", {"text": "\ud800"}),
        (Model(), "", {"choices": [], "model": None}),
        (Model(model="\ud800"), "", {"choices": [], "model": "\ud800"}),
        (OldModel(), "", {"choices": []}),
        (LooksLikePydantic(), "", {"choices": []}),
        (WithDict(), "", {"choices": []}),
        (JsonOfBytes(), "", {"choices": []}),
        (Event(), "ping", {"type": "ping"}),
        (Data(), "ping", {"type": "ping"}),
    ],
)
def test_objects(piece: Any, name: str, value: Any) -> None:
    turned = Pieces()
    [frame] = frames(turned.feed(piece))
    assert (frame.event, json.loads(frame.data)) == (name, value)
    assert turned.objects


def test_an_sdk_s_object_that_is_not_as_its_model_foresees() -> None:
    made = ChatCompletionChunk.construct(id=5, choices="none", object=None)
    [frame] = frames(Pieces().feed(made))
    assert json.loads(frame.data)["choices"] == "none"


@pytest.mark.parametrize("piece", [None, 5, True, ["a"], ("event", {}), object(), lambda: None])
def test_no_chunk(piece: Any) -> None:
    with pytest.raises(UsageError, match=type(piece).__name__):
        Pieces().feed(piece)


def test_errors_of_sdks() -> None:
    class APIError(Exception):
        body: Any = None

    error = APIError("no")
    assert error_piece(error) is None
    error.body = {"message": "no"}
    assert error_piece(error) == {"error": {"message": "no"}}
    error.body = {"type": "error", "error": {"message": "no"}}
    assert error_piece(error) == error.body
    error.body = {}
    assert error_piece(error) is None
