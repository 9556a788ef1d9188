"""openai-chat: usage, wherever it stands and whatever else it counts."""

from typing import Any

import pytest

from headrace.events import Usage, UsageUpdate
from tests.wire.streams import DONE, Decoded, choice, chunk, decode, delta, say, sse, usage


def chat(*frames: Any, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*frames), **habits)


# -- 1.3 usage, wherever it stands

PLACES = {
    "a: a chunk of its own before the marker": [say("a"), delta("stop"), chunk(usage=usage()), DONE],
    "b: on the finish chunk": [say("a"), chunk(choice({}, "stop"), usage=usage()), DONE],
    "c: on a second chunk after the finish, with a choice": [
        say("a"),
        delta("stop"),
        chunk(choice({"role": "assistant", "content": ""}, "stop"), usage=usage()),
        DONE,
    ],
    "d: on the finish chunk and once more": [
        say("a"),
        chunk(choice({}, "stop"), usage=usage()),
        chunk(usage=usage()),
        DONE,
    ],
    "e: on every chunk, cumulative": [
        say("a", usage=usage(3, 1)),
        say("b", usage=usage(3, 2)),
        chunk(choice({}, "stop"), usage=usage(3, 2)),
        DONE,
    ],
    "null on all the others": [
        say("a", usage=None),
        chunk(choice({}, "stop"), usage=None),
        chunk(usage=usage()),
        chunk(usage=None, moderation={}),
        DONE,
    ],
    "empty on the others": [say("a", "stop", usage={}), chunk(usage=usage()), chunk(choice(), usage={}), DONE],
}


@pytest.mark.parametrize("frames", PLACES.values(), ids=PLACES)
def test_usage_is_found_and_never_summed(frames: list[Any]) -> None:
    told = chat(*frames)
    assert (told.message.usage.input_tokens, told.message.usage.output_tokens) == (3, 2)
    assert told.message.usage.total_tokens == 5
    assert told.message.outcome == "complete"


def test_usage_that_is_repeated_is_said_once() -> None:
    told = chat(*PLACES["d: on the finish chunk and once more"])
    assert len(told.of(UsageUpdate)) == 1


def test_a_later_usage_with_fewer_keys_takes_nothing_away() -> None:
    told = chat(say("a", "stop", usage=usage(3, 1)), chunk(usage={"completion_tokens": 2}), DONE)
    assert (told.message.usage.input_tokens, told.message.usage.output_tokens) == (3, 2)


USAGES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai: details": (
        usage(
            10,
            20,
            prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 8, "accepted_prediction_tokens": 0},
        ),
        Usage(
            input_tokens=10,
            output_tokens=20,
            cached_input_tokens=4,
            cache_write_tokens=2,
            reasoning_tokens=8,
            total_tokens=30,
        ),
    ),
    "deepseek: cache hits": (
        usage(10, 2, prompt_cache_hit_tokens=6, prompt_cache_miss_tokens=4),
        Usage(input_tokens=10, output_tokens=2, cached_input_tokens=6, total_tokens=12),
    ),
    "xai: thinking beside the completion": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "total_tokens": 112,
            "completion_tokens_details": {"reasoning_tokens": 100},
            "num_sources_used": 0,
            "cost_in_usd_ticks": 5,
        },
        Usage(
            input_tokens=10,
            output_tokens=2,
            reasoning_tokens=100,
            total_tokens=112,
            output_includes_reasoning=False,
        ),
    ),
    "thinking beside nothing else": (
        {"total_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 100}},
        Usage(reasoning_tokens=100, total_tokens=100, output_includes_reasoning=False),
    ),
    "groq: times": (
        usage(1, 2, queue_time=0.1, total_time=0.2),
        Usage(input_tokens=1, output_tokens=2, total_tokens=3),
    ),
    "openrouter: costs": (
        usage(1, 2, cost=0.01, is_byok=False, cost_details={"upstream": None}),
        Usage(input_tokens=1, output_tokens=2, total_tokens=3),
    ),
    "whole floats": ({"prompt_tokens": 3.0, "completion_tokens": 2.5}, Usage(input_tokens=3)),
    "other types": ({"prompt_tokens": "3", "completion_tokens": True, "prompt_tokens_details": [1]}, Usage()),
    "nulls": (
        {"prompt_tokens": 3, "completion_tokens": None, "completion_tokens_details": None},
        Usage(input_tokens=3),
    ),
}


@pytest.mark.parametrize(("raw", "read"), USAGES.values(), ids=USAGES)
def test_usage_in_our_words(raw: dict[str, Any], read: Usage) -> None:
    update = chat(say("a", "stop"), chunk(usage=raw), DONE).of(UsageUpdate)[0]
    assert update.usage.raw == raw
    assert update.usage == Usage(**{f: getattr(read, f) for f in Usage.__struct_fields__ if f != "raw"}, raw=raw)


def test_groq_usage_in_its_extension_alone() -> None:
    frames = [
        say("a", x_groq={"id": "req_1"}),
        chunk(choice({}, "stop"), x_groq={"id": "req_1", "usage": usage()}),
        DONE,
    ]
    assert chat(*frames, extension_usage=True).message.usage.output_tokens == 2
    assert chat(*frames).message.usage == Usage()
    assert chat(say("a", "stop"), DONE, extension_usage=True).message.usage == Usage()
    assert chat(*frames[:1], say("b", "stop", x_groq={"usage": 5}), DONE, extension_usage=True).message.usage == Usage()
