"""`headrace parallel`: several prompts at once, in a pipe and at a terminal."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.events import End, decode_event
from tests.cli.running import BOUND_S, Terminal, run, start, unboxed
from tests.cli.scripted import Peer, Server

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
Script = Callable[[Peer], None]


def _each(**scripts: Script) -> Script:
    """Answer each prompt by the script of its name."""

    def script(peer: Peer) -> None:
        scripts[peer.request["messages"][-1]["content"]](peer)

    return script


def _saying(*texts: str) -> Script:
    def script(peer: Peer) -> None:
        peer.head()
        for text in texts:
            peer.say(text)
        peer.finish()

    return script


def _ask(server: Server, *args: str) -> tuple[str, ...]:
    return ("parallel", "--base-url", server.url, "-m", "m", *args)


BOTH = ("-p", "A=a", "-p", "B=b")


def _lines(text: str) -> dict[str, list[str]]:
    """Give the lines of each label, in order."""
    lines: dict[str, list[str]] = {}
    for line in text.split("\n")[:-1]:
        label, tab, rest = line.partition("\t")
        assert tab
        lines.setdefault(label, []).append(rest)
    return lines


# -- in a pipe


def test_lines_with_their_labels(tmp_path: Path) -> None:
    with Server(_each(a=_saying("one\ntw", "o\n\nth", "ree"), b=_saying("x\r\n", "\ty\n"))) as server:
        done = run(tmp_path, *_ask(server, *BOTH))
    assert (done.returncode, done.stderr) == (0, "")
    assert _lines(done.stdout) == {"A": ["one", "two", "", "three"], "B": ["x\r", "\ty"]}


def test_a_line_comes_when_it_is_whole(tmp_path: Path) -> None:
    read = threading.Event()

    def slow(peer: Peer) -> None:
        peer.head()
        peer.say("one\ntw")
        assert read.wait(BOUND_S)
        peer.say("o\n")
        peer.finish()

    def torn(peer: Peer) -> None:
        peer.head()
        peer.say("never whole")
        assert read.wait(BOUND_S)
        peer.finish()

    with Server(_each(a=slow, b=torn)) as server, start(tmp_path, *_ask(server, *BOTH)) as process:
        assert process.stdout
        assert os.read(process.stdout.fileno(), 100) == b"A\tone\n"
        read.set()
        rest, _ = process.communicate(timeout=BOUND_S)
    assert sorted(rest.split(b"\n")) == [b"", b"A\ttwo", b"B\tnever whole"]


def test_an_event_a_line(tmp_path: Path) -> None:
    with Server(_each(a=_saying("Hi"), b=_saying("Ho"))) as server:
        done = run(tmp_path, *_ask(server, *BOTH, "--json"))
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(next(iter(line)) == "label" for line in lines)
    for label, text in (("A", "Hi"), ("B", "Ho")):
        events = [decode_event(json.dumps(line)) for line in lines if line["label"] == label]
        assert "".join(getattr(e, "text", "") for e in events) == text
        assert isinstance(events[-1], End)


def test_what_is_asked(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("b\n")
    options = ("-s", "Be brief", "--max-tokens", "7", "--model-for", "B=other/m2")
    with Server(_each(a=_saying("x"), b=_saying("y"))) as server:
        done = run(tmp_path, *_ask(server, "-p", "A=a", "-p", "B=@long.txt", *options))
    assert done.returncode == 0, done.stderr
    asked = {r["messages"][-1]["content"]: r for r in server.requests}
    assert {name: r["model"] for name, r in asked.items()} == {"a": "m", "b": "other/m2"}
    assert all(r["messages"][0] == {"role": "system", "content": "Be brief"} for r in asked.values())
    assert all(r["max_tokens"] == 7 for r in asked.values())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--limit-chars", "3"), "abc"),
        (("--limit-tokens", "1"), "abcd"),
        (("--limit-seconds", "0.2"), "abcdefgh"),
    ],
)
def test_limits_are_each_one_s_own(tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    gone = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("abcd")
        peer.say("efgh")
        peer.hold()
        gone.release()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, *BOTH, *options))
        assert all(gone.acquire(timeout=BOUND_S) for _ in range(2))
    assert (done.returncode, _lines(done.stdout)) == (0, {"A": [text], "B": [text]})


def test_not_more_at_once_than_asked_for(tmp_path: Path) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def script(peer: Peer) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        peer.head()
        peer.say("x")
        with lock:
            running -= 1
        peer.finish()

    with Server(script) as server:
        prompts = [part for label in "ABCD" for part in ("-p", f"{label}=x")]
        done = run(tmp_path, *_ask(server, *prompts, "--max", "1"))
    assert (done.returncode, most) == (0, 1)
    assert list(_lines(done.stdout)) == ["A", "B", "C", "D"]


def test_one_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    failed = threading.Event()

    def cut(peer: Peer) -> None:
        peer.head()
        peer.say("half a")

    def refused(peer: Peer) -> None:
        peer.head(429, "application/json")
        peer.raw(b'{"error": {"message": "too many"}}')
        peer.end()

    def waits(peer: Peer) -> None:
        peer.head()
        assert failed.wait(BOUND_S)  # the others have failed
        peer.say("whole\n")
        peer.finish()

    with Server(_each(a=cut, b=refused, c=waits)) as server:
        with start(tmp_path, *_ask(server, *BOTH, "-p", "C=c")) as process:
            assert process.stderr
            said = [process.stderr.readline().decode() for _ in range(2)]
            failed.set()
            out, rest = process.communicate(timeout=BOUND_S)
    assert process.returncode == 1
    assert _lines(out.decode()) == {"A": ["half a"], "C": ["whole"]}
    assert rest == b""
    assert sorted(line[:11] for line in said) == ["headrace: A", "headrace: B"]
    assert "broke before the answer was complete" in "".join(said)
    assert "(HTTP 429): too many" in "".join(said)


def test_what_is_said_beside_the_text(tmp_path: Path) -> None:
    def calls(peer: Peer) -> None:
        peer.head()
        peer.chunk({"reasoning_content": "hm"})
        call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        peer.chunk({"tool_calls": [call]})
        peer.finish("tool_calls")

    def refuses(peer: Peer) -> None:
        peer.head()
        peer.chunk({"refusal": "I will not."})
        peer.finish()

    def long(peer: Peer) -> None:
        peer.head()
        peer.say("cut")
        peer.finish("length")

    def odd(peer: Peer) -> None:
        peer.head()
        peer.say("x")
        peer.finish("because")

    with Server(_each(a=calls, b=refuses, c=long, d=odd)) as server:
        done = run(tmp_path, *_ask(server, *BOTH, "-p", "C=c", "-p", "D=d"))
    assert done.returncode == 0
    assert _lines(done.stdout) == {"C": ["cut"], "D": ["x"]}
    assert sorted(done.stderr.splitlines()) == [
        "A: look({})",
        "B: I will not.",
        "headrace: C: the answer reached the limit of tokens and is cut (length)",
        "headrace: D: the finish reason 'because' is not known",
    ]


_START = b'data: {"type": "message_start", "message": {"id": "%s", "model": "m", "usage": {}}}\n\n'
_BLOCK = b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "%s"}}\n\n'
_END = b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\ndata: {"type": "message_stop"}\n\n'


@pytest.mark.parametrize(("first", "code", "lines"), [(b"first\\nhalf", 1, ["first"]), (b"no line yet", 0, ["second"])])
def test_an_answer_that_begins_anew(tmp_path: Path, first: bytes, code: int, lines: list[str]) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.raw(_START % b"a" + _BLOCK % first)
        peer.raw(_START % b"b" + _BLOCK % b"second" + _END)
        peer.end()

    with Server(script) as server:
        args = ("parallel", "-m", "anthropic/m", "--base-url", server.url, "-p", "A=a")
        done = run(tmp_path, *args)
        with Terminal(tmp_path, *args) as terminal:
            assert terminal.finish() == 0
    assert (done.returncode, _lines(done.stdout)) == (code, {"A": lines})
    assert ("A: the answer began anew after lines of it were written" in done.stderr) == bool(code)
    assert "│ second" in terminal.shown.split("\x1b[?25h")[-1]


def test_the_summaries_go_to_a_terminal(tmp_path: Path) -> None:
    with Server(_each(a=_saying("x"), b=lambda peer: (peer.head(), peer.say("half"))[0])) as server:
        with Terminal(tmp_path, *_ask(server, *BOTH), stdout=subprocess.PIPE) as terminal:
            assert terminal.finish() == 1
            assert terminal.process.stdout
            assert sorted(terminal.process.stdout.read().splitlines()) == [b"A\tx", b"B\thalf"]
    assert "A · compatible/m · complete · first token" in terminal.shown
    assert "B · compatible/m · truncated · first token" in terminal.shown


def test_who_was_chosen_is_said_once(tmp_path: Path) -> None:
    done = run(tmp_path, "parallel", *BOTH, "--limit-chars", "5")
    assert done.returncode == 0
    assert done.stderr.count("no model was named; asking sim/demo") == 1
    assert done.stderr.count("this is a simulation") == 1
    named = run(tmp_path, "parallel", *BOTH, "--model-for", "A=sim/x", "--model-for", "B=sim/y", "--limit-chars", "5")
    assert "no model was named" not in named.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Missing option '-p'"),
        (("-p", "no label"), "'no label' is not LABEL=…"),
        (("-p", "=x"), "'=x' is not LABEL=…"),
        (("-p", "A="), "'A=' is not LABEL=…"),
        (("-p", "A\t=x"), "is not LABEL=…"),
        (("-p", "A=x", "-p", "A=y"), "the label 'A' is there twice"),
        (("-p", "A=@none.txt"), "A: none.txt: cannot be read: No such file or directory"),
        (("-p", "A=@empty.txt"), "A: empty.txt: there is nothing in it"),
        (("-p", "A=x", "--model-for", "B=sim/demo"), "no prompt has the label 'B'"),
        (("-p", "A=x", "--model-for", "sim/demo"), "'sim/demo' is not LABEL=…"),
        (("-p", "A=x", "--timeouts", "soon"), "FIRST,IDLE,TOTAL"),
        (("-p", "A=x", "-p", "B=y", "--model-for", "B=openai/x"), "no API key for openai"),
        (("-p", "A=x", "--limit-seconds", "0"), "must be above 0"),
        (("-p", "A=x", "--max", "0"), "--max"),
    ],
)
def test_usage_errors(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    done = run(tmp_path, "parallel", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in unboxed(done.stderr)


# -- ends


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_signal_stops_all(tmp_path: Path, signum: signal.Signals, code: int, more: tuple[str, ...]) -> None:
    gone = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one\nhalf")
        peer.hold()
        gone.release()

    prompts = (*BOTH, "-p", "C=c", "--max", "2")  # the third one's turn has not come
    with Server(script) as server, start(tmp_path, *_ask(server, *prompts, *more)) as process:
        assert process.stdout
        seen = b""
        while not (b"A" in seen and b"B" in seen):
            seen += process.stdout.readline()
        process.send_signal(signum)
        assert all(gone.acquire(timeout=BOUND_S) for _ in range(2))
        out, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == code
    assert err == b""
    assert len(server.requests) == 2
    if not more:
        assert _lines((seen + out).decode()) == {"A": ["one", "half"], "B": ["one", "half"]}


def test_a_closed_pipe_stops_all(tmp_path: Path) -> None:
    gone = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one\n")
        peer.hold()
        gone.release()

    with Server(script) as server, start(tmp_path, *_ask(server, *BOTH)) as process:
        assert process.stdout
        assert {process.stdout.readline(), process.stdout.readline()} == {b"A\tone\n", b"B\tone\n"}
        process.stdout.close()
        assert all(gone.acquire(timeout=BOUND_S) for _ in range(2))
        assert process.wait(BOUND_S) == 141
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_flooded_pipe_that_is_closed(tmp_path: Path) -> None:
    with Server(lambda peer: (peer.head(), peer.flood("x\n"))[0]) as server:
        with start(tmp_path, *_ask(server, *BOTH)) as process:
            assert process.stdout
            assert process.stdout.readline()
            process.stdout.close()
            assert server.gone.wait(BOUND_S)
            assert process.wait(BOUND_S) == 141


def test_stdout_that_fails(tmp_path: Path) -> None:
    with Server(_each(a=_saying("x\n"), b=_saying("y\n"))) as server, Path("/dev/full").open("wb") as full:
        done = run(tmp_path, *_ask(server, *BOTH), stdout=full)
    assert done.returncode == 1
    assert done.stderr == "headrace: cannot write to stdout: No space left on device\n"


# -- at a terminal


def _at(home: Path, columns: int, lines: int, *args: str) -> Terminal:
    return Terminal(home, *args, env={"COLUMNS": str(columns), "LINES": str(lines)})


def _final(terminal: Terminal) -> str:
    """Give what stays on the screen, without the terminal's codes."""
    return _CODES.sub("", terminal.raw.rpartition("\x1b[2K")[2]).replace("\r", "")


def test_panels_side_by_side(tmp_path: Path) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.chunk({"reasoning_content": "let me think"})
        peer.say("\nHello ")
        assert seen.wait(BOUND_S)
        peer.say("there")
        peer.finish()

    with Server(script) as server, _at(tmp_path, 100, 20, *_ask(server, *BOTH)) as terminal:
        terminal.expect("╭─ A · compatible/m")
        terminal.expect("╭─ B · compatible/m")
        terminal.expect("Hello")
        terminal.expect(" tokens · writing ")
        assert "let me think" in terminal.shown
        seen.set()
        assert terminal.finish() == 0
    final = _final(terminal)
    top = next(line for line in final.split("\n") if "╭─ A" in line)
    assert "╭─ B" in top  # beside it
    assert final.count("Hello there") == 2
    assert final.count("5 tokens · complete") == 2
    assert final.count("complete · first token") == 2
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h") == 1
    assert "headrace:" not in terminal.shown


def test_panels_below_each_other(tmp_path: Path) -> None:
    with Server(_each(a=_saying("x"), b=_saying("y"))) as server:
        with _at(tmp_path, 50, 20, *_ask(server, *BOTH)) as terminal:
            assert terminal.finish() == 0
    tops = [line for line in _final(terminal).split("\n") if "╭" in line]
    assert [line[:4] for line in tops] == ["╭─ A", "╭─ B"]


def test_an_answer_longer_than_the_screen_stays_whole(tmp_path: Path) -> None:
    seen = threading.Event()
    text = "".join(f"line {n}\n" for n in range(60))

    def script(peer: Peer) -> None:
        peer.head()
        peer.say(text)
        assert seen.wait(BOUND_S)
        peer.finish()

    with Server(script) as server, _at(tmp_path, 60, 12, *_ask(server, "-p", "A=a")) as terminal:
        terminal.expect("line 59")
        assert "line 40" not in terminal.shown  # its end is what is seen
        seen.set()
        assert terminal.finish() == 0
    assert [line.split()[2] for line in _final(terminal).split("\n") if line.startswith("│ line")] == [
        str(n) for n in range(60)
    ]


def test_more_panels_than_the_screen_has_room_for(tmp_path: Path) -> None:
    prompts = [part for n in range(9) for part in ("-p", f"L{n}=x")]
    with Server(_saying("said")) as server:
        with _at(tmp_path, 40, 10, *_ask(server, *prompts)) as terminal:
            assert terminal.finish() == 0
    assert _final(terminal).count("│ said") == 9


def test_a_failure_is_in_its_panel(tmp_path: Path) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.say("half")

    def odd(peer: Peer) -> None:
        peer.head()
        call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        peer.chunk({"refusal": "No."})
        peer.chunk({"tool_calls": [call]})
        peer.finish("because")

    with Server(_each(a=cut, b=odd)) as server:
        with _at(tmp_path, 160, 20, *_ask(server, *BOTH)) as terminal:
            assert terminal.finish() == 1
        with Terminal(tmp_path, *_ask(server, *BOTH), stderr=subprocess.PIPE) as other:
            assert other.finish() == 1
            assert other.process.stderr
            assert other.process.stderr.read().startswith(b"headrace: A: compatible: the stream broke")
    assert "headrace:" not in terminal.shown
    final = terminal.raw.rpartition("\x1b[2K")[2]
    assert "compatible: the stream broke before the answer was complete" in final
    assert "· truncated" in final
    assert "\x1b[31m╭─" in final
    for said in ("No.", "look({})", "the finish reason 'because' is not known"):
        assert said in final


def test_control_characters_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    with Server(_saying("a\x1b[2Jb\x9bc\rd [bold]e[/bold]")) as server:
        with _at(tmp_path, 80, 20, *_ask(server, "-p", "A=a")) as terminal:
            assert terminal.finish() == 0
    assert "a␛[2Jb�cd [bold]e[/bold]" in terminal.raw
    assert "\x1b[2J" not in terminal.raw


@pytest.mark.parametrize("when", ["before the head", "in the middle"])
def test_ctrl_c_stops_all(tmp_path: Path, when: str) -> None:
    gone = threading.Semaphore(0)
    asked = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        asked.release()
        if when == "in the middle":
            peer.head()
            peer.say("half")
        peer.hold()
        gone.release()

    with Server(script) as server, _at(tmp_path, 100, 20, *_ask(server, *BOTH)) as terminal:
        assert all(asked.acquire(timeout=BOUND_S) for _ in range(2))
        if when == "in the middle":
            terminal.expect("half")
            terminal.expect("half")
        terminal.type("\x03")
        assert all(gone.acquire(timeout=BOUND_S) for _ in range(2))
        assert terminal.finish() == 130
    final = terminal.raw.rpartition("\x1b[2K")[2]
    assert final.count("· cancelled") == 2
    assert final.count("half") == (2 if when == "in the middle" else 0)
    assert "Traceback" not in terminal.shown
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h") == 1


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    with Server(_each(a=_saying("x\ny"), b=_saying("z"))) as server:
        with Terminal(tmp_path, *_ask(server, *BOTH), env={"TERM": "dumb"}) as terminal:
            assert terminal.finish() == 0
    lines = [line for line in terminal.shown.replace("\r", "").split("\n") if "\t" in line or "A" in line[:1]]
    assert any(line.split() == ["A", "x"] for line in lines)


def test_a_simulation_is_told_at_the_end(tmp_path: Path) -> None:
    with _at(tmp_path, 100, 20, "parallel", *BOTH, "-m", "sim/demo;speed=max") as terminal:
        assert terminal.finish() == 0
    assert terminal.shown.count("headrace: this is a simulation") == 1
