"""`headrace fault-proxy`: where it is, what it does, what it tells, and how it ends."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import BOUND_S, Process, run, start


@contextmanager
def proxying(home: Path, upstream: str, *options: str) -> Iterator[tuple[Process, int]]:
    """Run the command; give its port."""
    with start(home, "fault-proxy", upstream, "--port", "0", *options) as process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.fullmatch(r"headrace: (\S*)127\.0\.0\.1:(\d+)\S* passes on to (\S+) \(Ctrl-C stops it\)\n", line)
        assert found, line
        assert found[3] == upstream
        assert found[1] == ("http://" if "://" in upstream else "")
        yield process, int(found[2])


def said(process: Process) -> str:
    assert process.stderr is not None
    return process.stderr.readline().decode()


def ended(process: Process, number: int = signal.SIGINT) -> str:
    process.send_signal(number)
    _, rest = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0
    return rest.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_passes_on_and_tells_of_each_connection(tmp_path: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with proxying(tmp_path, upstream) as (process, port):
            assert said(process) == "headrace: done to what goes down: nothing\n"
            with socket.create_connection(("127.0.0.1", port), BOUND_S) as client:
                client.sendall(b"ping")
                with listener.accept()[0] as peer:
                    peer.sendall(peer.recv(4) + b"!")
                    assert client.recv(4) == b"ping"
            line = said(process)
            assert re.fullmatch(r"[\d:]{8} connection 1: 4 bytes up, 5 bytes down, .* s, \w+ by the \w+\n", line), line
            assert ended(process, number) == ""


def test_a_connection_that_is_open_at_the_end_is_told_of_too(tmp_path: Path) -> None:
    options = ("--upload", "--stall-at", "3", "--slice", "2", "--slice-gap", "0.001", "--latency", "0.001")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with proxying(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}", *options) as (process, port):
            assert (
                "done to what goes up: latency 0.001 s; at most 2 bytes a write, 0.001 s between; stall at byte 3"
                in (said(process))
            )
            with socket.create_connection(("127.0.0.1", port), BOUND_S) as client, listener.accept()[0] as peer:
                client.sendall(b"hello")
                assert peer.recv(2) == b"he"
                assert peer.recv(2) == b"l"
                assert "connection 1: 3 bytes up, 0 bytes down" in ended(process)


def test_a_signal_that_its_parent_ignores_is_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as nohup does it, which what is started inherits
    try:
        with proxying(tmp_path, "127.0.0.1:9") as (process, _):
            process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.0)
            ended(process)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("kind", ["reset", "close", "truncate"])
def test_endings(tmp_path: Path, kind: str) -> None:
    options = (f"--{kind}-at", "2", "--connections", "1, 3-4", "--share", "1", "--seed", "7")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with proxying(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}", *options) as (process, port):
            assert f"{kind} at byte 2; connections 1, 3, 4 only" in said(process)
            with socket.create_connection(("127.0.0.1", port), BOUND_S) as client, listener.accept()[0] as peer:
                peer.sendall(b"abc")
                assert client.recv(3) == b"ab"
                if kind == "reset":
                    with pytest.raises(ConnectionResetError):
                        client.recv(1)
                else:
                    assert client.recv(1) == b""
            assert f"by the proxy, download {kind} at byte 2" in said(process)
            ended(process)


def test_a_place_may_be_a_time(tmp_path: Path) -> None:
    with proxying(tmp_path, "127.0.0.1:9", "--blackhole-at", "2.5s", "--bandwidth", "5", "--jitter", "1") as (
        process,
        _,
    ):
        assert "jitter up to 1 s; 5 bytes a second; blackhole at 2.5 s" in said(process)
        ended(process)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["somewhere"], "the upstream must be HOST:PORT"),
        (["h:1", "--reset-at", "5x"], "'5x' is neither a number of bytes nor a time"),
        (["h:1", "--reset-at", "xs"], "'xs' is neither a number of bytes nor a time"),
        (["h:1", "--reset-at", "-5"], "at_byte must be 0 or more"),
        (["h:1", "--reset-at", "5", "--stall-at", "5"], "give one of --reset-at and --stall-at"),
        (["h:1", "--connections", "0"], "'0' names no connections"),
        (["h:1", "--connections", "5-3"], "'5-3' names no connections"),
        (["h:1", "--connections", "1,x"], "'x' names no connections"),
        (["h:1", "--bandwidth", "0"], "bandwidth must be more than 0"),
    ],
)
def test_what_cannot_work(tmp_path: Path, args: list[str], word: str) -> None:
    done = run(tmp_path, "fault-proxy", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert done.stderr.startswith("headrace: ")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run(tmp_path, "fault-proxy", "h:1", "--port", port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
