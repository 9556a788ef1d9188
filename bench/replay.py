"""How true a replay's times are: a paced stream is recorded through the recorder, and replayed at its own pace.

What is compared is when each chunk of the body has come to a client, from the request on: as the cassette says, and as
a client sees it that reads the replay from a socket. All of it is on this machine's loopback.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.sim.cassettes.reading import read_cassette, read_cassettes
from headrace.sim.cassettes.record import Recorder
from headrace.sim.cassettes.replay import CassetteSource
from headrace.sim.dice import Dice
from headrace.sim.pace import Pace, Tempo
from headrace.sim.play import Head, Piece, Play
from headrace.sim.serving.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.play import Call, Step

_BODY = json.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
_GIVEN_UP_S = 30.0


class PacedStream:
    """A source: a stream of tokens at the simulator's usual pace, by seed."""

    def __init__(self, tokens: int, rate: float) -> None:
        self._tokens = tokens
        self._rate = rate

    def play(self, call: Call) -> Play:
        """Answer with the stream."""
        return Play(head=Head(headers=(("content-type", "text/event-stream"),), at_s=0.1), steps=self._steps(call))

    def _steps(self, call: Call) -> Iterator[Step]:
        pace = Pace(Tempo(first_s=0.2, rate=self._rate), Dice(len(call.body), "bench"))
        at_s = 0.1 + pace.first_s
        for number in range(self._tokens):
            chunk = {"choices": [{"index": 0, "delta": {"content": f"word {number} "}, "finish_reason": None}]}
            yield Piece(at_s, b"data: " + json.dumps(chunk).encode() + b"\n\n", 1, alone=True)
            at_s += pace.gap_s()
        yield Piece(at_s, b"data: [DONE]\n\n", alone=True)


def ask(url: str, path: str) -> list[float]:
    """Ask for the stream over a socket, and give when each frame of its body had come."""
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {len(_BODY)}\r\n\r\n"
    times: list[float] = []
    with socket.create_connection((host, int(port)), timeout=_GIVEN_UP_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began_s = time.perf_counter()
        sock.sendall(head.encode() + _BODY)
        while data := sock.recv(65536):
            times += [time.perf_counter() - began_s] * data.count(b"data: ")
    return times


def recorded_times(folder: Path) -> list[float]:
    """Give when each frame of the newest cassette had come, as it says."""
    cassette = read_cassettes(folder)[-1]
    return [at_s for at_s, data in cassette.chunks for _ in range(data.count(b"data: "))]


def errors_ms(seen: list[float], wanted: list[float]) -> list[float]:
    """Give how far each time is off, in milliseconds."""
    return [abs(one - other) * 1000 for one, other in zip(seen, wanted, strict=True)]


def gaps(times: list[float]) -> list[float]:
    """Give the times from one to the next."""
    return [later - sooner for sooner, later in itertools.pairwise(times)]


def measure(*, tokens: int, rate: float, rounds: int) -> dict[str, list[float]]:
    """Record, replay and compare, and give the errors in milliseconds by what they are errors of."""
    found: dict[str, list[float]] = {"recording: chunk times": [], "replay: chunk times": [], "replay: gaps": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Simulator(source=PacedStream(tokens, rate)) as sim,
            Recorder(folder, upstream=sim.url) as recorder,
        ):
            for _ in range(rounds):
                seen = ask(recorder.url, "/v1/chat/completions")
                found["recording: chunk times"] += errors_ms(seen, recorded_times(folder))
        for file in sorted(folder.iterdir()):
            wanted = [at_s for at_s, data in read_cassette(file).chunks for _ in range(data.count(b"data: "))]
            with Simulator(source=CassetteSource(file, pace="original")) as sim:
                seen = ask(sim.url, "/v1/chat/completions")
            found["replay: chunk times"] += errors_ms(seen, wanted)
            found["replay: gaps"] += errors_ms(gaps(seen), gaps(wanted))
    return found


def report(found: dict[str, list[float]]) -> None:
    """Print a table of them."""
    print(f"  {'error in ms':26}{'median':>9}{'p95':>9}{'max':>9}{'figures':>9}")
    for name, errors in found.items():
        p95 = statistics.quantiles(errors, n=20)[-1]
        print(f"  {name:26}{statistics.median(errors):9.2f}{p95:9.2f}{max(errors):9.2f}{len(errors):9}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--tokens", type=int, default=120, help="tokens in the stream (%(default)s)")
    parser.add_argument("--rate", type=float, default=50.0, help="tokens a second, in the mean (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="recordings, each replayed once (%(default)s)")
    options = parser.parse_args()
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {options.rounds} rounds of {options.tokens} tokens"
    )
    report(measure(tokens=options.tokens, rate=options.rate, rounds=options.rounds))


if __name__ == "__main__":
    main()
