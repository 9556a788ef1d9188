"""The sans-IO core names no event loop, socket or thread.

import-linter holds the same law for what is imported through other modules of ours; this test reads the
source of each module of the core, and also sees an import that is made by a call.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "headrace"

_CORE = (
    "errors.py",
    "events.py",
    "grammar.py",
    "message.py",
    "request.py",
    "wire",
    "flow/exchange.py",
    "flow/bounds.py",
    "flow/chunks.py",
    "flow/deadlines.py",
)

_FORBIDDEN = frozenset(
    {
        "aiohttp", "asyncio", "concurrent", "fastapi", "http", "multiprocessing", "queue", "requests",
        "rich", "select", "selectors", "signal", "socket", "socketserver", "ssl", "starlette", "subprocess",
        "threading", "typer", "urllib3", "uvicorn",
    }
)  # fmt: skip
_FORBIDDEN_DOTTED = ("urllib.request",)
_FACES = ("cli", "client", "gateway", "sim", "stream", "transport")


def _core_files() -> list[Path]:
    files: list[Path] = []
    for name in _CORE:
        path = SOURCE / name
        files += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return files


def _imports(tree: ast.AST, package: tuple[str, ...]) -> list[tuple[int, str]]:
    """List what a module imports, absolute, with lines; `package` is the one that holds it."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            found.append((node.lineno, module))
            # `from package import name` may import a module too.
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0] if node.args else None
            if name in {"__import__", "import_module"} and isinstance(first, ast.Constant):
                found.append((node.lineno, str(first.value)))
    return found


def _breaks_the_law(module: str) -> bool:
    if module.split(".")[0] in _FORBIDDEN:
        return True
    forbidden = (*_FORBIDDEN_DOTTED, *(f"headrace.{face}" for face in _FACES))
    return any(module == f or module.startswith(f + ".") for f in forbidden)


@pytest.mark.parametrize("path", _core_files(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_core_imports_nothing_that_waits(path: Path) -> None:
    package = ("headrace", *path.relative_to(SOURCE).parent.parts)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    assert [(line, m) for line, m in _imports(tree, package) if _breaks_the_law(m)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio",
        "import urllib.request",
        "from concurrent import futures",
        "from headrace import client",
        "from headrace.transport.base import X",
        "from .. import stream",
        "from ..sim import scripts",
        "def f():\n    import socket",
        "importlib.import_module('aiohttp.web')",
    ],
)
def test_the_law_sees(code: str) -> None:
    found = _imports(ast.parse(code), ("headrace", "wire"))
    assert any(_breaks_the_law(module) for _, module in found)


@pytest.mark.parametrize(
    "code", ["import json", "from . import parts", "from ..errors import WireError", "import urllib.parse"]
)
def test_the_law_allows(code: str) -> None:
    found = _imports(ast.parse(code), ("headrace", "wire"))
    assert not any(_breaks_the_law(module) for _, module in found)


def test_import_of_the_package_loads_no_transport() -> None:
    # aiohttp and urllib3 come when the first stream opens; the server's libraries only with `headrace serve`.
    heavy = ("aiohttp", "fastapi", "pydantic", "rich", "starlette", "typer", "urllib3", "uvicorn")
    code = f"import sys, headrace; print([m for m in {heavy!r} if m in sys.modules])"
    # Isolated and without site's .pth files, which measure coverage and import what they like.
    path = [p for p in sys.path if p.endswith("site-packages")] + [str(SOURCE.parent)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
