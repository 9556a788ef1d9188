"""Test your streaming code: against a provider that breaks, stalls and is slow when you ask for it, without a key.

Run it: pytest examples/test_your_code.py
"""

from collections.abc import Generator
from contextlib import closing

import pytest

import headrace
from headrace.sim import Scenario, Simulator


def sentences(prompt: str, model: str = "openai/gpt-4o-mini") -> Generator[str, None, None]:
    """Your code: give an answer sentence by sentence."""
    rest = ""
    with headrace.stream(model, prompt) as s:
        for text in s.text_stream:
            *whole, rest = (rest + text).split(". ")
            yield from whole
    yield rest


@pytest.mark.headrace_sim(Scenario(answer="It rains. It pours. The old man snores"))
def test_sentences_are_put_together() -> None:
    assert list(sentences("Hi")) == ["It rains", "It pours", "The old man snores"]


@pytest.mark.headrace_sim(Scenario(answer="It rains. It pours", faults=("eof@token:4",)))
def test_half_an_answer_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(headrace.TruncatedError):
        list(sentences("Hi"))


@pytest.mark.headrace_sim(Scenario(answer="It rains. It pours. And then?", faults=("hold@token:6",)))
def test_who_has_read_enough_stops_the_model(headrace_sim: Simulator) -> None:
    with closing(sentences("Hi")) as reading:
        assert next(reading) == "It rains"
    assert headrace_sim.journal.wait().how == "left"
