"""`headrace models`: who is known, whose key is at hand, whom chat would ask."""

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.reach import Place, reach
from headrace.wire.providers import PROVIDERS, Provider
from tests.cli.running import BOUND_S, only_at, run, start
from tests.servers import CLOSE, STALL, Drip, Script, Server, whole
from tests.wire.streams import DONE, say, sse

Serve = Callable[..., Server]

_FILE = """
model = "mine/big"
[providers.mine]
base_url = "http://user:secret-password@10.0.0.7:8000/v1"
api_key = "sk-in-the-file-1234"
[providers.groq]
default_model = "other"
"""


def _json(home: Path, *args: str, **env: str) -> Any:
    done = run(home, "models", "--json", *args, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_keys_are_found_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "headrace.toml").write_text(_FILE)
    secrets = {"OPENAI_API_KEY": "sk-secret-1234", "ANTHROPIC_BASE_URL": "http://a:pw@127.0.0.1:9/x"}
    for args in ((), ("--json",)):
        done = run(tmp_path, "models", *args, env=secrets)
        assert (done.returncode, done.stderr) == (0, "")
        assert not any(word in done.stdout for word in ("sk-secret", "sk-in", "secret-password", "a:pw"))
    said = _json(tmp_path, **secrets)
    rows = {row["provider"]: row for row in said["providers"]}
    assert (said["chosen"], said["why"]) == ("mine/big", "headrace.toml says so")
    assert rows["openai"] == {
        "provider": "openai",
        "default_model": "gpt-4o-mini",
        "key": "OPENAI_API_KEY",
        "key_set": True,
        "wire": "openai-chat",
        "base_url": "https://api.openai.com/v1",
        "configured": False,
        "reachable": None,
        "status": "key found; not asked",
        "models": [],
    }
    assert rows["anthropic"]["base_url"] == "http://***@127.0.0.1:9/x"
    assert (rows["mine"]["key"], rows["mine"]["key_set"], rows["mine"]["configured"]) == ("in the file", True, True)
    assert (rows["groq"]["key_set"], rows["groq"]["configured"]) == (False, True)
    assert (rows["ollama"]["key"], rows["ollama"]["key_set"]) == (None, None)
    said = {name: (row["reachable"], row["status"]) for name, row in rows.items()}
    assert said["groq"] == (False, "no key: set GROQ_API_KEY")
    assert said["anthropic"] == (None, "needs no key here; not asked")  # its address is one of the user's own
    assert said["mine"] == (None, "key found; not asked")
    assert said["ollama"] == (None, "not looked for")
    assert said["compatible"] == (False, "no address: set HEADRACE_BASE_URL, or give --base-url")
    assert said["sim"] == (True, "a simulation: always there, and no model")


def test_a_pipe_gets_tab_separated_lines(tmp_path: Path) -> None:
    lines = [line.split("\t") for line in run(tmp_path, "models").stdout.splitlines()]
    assert lines[0] == [
        "provider", "default_model", "key", "key_set", "wire", "base_url", "configured", "reachable", "status",
        "models",
    ]  # fmt: skip
    there = "a simulation: always there, and no model"
    assert ["sim", "demo", "", "", "openai-chat", "sim:", "no", "yes", there, ""] in lines
    assert {len(line) for line in lines} == {10}


def test_whom_chat_would_ask(tmp_path: Path) -> None:
    assert _json(tmp_path)["chosen"] == "sim/demo"
    assert _json(tmp_path, GROQ_API_KEY="x")["chosen"] == "groq/llama-3.3-70b-versatile"
    (tmp_path / "other.toml").write_text('model = "openai/x"')
    said = _json(tmp_path, "--config", "other.toml")
    assert said["chosen"] is None
    assert "no API key for openai" in said["why"]


def test_a_broken_configuration_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "--config", "none.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "headrace: none.toml: cannot be read: No such file or directory\n"


def test_stdout_that_fails(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        assert run(tmp_path, "models", stdout=full).returncode == 1
    ours, theirs = socket.socketpair()
    ours.close()
    with start(tmp_path, "models", stdout=theirs) as process:
        os.close(theirs.detach())
        assert process.wait(BOUND_S) == 141


# -- local engines


def _local(home: Path, port: int, **env: str) -> Any:
    (home / "headrace.toml").write_text(only_at(port))
    said = _json(home, **{"HEADRACE_NO_LOCAL": "", **env})
    return said, {row["provider"]: row for row in said["providers"]}


def _plain(body: bytes) -> Script:
    return [b"HTTP/1.1 200 OK\r\n\r\n" + body, CLOSE]


def test_a_local_engine_is_found_and_asked(tmp_path: Path, serve: Serve) -> None:
    tags = b'{"models": [{"name": "llama3:8b"}, {"name": "qwen3"}]}'
    server = serve(routes={"/": _plain(b"Ollama is running"), "/api/tags": _plain(tags)})
    said, rows = _local(tmp_path, server.port)
    place = f"127.0.0.1:{server.port}"
    assert (said["chosen"], said["why"]) == ("ollama/llama3:8b", f"no API key was found; Ollama answers at {place}")
    ollama = rows["ollama"]
    assert (ollama["reachable"], ollama["status"], ollama["models"]) == (True, "Ollama runs", ["llama3:8b", "qwen3"])
    assert rows["vllm"]["status"] == "not on this machine, and so not looked for"
    assert _local(tmp_path, server.port, OPENAI_API_KEY="k")[0]["chosen"] == "openai/gpt-4o-mini"
    line = next(
        line for line in run(tmp_path, "models", env={"HEADRACE_NO_LOCAL": ""}).stdout.splitlines() if place in line
    )
    assert line.endswith("\tyes\tOllama runs\tllama3:8b, qwen3")
    asked = len(server.requests)
    off = _local(tmp_path, server.port, HEADRACE_NO_LOCAL="1")
    (tmp_path / "headrace.toml").write_text("local = false\n" + only_at(server.port))
    assert off[0]["chosen"] == _json(tmp_path, HEADRACE_NO_LOCAL="")["chosen"] == "sim/demo"
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("root", "status", "reachable"),
    [
        (_plain(b"Ollama is running"), "Ollama runs, and has no model", True),
        (_plain(b"hello"), "another server answers at PLACE", False),
        ([STALL], "what listens at PLACE does not answer", False),
    ],
)
def test_why_a_local_engine_is_not_asked(
    root: Script, status: str, reachable: bool, tmp_path: Path, serve: Serve
) -> None:
    server = serve(routes={"/": root, "/api/tags": [CLOSE]})
    said, rows = _local(tmp_path, server.port)
    place = f"127.0.0.1:{server.port}"
    assert (rows["ollama"]["status"], rows["ollama"]["reachable"]) == (status.replace("PLACE", place), reachable)
    assert said["chosen"] == "sim/demo"
    assert said["why"].startswith("no API key and no local engine was found: THIS IS A SIMULATION")


def test_no_local_engine_runs(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        _, rows = _local(tmp_path, port)
    assert rows["ollama"]["status"] == f"not running: nobody listens at 127.0.0.1:{port}"


def test_chat_asks_a_local_engine(tmp_path: Path, serve: Serve) -> None:
    routes = {
        "/": _plain(b"Ollama is running"),
        "/api/tags": _plain(b'{"models": [{"name": "llama3"}]}'),
        "/v1/chat/completions": whole(sse(say("Hi", "stop"), DONE)),
    }
    server = serve(routes=routes)
    (tmp_path / "headrace.toml").write_text(only_at(server.port))
    done = run(tmp_path, "chat", "hello", env={"HEADRACE_NO_LOCAL": ""})
    place = f"127.0.0.1:{server.port}"
    said = f"headrace: no model was named; asking ollama/llama3 (no API key was found; Ollama answers at {place})\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hi\n", said)
    assert json.loads(server.requests[-1].body)["model"] == "llama3"


# -- whether they answer


def _list(*names: str) -> Script:
    return whole(json.dumps({"data": [{"id": name} for name in names]}).encode(), kind="application/json")


def test_each_is_asked_with_its_own_key(tmp_path: Path, serve: Serve) -> None:
    openai, anthropic = serve(_list("gpt-a", "gpt-b")), serve(_list("claude"))
    mine, refuses = serve(_list()), serve(whole(b'{"error": {"message": "bad key sk-gro-1234"}}', status=401))
    (tmp_path / "headrace.toml").write_text(
        f'[providers.mine]\nbase_url = "{mine.url}"\n[providers.llamacpp]\nbase_url = "{mine.url}"\n'
        '[providers.xai]\napi_key = "é"\n'
    )
    env = {
        "OPENAI_API_KEY": "sk-oai-1234",
        "OPENAI_BASE_URL": openai.url,
        "ANTHROPIC_API_KEY": "sk-ant-1234",
        "ANTHROPIC_BASE_URL": anthropic.url,
        "GROQ_API_KEY": "sk-gro-1234",
        "GROQ_BASE_URL": refuses.url,
        "OPENROUTER_API_KEY": "sk-or-1234",
        "OPENROUTER_BASE_URL": mine.url,
        "PERPLEXITY_API_KEY": "sk-pp-1234",
    }
    said = _json(tmp_path, "--check", **env)
    rows = {row["provider"]: row for row in said["providers"]}
    told = {name: (row["reachable"], row["status"], row["models"]) for name, row in rows.items()}
    assert told["openai"] == (True, "answers, and names 2 models", ["gpt-a", "gpt-b"])
    assert told["anthropic"] == (True, "answers, and names 1 model", ["claude"])
    assert told["mine"] == (True, "answers, and names 0 models", [])
    assert told["groq"] == (False, "groq (HTTP 401): bad key [redacted] [check the API key]", [])
    assert told["openrouter"] == (True, "answers, and names 0 models; to anybody: its key was not tried", [])
    assert told["perplexity"] == (None, "key found; not asked", [])  # it has no list
    assert told["mistral"] == (False, "no key: set MISTRAL_API_KEY", [])
    assert told["xai"][0] is False
    assert "has characters that no key has" in told["xai"][1]
    assert told["llamacpp"] == (None, "not looked for", [])
    assert openai.requests[0].line == "GET /v1/models HTTP/1.1"
    assert openai.requests[0].headers["authorization"] == "Bearer sk-oai-1234"
    assert anthropic.requests[0].line == "GET /v1/models?limit=1000 HTTP/1.1"
    assert anthropic.requests[0].headers["x-api-key"] == "sk-ant-1234"
    assert sorted(r.headers.get("authorization", "") for r in mine.requests) == ["", "Bearer sk-or-1234"]
    assert "sk-" not in json.dumps(said)


def test_an_engine_on_another_machine_is_asked_if_it_is_to_be_checked(tmp_path: Path, serve: Serve) -> None:
    server = serve(_list("far"))
    (tmp_path / "headrace.toml").write_text(only_at(1).replace("127.0.0.1:1/", f"0.0.0.0:{server.port}/"))
    said = _json(tmp_path, "--check", HEADRACE_NO_LOCAL="")
    rows = {row["provider"]: row for row in said["providers"]}
    assert rows["ollama"]["models"] == ["far"]
    assert rows["vllm"]["reachable"] is False


def _reached(server: Server, within_s: float = 20.0, key: str | None = "sk-secret-1234") -> Any:
    row = Provider(name="acme", base_url=server.url)
    return reach({"acme": Place(row, server.url, key)}, within_s=within_s)["acme"]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (whole(b"<html>"), "acme answers, but with no list of models"),
        (whole(b'{"data": 7}'), "acme answers, but with no list of models"),
        (whole(b"<html>", status=404, kind="text/html"), "an HTML page instead of an API's answer"),
        ([CLOSE], "the connection broke"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", CLOSE], "the connection broke"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", Drip(b"x" * 65536, 0.0)], "no list of models"),
    ],
)
def test_what_is_no_list(script: Script, problem: str, serve: Serve) -> None:
    reached = _reached(serve(script))
    assert reached.models == ()
    assert problem in reached.problem
    assert "sk-secret" not in reached.problem


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("script", [[STALL], [b"HTTP/1.1 200 OK\r\n\r\n{", STALL]])
def test_who_is_silent_is_not_waited_for(script: Script, serve: Serve) -> None:
    server = serve(script)
    assert _reached(server, within_s=0.2).problem == "no answer within 0.2 s"
    assert server.peers[0].wait_gone()


@pytest.mark.usefixtures("bare")
def test_who_drips_is_not_waited_for(serve: Serve) -> None:
    server = serve([b"HTTP/1.1 200 OK\r\n\r\n", Drip(b" ", 0.005)])
    assert _reached(server, within_s=0.2).problem == "no answer within 0.2 s"
    assert server.peers[0].wait_gone()


@pytest.mark.usefixtures("bare")
def test_nobody_to_ask() -> None:
    assert reach({"sim": Place(PROVIDERS["sim"], "sim:", None)}) == {}
    assert reach({"x": Place(PROVIDERS["openai"], "ftp://x", None)})["x"].problem is not None


@pytest.mark.usefixtures("bare")
def test_a_name_that_is_not_resolved_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    # a resolver that hangs cannot be had here: only the call that would hang is told otherwise
    resolved = threading.Event()

    def hang(*_: Any) -> Any:
        resolved.wait(BOUND_S)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert _reached(serve(), within_s=0.1).problem == "no answer within 0.1 s"
    finally:
        resolved.set()
