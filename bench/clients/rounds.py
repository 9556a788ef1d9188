"""Rounds: all candidates of a wire and a way read the same answer, in an order that changes from one to the next."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.clients.answers import MODES, Read, expected
from bench.clients.candidates import CANDIDATES, WAYS
from bench.clients.workers import Failed, Worker, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.clients.answers import Mode, Wire
    from bench.clients.candidates import Way
    from bench.clients.source import Source
    from bench.clients.workers import Setting

LEAST_ROUNDS = 3


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        blast: text deltas of an answer that comes as fast as it is read.
        chunk: bytes of its HTTP chunks; 0: each event is one.
        paced: text deltas of an answer that comes one a wake-up.
        pause_us: the time between those, in microseconds.
        rounds: how often each is measured.
        within_s: what all the rounds together may take; then they get fewer, but `LEAST_ROUNDS`.
        ways: which of `WAYS`.
    """

    blast: int = 5000
    chunk: int = 0
    paced: int = 400
    pause_us: int = 1000
    rounds: int = 9
    within_s: float = 420.0
    ways: tuple[Way, ...] = WAYS

    def events(self, mode: Mode) -> int:
        """Give how many text deltas an answer has."""
        return self.blast if mode == "blast" else self.paced

    def model(self, mode: Mode) -> str:
        """Name the model that the source understands."""
        return f"{mode}-{self.events(mode)}-{self.chunk if mode == 'blast' else self.pause_us}"


class Group(NamedTuple):
    """What is compared with each other: one wire, one way, one mode.

    Attributes:
        taken_us: CPU microseconds an event, a figure a round, by candidate.
        sleeps: how often an event its reader went to sleep, likewise.
        source_us: what the source itself used for an event.
        texts: what each candidate read, in its last round.
    """

    wire: Wire
    way: Way
    mode: Mode
    taken_us: dict[str, list[float]]
    sleeps: dict[str, list[float]]
    source_us: float
    texts: dict[str, Read]

    @property
    def rounds(self) -> int:
        """How many rounds were measured."""
        return min(len(figures) for figures in self.taken_us.values())

    def ratio(self, name: str, base: str) -> tuple[float, float, float] | None:
        """Give the quartiles of what a candidate costs by another's cost, round for round; None: one did not run."""
        if name not in self.taken_us or base not in self.taken_us:
            return None
        pairs = zip(self.taken_us[name], self.taken_us[base], strict=True)
        low, middle, high = statistics.quantiles([mine / its for mine, its in pairs], n=4, method="inclusive")
        return low, middle, high


def measure(source: Source, setting: Setting, plan: Plan, tell: Callable[[str], None]) -> list[Group]:
    """Measure all groups.

    Raises:
        Failed: if a candidate reads something else than the source said.
    """
    groups: list[Group] = []
    wires: tuple[Wire, ...] = ("openai-chat", "anthropic")
    todo = [(wire, way) for wire in wires for way in plan.ways]
    ends = time.monotonic() + plan.within_s
    for nth, (wire, way) in enumerate(todo):
        with contextlib.ExitStack() as stack:
            workers = _workers(stack, setting, wire, way)
            for nth_mode, mode in enumerate(MODES):
                # what is left is shared evenly; one wire's readers are slower, and pass nothing on
                left = 2 * (len(todo) - nth) - nth_mode
                until = time.monotonic() + max(0.0, ends - time.monotonic()) / left
                group = _group(workers, source, plan, (wire, way, mode), until)
                groups.append(group)
                tell(f"{wire}, {way}, {mode}: {len(workers)} readers, {group.rounds} rounds")
    return groups


def _workers(stack: contextlib.ExitStack, setting: Setting, wire: Wire, way: Way) -> dict[str, Worker]:
    workers: dict[str, Worker] = {}
    for candidate in CANDIDATES:
        loop = candidate.blocking if way == "blocking" else candidate.asynchronous
        if candidate.wire == wire and loop is not None and (setting.peers or not candidate.peer):
            made = worker(setting, candidate.name, loop, wire, way, candidate.environment)
            workers[candidate.name] = stack.enter_context(made)
    for one in workers.values():
        one.wait_ready()
    return workers


def _group(workers: dict[str, Worker], source: Source, plan: Plan, what: tuple[Wire, Way, Mode], until: float) -> Group:
    mode = what[2]
    model, events = plan.model(mode), plan.events(mode)
    right = expected(events)
    chance = random.Random(7)
    order = list(workers)
    taken: dict[str, list[float]] = {name: [] for name in order}
    sleeps: dict[str, list[float]] = {name: [] for name in order}
    texts: dict[str, Read] = {}
    before = source.usage()
    for round_ in range(-1, plan.rounds):  # one round warms up
        if round_ >= LEAST_ROUNDS and time.monotonic() > until:
            break
        chance.shuffle(order)
        for name in order:
            cost = workers[name].order(model)
            texts[name] = Read(cost["pieces"], cost["chars"], cost["crc"])
            if texts[name] != right:
                raise Failed(f"{workers[name].name} read {texts[name]}, and the source said {right}")
            if round_ >= 0:
                taken[name].append(cost["cpu_ns"] / 1000 / events)
                sleeps[name].append(cost["sleeps"] / events)
    used = source.usage().since(before)
    return Group(*what, taken, sleeps, used.cpu_us / used.events, texts)
