"""`headrace sim`: a simulated provider, served until it is told to stop."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import BOUND_S, Process, run, start, unboxed

PROMPT = "a-prompt-that-nobody-else-may-read"


class Served:
    """The command, serving."""

    def __init__(self, process: Process) -> None:
        assert process.stderr
        self.process = process
        self.greeting = [process.stderr.readline().decode() for _ in range(4)]
        address = re.search(r"http://127\.0\.0\.1:(\d+)", self.greeting[1])
        assert address, self.greeting
        self.url, self.port = address[0], int(address[1])

    def line(self) -> str:
        assert self.process.stderr
        return self.process.stderr.readline().decode()

    def ask(self, **more: Any) -> bytes:
        body = {"model": "sim/prose;seed=1", "messages": [{"role": "user", "content": PROMPT}], "stream": True, **more}
        asked = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode())
        asked.add_header("content-type", "application/json")
        asked.add_header("authorization", "Bearer sk-secret-1234")
        with urllib.request.urlopen(asked, timeout=BOUND_S) as answer:
            return answer.read()

    def end(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)
        assert self.process.wait(BOUND_S) == 0


def test_it_says_where_it_is_and_what_was_asked(tmp_path: Path) -> None:
    with start(tmp_path, "sim", "--port", "0", "--speed", "max") as process:
        served = Served(process)
        assert served.greeting[0].startswith("headrace: SIMULATION")
        assert "Ctrl-C" in served.greeting[1]
        assert f"OPENAI_BASE_URL={served.url}/v1 OPENAI_API_KEY=" in served.greeting[2]
        assert f"ANTHROPIC_BASE_URL={served.url} ANTHROPIC_API_KEY=" in served.greeting[3]
        assert served.ask().endswith(b"data: [DONE]\n\n")
        told = served.line()
        assert re.search(r"^\d\d:\d\d:\d\d POST /v1/chat/completions openai-chat sim/prose \[prose\]", told), told
        assert re.search(r": 200, \d+( of \d+)? tokens in \d+\.\d\d s, complete by the server\n$", told), told
        with pytest.raises(urllib.error.HTTPError) as caught:
            served.ask(messages=7)
        caught.value.close()
        assert ": 400, 0" in served.line()
        with urllib.request.urlopen(f"{served.url}/_sim/journal", timeout=BOUND_S) as journal:
            assert len(json.loads(journal.read())["exchanges"]) == 2
        served.end()
        assert process.stdout
        assert process.stdout.read() == b""
        assert process.stderr
        said = "".join(served.greeting) + told + process.stderr.read().decode()
        assert "secret" not in said
        assert PROMPT not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_streams_open(tmp_path: Path, number: int) -> None:
    with start(tmp_path, "sim", "--port", "0", "--fault", "stall@token:2", "--speed", "max") as process:
        served = Served(process)
        with socket.create_connection(("127.0.0.1", served.port), BOUND_S) as client:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            assert client.recv(10)
            served.end(number)
        assert "stall@token:2, stopped by the server" in served.line()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_what_hangs(tmp_path: Path, number: int, code: int) -> None:
    (tmp_path / "s.py").write_text(
        "import sys\ndef answer(asked):\n    print('in it', file=sys.stderr, flush=True)\n    while True: pass\n"
    )
    with start(tmp_path, "sim", "--port", "0", "--script", "s.py") as process:
        served = Served(process)
        with socket.create_connection(("127.0.0.1", served.port), BOUND_S) as client:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
            )
            assert served.line() == "in it\n"
            process.send_signal(signal.SIGINT)
            assert process.poll() is None  # it would end in good order, if it could
            until_ended(process, number)
            assert process.wait(BOUND_S) == code
        assert process.stderr
        assert process.stderr.read() == b"headrace: a second signal: ended at once\n"


def until_ended(process: Process, number: int) -> None:
    """Send a signal until it works: one that comes on the heels of another may be taken for the same."""
    for _ in range(int(BOUND_S / 0.05)):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    with start(tmp_path, "sim", "--port", "0", "--speed", "max", preexec_fn=ignore) as process:
        served = Served(process)
        process.send_signal(signal.SIGTERM)
        assert served.ask()
        served.line()
        served.end()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(tmp_path, "sim", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"headrace: cannot listen on 127.0.0.1 port {port}: Address already in use; give another port (0: any that is "
        "free)\n"
    )


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--speed", "0"), "the speed must be a factor from"),
        (("--speed", "fast"), "or max, not 'fast'"),
        (("--fault", "nonsense"), "nonsense"),
        (("--dialect", "nonsense"), "nonsense"),
        (("--script", "none.yaml"), "none.yaml"),
        (("--host", "no.such.host.invalid"), "has no address"),
        (("--config", "none.toml"), "none.toml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_work(tmp_path: Path, args: tuple[str, ...], why: str) -> None:
    done = run(tmp_path, "sim", "--port", "0", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("headrace: ")
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[sim", "is not TOML"),
        ("[sim]\nsped = 1", "[sim]: Object contains unknown field `sped`"),
        ("[sim]\nspeed = -1", "the speed must be"),
        ("other = 1", "unknown keys: other"),
    ],
)
def test_a_configuration_that_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = run(tmp_path, "sim", "--config", "c.toml")
    assert done.returncode == 2
    assert why in done.stderr


def test_a_configuration_gives_what_the_options_leave_out(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "s.yaml").write_text('scenarios: [{name: greeting, answer: "Hello from the script."}]')
    (room / "c.toml").write_text(
        '[sim]\nport = 0\nscript = "s.yaml"\nspeed = "max"\n[providers.x]\nbase_url = "http://a"\n'
    )
    with start(tmp_path, "sim", "--config", "room/c.toml", "--fault", "bom") as process:
        served = Served(process)
        said = served.ask()
        assert "".join(re.findall(r'"content":"([^"]*)"', said.decode())) == "Hello from the script."
        assert "greeting" in served.line()
        served.end()


def test_an_address_that_others_can_reach(tmp_path: Path) -> None:
    with start(tmp_path, "sim", "--port", "0", "--host", "0.0.0.0") as process:
        served = Served(process)
        assert served.greeting[2].startswith("headrace: other machines can reach it")
        served.line()
        served.end()


def test_help(tmp_path: Path) -> None:
    done = run(tmp_path, "sim", "--help")
    assert done.returncode == 0
    assert "0 told to end (Ctrl-C, SIGTERM)" in unboxed(done.stdout)
