"""The simulation's answers: what they are about, and what they look like."""

import ast
import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from headrace.sim.dice import stable_hash
from headrace.sim.scenarios.compose import compose
from headrace.sim.scenarios.scenario import Answer, Scenario
from headrace.sim.writing.answers import NOTICE
from headrace.sim.writing.code_blocks import LANGUAGES
from tests.sim.scenarios.asking import asking

FIRST_LINE = f"> {NOTICE}\n"


def ask(prompt: str, **fields: Any) -> str:
    """Give the text of the usual answer, by a seed that is the prompt's own if none is given."""
    fields = {"seed": stable_hash(prompt.encode()), **fields}
    (part,) = compose(asking(prompt, **fields), Scenario(answer=Answer(builtin="demo")), 0).parts
    return part.text


def blocks(text: str) -> dict[str, str]:
    """Give the fenced blocks by language."""
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def table(text: str) -> list[list[str]]:
    return [line[1:-1].split("|") for line in text.splitlines() if line.startswith("|")]


def test_it_says_loudly_that_it_is_a_simulation() -> None:
    assert ask("Tell me about rain").startswith(FIRST_LINE)


def test_prose_picks_up_the_topic_and_has_something_to_display() -> None:
    seen: set[str] = set()
    for seed in range(8):
        text = ask("Explain how rivers shape valleys over time.", seed=seed, words=600)
        assert "## Rivers shape valleys over time\n" in text
        assert "“rivers shape valleys over time”" in text
        assert re.search(r"\*(valleys|rivers|shape|time)\*", text)
        seen |= {
            mark for mark in ("\n### ", "\n- **", "\n1. **", "**", "\n| |", "```", "> ", "`rivers_") if mark in text
        }
        seen |= {
            kind
            for kind, found in (("é", "[é-ü]"), ("CJK", "[\u3040-\u9fff]"), ("emoji", "[🌊🙂✨✅]"))
            if re.search(found, text)
        }
    assert seen == {"\n### ", "\n- **", "\n1. **", "**", "\n| |", "```", "> ", "`rivers_", "é", "CJK", "emoji"}


@pytest.mark.parametrize("words", [1, 30, 59, 60, 300, 2000])
@pytest.mark.parametrize("prompt", ["Tell me about rain", "A list of tips for rain", "Rain versus snow"])
def test_an_answer_is_about_as_long_as_wanted(words: int, prompt: str) -> None:
    for seed in range(3):
        found = len(ask(prompt, words=words, seed=seed).split())
        assert found >= min(words, 12)
        assert abs(found - words) <= max(90, words / 4)


def test_a_short_answer_for_a_short_wish() -> None:
    for wish, sentences in (("briefly", 1), ("in one sentence", 1), ("in two sentences", 2), ("in 3 sentences", 3)):
        *_, said = ask(f"What is rain, {wish}?", seed=4).strip().split("\n\n")
        assert len(re.findall(r"[.;!]\*{0,2}(?= [A-Z~\[]|$)", said)) <= sentences + 1
        assert said.count("\n") == 0


def test_a_greeting_is_returned() -> None:
    text = ask("Hello there!")
    assert "Hello! 👋" in text
    assert "a haiku about autumn rain" in text


@pytest.mark.parametrize(("prompt", "stanzas"), [("a haiku about autumn rain", 1), ("Write a poem on autumn rain", 3)])
def test_verse(prompt: str, stanzas: int) -> None:
    _, title, *verses = ask(prompt).strip().split("\n\n")
    assert title == "*Autumn rain*"
    assert [len(verse.splitlines()) for verse in verses] == [3] * stanzas


@pytest.mark.parametrize(
    ("prompt", "first", "items"),
    [
        ("five tips for a garden", "- **", 5),
        ("the top 10 garden tools, ranked", "1. **", 10),
        ("a list of 12 garden tools", "- **", 12),
        ("0 ideas for a garden", "- **", None),
        ("some ideas for a garden", "- **", None),
    ],
)
def test_a_list_has_the_items_that_were_asked_for(prompt: str, first: str, items: int | None) -> None:
    lines = ask(prompt).strip().split("\n\n")[2].splitlines()
    assert lines[0].startswith(first)
    assert len(lines) == items if items else 4 <= len(lines) <= 6


@pytest.mark.parametrize(
    ("prompt", "columns"),
    [
        ("tea vs. coffee", ["Tea", "Coffee"]),
        ("Compare TCP with UDP", ["TCP", "UDP"]),
        ("A table of python and rust", ["Python", "Rust"]),
        ("a table of rivers please", None),
    ],
)
def test_a_comparison_is_a_table(prompt: str, columns: list[str] | None) -> None:
    head, rule, *rows = table(ask(prompt))
    assert {len(row) for row in (head, rule, *rows)} == {4}
    assert len(rows) >= 3
    if columns:
        assert [cell.strip() for cell in head[1:3]] == columns


@pytest.mark.parametrize(
    ("prompt", "languages"),
    [
        ("Write a Python function that counts words", ["python"]),
        ("a node.js script for rain", ["javascript"]),
        ("a TypeScript snippet for rain", ["typescript"]),
        ("count rain in Rust", ["rust"]),
        ("golang code for rain", ["go"]),
        ("an SQL query for rain", ["sql"]),
        ("a shell script for rain", ["bash"]),
        ("a web page in HTML for rain", ["html"]),
        ("the same function in Rust and Python and bash and SQL", ["python", "rust", "sql"]),
    ],
)
def test_code_is_in_the_language_that_was_named(prompt: str, languages: list[str]) -> None:
    assert list(blocks(ask(prompt))) == languages


def test_code_without_a_language_and_with_a_table() -> None:
    text = ask("Write a function that sorts rain, and a table of its runtime")
    assert len(blocks(text)) == 1
    assert table(text)


@pytest.mark.parametrize("topic", ["autumn rain", "class", "für élise", "日本語", "3 little pigs", "print"])
def test_programs_are_right_in_their_languages(topic: str, tmp_path: Path) -> None:
    for seed in range(3):
        found = {name: blocks(ask(f"{name} code for {topic}", seed=seed))[name] for name in LANGUAGES}
        ast.parse(found["python"])
        with sqlite3.connect(":memory:") as database:
            database.executescript(found["sql"])
        database.close()
        subprocess.run(["bash", "-n"], input=found["bash"], text=True, check=True, timeout=60)
        assert not any(re.search(r"<(snake|Pascal|n)>", code) for code in found.values())
    node = shutil.which("node")
    if node:
        script = tmp_path / "it.mjs"
        script.write_text(found["javascript"], encoding="utf-8")
        subprocess.run([node, "--check", str(script)], check=True, timeout=60)


def test_json_where_the_format_wants_it() -> None:
    value = json.loads(ask("Tell me about rain", json=True))
    assert next(iter(value.items())) == ("simulated", True)
    assert value["notice"] == NOTICE
    assert value["topic"] == "rain"
    assert value["total"] == len(value["items"])


def test_json_where_the_prompt_asks_for_it() -> None:
    assert json.loads(ask("Rain as JSON", words=60))["total"] == 10
    assert blocks(ask("Python code that parses JSON")).keys() == {"python"}
    assert not ask("rain").startswith("{")


def test_the_system_prompt_and_the_last_question_are_quoted() -> None:
    text = ask("And rain?", before="What is *snow*?", system="You are a `pirate`. " * 9)
    assert "“You are a pirate You are a pirate You are …”" in text
    assert "“What is snow”" in text


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.text("<>&`*[]()|#!:/javascriptalert \n\"'"))
def test_any_prompt_has_an_answer(prompt: str) -> None:
    text = ask(prompt)
    assert text.startswith(FIRST_LINE) or json.loads(text)["simulated"]
    assert text == ask(prompt)


def test_no_prompt_brings_markup_into_the_answer() -> None:
    for kind in ("", "list ", "table ", "code ", "haiku ", "as JSON ", "briefly "):
        text = ask(f"{kind}<script>alert(1)</script> [x](data:alert) | `a` *b*", system="<b>&</b>")
        assert not re.search(r"<script>alert|data:|<b>&|\[x\]", text)
