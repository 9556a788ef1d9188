"""The public surface as type checkers see it: `uses/` is code of users, and so are the examples."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
USES = HERE / "uses"
EXAMPLES = ROOT / "examples"

# What lint looks at; and an example of what is not there.
_OTHERS = [ROOT / "src"]
if importlib.util.find_spec("headrace.adopt") is None:
    _OTHERS.append(EXAMPLES / "adopt_sdk.py")

# A cache of their own: lint may run at the same time.
_MYPY = ("mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".cache" / "mypy-typing"))

# Theirs are pinned wheels, which shall look for nothing newer; and what they run is not to be measured.
_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    "PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT": "1",
    "PYRIGHT_PYTHON_GLOBAL_NODE": "0",
}

_BROKEN = """\
import headrace

text: bytes = headrace.stream("sim/demo", "Hi").get_final_text()
headrace.stream("sim/demo", "Hi").limit(tokens=5)  # type: ignore[arg-type]
"""

pytestmark = pytest.mark.timeout(600)  # the first run reads all that we stand on


def complaints(*command: str) -> list[str]:
    """Run a checker; give the errors that it finds, but for the library's own files."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = [line.strip() for line in done.stdout.splitlines() if ": error:" in line or " - error:" in line]
    return [line for line in said if not any((ROOT / line.split(":")[0]).is_relative_to(path) for path in _OTHERS)]


def test_mypy_agrees_with_what_users_write() -> None:
    assert complaints(*_MYPY, str(USES), str(EXAMPLES)) == []


def test_pyright_agrees_with_what_users_write() -> None:
    assert complaints("pyright", "-p", str(HERE), "--pythonpath", sys.executable) == []


def test_mypy_would_notice(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(_BROKEN, encoding="utf-8")
    first, second = complaints(*_MYPY, str(wrong))
    assert "[assignment]" in first
    assert "[unused-ignore]" in second


def test_pyright_would_notice(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(_BROKEN, encoding="utf-8")
    settings = json.loads((HERE / "pyrightconfig.json").read_text(encoding="utf-8"))
    settings |= {"include": ["."], "extraPaths": [str(ROOT / "src")]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    first, second = complaints("pyright", "-p", str(tmp_path), "--pythonpath", sys.executable)
    assert "is not assignable to" in first
    assert "reportUnnecessaryTypeIgnoreComment" in second
