"""The short way of a token, which nobody watches but the fold, gives just what the long way gives."""

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from headrace.flow.deadlines import Timeouts
from headrace.flow.exchange import Batch, Exchange
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import make_decoder, make_framer
from tests.wire.fuzz import damaged
from tests.wire.samples import EVERY, SAMPLES
from tests.wire.streams import Cuts, cut

PROVIDER = {"openai-chat": "openai", "anthropic": "anthropic", "openai-responses": "openai-responses"}
WATCHERS: tuple[dict[str, Any], ...] = ({}, {"debug": True}, {"chunks": True})


def told(wire: str, data: bytes, cuts: Cuts, *, chunks: bool = False, debug: bool = False) -> list[Any]:
    """Say all that an exchange makes of a body: events with their frames, how long it would wait, message, times."""
    row = PROVIDERS[PROVIDER[wire]]
    ours = Exchange(
        make_decoder(wire, provider=row), make_framer(wire), timeouts=Timeouts(60.0, 7.0, 90.0), debug=debug
    )
    if chunks:
        ours.chunks()
    batches: list[Batch] = []
    ours.start(0.0)
    ours.head(200, {"content-type": "text/event-stream"}, 0.5)
    waits: list[float | None] = []
    now = 1.0
    for piece in cut(data, cuts):
        if piece:
            batches.append(ours.feed(piece, now))
            waits.append(ours.wait_s(now))
            now += 0.25
    batches.append(ours.eof(now))
    assert ours.done
    return [batches, waits, ours.message(), msgspec.structs.asdict(ours.timing)]


@pytest.mark.parametrize(("wire", "name"), EVERY)
def test_every_sample(wire: str, name: str) -> None:
    data = SAMPLES[wire][name]
    for cuts in (None, 1, 100, [len(data) // 2]):
        short, *long = [told(wire, data, cuts, **watcher) for watcher in WATCHERS]
        assert long == [short, short]


@pytest.mark.parametrize("wire", SAMPLES)
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), places=st.lists(st.integers(0, 4000), max_size=8))
def test_damaged_streams(wire: str, seed: int, places: list[int]) -> None:
    data = damaged(Random(seed), wire)
    short, *long = [told(wire, data, places, **watcher) for watcher in WATCHERS]
    assert long == [short, short]
