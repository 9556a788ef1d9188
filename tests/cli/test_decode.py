"""`headrace decode`: recorded bytes to events, or to one message."""

import json
import os
import random
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.decode import Recording, folded
from headrace.events import End, Event, decode_events
from headrace.wire.framing import MAX_FRAME
from tests.cli.running import BOUND_S, run, start, unboxed

KEYS = {
    "outcome", "text", "thinking", "refusal", "tool_calls", "native_stop_reason", "usage", "model", "id",
    "provider_error",
}  # fmt: skip


def _sse(*values: Any) -> bytes:
    return b"".join(b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in values)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "c1", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip


_CALL = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
_USAGE = {
    "prompt_tokens": 9, "completion_tokens": 4,
    "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1},
}  # fmt: skip
OPENAI = _sse(
    _chunk({"role": "assistant", "reasoning_content": "hmm"}),
    _chunk({"content": "Hé\u2028"}),
    _chunk({"content": "llo"}),
    _chunk({"tool_calls": [_CALL]}),
    _chunk({}, "tool_calls"),
    {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": _USAGE},
    b"[DONE]",
)
ANTHROPIC = b"event: message_start\n" + _sse(
    {"type": "message_start", "message": {"id": "a1", "model": "c", "usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
COMPLETION = json.dumps(
    {"id": "w1", "model": "m", "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}
).encode()
MESSAGE = json.dumps(
    {
        "type": "message", "id": "w2", "model": "c", "role": "assistant", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "whole"}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()  # fmt: skip


def _folded(recording: Recording) -> Any:
    return json.loads(folded(recording.message))


def _decoded(data: bytes, *cuts: int) -> tuple[Recording, list[Event]]:
    recording = Recording()
    events: list[Event] = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += recording.feed(data[begin:end])
    if not recording.done:
        events += recording.finish()
    return recording, events


def test_a_message_a_file(tmp_path: Path) -> None:
    bodies = {"o.sse": OPENAI, "a.sse": ANTHROPIC, "c.json": COMPLETION, "m.json": b"\xef\xbb\xbf \n" + MESSAGE}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    done = run(tmp_path, "decode", "--fold", *bodies)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert [line.keys() for line in lines] == [KEYS] * 4
    assert lines[0] == {
        "outcome": "tool_calls",
        "text": "Hé\u2028llo",
        "thinking": "hmm",
        "refusal": "",
        "tool_calls": [{"id": "t1", "name": "f", "arguments": '{"a": 1}'}],
        "native_stop_reason": "tool_calls",
        "usage": {"input_tokens": 9, "output_tokens": 4, "cached_input_tokens": 2, "reasoning_tokens": 1},
        "model": "m",
        "id": "c1",
        "provider_error": None,
    }
    assert [line["text"] for line in lines[1:]] == ["Hi", "whole", "whole"]
    assert [line["outcome"] for line in lines[1:]] == ["complete"] * 3
    assert [line["model"] for line in lines[1:]] == ["c", "m", "c"]


def test_an_event_a_line(tmp_path: Path) -> None:
    (tmp_path / "o.sse").write_bytes(OPENAI)
    done = run(tmp_path, "decode", "o.sse", "o.sse")
    assert done.returncode == 0
    events = decode_events(done.stdout.encode())
    assert sum(isinstance(e, End) for e in events) == 2
    assert json.loads(done.stdout.partition("\n")[0]) == {"type": "step_start", "v": 1, "model": "m", "id": "c1"}


@pytest.mark.parametrize("body", [OPENAI, ANTHROPIC, COMPLETION, MESSAGE, b"\xef\xbb\xbf" + COMPLETION, b"\n\n"])
def test_any_cutting_gives_the_same(body: bytes) -> None:
    whole, events = _decoded(body)
    assert _decoded(body, *range(1, len(body)))[1] == events
    chance = random.Random(4)
    for _ in range(20):
        cuts = sorted(chance.sample(range(len(body)), min(5, len(body))))
        again, same = _decoded(body, *cuts)
        assert same == events
        assert _folded(again) == _folded(whole)


@pytest.mark.parametrize(
    ("body", "outcome", "kind"),
    [
        (b"", "truncated", "truncated"),
        (b"\n" * 3000, "truncated", "truncated"),
        (_sse(_chunk({"content": "half"})), "truncated", "truncated"),
        (b'{"error": {"message": "no", "code": "model_not_found", "status": 404}}', "failed", "not_found"),
        (b'{"hello": 1}', "failed", "wire"),
        (b"[1", "failed", "wire"),
        (_sse(_chunk({"content": "half"}), b"{broken"), "failed", "wire"),
        (b"{" * (MAX_FRAME + 1), "failed", "frame_too_large"),
        (_sse(_chunk({"content": "half"})) + b"data: " + b"x" * (MAX_FRAME + 1), "failed", "frame_too_large"),
    ],
    ids=["empty", "blank", "cut", "error", "json", "half json", "broken", "large json", "large frame"],
)
def test_ends_that_are_none(body: bytes, outcome: str, kind: str) -> None:
    recording, events = _decoded(body)
    assert [e for e in events if isinstance(e, End)] == events[-1:]
    message = _folded(recording)
    assert (message["outcome"], message["provider_error"]["type"]) == (outcome, kind)
    assert message["text"] == ("half" if b"half" in body else "")
    assert (recording.problem is not None) == (kind in ("wire", "frame_too_large"))


def test_a_break_after_the_finish_is_no_failure() -> None:
    recording, events = _decoded(_sse(_chunk({"content": "all"}), _chunk({}, "stop"), b"{broken"))
    assert _folded(recording)["outcome"] == "complete"
    assert recording.problem
    assert "late_break" in [getattr(e, "code", None) for e in events]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.sse").write_bytes(_sse(_chunk({"content": "kept"}), b"{"))
    (tmp_path / "a.sse").write_bytes(ANTHROPIC)
    done = run(tmp_path, "decode", "--fold", "none.sse", "bad.sse", ".", "a.sse")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [line["outcome"] for line in lines] == ["failed", "failed", "failed", "complete"]
    assert [line["text"] for line in lines] == ["", "kept", "", "Hi"]
    assert lines[0]["provider_error"]["type"] == "unreadable"
    said = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["none.sse", "bad.sse", "."]
    assert "No such file" in said[0]


def test_stdin_is_read_as_it_comes(tmp_path: Path) -> None:
    with start(tmp_path, "decode", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(_sse(_chunk({"content": "one"})))
        process.stdin.flush()
        seen = b""
        while b'"text":"one"' not in seen:
            seen += os.read(process.stdout.fileno(), 4096)
        process.stdin.write(_sse(_chunk({}, "stop"), b"[DONE]"))
        process.stdin.flush()
        rest = process.stdout.read()  # it ends with the stream's end, though stdin is still open
        assert decode_events(seen + rest)[-1] == End(outcome="complete", native_stop_reason="stop")
        assert process.wait(BOUND_S) == 0


def test_no_stdin(tmp_path: Path) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh"]
    from tests.cli.running import HEADRACE, environment

    done = subprocess.run(
        [*closed, *HEADRACE, "decode", "--fold", "-"], capture_output=True, env=environment(tmp_path), timeout=BOUND_S
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["provider_error"]["type"] == "unreadable"


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    with start(tmp_path, "decode", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(OPENAI[:200])
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 10)
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 130
        assert process.stderr.read() == b""


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "o.sse").write_bytes(OPENAI)
    ours, theirs = socket.socketpair()
    ours.close()
    with start(tmp_path, "decode", "o.sse", stdout=theirs) as process:
        theirs.close()
        assert process.stderr
        assert (process.wait(BOUND_S), process.stderr.read()) == (141, b"")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "o.sse").write_bytes(OPENAI)
    with Path("/dev/full").open("wb") as full:
        done = run(tmp_path, "decode", "o.sse", stdout=full)
    assert (done.returncode, done.stderr) == (1, "headrace: cannot write to stdout: No space left on device\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--wire", "cohere", "-"), "'cohere' is not read yet; known are: openai-chat, anthropic"),
        (("--wire", "morse", "-"), "'morse' is not known; known are: openai-chat, anthropic"),
        (("--provider", "nobody", "-"), "no provider 'nobody' is known; known are: openai,"),
        ((), "Missing argument"),
    ],
)
def test_usage_errors(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "decode", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in unboxed(done.stderr)


def test_a_provider_has_its_wire_and_its_habits(tmp_path: Path) -> None:
    (tmp_path / "s.sse").write_bytes(_sse(_chunk({"content": "15"}), b"[DONE]"))
    (tmp_path / "a.sse").write_bytes(ANTHROPIC)
    (tmp_path / "headrace.toml").write_text('[providers.mine]\nbase_url = "http://x/v1"\nthink_tags = true\n')
    (tmp_path / "t.sse").write_bytes(_sse(_chunk({"content": "<think>hm</think>ok"}), _chunk({}, "stop"), b"[DONE]"))

    def outcome(*args: str) -> Any:
        return json.loads(run(tmp_path, "decode", "--fold", *args).stdout)

    assert outcome("s.sse")["outcome"] == "truncated"
    assert outcome("--provider", "snowflake", "s.sse")["outcome"] == "complete"
    assert outcome("--provider", "anthropic", "a.sse")["text"] == "Hi"
    assert outcome("--provider", "mine", "t.sse")["thinking"] == "hm"
    assert outcome("--wire", "openai-chat", "a.sse")["outcome"] == "truncated"


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "headrace.toml").write_text("[")
    done = run(tmp_path, "decode", "--provider", "openai", "-")
    assert done.returncode == 2
    assert "is not TOML" in unboxed(done.stderr)
