"""Start the source: `bench/source.c` where there is a C compiler, else its like in Python."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"


class Usage(NamedTuple):
    """What the source has used: its CPU time, and the text deltas and system calls that it sent with it."""

    cpu_us: int
    events: int
    sends: int

    def since(self, before: Usage) -> Usage:
        """Take from it what was used before."""
        return Usage(*[now - then for now, then in zip(self, before, strict=True)])


class Source(NamedTuple):
    """A source that runs.

    Attributes:
        kind: the language it is written in.
        url: its address.
    """

    kind: str
    url: str

    def usage(self) -> Usage:
        """Ask it what it has used itself."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + "/usage", timeout=30) as response:
            return Usage(**json.load(response))


def compiled() -> Path | None:
    """Compile the source, unless that was done before; None: there is no compiler."""
    code = ROOT / "bench" / "source.c"
    made = CACHE / f"source-{hashlib.sha256(code.read_bytes()).hexdigest()[:16]}"
    if made.exists():
        return made
    compiler = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)), None)
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = made.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, "-O2", "-o", fresh, code], check=True)
    fresh.replace(made)  # another run may do the same
    return made


@contextlib.contextmanager
def running(core: int | None, *, plain: bool = False) -> Iterator[Source]:
    """Run a source on one core.

    Args:
        core: where; None: anywhere.
        plain: take the one in Python, also where there is a compiler.
    """
    program = None if plain else compiled()
    command = [sys.executable, "-m", "bench.clients.plain_source"] if program is None else [str(program)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        yield Source("Python" if program is None else "C", f"http://127.0.0.1:{port}")
    finally:
        process.communicate()  # its standard input ends, and so does it
