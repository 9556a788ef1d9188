"""The simulation's answers: what they are about, what they look like, where they stop."""

import ast
import json
import re
import shutil
import sqlite3
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import headrace
from headrace.sim.answers import NOTICE
from headrace.sim.code_blocks import LANGUAGES
from headrace.sim.dice import Deck, Dice
from headrace.sim.pace import Pace, Tempo
from headrace.sim.tokens import count, cut
from headrace.sim.tool_arguments import arguments_for
from headrace.sim.topic import Topic, quoted
from tests.sim.asking import answer, ask, body

FIRST_LINE = f"> {NOTICE}\n"


def blocks(text: str) -> dict[str, str]:
    """Give the fenced blocks by language."""
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def table(text: str) -> list[list[str]]:
    return [line[1:-1].split("|") for line in text.splitlines() if line.startswith("|")]


def test_it_says_loudly_that_it_is_a_simulation() -> None:
    message = ask("Tell me about rain")
    assert message.text.startswith(FIRST_LINE)
    assert [w.code for w in message.warnings] == ["simulation"]
    assert message.outcome == "complete"


def test_prose_picks_up_the_topic_and_has_something_to_display() -> None:
    seen: set[str] = set()
    for seed in range(8):
        text = ask("Explain how rivers shape valleys over time.", f";seed={seed};words=600").text
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
        found = len(ask(prompt, f";words={words};seed={seed}").text.split())
        assert found >= min(words, 12)
        assert abs(found - words) <= max(90, words / 4)


def test_a_short_answer_for_a_short_wish() -> None:
    for wish, sentences in (("briefly", 1), ("in one sentence", 1), ("in two sentences", 2), ("in 3 sentences", 3)):
        *_, said = ask(f"What is rain, {wish}?", ";seed=4").text.strip().split("\n\n")
        assert len(re.findall(r"[.;!]\*{0,2}(?= [A-Z~\[]|$)", said)) <= sentences + 1
        assert said.count("\n") == 0


def test_a_greeting_is_returned() -> None:
    text = ask("Hello there!").text
    assert "Hello! 👋" in text
    assert "a haiku about autumn rain" in text


@pytest.mark.parametrize(("prompt", "stanzas"), [("a haiku about autumn rain", 1), ("Write a poem on autumn rain", 3)])
def test_verse(prompt: str, stanzas: int) -> None:
    _, title, *verses = ask(prompt).text.strip().split("\n\n")
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
    lines = ask(prompt).text.strip().split("\n\n")[2].splitlines()
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
    head, rule, *rows = table(ask(prompt).text)
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
    assert list(blocks(ask(prompt).text)) == languages


def test_code_without_a_language_and_with_a_table() -> None:
    text = ask("Write a function that sorts rain, and a table of its runtime").text
    assert len(blocks(text)) == 1
    assert table(text)


@pytest.mark.parametrize("topic", ["autumn rain", "class", "für élise", "日本語", "3 little pigs", "print"])
def test_programs_are_right_in_their_languages(topic: str, tmp_path: Path) -> None:
    for seed in range(3):
        found = {name: blocks(ask(f"{name} code for {topic}", f";seed={seed}").text)[name] for name in LANGUAGES}
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


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_json_where_the_format_wants_it(kind: str) -> None:
    value = json.loads(ask("Tell me about rain", extra={"response_format": {"type": kind}}).text)
    assert next(iter(value.items())) == ("simulated", True)
    assert value["notice"] == NOTICE
    assert value["topic"] == "rain"
    assert value["total"] == len(value["items"])


def test_json_where_the_prompt_asks_for_it() -> None:
    assert json.loads(ask("Rain as JSON", ";words=60").text)["total"] == 10
    assert blocks(ask("Python code that parses JSON").text).keys() == {"python"}
    assert not ask("rain", extra={"response_format": {"type": "text"}}).text.startswith("{")


def test_the_system_prompt_and_the_last_question_are_quoted() -> None:
    messages = [
        {"role": "user", "content": "What is *snow*?"},
        {"role": "assistant", "content": "Cold."},
        {"role": "user", "content": "And rain?"},
    ]
    text = ask(messages, system="You are a `pirate`. " * 9).text
    assert "“You are a pirate You are a pirate You are …”" in text
    assert "“What is snow”" in text


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.text("<>&`*[]()|#!:/javascriptalert \n\"'"))
def test_any_prompt_has_an_answer(prompt: str) -> None:
    text = answer(body(prompt)).message.text
    assert text.startswith(FIRST_LINE) or json.loads(text)["simulated"]
    assert text == answer(body(prompt)).message.text


def test_no_prompt_brings_markup_into_the_answer() -> None:
    for kind in ("", "list ", "table ", "code ", "haiku ", "as JSON ", "briefly "):
        text = ask(f"{kind}<script>alert(1)</script> [x](data:alert) | `a` *b*", system="<b>&</b>").text
        assert not re.search(r"<script>alert|data:|<b>&|\[x\]", text)


# -- where an answer stops


def test_max_tokens_end_it_by_its_length() -> None:
    whole = ask("Tell me about rain", ";seed=7")
    for most in (1, 7, 50):
        message = ask("Tell me about rain", ";seed=7", max_tokens=most)
        assert (message.outcome, message.native_stop_reason) == ("length", "length")
        assert message.text == "".join([*cut(whole.text)][:most])
        assert message.usage.output_tokens == most
    tokens = count(whole.text)
    for most, outcome in ((tokens, "complete"), (tokens - 1, "length")):
        assert ask("Tell me about rain", ";seed=7", extra={"max_completion_tokens": most}).outcome == outcome
    assert ask("hi", max_tokens=90, extra={"max_completion_tokens": 5}).usage.output_tokens == 5


@pytest.mark.parametrize(
    ("stop", "before"),
    [
        ("model", "> Simulated answer: no "),
        (["never said", "called", "was"], "> Simulated answer: no model "),
        (["Sim", "> S"], ""),
    ],
)
def test_a_stop_sequence_ends_it_and_is_not_said(stop: Any, before: str) -> None:
    message = ask("Tell me about rain", stop=stop)
    assert (message.text, message.outcome, message.native_stop_reason) == (before, "complete", "stop")


def test_until_and_limit_end_it() -> None:
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert s.until("no model").get_final_text() == "> Simulated answer: no model"
        assert s.message.outcome == "stopped"
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert len(s.limit(chars=33).get_final_text()) == 33
        assert s.message.outcome == "stopped"
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert s.limit(tokens=10).get_final_message().outcome == "stopped"


def test_several_answers_at_once() -> None:
    message = ask("Tell me about rain", ";seed=7", n=3)
    texts = ["".join(p.text for p in choice.parts) for choice in message.choices]
    assert len(set(texts)) == 3
    assert {choice.native_stop_reason for choice in message.choices} == {"stop"}
    assert texts[0] == ask("Tell me about rain", ";seed=7").text
    assert message.usage.output_tokens == sum(map(count, texts))


def test_usage_is_given_to_who_asked() -> None:
    message = ask("Tell me about rain")
    usage = message.usage
    assert usage.output_tokens == count(message.text)
    assert usage.input_tokens
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert not usage.estimated
    for options in (None, {"include_usage": False}):
        assert answer(body(stream_options=options)).message.usage.total_tokens is None


# -- tools

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 2, "maximum": 4},
            },
            "required": ["city", "unit", "days"],
        },
    },
}
ADD = {"name": "add", "description": "Add.", "input_schema": {"type": "object", "properties": {}}}


def test_a_tool_that_is_required_is_called() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required")
    (call,) = message.tool_calls
    assert (message.outcome, message.text, call.name) == ("tool_calls", "", "weather")
    assert call.id.startswith("call_sim_")
    arguments = call.parsed()
    assert arguments["city"] == "rain in Paris"
    assert arguments["unit"] in ("C", "F")
    assert 2 <= arguments["days"] <= 4


def test_a_tool_that_is_named_is_called() -> None:
    choice = {"type": "function", "function": {"name": "add"}}
    (call,) = ask("hi", tools=[WEATHER, ADD], tool_choice=choice).tool_calls
    assert (call.name, call.arguments) == ("add", "{}")


def test_a_call_may_be_cut_short() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required", max_tokens=2)
    assert message.outcome == "length"
    with pytest.raises(ValueError, match="are not JSON"):
        message.tool_calls[0].parsed()


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_tool_that_may_be_called_is_not(choice: str | None) -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice=choice)
    assert (message.tool_calls, message.outcome) == ([], "complete")


FIGURES = st.integers(-50, 50)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        st.builds(
            lambda kind, low, span, keys: {"type": kind, keys[0]: low, keys[1]: low + span},
            st.sampled_from(["integer", "number"]),
            FIGURES,
            st.integers(2, 20),
            st.tuples(
                st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"])
            ),
        ),
        st.builds(lambda kind, key, at: {"type": kind, key: at}, st.sampled_from(["integer", "number"]),
                  st.sampled_from(["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]), FIGURES),
        st.builds(lambda kind: {"type": kind}, st.sampled_from(["boolean", "null", "string", "integer", "number"])),
        st.builds(lambda low: {"type": "string", "minLength": low, "maxLength": low + 3}, st.integers(0, 9)),
        st.builds(lambda values: {"enum": values}, st.lists(FIGURES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, FIGURES),
    ),
    lambda inner: st.one_of(
        st.builds(lambda items, low: {"type": "array", "items": items, "minItems": low}, inner, st.integers(0, 3)),
        st.builds(lambda names: {"type": "object", "properties": names, "required": list(names)},
                  st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
        st.builds(lambda option: {"anyOf": [option, {"type": "null"}]}, inner),
    ),
    max_leaves=5,
)  # fmt: skip

TYPES: dict[str, Any] = {
    "integer": int, "number": int | float, "boolean": bool, "null": type(None), "string": str, "array": list,
    "object": dict,
}  # fmt: skip


def check(value: Any, schema: dict[str, Any]) -> None:
    """Hold a value against a schema, as far as the strategy above makes them."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    assert value in schema.get("enum", [value])
    assert value == schema.get("const", value)
    kind = schema.get("type")
    if kind:
        assert isinstance(value, TYPES[kind])
    if kind in ("integer", "number"):
        assert not isinstance(value, bool)
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
        assert schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
    elif kind == "string":
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)
    elif kind == "array":
        assert len(value) >= schema["minItems"]
        for item in value:
            check(item, schema["items"])
    elif kind == "object":
        assert value.keys() == schema["properties"].keys()
        for name, inner in schema["properties"].items():
            check(value[name], inner)


@given(SCHEMAS, st.integers())
def test_arguments_fit_their_simple_types(schema: dict[str, Any], seed: int) -> None:
    function = {"name": "f", "parameters": {"type": "object", "properties": {"it": schema}, "required": ["it"]}}
    check(json.loads(arguments_for(function, "rain in Paris", Dice(seed, "test")))["it"], schema)


def made(schema: Any, **root: Any) -> Any:
    function = {"name": "f", "parameters": {"properties": {"it": schema}, "required": ["it"], **root}}
    return json.loads(arguments_for(function, "rain", Dice(7, "test")))["it"]


def test_arguments_of_the_rarer_kinds() -> None:
    assert made({"$ref": "#/$defs/Day"}, **{"$defs": {"Day": {"type": "string", "format": "date"}}}) == "2026-03-14"
    assert made({"allOf": [{"type": "null"}]}) is None
    assert made({"type": ["boolean", "null"]}) in (True, False)
    assert made({"default": [1]}) == [1]
    assert made({"examples": ["snow"]}) == "snow"
    assert made({"type": "array"}) == ["rain"]
    assert made({}) == "rain"
    assert made(True) == "rain"
    assert made({"$ref": "#/$defs/Nobody"}) == "rain"
    loop = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}, "required": ["next"]}
    assert "null" in json.dumps(made({"$ref": "#/$defs/Loop"}, **{"$defs": {"Loop": loop}}))
    optional = {"parameters": {"properties": {name: {"type": "null"} for name in "abcdefgh"}}}
    assert 0 < len(json.loads(arguments_for(optional, "rain", Dice(7, "test")))) < 8
    assert arguments_for({"name": "f"}, "rain", Dice(7, "test")) == "{}"


# -- what the answers are made of


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("What is the capital of France?", "capital of France"),
        ("Write 300 words about sharks", "sharks"),
        ("a function counting words", "counting words"),
        ("Explain the difference between TCP and UDP in detail", "“difference between TCP and UDP”"),
        ("Kubernetes", "kubernetes"),
        ("NASA, please", "NASA"),
        ("write code", "write code"),
        ("what is it", "nothing in particular"),
        ("", "nothing in particular"),
        ("\U0001f642", "nothing in particular"),
        ("日本語で", "日本語で"),
        ("x" * 1000, "x" * 24),
    ],
)
def test_topics(prompt: str, name: str) -> None:
    topic = Topic(prompt)
    assert topic.name == name
    assert len(set(topic.words)) >= 4


def test_quotes_are_short() -> None:
    assert quoted("“Hello”, <b>world</b>") == "Hello b world b"
    assert quoted("a b c", 2) == "a b …"


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    pieces = [*cut(text)]
    assert "".join(pieces) == text
    assert all(pieces)
    assert len(pieces) == count(text)


def test_pieces_are_like_tokens() -> None:
    assert [*cut("Hello, wonderful world!\n\n- 流れる水 (née)")] == [
        "Hello", ",", " wonderf", "ul", " world", "!", "\n\n", "-", " 流れ", "る水", " (", "née", ")",
    ]  # fmt: skip
    text = ask("Tell me about rain", ";words=500").text
    assert 3 < len(text) / count(text) < 5


def test_the_deck_is_dealt_through_before_a_card_comes_again() -> None:
    deck = Deck(Dice(7, "deck"), ("a", "b", "c"))
    rounds = [[deck.deal() for _ in range(3)] for _ in range(20)]
    assert all(sorted(dealt) == ["a", "b", "c"] for dealt in rounds)
    dealt = [card for cards in rounds for card in cards]
    assert all(one != next_one for one, next_one in pairwise(dealt))


def test_the_pace_is_what_it_says() -> None:
    for rate in (36.0, 5.0):
        pace = Pace(Tempo(rate=rate), Dice(7, "pace"))
        gaps = sorted(pace.gap_s() for _ in range(20_000))
        assert sum(gaps) / len(gaps) == pytest.approx(1 / rate, rel=0.03)
        assert gaps[len(gaps) // 2] == pytest.approx(0.9 / rate, rel=0.1)
        assert gaps[0] == 0.0  # a burst
        assert gaps[-1] > 6 / rate  # a pause
    firsts = sorted(Pace(Tempo(), Dice(seed, "pace")).first_s for seed in range(2000))
    assert firsts[1000] == pytest.approx(0.4, rel=0.05)
    assert Pace(Tempo(speed=4), Dice(7, "pace")).first_s == pytest.approx(Pace(Tempo(), Dice(7, "pace")).first_s / 4)
    fast = Pace(Tempo(speed=None), Dice(7, "pace"))
    assert (fast.first_s, fast.gap_s()) == (0.0, 0.0)
