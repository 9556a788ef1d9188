"""``headrace replay``, the real command."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import headrace
from tests.cli.running import BOUND_S, run, start
from tests.cli.test_record import said
from tests.servers import Server
from tests.sim.cassettes.recording import chat, write_cassette
from tests.wire.streams import DONE, choice, chunk, say, sse

pytestmark = pytest.mark.usefixtures("bare")


def test_it_replays_until_it_is_told_to_stop(tmp_path: Path) -> None:
    hello = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), DONE)
    for number in range(1, 26):
        write_cassette(tmp_path, number, chat("Hi"), ((0.5, hello),))
    with start(tmp_path, "replay", ".", "--port", "0", "--pace", "max") as process:
        greeting = said(process, "ANTHROPIC_BASE_URL")
        assert "REPLAY of 25 cassettes in .: no model is called" in greeting
        assert "0020-x.jsonl" in greeting
        assert "0021-x.jsonl" not in greeting
        assert "… and 5 more" in greeting
        base_url = re.search(r"OPENAI_BASE_URL=(\S+)", greeting)
        assert base_url
        with headrace.stream("openai/m", "Hi", base_url=base_url[1], api_key="none-is-needed") as stream:
            assert stream.get_final_text() == "Hello"
        assert "[0001-x.jsonl]: 200" in said(process, "by the server")
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 0


def test_what_cannot_work(tmp_path: Path, serve: Callable[..., Server]) -> None:
    done = run(tmp_path, "replay", ".")
    assert (done.returncode, "there are no cassettes" in done.stderr) == (2, True)
    name = write_cassette(tmp_path, 1)
    done = run(tmp_path, "replay", name, "--pace", "slow")
    assert (done.returncode, "the pace is original, max, or a number" in done.stderr) == (2, True)
    done = run(tmp_path, "replay", name, "--match", "worst")
    assert (done.returncode, "match is strict or best" in done.stderr) == (2, True)
    port = serve().port
    done = run(tmp_path, "replay", name, "--port", str(port))
    assert (done.returncode, "REPLAY" in done.stderr, f"port {port}" in done.stderr) == (1, False, True)
