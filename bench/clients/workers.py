"""The driver's side of `bench.clients.worker`: start one, order a round, read what it cost, fail loudly."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from bench.clients.environment import python_of
from bench.clients.source import CACHE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.clients.answers import Wire
    from bench.clients.candidates import Way
    from bench.clients.environment import Name

_DEADLINE_S = 120.0  # for one answer; it bounds a hang


class Failed(Exception):
    """A worker died, hung, or read something else than the source said."""


class Setting(NamedTuple):
    """Where workers run.

    Attributes:
        url: the source's address.
        core: the workers' core, or None.
        peers: whether the peers' environments are used; else the Python that runs this, and no peers.
    """

    url: str
    core: int | None
    peers: bool

    def python(self, name: Name) -> str:
        """Give the Python of an environment."""
        return python_of(name) if self.peers else sys.executable


def environ() -> dict[str, str]:
    """Give a worker's environment: ours to import, no proxy, no settings of the user's, nothing that is fetched."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "HEADRACE_CONFIG": str(_empty("headrace.toml")),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
    }


class Worker:
    """A process that reads answers when it is told to."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name = name
        self._process = process
        self._log = log

    def wait_ready(self) -> None:
        """Wait for its client to be built.

        Raises:
            Failed: if it is not.
        """
        if self._answer() != "ready":
            raise Failed(f"{self.name}: no worker")

    def order(self, line: str) -> dict[str, Any]:
        """Have it do something, and give what it says.

        Raises:
            Failed: if it says nothing.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its log says why
        answer: dict[str, Any] = self._answer()
        return answer

    def _answer(self) -> Any:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], _DEADLINE_S)
        line = out.readline() if ready else b""
        if not line:
            self._log.seek(0)
            said = self._log.read()[-3000:].decode("utf-8", "replace")
            raise Failed(f"{self.name}: {'it died' if ready else 'it hangs'}\n{said}")
        return json.loads(line)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


@contextlib.contextmanager
def worker(setting: Setting, name: str, loop: str, wire: Wire, way: Way, environment: Name) -> Iterator[Worker]:
    """Run a worker."""
    core = "-" if setting.core is None else str(setting.core)
    command = [setting.python(environment), "-m", "bench.clients.worker", loop, wire, setting.url, way, core]
    log = _empty(f"worker-{loop}.{os.getpid()}.log").open("w+b")
    process = subprocess.Popen(
        command, cwd=CACHE, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
    )
    made = Worker(f"{name} ({wire}, {way})", process, log)
    try:
        yield made
    finally:
        made.stop()


def _empty(name: str) -> Any:
    place = CACHE / "run" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"")
    return place
