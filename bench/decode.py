"""CPU time an event of framing, decoding and folding, against plain ``json.loads`` over the same bytes."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from headrace.events import PartDelta
from headrace.message import Fold
from headrace.wire.framing import SSEFramer
from headrace.wire.openai_chat import OpenAIChatDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.events import Event
    from headrace.message import Message
    from headrace.wire.framing import Frame

_WORDS = ("the ", "river ", "runs ", "past ", "an ", "old ", "mill, ", "水 ", "flows ", "— ", "“so be it”\n")
BASELINE = "json.loads"


def synthetic_stream(events: int, *, seed: int = 7) -> bytes:
    """Make the bytes of an OpenAI chat completion with that many text deltas."""
    chance = random.Random(seed)
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench-1"}

    def record(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        text = json.dumps({**head, "choices": [choice]}, ensure_ascii=False, separators=(",", ":"))
        return b"data: " + text.encode() + b"\n\n"

    records = [record({"role": "assistant", "content": ""})]
    records += [record({"content": chance.choice(_WORDS)}) for _ in range(events)]
    records += [record({}, "stop"), b"data: [DONE]\n\n"]
    return b"".join(records)


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut into chunks as a socket might give them; size 0 gives one record a chunk."""
    if size == 0:
        return [record + b"\n\n" for record in data.split(b"\n\n")[:-1]]
    return [data[i : i + size] for i in range(0, len(data), size)]


def plain_json(chunks: list[bytes]) -> list[str]:
    """Do the least that gives the text: split at blank lines, trust everything."""
    said: list[str] = []
    rest = b""
    for chunk in chunks:
        *records, rest = (rest + chunk).split(b"\n\n")
        for record in records:
            data = record[6:]
            if data == b"[DONE]":
                continue
            content = json.loads(data)["choices"][0]["delta"].get("content")
            if content:
                said.append(content)
    return said


def frames_of(chunks: list[bytes]) -> Iterator[Frame]:
    """Cut the bytes into frames."""
    framer = SSEFramer()
    for chunk in chunks:
        yield from framer.feed(chunk)
    yield from framer.finish()


def events_of(chunks: list[bytes]) -> Iterator[Event]:
    """Frame, and decode into events."""
    decoder = OpenAIChatDecoder()
    for frame in frames_of(chunks):
        yield from decoder.feed(frame)
    yield from decoder.finish()


def framing(chunks: list[bytes]) -> None:
    """Make frames, dropped as they come."""
    for _ in frames_of(chunks):
        pass


def decoding(chunks: list[bytes]) -> None:
    """Make events, dropped as they come."""
    for _ in events_of(chunks):
        pass


def folding(chunks: list[bytes]) -> Message:
    """Make the message, as a stream does it for its user."""
    fold = Fold()
    for event in events_of(chunks):
        fold.feed(event)
    return fold.message()


CANDIDATES: dict[str, Callable[[list[bytes]], Any]] = {
    BASELINE: plain_json,
    "framing": framing,
    "framing + decoding": decoding,
    "framing + decoding + fold": folding,
}


def check(chunks: list[bytes]) -> None:
    """Let every candidate show that it found the same text."""
    frames = [b"data: " + frame.data + b"\n\n" for frame in frames_of(chunks)]
    texts = {
        BASELINE: "".join(plain_json(chunks)),
        "framing": "".join(plain_json(frames)),
        "decoding": "".join(e.text for e in events_of(chunks) if isinstance(e, PartDelta)),
        "fold": folding(chunks).text,
    }
    if len(set(texts.values())) != 1 or not texts[BASELINE]:
        sys.exit(f"the candidates read different texts: { {name: text[:60] for name, text in texts.items()} }")


def measure(chunks: list[bytes], *, events: int, rounds: int, seed: int = 1) -> dict[str, list[float]]:
    """Give each candidate's CPU microseconds an event, a figure a round."""
    order = list(CANDIDATES)
    chance = random.Random(seed)
    taken: dict[str, list[float]] = {name: [] for name in order}
    for round_ in range(-2, rounds):  # two rounds warm up
        chance.shuffle(order)
        for name in order:
            run = CANDIDATES[name]
            gc.collect()
            began_ns = time.process_time_ns()
            run(chunks)
            used_ns = time.process_time_ns() - began_ns
            if round_ >= 0:
                taken[name].append(used_ns / 1000 / events)
    return taken


def report(title: str, taken: dict[str, list[float]]) -> None:
    """Print medians, and ratios to the baseline taken within each round."""
    print(f"\n{title}")
    print(f"  {'':26}{'µs an event':>12}{'× json.loads':>14}{'quartiles':>16}")
    for name, figures in taken.items():
        ratios = [mine / base for mine, base in zip(figures, taken[BASELINE], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {name:26}{statistics.median(figures):12.2f}{middle:14.2f}{f'{low:.2f}–{high:.2f}':>16}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.decode", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="text deltas in the stream (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to measure, at least 2 (%(default)s)")
    options = parser.parse_args()
    data = synthetic_stream(options.events)
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    print(f"{machine}, {options.rounds} rounds of {options.events} events")
    for title, size in (("one event a chunk", 0), ("chunks of 16 KiB", 16 * 1024)):
        chunks = cut(data, size)
        check(chunks)
        report(title, measure(chunks, events=options.events, rounds=options.rounds))


if __name__ == "__main__":
    main()
