"""The tutorial runs as it stands: each block by itself, without a key, and prints what the page says it prints."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")

_FENCE = re.compile(r"^```(?P<kind>python|text)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code, the line that it begins on, and what it must print ("": anything)."""

    line: int
    code: str
    prints: str


def _blocks() -> list[Block]:
    """What is said to be printed is printed by the block before it; or by both, if two of them stand together."""
    blocks: list[Block] = []
    together: list[int] = []
    end = 0
    for match in _FENCE.finditer(PAGE):
        if PAGE[end : match.start()].strip():
            together = []
        end = match.end()
        if match["kind"] == "text":
            for at in together:
                blocks[at] = blocks[at]._replace(prints=match["text"])
            together = []
        else:
            together.append(len(blocks))
            blocks.append(Block(PAGE.count("\n", 0, match.start()) + 2, match["text"], ""))
    return blocks


BLOCKS = _blocks()


def test_all_code_is_found() -> None:
    assert PAGE.count("```python\n") == len(BLOCKS)
    assert PAGE.count("```text\n") <= sum(block.prints != "" for block in BLOCKS)


def test_it_is_shown_in_both_ways() -> None:
    asynchronous = [block for block in BLOCKS if "await " in block.code or "async " in block.code]
    assert len(asynchronous) > 10
    assert len(BLOCKS) - len(asynchronous) > 10


@pytest.mark.parametrize("block", BLOCKS, ids=[f"tutorial.md:{block.line}" for block in BLOCKS])
def test_a_block_runs(
    block: Block, bare: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_SIM_SPEED", "max")
    # The same line numbers as in the page, so that a traceback points there.
    source = "\n" * (block.line - 1) + block.code
    code = compile(source, str(ROOT / "docs" / "tutorial.md"), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)
    if block.prints:
        pattern = re.escape(block.prints).replace("…", ".*")
        printed = capsys.readouterr().out
        assert re.fullmatch(pattern, printed, re.DOTALL), printed
