"""`headrace models`: who is known, whose key is at hand, whom chat would ask."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from tests.cli.running import BOUND_S, run, start

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
    }
    assert rows["anthropic"]["base_url"] == "http://***@127.0.0.1:9/x"
    assert (rows["mine"]["key"], rows["mine"]["key_set"], rows["mine"]["configured"]) == ("in the file", True, True)
    assert (rows["groq"]["key_set"], rows["groq"]["configured"]) == (False, True)
    assert (rows["ollama"]["key"], rows["ollama"]["key_set"]) == (None, None)


def test_a_pipe_gets_tab_separated_lines(tmp_path: Path) -> None:
    lines = [line.split("\t") for line in run(tmp_path, "models").stdout.splitlines()]
    assert lines[0] == ["provider", "default_model", "key", "key_set", "wire", "base_url", "configured"]
    assert ["sim", "demo", "", "", "openai-chat", "sim:", "no"] in lines
    assert {len(line) for line in lines} == {7}


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
