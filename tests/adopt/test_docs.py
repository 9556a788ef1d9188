"""The examples of docs/adopt.md run as they stand, against servers that answer as the providers do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adopt.test_sources import WHOLE
from tests.faces import KEY
from tests.servers import Server, whole

pytestmark = pytest.mark.usefixtures("bare")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adopt.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [(TEXT.count("\n", 0, m.start()) + 2, m[1]) for m in re.finditer(r"```python\n(.*?)```\n", TEXT, re.DOTALL)]


@pytest.mark.parametrize(("line", "code"), BLOCKS, ids=[f"adopt.md:{line}" for line, _ in BLOCKS])
def test_an_example(
    line: int, code: str, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, no_collector: None
) -> None:
    servers = {
        name: serve(whole(WHOLE[wire])) for name, wire in (("OPENAI", "openai-chat"), ("ANTHROPIC", "anthropic"))
    }
    monkeypatch.setenv("OPENAI_BASE_URL", servers["OPENAI"].url)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", servers["ANTHROPIC"].url.removesuffix("/v1"))
    for name in servers:
        monkeypatch.setenv(f"{name}_API_KEY", KEY)
    # the same line numbers as on the page, so that a traceback points there
    exec(compile("\n" * (line - 1) + code, str(PAGE), "exec"), {"__name__": "__main__"})
    asked = {name for name, server in servers.items() if server.requests}
    assert asked == {name for name in servers if f"{name.lower()}." in code or f"{name}_BASE_URL" in code}


def test_there_are_examples() -> None:
    assert len(BLOCKS) > 5
