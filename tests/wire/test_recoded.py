"""Streams as they are really sent, decoded, encoded and decoded again: nothing is lost, and then nothing changes."""

import pytest

from headrace.wire.providers import WireName
from tests.wire.encoding import encode, recoded
from tests.wire.samples import EVERY, SAMPLES
from tests.wire.streams import decode

TAKEN_BACK = "spliced"  # what a client has read cannot be taken back: an error


@pytest.mark.parametrize(("wire", "name"), [given for given in EVERY if given[1] != TAKEN_BACK])
def test_a_stream_that_is_encoded_again_says_the_same(wire: WireName, name: str) -> None:
    once = decode(wire, SAMPLES[wire][name])
    twice = recoded(once.events, wire)
    for field in ("text", "thinking", "refusal", "model", "id"):
        assert getattr(twice.message, field) == getattr(once.message, field)
    assert [(c.name, c.arguments) for c in twice.message.tool_calls] == [
        (c.name, c.arguments) for c in once.message.tool_calls
    ]
    assert (twice.message.usage.input_tokens or 0) == (once.message.usage.input_tokens or 0)
    assert (twice.message.error is None) == (once.message.error is None)
    if once.message.error is None:
        assert twice.message.outcome == once.message.outcome
        assert recoded(twice.events, wire).events == twice.events
        assert encode(twice.events, wire) == encode(once.events, wire)


@pytest.mark.parametrize("other", SAMPLES)
@pytest.mark.parametrize(("wire", "name"), [given for given in EVERY if given[1] != TAKEN_BACK])
def test_another_wire_says_it_too(wire: WireName, name: str, other: WireName) -> None:
    if other == wire:
        return
    once = decode(wire, SAMPLES[wire][name]).message
    there = recoded(decode(wire, SAMPLES[wire][name]).events, other).message
    refused = once.refusal if other == "anthropic" else ""  # has no field of its own there
    assert sorted(there.text) == sorted(once.text + refused)
    assert there.thinking == once.thinking
    assert [(c.name, c.arguments) for c in there.tool_calls] == [(c.name, c.arguments) for c in once.tool_calls]
    assert (there.error is None) == (once.error is None)


@pytest.mark.parametrize("wire", SAMPLES)
def test_what_was_said_cannot_be_taken_back(wire: WireName) -> None:
    spliced = decode("anthropic", SAMPLES["anthropic"][TAKEN_BACK])
    message = recoded(spliced.events, wire).message
    assert (message.outcome, message.text) == ("failed", "ab")
