"""`headrace chat` in pipes: what is sent, what is written where, and how it ends."""

import array
import fcntl
import os
import signal
import socket
import subprocess
import termios
from pathlib import Path

import pytest

from headrace.sim import Answer, Scenario, Simulator
from headrace.sim.play import Head
from headrace.sim.writing.tokens import count
from tests.cli.running import BOUND_S, HEADRACE, environment, run, start, unboxed
from tests.sim.serving.raw import Source, act, play
from tests.simulated import HANGING, SILENT, left, stalling, talking
from tests.wire.streams import DONE, calls, choice, chunk, delta, say, sse, tool

HELLO = Scenario(answer="Hello")
HALF = stalling("half")


def _ask(sim: Simulator, *args: str) -> tuple[str, ...]:
    return ("chat", "--base-url", sim.openai_url, "-m", "m", *args)


def test_text_alone_is_on_stdout(tmp_path: Path) -> None:
    with Simulator(HELLO) as sim:
        done = run(tmp_path, *_ask(sim, "say", "hello"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")
    assert sim.journal.last.body["messages"] == [{"role": "user", "content": "say hello"}]


def test_tokens_come_as_they_are_written(tmp_path: Path) -> None:
    scenario = Scenario(answer="one two\n", faults=("hold:here@token:1",))
    with Simulator(scenario) as sim, start(tmp_path, *_ask(sim, "x")) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"one"
        sim.release("here")  # the second comes only once the first was read
        assert process.stdout.read() == b" two\n"  # and no further newline
        assert process.wait(BOUND_S) == 0


def test_options_are_sent(tmp_path: Path) -> None:
    text = "-s Be-brief --max-tokens 7 --temperature 0.5 --top-p 0.9 --stop A --stop B --seed 4"
    options = text.split()
    with Simulator(HELLO) as sim:
        done = run(tmp_path, *_ask(sim, *options, "x"))
    assert done.returncode == 0, done.stderr
    sent = sim.journal.last.body
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
    with Simulator(HELLO) as sim:
        done = run(tmp_path, *_ask(sim, *words), stdin=piped)
    assert done.returncode == 0, done.stderr
    assert sim.journal.last.body["messages"][-1]["content"] == asked


def test_no_prompt_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "chat", "-m", "sim/demo", stdin=b" \n")
    assert done.returncode == 2
    assert "pipe it in" in unboxed(done.stderr)
    assert done.stdout == ""


def test_closed_stdin_is_no_prompt(tmp_path: Path) -> None:
    with Simulator(HELLO) as sim:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *HEADRACE, *_ask(sim, "x")],
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
    refusal = play(
        b'{"error": {"message": "bad\\nkey \\u001b[31m sk-secret-1234", "code": "invalid_api_key"}}',
        head=Head(status=401, headers=(("content-type", "application/json"),)),
    )
    source = Source(refusal)
    with Simulator(source=source) as sim:
        key = {"OPENAI_API_KEY": "sk-secret-1234"}
        done = run(tmp_path, "chat", "-m", "openai/m", "--base-url", sim.openai_url, "x", env=key)
    assert source.calls[0].headers["authorization"] == "Bearer sk-secret-1234"
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "headrace: openai (HTTP 401): bad key ␛[31m [redacted] [check the API key]\n"


def test_nobody_listens(tmp_path: Path) -> None:
    with Simulator() as sim, sim.refuse():
        done = run(tmp_path, *_ask(sim, "x"))
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: no connection")
    assert done.stderr.count("\n") == 1


def test_a_cut_answer_is_kept_and_fails(tmp_path: Path) -> None:
    with Simulator(Scenario(answer="half an answer", faults=("close@token:2",))) as sim:
        done = run(tmp_path, *_ask(sim, "x"))
    assert (done.returncode, done.stdout) == (1, "half an\n")
    assert "before the answer was complete" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_timeout_fails_and_stops_the_model(tmp_path: Path) -> None:
    with Simulator(stalling("a")) as sim:
        done = run(tmp_path, *_ask(sim, "--timeouts", "-,0.2,", "x"))
        assert left(sim).left_at_token == 1
    assert (done.returncode, done.stdout) == (1, "a\n")
    assert "idle timeout" in done.stderr


@pytest.mark.parametrize(("reason", "said"), [("length", "(length)"), ("filtered", "(filtered)"), ("complete", "")])
def test_an_end_that_is_not_plain_is_said(tmp_path: Path, reason: str, said: str) -> None:
    with Simulator(Scenario(answer=Answer(text="x", stop_reason=reason))) as sim:
        done = run(tmp_path, *_ask(sim, "x"))
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert done.stderr.count("\n") == bool(said)
    assert said in done.stderr


def test_only_text_is_in_the_pipe(tmp_path: Path) -> None:
    body = sse(
        delta(reasoning_content="hmm"),
        say("See."),
        chunk(choice({"content": "Another answer."}, "stop", index=1)),  # which nobody asked for
        calls(tool(0, "t1", "look", '{"at":')),
        calls(tool(0, None, None, ' "\u001b"}'), finish="tool_calls"),
        DONE,
    )
    with Simulator(source=Source(play(body))) as sim:
        done = run(tmp_path, *_ask(sim, "x"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "See.\n", 'look({"at": "␛"})\n')


def test_a_refusal_is_read_on_stderr(tmp_path: Path) -> None:
    with Simulator(Scenario(answer=Answer(refusal="I will not."))) as sim:
        done = run(tmp_path, *_ask(sim, "x"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "I will not.\n")


def test_warnings_come_after_the_text(tmp_path: Path) -> None:
    with Simulator(Scenario(answer="x", faults=("no-done",))) as sim:
        done = run(tmp_path, "chat", "-m", "openai/m", "--base-url", sim.openai_url, "x")
    assert (done.returncode, done.stdout) == (0, "x\n")
    assert "[DONE]" in done.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--until", "STOP"), "one STOP\n"),
        (("--until", "never", "--until", "/S.O/"), "one STO\n"),
        (("--limit-chars", "3"), "one\n"),
        (("--limit-tokens", "1"), "one\n"),
        (("--limit-seconds", "0.2"), "one STOP\n```\ncode\n```\n"),
        (("--until-code-block",), "one STOP\n```\ncode\n```\n"),
    ],
)
def test_enough_stops_the_model(tmp_path: Path, args: tuple[str, ...], text: str) -> None:
    whole = "one STOP\n```\ncode\n```"
    with Simulator(Scenario(answer=f"{whole} end", faults=(f"stall@token:{count(whole)}",))) as sim:
        done = run(tmp_path, *_ask(sim, *args, "x"))
        left(sim)
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "scenario", [HANGING, SILENT, HALF], ids=["before the head", "before a token", "in the middle"]
)
def test_a_signal_stops_the_model(tmp_path: Path, signum: signal.Signals, code: int, scenario: Scenario) -> None:
    with Simulator(scenario) as sim, start(tmp_path, *_ask(sim, "x")) as process:
        assert process.stdout
        assert process.stderr
        sim.journal.wait(lambda _: True, deadline_s=BOUND_S)
        if scenario is HALF:
            assert os.read(process.stdout.fileno(), 100) == b"half"
        process.send_signal(signum)
        assert left(sim).left_at_token == (scenario is HALF)
        assert process.wait(BOUND_S) == code
        assert process.stdout.read() == (b"\n" if scenario is HALF else b"")
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
    with (
        Simulator(source=Source(play(sse(say("x" * 1_000_000)), act("stall")))) as sim,
        start(tmp_path, *_ask(sim, "x")) as process,
    ):
        assert process.stdout
        fd = process.stdout.fileno()
        size = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        while _waiting_bytes(fd) < size:  # once it is full, the writer waits for us
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        left(sim)
        assert process.wait(BOUND_S) == 130
        assert process.stdout.read() == b"x" * size


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    # as a shell without job control starts what is to run in the background
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *HEADRACE]
    with (
        Simulator(Scenario(answer="a", faults=("hold:here@token:1",))) as sim,
        subprocess.Popen([*ignoring, *_ask(sim, "x")], stdout=subprocess.PIPE, env=environment(tmp_path)) as process,
    ):
        assert process.stdout
        assert process.stdout.read(1) == b"a"
        process.send_signal(signal.SIGINT)
        sim.release("here")
        assert process.stdout.read() == b"\n"
        assert process.wait(BOUND_S) == 0


@pytest.mark.parametrize("when", ["before a token", "silent", "talking"])
def test_a_closed_pipe_stops_the_model(tmp_path: Path, when: str) -> None:
    answers = {
        "before a token": {"source": Source(play(act("stall")))},
        "silent": {"source": Source(play(sse(say("line\n")), act("stall")))},
        "talking": {"source": talking("line\n")},
    }
    with Simulator(**answers[when]) as sim, start(tmp_path, *_ask(sim, "x")) as process:
        assert process.stdout
        assert process.stderr
        if when == "before a token":
            sim.journal.wait(lambda _: True, deadline_s=BOUND_S)
        else:
            assert os.read(process.stdout.fileno(), 5) == b"line\n"
        process.stdout.close()
        left(sim)
        assert process.wait(BOUND_S) == 141
        assert process.stderr.read() == b""


def test_a_pipe_that_was_closed_before(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with Simulator(SILENT) as sim, start(tmp_path, *_ask(sim, "x"), stdout=writing) as process:
        os.close(writing)
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_closed_socket_stops_the_model(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with Simulator(source=talking("more\n")) as sim, start(tmp_path, *_ask(sim, "x"), stdout=theirs) as process:
        theirs.close()
        assert ours.recv(5)
        ours.close()
        left(sim)
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_reader_that_leaves_after_the_last_word(tmp_path: Path) -> None:
    scenario = Scenario(answer="Hello", faults=("hold:here@token:1",))
    ours, theirs = socket.socketpair()
    with Simulator(scenario) as sim, start(tmp_path, *_ask(sim, "x"), stdout=theirs) as process:
        theirs.close()
        assert ours.recv(5) == b"Hello"
        ours.close()
        sim.release("here")
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_head_is_content(tmp_path: Path) -> None:
    with Simulator(source=talking("line\n")) as sim:
        line = '"$@" | head -1'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *HEADRACE, *_ask(sim, "x")],
            capture_output=True,
            timeout=BOUND_S,
            env=environment(tmp_path),
        )
        left(sim)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"line\n", b"")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Simulator(stalling("x")) as sim, Path("/dev/full").open("wb") as full:
        done = run(tmp_path, *_ask(sim, "x"), stdout=full)
        assert left(sim).left_at_token == 1
    assert done.returncode == 1
    assert done.stderr == "headrace: cannot write to stdout: No space left on device\n"


def test_no_stdout_at_all(tmp_path: Path) -> None:
    with Simulator(HELLO) as sim:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *HEADRACE, *_ask(sim, "x")],
            stderr=subprocess.PIPE,
            timeout=BOUND_S,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
        )
    assert (done.returncode, done.stderr) == (1, b"headrace: cannot write to stdout: Bad file descriptor\n")


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
def test_no_stderr(tmp_path: Path, how: str) -> None:
    # there would be something to say
    with Simulator(Scenario(answer=Answer(text="Hello", stop_reason="length"))) as sim:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {how}', "sh", *HEADRACE, *_ask(sim, "x")],
            stdout=subprocess.PIPE,
            timeout=BOUND_S,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
        )
    assert done.stdout == b"Hello\n"
    assert done.returncode == 0


def test_a_stdout_that_does_not_block(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    source = Source(play(sse(say("x" * 1_000_000, "stop"), DONE)))
    with Simulator(source=source) as sim, start(tmp_path, *_ask(sim, "x"), stdout=writing) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"x" * 1_000_000 + b"\n"
        assert process.wait(BOUND_S) == 0


def test_bytes_of_a_pipe_are_the_models(tmp_path: Path) -> None:
    with Simulator(Scenario(answer="\x1b[31m\r\x07\x9bé€\n")) as sim:
        done = run(tmp_path, *_ask(sim, "x"))
        plain = run(tmp_path, *_ask(sim, "x"), env={"PYTHONIOENCODING": "latin-1"})
    assert done.stdout == "\x1b[31m\r\x07\x9bé€\n"
    assert plain.stdout == "\x1b[31m\r\x07\\x9b\\xe9?\n"


def test_an_answer_that_begins_anew_fails_in_a_pipe(tmp_path: Path) -> None:
    # a proxy that retried, and put the second answer behind the first
    with Simulator(Scenario(answer="first then", faults=("splice@token:1", "stall@token:3"))) as sim:
        done = run(tmp_path, "chat", "-m", "anthropic/m", "--base-url", sim.anthropic_url, "x")
        left(sim)
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
