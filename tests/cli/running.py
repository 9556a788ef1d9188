"""Run the real command: in pipes, and at a terminal of our own (a pty)."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Self

BOUND_S = 30.0

# A session and a terminal of its own where one is given, and signals that no test runner has switched off.
_LAUNCH = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
terminal = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
if terminal is not None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

HEADRACE = [sys.executable, "-m", "headrace"]

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def command(*args: str) -> list[str]:
    """Give the command line of ``headrace`` with some arguments."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, *HEADRACE, *args]


def unboxed(text: str) -> str:
    """Give a usage error as one line, without the box that is drawn around it."""
    return " ".join(text.replace("│", " ").split())


def environment(home: Path, **more: str) -> dict[str, str]:
    """Keep what a program needs to start, and nothing that names a provider, a key or a proxy.

    No port of this machine is looked at for a local engine.
    """
    names = {"PATH", "PYTHONPATH", "LANG", "LC_ALL"}
    kept = {k: v for k, v in os.environ.items() if k in names or k.startswith("COVERAGE_")}
    own = {"HOME": str(home), "PYTHONWARNINGS": "error", "TERM": "xterm-256color", "HEADRACE_NO_LOCAL": "1"}
    return {**kept, **own, **more}


def only_at(port: int) -> str:
    """Write a configuration by which Ollama is looked for at a port of a test's, and the other engines nowhere."""
    rows = {"ollama": f"127.0.0.1:{port}", "lmstudio": "engine.test", "llamacpp": "engine.test", "vllm": "engine.test"}
    return "".join(f'[providers.{name}]\nbase_url = "http://{place}/v1"\n' for name, place in rows.items())


class Process(subprocess.Popen[bytes]):
    """A process that does not outlive its block, whatever goes wrong in there."""

    def __exit__(self, *exc: Any) -> None:
        if exc[0] is not None:
            self.kill()
        super().__exit__(*exc)


def start(home: Path, *args: str, env: dict[str, str] | None = None, **streams: Any) -> Process:
    """Start the command with pipes."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Process(command(*args), cwd=home, env=environment(home, **(env or {})), **{**given, **streams})


def run(
    home: Path, *args: str, stdin: bytes | None = None, env: dict[str, str] | None = None, **streams: Any
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; bytes that are no UTF-8 are shown escaped."""
    if stdin is not None:
        streams["stdin"] = subprocess.PIPE
    with start(home, *args, env=env, **streams) as process:
        out, err = process.communicate(stdin, timeout=BOUND_S)
    decoded = [(part or b"").decode("utf-8", "backslashreplace") for part in (out, err)]
    return subprocess.CompletedProcess(args, process.returncode, *decoded)


class Terminal:
    """The command at a terminal; `stdin`, `stdout` or `stderr` given go elsewhere."""

    def __init__(self, home: Path, *args: str, env: dict[str, str] | None = None, **streams: Any) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        given = {"stdin": slave, "stdout": slave, "stderr": slave, **streams}
        self.process = start(home, *args, env=env, **given)
        os.close(slave)
        self.raw = ""
        self._bytes = b""
        self._from = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(BOUND_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self._master)

    @property
    def shown(self) -> str:
        """What came, without the terminal's codes."""
        return _CODES.sub("", self.raw)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def expect(self, text: str) -> None:
        """Wait until a text was shown, after what was expected before."""
        until = time.monotonic() + BOUND_S
        while (at := self.shown.find(text, self._from)) < 0:
            assert self._read(until), f"{text!r} did not come: {self.shown!r}"
        self._from = at + len(text)

    def finish(self) -> int:
        """Read to the end, and give the exit code."""
        until = time.monotonic() + BOUND_S
        while self._read(until):
            pass
        return self.process.wait(BOUND_S)

    def _read(self, until: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"nothing more came: {self.shown!r}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self._bytes += data
        self.raw = self._bytes.decode("utf-8", "replace")
        return bool(data)
