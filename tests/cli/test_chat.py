"""`headrace chat` in pipes: what is sent, what is written where, and how it ends."""

import array
import fcntl
import os
import signal
import socket
import subprocess
import termios
import threading
from pathlib import Path

import pytest

from tests.cli.running import BOUND_S, HEADRACE, environment, run, start, unboxed
from tests.cli.scripted import Peer, Server


def _hello(peer: Peer) -> None:
    peer.head()
    peer.say("Hel")
    peer.say("lo")
    peer.finish()


def _ask(server: Server, *args: str) -> tuple[str, ...]:
    return ("chat", "--base-url", server.url, "-m", "m", *args)


def test_text_alone_is_on_stdout(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server, "say", "hello"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")
    assert server.requests[0]["messages"] == [{"role": "user", "content": "say hello"}]


def test_tokens_come_as_they_are_written(tmp_path: Path) -> None:
    read = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one ")
        assert read.wait(BOUND_S)  # the second comes only once the first was read
        peer.say("two\n")
        peer.finish()

    with Server(script) as server, start(tmp_path, *_ask(server, "x")) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"one "
        read.set()
        assert process.stdout.read() == b"two\n"  # and no further newline
        assert process.wait(BOUND_S) == 0


def test_options_are_sent(tmp_path: Path) -> None:
    text = "-s Be-brief --max-tokens 7 --temperature 0.5 --top-p 0.9 --stop A --stop B --seed 4"
    options = text.split()
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server, *options, "x"))
    assert done.returncode == 0, done.stderr
    sent = server.requests[0]
    assert sent["messages"][0] == {"role": "system", "content": "Be-brief"}
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["top_p"]) == ("m", 7, 0.5, 0.9)
    assert (sent["stop"], sent["seed"]) == (["A", "B"], 4)


@pytest.mark.parametrize(
    ("words", "piped", "asked"),
    [
        ((), b"from a pipe\n", "from a pipe"),
        (("Sum", "up:"), b"a\nb\n", "Sum up:\n\na\nb"),
        (("alone",), b"", "alone"),
        (("odd:",), b"\xff", "odd:\n\n�"),
    ],
)
def test_what_is_piped_in_follows_the_prompt(tmp_path: Path, words: tuple[str, ...], piped: bytes, asked: str) -> None:
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server, *words), stdin=piped)
    assert done.returncode == 0, done.stderr
    assert server.requests[0]["messages"][-1]["content"] == asked


def test_no_prompt_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "chat", "-m", "sim/demo", stdin=b" \n")
    assert done.returncode == 2
    assert "pipe it in" in unboxed(done.stderr)
    assert done.stdout == ""


def test_closed_stdin_is_no_prompt(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *HEADRACE, *_ask(server, "x")],
            capture_output=True,
            timeout=BOUND_S,
            env=environment(tmp_path),
        )
    assert (done.returncode, done.stdout) == (0, b"Hello\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-m", "nobody/x", "hi"), "no provider 'nobody' is known"),
        (("-m", "openai/x", "hi"), "no API key for openai"),
        (("-m", "sim/demo", "--until", "/(/", "hi"), "no regular expression"),
        (("-m", "sim/demo", "--until", "", "hi"), "is empty"),
        (("-m", "sim/demo", "--timeouts", "soon", "hi"), "FIRST,IDLE,TOTAL"),
        (("-m", "sim/demo", "--timeouts", "1,2,3,4", "hi"), "FIRST,IDLE,TOTAL"),
        (("-m", "sim/demo", "--timeouts", "0", "hi"), "three times above 0"),
        (("-m", "sim/demo", "--limit-seconds", "0", "hi"), "must be above 0"),
        (("--config", "none.toml", "hi"), "none.toml: cannot be read"),
        (("--base-url", "http://127.0.0.1:9", "hi"), "name the model"),
    ],
)
def test_usage_errors(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "chat", *args)
    assert done.returncode == 2
    assert said in unboxed(done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_refusal_of_the_provider_is_one_line(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head(401, "application/json")
        peer.raw(b'{"error": {"message": "bad\\nkey \\u001b[31m sk-secret-1234", "code": "invalid_api_key"}}')
        peer.end()

    with Server(script) as server:
        url = {"OPENAI_API_KEY": "sk-secret-1234"}
        done = run(tmp_path, "chat", "-m", "openai/m", "--base-url", server.url, "x", env=url)
    assert server.headers[0]["authorization"] == "Bearer sk-secret-1234"
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "headrace: openai (HTTP 401): bad key ␛[31m [redacted] [check the API key]\n"


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run(tmp_path, "chat", "-m", "m", "--base-url", f"http://127.0.0.1:{port}", "x")
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: no connection")
    assert done.stderr.count("\n") == 1


def test_a_cut_answer_is_kept_and_fails(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("half an ans")

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert (done.returncode, done.stdout) == (1, "half an ans\n")
    assert "before the answer was complete" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_timeout_fails_and_stops_the_model(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("a")
        peer.hold()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "--timeouts", "-,0.2,", "x"))
        assert server.gone.wait(BOUND_S)
    assert (done.returncode, done.stdout) == (1, "a\n")
    assert "idle timeout" in done.stderr


@pytest.mark.parametrize(("reason", "said"), [("length", "(length)"), ("content_filter", "(filtered)"), ("stop", "")])
def test_an_end_that_is_not_plain_is_said(tmp_path: Path, reason: str, said: str) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("x")
        peer.finish(reason)

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert done.stderr.count("\n") == bool(said)
    assert said in done.stderr


def test_only_text_is_in_the_pipe(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.chunk({"reasoning_content": "hmm"})
        peer.say("See.")
        peer.chunk(choices=[{"index": 1, "delta": {"content": "Another answer."}, "finish_reason": "stop"}])
        call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at":'}}
        peer.chunk({"tool_calls": [call]})
        peer.chunk({"tool_calls": [{"index": 0, "function": {"arguments": ' "\u001b"}'}}]})
        peer.finish("tool_calls")

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "See.\n", 'look({"at": "␛"})\n')


def test_a_refusal_is_read_on_stderr(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.chunk({"refusal": "I will "})
        peer.chunk({"refusal": "not."})
        peer.finish()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "I will not.\n")


def test_warnings_come_after_the_text(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("x")
        peer.chunk({}, finish="stop")  # and no marker
        peer.end()

    with Server(script) as server:
        done = run(tmp_path, "chat", "-m", "openai/m", "--base-url", server.url, "x")
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert "[DONE]" in done.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--until", "STOP"), "one STOP\n"),
        (("--until", "never", "--until", "/S.O/"), "one STO\n"),
        (("--limit-chars", "3"), "one\n"),
        (("--limit-tokens", "1"), "one ST\n"),
        (("--limit-seconds", "0.2"), "one STOP\n```\ncode\n```\n"),
        (("--until-code-block",), "one STOP\n```\ncode\n```\n"),
    ],
)
def test_enough_stops_the_model(tmp_path: Path, args: tuple[str, ...], text: str) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one ST")
        peer.say("OP\n```\nco")
        peer.say("de\n```")
        peer.hold()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, *args, "x"))
        assert server.gone.wait(BOUND_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("when", ["before the head", "before a token", "in the middle"])
def test_a_signal_stops_the_model(tmp_path: Path, signum: signal.Signals, code: int, when: str) -> None:
    def script(peer: Peer) -> None:
        if when != "before the head":
            peer.head()
        if when == "in the middle":
            peer.say("half")
        peer.hold()

    with Server(script) as server, start(tmp_path, *_ask(server, "x")) as process:
        assert process.stdout
        assert process.stderr
        assert server.asked.wait(BOUND_S)
        if when == "in the middle":
            assert os.read(process.stdout.fileno(), 100) == b"half"
        process.send_signal(signum)
        assert server.gone.wait(BOUND_S)
        assert process.wait(BOUND_S) == code
        assert process.stdout.read() == (b"\n" if when == "in the middle" else b"")
        assert process.stderr.read() == b"headrace: stopped before the answer was complete (cancelled)\n"


def test_a_signal_while_the_prompt_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(fifo, os.O_WRONLY)
    os.set_blocking(reading, True)
    with start(tmp_path, "chat", "-m", "sim/demo", stdin=reading) as process:
        os.close(reading)
        os.write(writing, b"the beginning")
        _until_read(writing)
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND_S) == 143
        assert process.stderr
        assert process.stderr.read() == b""
    os.close(writing)


def test_a_signal_while_the_reader_is_slow(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("x" * 1_000_000)
        peer.hold()

    with Server(script) as server, start(tmp_path, *_ask(server, "x")) as process:
        assert process.stdout
        fd = process.stdout.fileno()
        size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        while _waiting_bytes(fd) < size:  # once it is full, the writer waits for us
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert server.gone.wait(BOUND_S)
        assert process.wait(BOUND_S) == 130
        assert process.stdout.read() == b"x" * size


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("a")
        assert go.wait(BOUND_S)
        peer.finish()

    # as a shell without job control starts what is to run in the background
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *HEADRACE]
    with (
        Server(script) as server,
        subprocess.Popen([*ignoring, *_ask(server, "x")], stdout=subprocess.PIPE, env=environment(tmp_path)) as process,
    ):
        assert process.stdout
        assert process.stdout.read(1) == b"a"
        process.send_signal(signal.SIGINT)
        go.set()
        assert process.stdout.read() == b"\n"
        assert process.wait(BOUND_S) == 0


@pytest.mark.parametrize("when", ["before a token", "silent", "talking"])
def test_a_closed_pipe_stops_the_model(tmp_path: Path, when: str) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        if when != "before a token":
            peer.say("line\n")
        if when == "talking":
            peer.flood("more\n")
        else:
            peer.hold()

    with Server(script) as server, start(tmp_path, *_ask(server, "x")) as process:
        assert process.stdout
        assert process.stderr
        if when == "before a token":
            assert server.asked.wait(BOUND_S)
        else:
            assert os.read(process.stdout.fileno(), 5) == b"line\n"
        process.stdout.close()
        assert server.gone.wait(BOUND_S)
        assert process.wait(BOUND_S) == 141
        assert process.stderr.read() == b""


def test_a_pipe_that_was_closed_before(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.hold()

    reading, writing = os.pipe()
    os.close(reading)
    with Server(script) as server, start(tmp_path, *_ask(server, "x"), stdout=writing) as process:
        os.close(writing)
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_closed_socket_stops_the_model(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.flood("more\n")

    ours, theirs = socket.socketpair()
    with Server(script) as server, start(tmp_path, *_ask(server, "x"), stdout=theirs) as process:
        theirs.close()
        assert ours.recv(5)
        ours.close()
        assert server.gone.wait(BOUND_S)
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_reader_that_leaves_after_the_last_word(tmp_path: Path) -> None:
    left = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("Hello")
        assert left.wait(BOUND_S)
        peer.finish()

    ours, theirs = socket.socketpair()
    with Server(script) as server, start(tmp_path, *_ask(server, "x"), stdout=theirs) as process:
        theirs.close()
        assert ours.recv(5) == b"Hello"
        ours.close()
        left.set()
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_head_is_content(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.flood("line\n")

    with Server(script) as server:
        line = '"$@" | head -1'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *HEADRACE, *_ask(server, "x")],
            capture_output=True,
            timeout=BOUND_S,
            env=environment(tmp_path),
        )
        assert server.gone.wait(BOUND_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"line\n", b"")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("x")
        peer.hold()

    with Server(script) as server, Path("/dev/full").open("wb") as full:
        done = run(tmp_path, *_ask(server, "x"), stdout=full)
        assert server.gone.wait(BOUND_S)
    assert done.returncode == 1
    assert done.stderr == "headrace: cannot write to stdout: No space left on device\n"


def test_no_stdout_at_all(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *HEADRACE, *_ask(server, "x")],
            stderr=subprocess.PIPE,
            timeout=BOUND_S,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
        )
    assert (done.returncode, done.stderr) == (1, b"headrace: cannot write to stdout: Bad file descriptor\n")


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
def test_no_stderr(tmp_path: Path, how: str) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("Hello")
        peer.finish("length")  # there would be something to say

    with Server(script) as server:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {how}', "sh", *HEADRACE, *_ask(server, "x")],
            stdout=subprocess.PIPE,
            timeout=BOUND_S,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
        )
    assert done.stdout == b"Hello\n"
    assert done.returncode == 0


def test_a_stdout_that_does_not_block(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("x" * 1_000_000)
        peer.finish()

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with Server(script) as server, start(tmp_path, *_ask(server, "x"), stdout=writing) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"x" * 1_000_000 + b"\n"
        assert process.wait(BOUND_S) == 0


def test_bytes_of_a_pipe_are_the_models(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("\x1b[31m\r\x07\x9bé€\n")
        peer.finish()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
        plain = run(tmp_path, *_ask(server, "x"), env={"PYTHONIOENCODING": "latin-1"})
    assert done.stdout == "\x1b[31m\r\x07\x9bé€\n"
    assert plain.stdout == "\x1b[31m\r\x07\\x9b\\xe9?\n"


def test_an_answer_that_begins_anew_fails_in_a_pipe(tmp_path: Path) -> None:
    # an Anthropic proxy that retried, and put the second answer behind the first
    start_frame = b'data: {"type": "message_start", "message": {"id": "a", "model": "m", "usage": {}}}\n\n'
    block = b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "first"}}\n\n'

    def script(peer: Peer) -> None:
        peer.head()
        peer.raw(start_frame + block)
        peer.raw(start_frame.replace(b'"a"', b'"b"') + block.replace(b"first", b"second"))
        peer.hold()

    with Server(script) as server:
        done = run(tmp_path, "chat", "-m", "anthropic/m", "--base-url", server.url, "x")
        assert server.gone.wait(BOUND_S)
    assert (done.returncode, done.stdout) == (1, "first\n")
    assert "began anew" in done.stderr


def test_the_simulation_is_asked_where_there_is_no_key(tmp_path: Path) -> None:
    done = run(tmp_path, "chat", "--until", "/no model was called/", "hello")
    assert done.returncode == 0
    assert done.stdout.endswith("no model was called\n")
    assert done.stderr == (
        "headrace: no model was named; asking sim/demo (no API key was found: THIS IS A SIMULATION, no model is "
        "called)\n"
    )
    named = run(tmp_path, "chat", "-m", "sim/demo;speed=max", "hello")
    assert named.returncode == 0
    assert named.stderr == "headrace: this is a simulation: no model was called, and nothing was sent anywhere\n"


def test_a_simulation_is_stopped_too(tmp_path: Path) -> None:
    with start(tmp_path, "chat", "-m", "sim/demo", "tell me everything") as process:
        assert process.stdout
        assert process.stderr
        assert os.read(process.stdout.fileno(), 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 130
        assert process.stdout.read().endswith(b"\n")
        assert b"(cancelled)" in process.stderr.read()


def _waiting_bytes(fd: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def _until_read(fd: int) -> None:
    """Wait until the pipe's reader has taken what was in it."""
    while _waiting_bytes(fd):
        pass
