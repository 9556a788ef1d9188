"""Measure what a token costs its user: SDKs and loops beside ours, in one run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.clients import weights
from bench.clients.candidates import WAYS
from bench.clients.chart import svg
from bench.clients.environment import python_of
from bench.clients.report import machine, markdown, plain
from bench.clients.rounds import LEAST_ROUNDS, Plan, measure
from bench.clients.source import CACHE, ROOT, running
from bench.clients.workers import Failed, Setting

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the benchmark."""
    options = _options()
    began = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"bench: {time.monotonic() - began:4.0f} s: {text}\n")

    plan = Plan(
        blast=options.events,
        chunk=options.chunk,
        rounds=options.rounds,
        within_s=options.within,
        ways=tuple([way for way in WAYS if way in (options.ways or WAYS[: 2 if options.quick else None])]),
    )
    rounds, streams, weighings = 5, 1000, 3
    if options.quick:
        plan = plan._replace(blast=400, paced=40, rounds=LEAST_ROUNDS, within_s=20.0)
        rounds, streams, weighings = 1, 20, 1
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    pinned = len(cores) > 1  # readers on the last core, the source and this on the first
    try:
        peers = options.peers and _peers_there()
        with running(cores[0] if pinned else None, plain=options.plain_source) as source:
            setting = Setting(source.url, cores[-1] if pinned else None, peers=peers)
            tell(f"the source is written in {source.kind}; {'one core each' if pinned else 'nothing is pinned'}")
            imports = weights.imports(setting, rounds=rounds)
            tell("imports")
            memory = weights.memory(setting, streams=streams, rounds=weighings)
            tell("memory")
            groups = measure(source, setting, plan, tell)
            versions = weights.versions(setting)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    out = Path(options.out) if options.out else CACHE / "quick" if options.quick else ROOT / "bench" / "results"
    out.mkdir(parents=True, exist_ok=True)
    what = f"{machine()}; the source in {source.kind}, {'pinned' if pinned else 'not pinned'}"
    text = markdown(
        groups, imports, memory, plan=plan, streams=streams, machine=what, versions=versions, chart="clients.svg"
    )
    (out / "clients.md").write_text(text, encoding="utf-8")
    (out / "clients.svg").write_text(svg(groups, what), encoding="utf-8")
    print(plain(text))
    tell(f"written: {out / 'clients.md'}, {out / 'clients.svg'}")


def _peers_there() -> bool:
    try:
        python_of("bench")
        python_of("bench-litellm")
    except (subprocess.CalledProcessError, OSError) as error:
        raise Failed(
            f"the peers could not be installed ({error}); --without-peers measures ours and the floor"
        ) from error
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: few rounds, written to .cache/bench/quick")
    parser.add_argument(
        "--without-peers", dest="peers", action="store_false", help="only ours, the floor, and what we stand on"
    )
    parser.add_argument("--plain-source", action="store_true", help="the source in Python, also with a C compiler")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="which ways of reading (all; --quick: the first two)")
    parser.add_argument(
        "--rounds", type=_at_least(LEAST_ROUNDS), default=Plan().rounds, help="rounds to measure (%(default)s)"
    )
    parser.add_argument(
        "--events", type=_at_least(1), default=Plan().blast, help="text deltas of a blast (%(default)s)"
    )
    parser.add_argument(
        "--chunk",
        type=_at_least(0),
        default=Plan().chunk,
        help="bytes of a blast's HTTP chunks; 0: one event each (%(default)s)",
    )
    parser.add_argument(
        "--within", type=float, default=Plan().within_s, help="seconds that all rounds may take (%(default)s)"
    )
    parser.add_argument("--out", help="a folder for the report (bench/results)")
    return parser.parse_args()


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"at least {least}")
        return int(text)

    return read


if __name__ == "__main__":
    main()
