"""Any cutting of the bytes gives the same events: whole, byte by byte, in two anywhere, at random."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from headrace.errors import FrameTooLarge
from headrace.events import Event
from headrace.message import fold
from headrace.wire import framing
from headrace.wire.framing import SSEFramer
from tests.wire.samples import EVERY, SAMPLES, TEXT
from tests.wire.streams import cut, decode, new_decoder


@pytest.fixture(params=["as it is", "any chunk may hold many frames"], autouse=True, scope="module")
def many(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have everything here be read twice: small chunks too by the way that backlogs go."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "as it is":
            patch.setattr(framing, "_MANY", 0)
        yield


HABITS: dict[str, dict[str, Any]] = {
    "openai-chat": {"think_tags": True, "extension_usage": True},
    "anthropic": {},
    "openai-responses": {},
}


@pytest.mark.parametrize(("wire", "name"), EVERY)
def test_byte_by_byte_and_in_two_anywhere(wire: str, name: str) -> None:
    data = SAMPLES[wire][name]
    for habits in ({}, HABITS[wire]):
        whole = decode(wire, data, **habits)
        assert decode(wire, data, 1, **habits) == whole
        assert decode(wire, data, 7, **habits) == whole
    step = max(1, len(data) // 97)
    for place in range(0, len(data), step):
        assert decode(wire, data, [place]) == decode(wire, data)


@pytest.mark.parametrize(("wire", "name"), EVERY)
@settings(max_examples=20)
@given(places=st.lists(st.integers(0, 4000), max_size=30))
def test_at_random(wire: str, name: str, places: list[int]) -> None:
    data = SAMPLES[wire][name]
    assert decode(wire, data, places) == decode(wire, data)


@pytest.mark.parametrize("wire", SAMPLES)
def test_characters_that_are_cut_by_the_network_arrive_whole(wire: str) -> None:
    # api7/aisix#111, katanemo/plano#980, claude-code-router#1672
    data = SAMPLES[wire]["text as it is"]
    assert "世界".encode() in data
    for size in (1, 2, 3):
        assert decode(wire, data, size).message.text == TEXT.strip("\x0b")


@pytest.mark.parametrize("wire", SAMPLES)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_change_nothing(wire: str, newline: bytes, bom: bytes) -> None:
    for data in SAMPLES[wire].values():
        if b"\r" in data or data.startswith(b"\xef") or data[-2:] != b"\n\n":
            continue
        other = bom + data.replace(b"\n", newline)
        assert decode(wire, other, 1) == decode(wire, other) == decode(wire, data)


def until_too_large(wire: str, data: bytes, limit: int, cuts: Any = None) -> tuple[list[Event], bool]:
    framer, decoder = SSEFramer(max_frame=limit), new_decoder(wire)
    events: list[Event] = []
    try:
        for piece in cut(data, cuts):
            for frame in framer.feed(piece):
                events += decoder.feed(frame)
    except FrameTooLarge:
        return events, True
    return events, False


@pytest.mark.parametrize("wire", SAMPLES)
def test_a_frame_that_is_too_large_comes_after_the_same_events(wire: str) -> None:
    good = SAMPLES[wire]["text"]
    large = b"data: " + b"x" * 5000 + b"\n\n"
    half = good.find(b"\n\n", len(good) // 2) + 2
    data = good[:half] + large + good[half:]
    expected = until_too_large(wire, data, 4096)
    assert expected == (until_too_large(wire, good[:half], 4096)[0], True)
    assert fold(expected[0]).parts[0].text == TEXT[: len(fold(expected[0]).parts[0].text)] != ""
    for cuts in (1, 3, 1000, [half], [half + 6], [half + 4102], [half + 4103]):
        assert until_too_large(wire, data, 4096, cuts) == expected
