"""What is paid once, or for a stream that only waits: CPU time of an import, memory of a stream."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from bench.clients.candidates import HELD, IMPORTED
from bench.clients.source import CACHE
from bench.clients.workers import environ, worker

if TYPE_CHECKING:
    from bench.clients.environment import Name
    from bench.clients.workers import Setting

_TIMED = "{}import time; began = time.process_time_ns(); {}; print(time.process_time_ns() - began)"


class Weight(NamedTuple):
    """A figure and its quartiles."""

    name: str
    low: float
    median: float
    high: float


def imports(setting: Setting, *, rounds: int) -> list[Weight]:
    """Measure CPU milliseconds of imports, each in a fresh process; the first round only writes the byte code."""
    chosen = [one for one in IMPORTED if setting.peers or not one.peer]
    taken: dict[str, list[float]] = {one.statement: [] for one in chosen}
    chance = random.Random(7)
    for round_ in range(-1 if rounds > 1 else 0, rounds):
        chance.shuffle(chosen)
        for one in chosen:
            pinned = "" if setting.core is None else f"import os; os.sched_setaffinity(0, [{setting.core}]); "
            command = [setting.python(one.environment), "-c", _TIMED.format(pinned, one.statement)]
            said = subprocess.run(command, cwd=CACHE, env=environ(), check=True, capture_output=True).stdout
            if round_ >= 0:
                taken[one.statement].append(int(said) / 1e6)
    return [_weight(one.statement, taken[one.statement]) for one in IMPORTED if one.statement in taken]


def memory(setting: Setting, *, streams: int, rounds: int) -> list[Weight]:
    """Measure KiB of resident memory a stream that has given one piece of text and now waits; fresh processes."""
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for one in HELD:
            if one.peer and not setting.peers:
                continue
            with worker(setting, one.name, one.factory, "openai-chat", "asyncio", "bench") as made:
                made.wait_ready()
                taken.setdefault(one.name, []).append(made.order(f"hold {streams}")["bytes"] / 1024)
    return [_weight(name, figures) for name, figures in taken.items()]


def versions(setting: Setting) -> dict[str, str]:
    """Say the versions of what was measured."""
    code = (
        "import importlib.metadata as m, json\n"
        "def v(n):\n"
        " try: return m.version(n)\n"
        " except m.PackageNotFoundError: return None\n"
        "names = 'aiohttp anthropic httpx2 litellm msgspec openai pydantic-ai-slim urllib3 uvloop'.split()\n"
        "print(json.dumps({n: v(n) for n in names if v(n)}))"
    )
    found: dict[str, str] = {}
    names: tuple[Name, ...] = (
        ("bench-litellm", "bench") if setting.peers else ("bench",)
    )  # where both have one, bench's counts
    for name in names:
        command = [setting.python(name), "-c", code]
        said = json.loads(subprocess.run(command, env=environ(), check=True, capture_output=True).stdout)
        found.update({f"{n} (litellm's)" if name != "bench" and n == "openai" else n: v for n, v in said.items()})
    return dict(sorted(found.items()))


def _weight(name: str, figures: list[float]) -> Weight:
    if len(figures) == 1:
        return Weight(name, *figures * 3)
    low, middle, high = statistics.quantiles(figures, n=4, method="inclusive")
    return Weight(name, low, middle, high)
