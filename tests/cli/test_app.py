"""The command as a whole: help, version, what it loads, and how it is started."""

import importlib.util
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import headrace
from tests.cli.running import BOUND_S, environment, run, start, unboxed

COMMANDS = ("chat", "decode", "fault-proxy", "inspect", "models", "parallel", "record", "replay", "serve", "sim")
SERVERS = {"fault-proxy", "record", "replay", "serve", "sim"}


def test_version(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"headrace {headrace.__version__}\n")


@pytest.mark.parametrize("command", [(), *[(name,) for name in COMMANDS]])
def test_help_names_the_exit_codes(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run(tmp_path, *command, "--help")
    assert done.returncode == 0
    assert ("0 told to end (Ctrl-C, SIGTERM)" if set(command) & SERVERS else "130 Ctrl-C") in unboxed(done.stdout)
    assert done.stderr == ""


def test_a_mistyped_command_is_answered_with_the_right_one(tmp_path: Path) -> None:
    done = run(tmp_path, "caht")
    assert done.returncode == 2
    assert "No such command 'caht'" in done.stderr
    assert "chat" in done.stderr


def test_no_command_is_a_question_for_help(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert "decode" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_package_of_the_command_line_runs_too(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "headrace.cli", "--version"]
    done = subprocess.run(line, capture_output=True, env=environment(tmp_path), timeout=BOUND_S)
    assert done.stdout.decode() == f"headrace {headrace.__version__}\n"


@pytest.mark.parametrize(
    "args",
    [["--help"], ["--version"], ["decode", "--fold", "/dev/null"], ["inspect", "--file", "/dev/null"], ["models"]],
)
def test_light_commands_load_no_transport(tmp_path: Path, args: list[str]) -> None:
    heavy = ("aiohttp", "fastapi", "starlette", "urllib3", "uvicorn")  # typer itself stands on pydantic
    code = (
        f"import sys; sys.argv = ['headrace', *{args!r}]\n"
        f"from headrace.cli import main\nmain()\nsys.stderr.write(str([m for m in {heavy!r} if m in sys.modules]))"
    )
    # isolated and without site's .pth files, which measure coverage and import what they like
    path = [p for p in sys.path if p.endswith("site-packages")] + [str(Path(headrace.__file__).parent.parent)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd=tmp_path,
    )
    assert done.stderr.endswith("[]"), done.stderr


def test_serve_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    # an environment without the extra cannot be had here: only the look for it is told otherwise
    from headrace.cli import main

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["headrace", "serve"])
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    assert main() == 2
    said = capfd.readouterr()
    assert said.err == "headrace: the gateway needs fastapi and uvicorn: pip install 'headrace[serve]'\n"


def test_serve_serves_until_ctrl_c(tmp_path: Path) -> None:
    with start(tmp_path, "serve", "--port", "0", "-m", "sim/demo") as process:
        assert process.stderr
        line = process.stderr.readline().decode()
        address = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert address, line
        with urllib.request.urlopen(address[0], timeout=BOUND_S) as page:
            assert page.status == 200
        taken = run(tmp_path, "serve", "--port", address[1], "-m", "sim/demo")
        assert taken.returncode == 1
        assert f"port {address[1]}" in taken.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 0
