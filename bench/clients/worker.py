"""A process that is one candidate: it builds its client, and then reads an answer for each line on its standard input.

    python -m bench.clients.worker LOOP WIRE URL WAY CORE        LOOP: module.function of bench.clients.loops

It writes a line when it is ready. A line ``MODEL`` makes it read one answer, and say what that cost; ``hold N`` makes
it open so many streams at once and say what they weigh. What libraries print goes to standard error.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clients.answers import measure_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


class Cost:
    """What was used between its making and `taken`."""

    def __init__(self) -> None:
        gc.collect()
        self._slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        self._began_ns = time.process_time_ns()

    def taken(self, pieces: list[str]) -> dict[str, int]:
        """Say it, and what was read for it."""
        used_ns = time.process_time_ns() - self._began_ns
        slept = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - self._slept
        return {"cpu_ns": used_ns, "sleeps": slept, **measure_text(pieces)._asdict()}


def orders() -> Iterator[str]:
    """Give the lines that come, until they end."""
    for line in sys.stdin:
        yield line.strip()


def blocking(
    factory: Callable[..., Callable[[str], list[str]]], wire: str, url: str, say: Callable[[Any], None]
) -> None:
    """Serve with a function that blocks."""
    run = factory(wire, url)
    say("ready")
    for model in orders():
        cost = Cost()
        say(cost.taken(run(model)))


async def asynchronous(
    factory: Callable[..., Awaitable[Callable[[str], Awaitable[Any]]]], wire: str, url: str, say: Callable[[Any], None]
) -> None:
    """Serve with one that is awaited; between the orders the loop stands still, and costs nothing."""
    run = await factory(wire, url)
    say("ready")
    for order in orders():
        if order.startswith("hold "):
            say(await held(run, int(order.split()[1])))
        else:
            cost = Cost()
            say(cost.taken(await run(order)))


async def held(hold: Callable[[str], Awaitable[object]], streams: int) -> dict[str, float]:
    """Open streams and keep them; what comes with the first is not counted."""
    first = await hold("stall-1-0")
    before = _resident()
    # the openai SDK opens no more than 1,000, the first among them
    kept = await asyncio.gather(*[hold("stall-1-0") for _ in range(streams - 1)])
    after = _resident()
    assert first is not None
    return {"bytes": (after - before) / len(kept)}


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Be a worker."""
    loop, wire, url, way, core = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    if core != "-":
        os.sched_setaffinity(0, {int(core)})
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    def say(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")

    module, _, function = loop.partition(".")
    factory = getattr(importlib.import_module(f"bench.clients.loops.{module}"), function)
    if way == "blocking":
        blocking(factory, wire, url, say)
        return
    loop_factory = importlib.import_module("uvloop").new_event_loop if way == "uvloop" else None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asynchronous(factory, wire, url, say))


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # clients that are open are nobody's business any more
