"""What answers tell of themselves before they begin."""

import json
from email.utils import parsedate_to_datetime

import pytest

from headrace.sim import Scenario
from headrace.sim.heads import SSE, Meter, Spent, head_of
from headrace.sim.provider import SimulatedProvider
from tests.sim.asking import call, header, played, read


def provider() -> SimulatedProvider:
    return SimulatedProvider((Scenario(answer="one two"),), speed="max", seed=7)


def test_openais() -> None:
    own = provider()
    made = own.play(call())
    assert header(made, "content-type") == "text/event-stream; charset=utf-8"
    assert header(made, "cache-control") == "no-cache"
    assert header(made, "x-request-id").startswith("req_sim_")
    assert header(made, "openai-version") == "2020-10-01"
    assert header(made, "openai-processing-ms") == "0"
    assert header(made, "x-ratelimit-limit-requests") == "10000"
    assert header(made, "x-ratelimit-remaining-requests") == "9999"
    assert header(made, "x-ratelimit-remaining-tokens") == str(2_000_000 - 10)
    assert header(made, "x-ratelimit-reset-requests") == "6ms"
    later = own.play(call(stream=False))
    assert header(later, "content-type") == "application/json"
    assert header(later, "x-ratelimit-remaining-requests") == "9998"
    assert header(later, "x-ratelimit-remaining-tokens") == str(2_000_000 - 20)
    assert header(later, "x-request-id") != header(made, "x-request-id")


def test_anthropics() -> None:
    own = provider()
    made = own.play(call("anthropic"))
    assert header(made, "request-id").startswith("req_sim_")
    assert len(header(made, "anthropic-organization-id")) == 36
    assert header(made, "anthropic-ratelimit-requests-limit") == "10000"
    assert header(made, "anthropic-ratelimit-requests-remaining") == "9999"
    assert header(made, "anthropic-ratelimit-output-tokens-limit") == "400000"
    assert header(made, "anthropic-ratelimit-input-tokens-remaining") == "1600000"
    assert header(made, "anthropic-ratelimit-tokens-reset").endswith("Z")
    assert header(own.play(call("anthropic")), "anthropic-ratelimit-requests-remaining") == "9998"


def test_the_time_is_made_up_and_the_same_throughout() -> None:
    first, second = (provider().play(call()) for _ in range(2))
    assert header(first, "date") == header(second, "date")
    seconds = parsedate_to_datetime(header(first, "date")).timestamp()
    chunk = json.loads(played(first).partition(b"\n")[0][6:])
    assert chunk["created"] == seconds


def test_what_is_left_goes_down_until_another_minute_begins() -> None:
    meter = Meter()
    assert meter.spend(10, 5) == Spent(1, 1, 10, 5)
    assert meter.spend() == Spent(2, 2, 10, 5)
    assert meter.spend(5_000_000) == Spent(3, 1, 1_000_000, 0)
    assert meter.spend(0, 500_000) == Spent(4, 1, 0, 400_000)
    for _ in range(9_999):
        last = meter.spend()
    assert last == Spent(10_003, 10_000, 0, 400_000)
    assert meter.spend(1, 0) == Spent(10_004, 1, 1, 0)


@pytest.mark.parametrize(
    ("tokens", "reset"), [(3_000, "90ms"), (50_000, "1.5s"), (1_999_999, "1m0s"), (2_000_000, "1m0s"), (0, "0ms")]
)
def test_times_to_wait_are_written_as_openai_does(tokens: int, reset: str) -> None:
    head = dict(head_of("openai-chat", SSE, seed=0, mark=0, spent=Spent(1, 1, tokens, 0), took_s=0.25))
    assert head["x-ratelimit-reset-tokens"] == reset
    assert head["openai-processing-ms"] == "250"


def test_nothing_is_left_at_the_end() -> None:
    head = dict(head_of("anthropic", SSE, seed=0, mark=0, spent=Spent(1, 10_000, 1_900_000, 0), took_s=0))
    assert head["anthropic-ratelimit-requests-remaining"] == "0"
    assert head["anthropic-ratelimit-input-tokens-remaining"] == "0"
    assert head["anthropic-ratelimit-tokens-remaining"] == "100000"


def test_heads_change_no_byte_of_the_body() -> None:
    own = provider()
    assert read(own.play(call())).message == read(own.play(call())).message
