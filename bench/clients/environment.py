"""Environments for the peers, beside the development's own: made once, by hash, and found again.

Ours runs in one of them too, so that all have the same Python, aiohttp, urllib3 and msgspec. litellm has one to itself:
it wants an older openai than the others.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

from bench.clients.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

Name = Literal["bench", "bench-litellm"]


def python_of(name: Name) -> str:
    """Give an environment's Python; it is made if it is not there, or not what the requirements say.

    Raises:
        subprocess.CalledProcessError: if it could not be made.
    """
    requirements = ROOT / "requirements" / f"{name}.txt"
    place = ROOT / ".cache" / "bench-env" / name
    stamp = place / ".stamp"
    wanted = hashlib.sha256(f"{sys.version} {place}\n".encode() + requirements.read_bytes()).hexdigest()
    python = place / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == wanted):
        sys.stderr.write(f"bench: making the environment {name}\n")
        _make(place, requirements, python)
        stamp.write_text(wanted)
    return str(python)


def _make(place: Path, requirements: Path, python: Path) -> None:
    # uv shall trust the system's certificates, as pip does
    env = {**os.environ, "UV_SYSTEM_CERTS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True, env=env)
    hashed = ["--require-hashes", "-r", str(requirements)]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    if subprocess.run([*uv, *hashed], check=False, env=env).returncode != 0:
        # uv does not read pip's settings; a mirror may stand only there
        subprocess.run([python, "-m", "pip", "install", "-qq", "--no-input", *hashed], check=True, env=env)
