"""The page about testing does what it says: its files are written down, and run."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from headrace.sim import Scenario, Simulator

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(?P<kind>\w+)\n# (?P<name>\S+\.(?:py|yaml))\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A file, or more of one that was begun, as it stands in the page."""

    name: str
    text: str


BLOCKS = [Block(m["name"], m["text"]) for m in _FENCE.finditer(PAGE)]
_APPS = [at for at, block in enumerate(BLOCKS) if block.name == "app.py"]


def write(folder: Path, blocks: list[Block]) -> None:
    """Write the files; only tests are gone on with, all others are replaced."""
    written: set[str] = set()
    for block in blocks:
        more = block.name in written and block.name.startswith("test_")
        with (folder / block.name).open("a" if more else "w", encoding="utf-8") as file:
            file.write("\n\n" + block.text if more else block.text)
        written.add(block.name)


def run(folder: Path, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL"} or k.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={**kept, "HOME": str(folder), "PYTHONWARNINGS": "error", **env},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
    )


def outcome_of(folder: Path, *args: str, **env: str) -> str:
    """Run the folder's tests with the plugin, by its module's name, whether its entry point is installed or not."""
    given = ("-p", "no:headrace", "-p", "_headrace_pytest", "-p", "no:cacheprovider")
    asyncio = ("-o", "asyncio_default_fixture_loop_scope=function")
    return run(folder, "-m", "pytest", "-W", "error", "--strict-markers", *asyncio, *given, *args, **env).stdout


def test_every_python_block_is_a_file() -> None:
    assert PAGE.count("```python\n") == sum(block.name.endswith(".py") for block in BLOCKS)
    assert len(_APPS) == 2


def test_the_first_code_takes_half_an_answer_for_a_whole_one(tmp_path: Path) -> None:
    write(tmp_path, BLOCKS[: _APPS[1]])
    said = outcome_of(tmp_path)
    assert "3 failed, 1 passed" in said
    assert "DID NOT RAISE" in said  # the end that is no error
    shown = re.search(r"^    (1: POST .*)$", PAGE, re.MULTILINE)
    assert shown is not None
    assert shown[1] in said


def test_the_second_code_passes_all_tests(tmp_path: Path) -> None:
    write(tmp_path, BLOCKS)
    said = outcome_of(tmp_path, "test_app.py")
    tests = (
        sum(block.text.count("def test_") for block in BLOCKS if block.name == "test_app.py") + 2
    )  # one has 3 faults
    assert f"{tests} passed" in said, said


def test_a_recording_is_played_again(tmp_path: Path) -> None:
    write(tmp_path, BLOCKS)
    assert "--headrace-record records them" in outcome_of(tmp_path, "test_recorded.py")
    with Simulator(Scenario(answer="Blue light is turned aside more than red.")) as provider:
        assert "1 passed" in outcome_of(tmp_path, "test_recorded.py", "--headrace-record", **provider.env())
        assert len(list((tmp_path / "cassettes" / "sky").iterdir())) == 1
    assert "1 passed" in outcome_of(tmp_path, "test_recorded.py")


def test_without_pytest(tmp_path: Path) -> None:
    write(tmp_path, BLOCKS)
    done = run(tmp_path, "by_hand.py")
    assert (done.returncode, done.stdout) == (0, "Hello 1\n"), done.stderr


@pytest.mark.parametrize("option", ["--script", "--fault", "--latency", "--jitter", "--bandwidth", "--stall-at"])
def test_options_that_the_page_names_are_there(option: str) -> None:
    from typer.main import get_command

    from headrace.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert option in PAGE
    assert any(option in parameter.opts for name in ("sim", "fault-proxy") for parameter in commands[name].params)


def test_faults_that_the_page_names_are_there() -> None:
    from headrace.sim.faults.parse import parse_fault

    table = PAGE.partition("| fault |")[2].partition("\n\n")[0]
    named = re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert len(named) > 12
    for fault in named:
        assert parse_fault(fault).kind in fault
