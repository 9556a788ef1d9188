"""``headrace record``, the real command: where it says it is, what it keeps, and how it ends."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

import headrace
from headrace.sim.cassettes.reading import read_cassette
from tests.cli.running import BOUND_S, Process, run, start, unboxed
from tests.faces import KEY
from tests.servers import CLOSE, Server, chunked, head, whole
from tests.wire.streams import DONE, choice, chunk, say, sse, usage

pytestmark = pytest.mark.usefixtures("bare")

HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)


def said(process: Process, wanted: str) -> str:
    """Read what it says, up to a line with some words."""
    lines = b""
    assert process.stderr
    while wanted.encode() not in lines:
        line = process.stderr.readline()
        assert line, lines
        lines += line
    return lines.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_records_until_it_is_told_to_stop(
    tmp_path: Path, serve: Callable[..., Server], number: signal.Signals
) -> None:
    server = serve(whole(HELLO), [head() + chunked(sse(say("Hel"))), CLOSE])
    with start(tmp_path, "record", "--to", "kept", "--port", "0", "--upstream", server.url) as process:
        greeting = said(process, "ANTHROPIC_BASE_URL")
        assert "recording into kept: what is asked and answered is kept, keys are not" in greeting
        assert f"asks {server.url}" in greeting
        base_url = re.search(r"OPENAI_BASE_URL=(\S+)", greeting)
        assert base_url
        with headrace.stream("openai/gpt-4o-mini", "Hi", base_url=base_url[1], api_key=KEY) as stream:
            assert stream.get_final_text() == "Hello"
        line = said(process, "whole")
        assert "0001-chat-completions-gpt-4o-mini.jsonl 200 in " in line
        with pytest.raises(headrace.TruncatedError):
            with headrace.stream("openai/gpt-4o-mini", "Hi", base_url=base_url[1], api_key=KEY) as stream:
                stream.get_final_text()
        assert "0002-" in said(process, "closed by the provider")
        process.send_signal(number)
        assert process.wait(BOUND_S) == 0
    cassette = read_cassette(tmp_path / "kept" / "0001-chat-completions-gpt-4o-mini.jsonl")
    assert b"".join(data for _, data in cassette.chunks) == HELLO


def test_rows_and_keys_of_the_configuration(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(whole(HELLO.replace(b"lo", KEY.encode())))
    (tmp_path / "headrace.toml").write_text(f'[providers.mine]\nbase_url = "{server.url}"\napi_key = "{KEY}"\n')
    with start(tmp_path, "record", "--to", "kept", "--port", "0") as process:
        url = re.search(r"http://[0-9.:]+", said(process, "ANTHROPIC_BASE_URL"))
        assert url
        with urllib.request.urlopen(f"{url[0]}/mine/chat/completions", b"{}", timeout=BOUND_S) as answer:
            assert KEY in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="502"):
            urllib.request.urlopen(f"{url[0]}/llamacpp/x", b"{}", timeout=BOUND_S)
        assert "(not kept) no answer in" in said(process, "no connection to the provider")
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 0
    assert KEY not in (tmp_path / "kept" / "0001-chat-completions.jsonl").read_text()


def test_what_cannot_work(tmp_path: Path) -> None:
    done = run(tmp_path, "record")
    assert (done.returncode, "Missing option '--to'" in unboxed(done.stderr)) == (2, True)
    done = run(tmp_path, "record", "--to", "kept", "--upstream", "nowhere")
    assert (done.returncode, "is not one of http:// or https://" in done.stderr) == (2, True)
    done = run(tmp_path, "record", "--to", "kept", "--host", "0.0.0.0")
    assert (done.returncode, "will not listen" in done.stderr) == (2, True)


def test_a_port_that_is_taken(tmp_path: Path, serve: Callable[..., Server]) -> None:
    port = serve().port
    done = run(tmp_path, "record", "--to", "kept", "--port", str(port))
    assert (done.returncode, f"port {port}" in done.stderr) == (1, True)
