"""`headrace inspect`: a stream chunk by chunk, asked for or recorded."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace.events import decode_event
from tests.cli.running import BOUND_S, Terminal, run, start, unboxed
from tests.cli.scripted import Peer, Server
from tests.wire.streams import (
    DONE,
    answer,
    block,
    calls,
    choice,
    chunk,
    message_start,
    messages,
    say,
    sse,
    tool,
    usage,
)

OPENAI = sse(say("Hel"), say("lo\t\u2028"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)
ANTHROPIC = answer(*block(0, "Hi"))
HEAD = ["index", "at_s", "gap_s", "event", "id", "model", "kind", "name", "delta", "finish_reason", "usage", "data"]


def _hello(peer: Peer) -> None:
    peer.head()
    peer.say("Hel")
    peer.say("lo")
    peer.finish()


def _ask(server: Server, *args: str) -> tuple[str, ...]:
    return ("inspect", "--base-url", server.url, "-m", "m", *args)


def _rows(text: str) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in text.split("\n")[:-1]]
    assert lines[0] == HEAD
    return [dict(zip(HEAD, line, strict=True)) for line in lines[1:]]


def _objects(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


# -- a live stream


def test_a_line_a_chunk(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server, "-s", "Be brief", "--max-tokens", "7", "say", "hello"))
    assert done.returncode == 0, done.stderr
    rows = _rows(done.stdout)
    assert [(r["index"], r["delta"], r["finish_reason"]) for r in rows] == [
        ("0", '"Hel"', ""),
        ("1", '"lo"', ""),
        ("2", "", "stop"),
        ("3", "", ""),
        ("4", "", ""),
    ]
    assert {(r["id"], r["model"], r["event"]) for r in rows} == {("c1", "m", "")}
    assert [r["kind"] for r in rows] == ["text", "text", "", "", ""]
    assert json.loads(rows[0]["data"])["choices"][0]["delta"] == {"content": "Hel"}
    assert json.loads(rows[3]["usage"])["output_tokens"] == 5
    assert rows[4]["data"] == "[DONE]"
    times = [float(r["at_s"]) for r in rows]
    assert times == sorted(times)
    assert float(rows[0]["gap_s"]) == times[0] > 0
    sent = server.requests[0]
    assert (sent["model"], sent["max_tokens"], sent["messages"]) == (
        "m",
        7,
        [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "say hello"}],
    )


def test_the_last_line_sums_it_up(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server), stdin=b"hello\n")
    (line,) = done.stderr.splitlines()
    said = line.split(" · ")
    size = sum(len(r["data"]) for r in _rows(done.stdout))
    assert said[:2] == ["compatible/m", "complete"]
    assert said[2].startswith("first token ")
    assert said[-3].endswith(" s in all")
    assert said[-2:] == ["5 chunks", f"{size} bytes"]
    assert server.requests[0]["messages"][-1]["content"] == "hello"


def test_an_object_a_chunk(tmp_path: Path) -> None:
    with Server(_hello) as server:
        done = run(tmp_path, *_ask(server, "--json", "x"))
    objects = _objects(done.stdout)
    assert list(objects[0]) == [
        "index", "at_s", "gap_s", "event", "data", "id", "model", "kind", "delta", "name", "finish_reason", "usage",
        "events",
    ]  # fmt: skip
    assert objects[0]["data"]["choices"][0]["delta"] == {"content": "Hel"}
    assert [e["type"] for e in objects[0]["events"]] == ["step_start", "part_start", "part_delta"]
    assert decode_event(json.dumps(objects[0]["events"][2])) is not None
    assert objects[3]["usage"]["output_tokens"] == 5
    assert objects[4]["data"] == "[DONE]"


def test_chunks_come_as_they_are_written(tmp_path: Path) -> None:
    read = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one")
        assert read.wait(BOUND_S)  # the second comes only once the first was read
        peer.say("two")
        peer.finish()

    with Server(script) as server, start(tmp_path, *_ask(server, "--json", "x")) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["delta"] == "one"
        read.set()
        assert json.loads(process.stdout.readline())["delta"] == "two"
        process.communicate(timeout=BOUND_S)
        assert process.returncode == 0


@pytest.mark.parametrize(("first", "what"), [(1, "1 chunk"), (2, "2 chunks")])
def test_after_the_first_ones_the_model_is_stopped(tmp_path: Path, first: int, what: str) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one")
        peer.say("two")
        peer.hold()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "--first", str(first), "x"))
        assert server.gone.wait(BOUND_S)
    assert done.returncode == 0
    assert len(_rows(done.stdout)) == first
    assert f"compatible/m · stopped after {what} · first token" in done.stderr
    assert f"· {what} · " in done.stderr


def test_a_cut_stream_is_shown_and_fails(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("half")

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert done.returncode == 1
    assert [r["delta"] for r in _rows(done.stdout)] == ['"half"']
    said = done.stderr.splitlines()
    assert said[0].startswith("headrace: compatible: the stream broke before the answer was complete")
    assert said[1].startswith("compatible/m · truncated")


def test_a_frame_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.raw(b"event: odd\ndata: {not\ndata: json\n\n")
        peer.end()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
        objects = _objects(run(tmp_path, *_ask(server, "--json", "x")).stdout)
    assert done.returncode == 1
    (row,) = _rows(done.stdout)
    assert (row["event"], row["data"]) == ("odd", "{not json")
    assert (objects[0]["data"], objects[0]["events"]) == ("{not\njson", [])


def test_a_refusal_of_the_provider(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head(401, "application/json")
        peer.raw(b'{"error": {"message": "bad key"}}')
        peer.end()

    with Server(script) as server:
        done = run(tmp_path, *_ask(server, "x"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "(HTTP 401): bad key" in done.stderr


def test_a_simulation_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "inspect", "--first", "2", "hi")
    assert done.returncode == 0
    assert "no model was named; asking sim/demo (" in done.stderr.splitlines()[0]
    assert "this is a simulation" in done.stderr.splitlines()[1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-m", "nobody/x", "hi"), "no provider 'nobody' is known"),
        (("-m", "openai/x", "hi"), "no API key for openai"),
        (("-m", "sim/demo"), "pipe it in"),
        (("-m", "sim/demo", "--timeouts", "soon", "hi"), "FIRST,IDLE,TOTAL"),
        (("-m", "sim/demo", "--wire", "anthropic", "hi"), "give --file, too"),
        (("-m", "sim/demo", "--provider", "groq", "hi"), "give --file, too"),
        (("--file", "x.sse", "-m", "sim/demo"), "nobody is asked"),
        (("--file", "x.sse", "hi"), "nobody is asked"),
        (("--file", "x.sse", "--wire", "morse"), "the wire 'morse' is not known"),
        (("--file", "x.sse", "--provider", "nobody"), "no provider 'nobody' is known"),
        (("--first", "0", "hi"), "--first"),
    ],
)
def test_usage_errors(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "inspect", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in unboxed(done.stderr)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_model(tmp_path: Path, signum: signal.Signals, code: int) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one")
        peer.hold()

    with Server(script) as server, start(tmp_path, *_ask(server, "--json", "x")) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(signum)
        assert server.gone.wait(BOUND_S)
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == code
    assert b"compatible/m \xc2\xb7 cancelled" in err


def test_a_closed_pipe_stops_the_model(tmp_path: Path) -> None:
    with Server(lambda peer: (peer.head(), peer.flood("x"))[1]) as server:
        with start(tmp_path, *_ask(server, "x")) as process:
            assert process.stdout
            assert process.stdout.readline()
            process.stdout.close()
            assert server.gone.wait(BOUND_S)
            assert process.wait(BOUND_S) == 141
            assert process.stderr
            assert process.stderr.read() == b""


def test_stdout_that_fails(tmp_path: Path) -> None:
    with Server(_hello) as server, Path("/dev/full").open("wb") as full:
        done = run(tmp_path, *_ask(server, "x"), stdout=full)
    assert done.returncode == 1
    assert "cannot write to stdout: No space left on device" in done.stderr


# -- recorded bytes


@pytest.mark.parametrize(("body", "deltas"), [(OPENAI, ["Hel", "lo\t\u2028"]), (ANTHROPIC, ["Hi"])])
def test_a_file(tmp_path: Path, body: bytes, deltas: list[str]) -> None:
    (tmp_path / "a.sse").write_bytes(body)
    done = run(tmp_path, "inspect", "--file", "a.sse", "--json")
    assert done.returncode == 0
    objects = _objects(done.stdout)
    assert [o["delta"] for o in objects if o["delta"]] == deltas
    assert {(o["at_s"], o["gap_s"]) for o in objects} == {(None, None)}
    assert done.stderr.startswith("a.sse · complete · ")
    assert f" · {len(objects)} chunks · " in done.stderr
    rows = _rows(run(tmp_path, "inspect", "--file", "a.sse").stdout)
    assert [json.loads(r["delta"]) for r in rows if r["delta"]] == deltas
    assert [r["finish_reason"] for r in rows if r["finish_reason"]] == [
        objects[-2 if body is ANTHROPIC else 2]["finish_reason"]
    ]
    assert rows[0]["at_s"] == ""


def test_the_finish_stands_where_the_provider_says_it(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(ANTHROPIC)
    objects = _objects(run(tmp_path, "inspect", "--file", "a.sse", "--json").stdout)
    assert [(o["event"], o["finish_reason"]) for o in objects][-2:] == [
        ("message_delta", "end_turn"),
        ("message_stop", None),
    ]


def test_stdin_as_it_comes(tmp_path: Path) -> None:
    with start(tmp_path, "inspect", "--file", "-", "--json", stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(OPENAI[:300])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["delta"] == "Hel"
        process.stdin.write(OPENAI[300:])
        _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0
    assert err.startswith("- · complete".encode())


def test_the_first_ones_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(OPENAI)
    done = run(tmp_path, "inspect", "--file", "a.sse", "--first", "2")
    assert (done.returncode, len(_rows(done.stdout))) == (0, 2)
    with start(tmp_path, "inspect", "--file", "-", "--first", "1", stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(sse(say("one")))
        process.stdin.flush()  # and it is not closed
        assert process.wait(BOUND_S) == 0
        assert process.stderr
        assert b"stopped after 1 chunk " in process.stderr.read()


def test_how_it_is_read_may_be_told(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(messages(message_start()))
    for args in (("--wire", "anthropic"), ("--provider", "anthropic"), ()):
        done = run(tmp_path, "inspect", "--file", "a.sse", *args)
        assert _rows(done.stdout)[0]["id"] == "msg_1"


@pytest.mark.parametrize(
    ("body", "said", "count"),
    [
        (sse(say("Hi"), "data: {not json"), "a.sse: ", 2),
        (b"<html>", "a.sse · truncated", 0),
        (None, "a.sse: cannot be read: No such file or directory", 0),
        (
            b'{"id": "w", "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}',
            "a.sse · complete",
            1,
        ),
        (b'{"hello": 1}', "a.sse: the body is neither", 1),
        (sse(say("Hi", "stop")), "without its marker", 1),
    ],
)
def test_odd_files(tmp_path: Path, body: bytes | None, said: str, count: int) -> None:
    if body is not None:
        (tmp_path / "a.sse").write_bytes(body)
    done = run(tmp_path, "inspect", "--file", "a.sse")
    assert said in done.stderr
    assert done.returncode == ("a.sse: " in done.stderr)
    assert len(_rows(done.stdout)) == count if count else done.stdout == ""


def test_files_and_stdout_that_fails(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(OPENAI)
    with Path("/dev/full").open("wb") as full:
        assert run(tmp_path, "inspect", "--file", "a.sse", stdout=full).returncode == 1
    reads, writes = os.pipe()
    os.close(reads)
    with start(tmp_path, "inspect", "--file", "a.sse", stdout=writes) as process:
        os.close(writes)
        assert process.wait(BOUND_S) == 141


# -- at a terminal


def _at(tmp_path: Path, columns: int, *args: str) -> Terminal:
    return Terminal(tmp_path, "inspect", *args, env={"COLUMNS": str(columns)})


def test_rows_come_as_they_are_written(tmp_path: Path) -> None:
    read = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.say("one")
        assert read.wait(BOUND_S)
        peer.chunk({"reasoning_content": "hm"})
        peer.chunk(calls(tool(0, "t1", "look", '{"a":1}'))["choices"][0]["delta"])
        peer.finish("tool_calls")

    with Server(script) as server, Terminal(tmp_path, *_ask(server, "x")) as terminal:
        terminal.expect("compatible/m")  # is waited for
        terminal.expect("time s   gap s   id          model           delta")
        terminal.expect('"one"')
        read.set()
        terminal.expect('"hm"')
        terminal.expect('look({"a":1}')
        terminal.expect("tool_calls")
        terminal.expect("usage 3 in 5 out")
        terminal.expect("compatible/m · tool_calls · first token")
        assert terminal.finish() == 0
    assert '\x1b[2;3m"hm"' in terminal.raw


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (160, ["#", "time", "s", "gap", "s", "id", "model", "delta", "finish", "frame"]),
        (80, ["#", "time", "s", "gap", "s", "id", "model", "delta", "finish", "frame"]),
        (60, ["#", "time", "s", "gap", "s", "delta", "finish", "frame"]),
        (40, ["#", "time", "s", "gap", "s", "delta"]),
        (20, ["#", "time", "s", "gap", "s", "delta"]),
    ],
)
def test_rows_fit(tmp_path: Path, columns: int, titles: list[str]) -> None:
    with Server(_hello) as server:
        with _at(tmp_path, columns, "--base-url", server.url, "-m", "m", "x") as terminal:
            assert terminal.finish() == 0
    lines = terminal.shown.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if "gap s" in line) :][:6]
    assert table[0].split()[-len(titles) :] == titles
    assert all(len(line) < max(columns, 34) for line in table[1:])
    assert ("…" in table[1]) == ("frame" in titles)


def test_a_recording_has_no_times(tmp_path: Path) -> None:
    (tmp_path / "a.sse").write_bytes(ANTHROPIC)
    with _at(tmp_path, 100, "--file", "a.sse") as terminal:
        assert terminal.finish() == 0
    assert terminal.shown.split()[:6] == ["#", "id", "model", "delta", "finish", "frame"]
    assert 'content_block_delta {"type"' in terminal.shown


def test_a_frame_in_full(tmp_path: Path) -> None:
    long = "x" * 300
    (tmp_path / "a.sse").write_bytes(answer(*block(0, long)))
    with _at(tmp_path, 100, "--file", "a.sse", "--raw") as terminal:
        assert terminal.finish() == 0
    assert f'"text": "{long}"' in terminal.shown
    assert "content_block_delta: {" in terminal.shown
    assert "frame" not in terminal.shown.splitlines()[0]


def test_control_characters_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    bad = chunk(choice({"content": "\x9b2J  \x7f wide 日本"}), id="i\x1b[31m\n")
    (tmp_path / "a.sse").write_bytes(sse("event: \x1b]0;t\x07\ndata: " + json.dumps(bad, ensure_ascii=False), DONE))
    for env in ({"COLUMNS": "120"}, {"COLUMNS": "120", "NO_COLOR": "1"}):
        with Terminal(tmp_path, "inspect", "--file", "a.sse", "--raw", env=env) as terminal:
            assert terminal.finish() == 0
        assert "␛]0;t␇" in terminal.raw
        assert '"�2J  ␡ wide 日本"' in terminal.raw
        assert "\x1b[31m" not in terminal.raw
        assert "\x9b" not in terminal.raw
        assert ("\x1b[1m#" in terminal.raw) == ("NO_COLOR" not in env)


def test_a_failure_is_told_below_the_rows(tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.say("half")

    with Server(script) as server, Terminal(tmp_path, *_ask(server, "x")) as terminal:
        assert terminal.finish() == 1
    assert "\x1b[1;31mheadrace: compatible: the stream broke" in terminal.raw
    assert "compatible/m · truncated" in terminal.shown


def test_no_prompt_at_a_terminal(tmp_path: Path) -> None:
    with Terminal(tmp_path, "inspect", "-m", "sim/demo") as terminal:
        assert terminal.finish() == 2
    assert "pipe it in" in unboxed(terminal.shown)


def test_ctrl_c_before_the_head(tmp_path: Path) -> None:
    with Server(lambda peer: peer.hold()) as server, Terminal(tmp_path, *_ask(server, "x")) as terminal:
        assert server.asked.wait(BOUND_S)
        terminal.type("\x03")
        assert server.gone.wait(BOUND_S)
        assert terminal.finish() == 130
    assert "compatible/m · cancelled · " in terminal.shown
    assert " · 0 chunks · 0 bytes" in terminal.shown
    assert "Traceback" not in terminal.shown
