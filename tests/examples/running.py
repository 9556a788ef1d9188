"""An example as a reader runs it: a process of its own, asked and watched over its pipes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"

MODEL = "openai/gpt-4o-mini"
SKY = "Blue light is turned aside more than red."

BOUND_S = 60.0
"""How long an example may take before its test fails: a bound on a hang, never a measure."""

_KEPT = {"PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "PYTHONPATH"}


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Keep what a program needs to start, and nothing that names a provider, a key or a proxy."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.startswith("COVERAGE_")}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-8",
        "HEADRACE_SIM_SPEED": "max",
        **(more or {}),
    }


class Running:
    """An example that runs.

    Attributes:
        said: what it has printed so far.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.said = ""
        self._process = process
        assert process.stdout is not None
        self._out: IO[bytes] = process.stdout

    def read_until(self, text: str) -> None:
        """Read what it prints, as soon as it is printed, until that is there."""
        said = self.said.encode()
        while text.encode() not in said:
            piece = os.read(self._out.fileno(), 65536)
            assert piece, f"it ended without {text!r}; it said: {said.decode()}"
            said += piece
        self.said = said.decode()

    def press_enter(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """Wait for its end, which must be a good one; give all that it printed."""
        out, errors = self._process.communicate(timeout=BOUND_S)
        assert (self._process.returncode, errors.decode()) == (0, "")
        self.said += out.decode()
        return self.said


Start = Callable[..., Running]


@contextmanager
def started(name: str, *args: str, home: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start an example."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *args],
        cwd=ROOT,
        env=environment(home, env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield Running(process)
        finally:
            process.kill()


@contextmanager
def serving(app: str, *, home: Path, env: Mapping[str, str]) -> Iterator[int]:
    """Serve an example's app by uvicorn, as its first lines say; give the port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--app-dir", "examples", f"{app}:app", "--port", "0"],
        cwd=ROOT,
        env=environment(home, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield _port(process)
            process.terminate()
            errors = process.communicate(timeout=BOUND_S)[1].decode()
            assert "Traceback" not in errors, errors
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes]) -> int:
    stderr: Any = process.stderr
    said = b""
    for line in stderr:
        said += line
        found = re.search(rb"http://127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError(f"uvicorn did not start: {said.decode()}")
