"""`headrace chat -c`: what is kept, for whom, and what goes on from it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from headrace.sim import Scenario, Simulator
from headrace.sim.asked.base import Asked
from headrace.sim.writing.tokens import count
from tests.cli.running import run


def _echo(asked: Asked) -> Scenario:
    if asked.prompt == "say nothing":
        return Scenario(answer="")
    said = f"You said {asked.prompt}."
    return Scenario(answer=said, faults=(f"close@token:{count(said)}",) if asked.prompt == "break off" else ())


def _requests(sim: Simulator) -> list[Any]:
    return [exchange.body for exchange in sim.journal.exchanges]


def _file(home: Path) -> Path:
    return home / ".local" / "state" / "headrace" / "conversation.json"


def _kept(home: Path) -> Any:
    return json.loads(_file(home).read_bytes())


def test_it_goes_on(tmp_path: Path) -> None:
    with Simulator(_echo) as sim:
        first = run(tmp_path, "chat", "-m", "m", "--base-url", sim.openai_url, "-s", "Be brief.", "one")
        assert first.returncode == 0, first.stderr
        second = run(tmp_path, "chat", "-c", "two")
        third = run(tmp_path, "chat", "-c", "-s", "Be long.", "-m", "m2", "--base-url", sim.openai_url, "three")
    assert (second.stdout, second.stderr) == ("You said two.\n", "")
    assert third.returncode == 0
    turns = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "You said one."},
        {"role": "user", "content": "two"},
    ]
    assert _requests(sim)[1]["model"] == "m"
    assert _requests(sim)[1]["messages"] == [{"role": "system", "content": "Be brief."}, *turns]
    assert _requests(sim)[2]["model"] == "m2"
    assert _requests(sim)[2]["messages"][0] == {"role": "system", "content": "Be long."}
    assert _requests(sim)[2]["messages"][1:4] == turns
    kept = _kept(tmp_path)
    assert kept["v"] == 1
    assert (kept["model"], kept["system"], len(kept["messages"])) == ("compatible/m2", "Be long.", 6)


def test_it_is_for_the_user_alone(tmp_path: Path) -> None:
    with Simulator(_echo) as sim:
        done = run(
            tmp_path, "chat", "-m", "m", "--base-url", sim.openai_url, "x", env={"XDG_STATE_HOME": f"{tmp_path}/s"}
        )
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "s" / "headrace" / "conversation.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_a_chat_without_it_begins_anew(tmp_path: Path) -> None:
    with Simulator(_echo) as sim:
        for prompt in ("one", "two"):
            assert run(tmp_path, "chat", "-m", "m", "--base-url", sim.openai_url, prompt).returncode == 0
    assert [m["content"] for m in _requests(sim)[1]["messages"]] == ["two"]
    assert [m["content"] for m in _kept(tmp_path)["messages"]] == ["two", "You said two."]


def test_a_part_of_an_answer_is_kept_and_nothing_is_not(tmp_path: Path) -> None:
    with Simulator(_echo) as sim:
        address = ("-m", "m", "--base-url", sim.openai_url)
        assert run(tmp_path, "chat", *address, "break off").returncode == 1
        assert run(tmp_path, "chat", "-c", "say nothing").returncode == 0
        assert run(tmp_path, "chat", "-m", "openai/x", "no key").returncode == 2
    assert [m["content"] for m in _kept(tmp_path)["messages"]] == ["break off", "You said break off."]


@pytest.mark.parametrize("how", [("--no-save", "0"), ("", "1")])
def test_it_need_not_be_kept(tmp_path: Path, how: tuple[str, str]) -> None:
    option, variable = how
    with Simulator(_echo) as sim:
        args = ("chat", "-m", "m", "--base-url", sim.openai_url, "x", *([option] if option else []))
        assert run(tmp_path, *args, env={"HEADRACE_NO_SAVE": variable}).returncode == 0
    assert not _file(tmp_path).exists()


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    with Simulator(_echo) as sim:
        done = run(tmp_path, "chat", "-c", "-m", "m", "--base-url", sim.openai_url, "x")
    assert (done.returncode, done.stdout) == (0, "You said x.\n")
    assert done.stderr == "headrace: there is no conversation to go on with; this one is new\n"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"messages": 1}', b"\xff"])
def test_a_file_that_is_no_conversation(tmp_path: Path, content: bytes) -> None:
    _file(tmp_path).parent.mkdir(parents=True)
    _file(tmp_path).write_bytes(content)
    done = run(tmp_path, "chat", "-c", "x")
    assert done.returncode == 2
    assert "conversation.json: is no conversation" in done.stderr
    assert _file(tmp_path).read_bytes() == content


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    _file(tmp_path).mkdir(parents=True)
    done = run(tmp_path, "chat", "-c", "x")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    _file(tmp_path).mkdir(parents=True)  # a directory where the file should be
    with Simulator(_echo) as sim:
        done = run(tmp_path, "chat", "-m", "m", "--base-url", sim.openai_url, "x")
    assert (done.returncode, done.stdout) == (0, "You said x.\n")
    assert "the conversation cannot be kept" in done.stderr
    assert [p.name for p in _file(tmp_path).parent.iterdir()] == ["conversation.json"]
