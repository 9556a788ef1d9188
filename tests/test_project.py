"""The project's own files keep their promises: pins without addresses, a README that runs, a whole wheel."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))

_FENCE = re.compile(r"^```python[^\n]*\n(?P<code>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!--\s*not run:\s*\S.*?-->\s*\Z", re.DOTALL)
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


def _python_blocks(text: str) -> list[tuple[int, str]]:
    """Take the fenced Python blocks that are to be run, each with the line it begins on."""
    blocks: list[tuple[int, str]] = []
    for match in _FENCE.finditer(text):
        # Only the line right before it counts, as a reader of the source would see it.
        before = text[: match.start()].rstrip("\n").rsplit("\n", 1)[-1]
        if not _NOT_RUN.search(before):
            blocks.append((text.count("\n", 0, match.start()) + 2, match["code"]))
    return blocks


README_BLOCKS = _python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))


def _environment_without_keys(home: Path) -> dict[str, str]:
    """Keep what a program needs to start, and nothing that names a provider, a key or a proxy."""
    kept = {"PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT"}
    env = {k: v for k, v in os.environ.items() if k in kept or k.startswith("COVERAGE_")}
    return env | {"HOME": str(home), "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}


def test_blocks_are_found_and_marked_ones_skipped() -> None:
    text = (
        "a\n```python\nx = 1\n```\n<!-- not run: needs a key -->\n```python\ny\n```\n"
        "```sh\nls\n```\n```python title\nz = 2\n```\n"
    )
    assert _python_blocks(text) == [(3, "x = 1\n"), (13, "z = 2\n")]


def test_readme_has_examples() -> None:
    assert README_BLOCKS


@pytest.mark.parametrize(("line", "code"), README_BLOCKS, ids=[f"README.md:{n}" for n, _ in README_BLOCKS])
def test_readme_example_runs(line: int, code: str, tmp_path: Path) -> None:
    # In a process and a folder of its own, as a reader would try it; without a key it runs on the simulation.
    script = tmp_path / "example.py"
    # The same line numbers as in the README, so that a traceback points there.
    script.write_text("\n" * (line - 1) + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=_environment_without_keys(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, f"README.md:{line}\n{done.stderr}"


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda p: p.name)
def test_requirements_name_no_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-{1,2}[a-z]*-?(index|find-links|extra|trusted)", text, re.MULTILINE)
    assert not re.search(r"\b(org|com|net)\b", text)


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda p: p.name)
def test_every_requirement_has_hashes(path: Path) -> None:
    # A requirement and its hashes are one logical line.
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line.strip() and not line.startswith("#")]
    assert requirements
    assert [r for r in requirements if not _PIN.match(r) or "--hash=sha256:" not in r] == []


def test_requirement_files_agree() -> None:
    # They are installed into one environment, in any order: nothing may be pinned in two ways. The benchmark's have
    # environments of their own.
    pins = {
        path.name: {(m["name"], m["version"]) for m in _PIN.finditer(path.read_text(encoding="utf-8"))}
        for path in REQUIREMENTS
    }
    assert set(pins) == {"run.txt", "dev.txt", "setup.txt", "bench.txt", "bench-litellm.txt"}
    assert pins["run.txt"] - pins["dev.txt"] == set()
    assert pins["setup.txt"] - pins["dev.txt"] == set()


def test_requirements_hold_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    groups = project["dependency-groups"]
    asked = {
        "run.txt": project["project"]["dependencies"] + extras["serve"],
        "dev.txt": project["project"]["dependencies"] + extras["serve"] + groups["dev"] + groups["setup"],
        "setup.txt": groups["setup"],
        "bench.txt": project["project"]["dependencies"] + groups["bench"],
        "bench-litellm.txt": groups["bench-litellm"],
    }
    for name, requirements in asked.items():
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pinned = {m["name"] for m in _PIN.finditer(text)}
        names = {re.match(r"[A-Za-z0-9._-]+", r)[0] for r in requirements}  # type: ignore[index]
        assert names - pinned == set(), f"{name} is older than pyproject.toml: make lock"


def test_wheel_holds_the_page_and_the_types(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if n.startswith("headrace/")}
    source = ROOT / "src"
    expected = {
        p.relative_to(source).as_posix() for p in (source / "headrace").rglob("*") if p.is_file() and p.suffix != ".pyc"
    }
    assert names == expected
    assert "headrace/py.typed" in names
    assert any(n.startswith("headrace/ui/") and n.endswith(".html") for n in names)
