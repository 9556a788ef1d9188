"""Answers worth looking at, for any prompt: prose, lists, tables, programs, JSON, all in Markdown but the last.

Law kept here: an answer says first that it is a simulation (see `writer`), unless it must fit a request's schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headrace.sim.writing import phrases
from headrace.sim.writing.code_blocks import named_languages
from headrace.sim.writing.instances import instance_of, json_text
from headrace.sim.writing.topic import Topic
from headrace.sim.writing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.sim.asked.base import Asked
    from headrace.sim.dice import Dice

NOTICE = phrases.NOTICE

_GREETING = re.compile(r"\W*(hi|hello|hey|hallo|moin|hola|ciao|salut|bonjour)\b(\W+\w+){0,2}\W*", re.IGNORECASE)
_VERSE = re.compile(r"\b(haikus?|poems?|verses?)\b", re.IGNORECASE)
_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_CODE = re.compile(
    r"```|\b(code|coding|function|program|script|snippet|implement\w*|algorithm|regex|class|refactor\w*|debug|compil\w+"
    r"|unit tests?|api client|(?:sql )?query)\b",
    re.IGNORECASE,
)
_TABLE = re.compile(r"\b(tables?|tabular|compar\w+|versus|vs\.?)(?=\W|$)", re.IGNORECASE)
_LIST = re.compile(r"\b(lists?|bullets?|bullet points?|ideas|tips|reasons|examples|steps|top \w+)\b", re.IGNORECASE)
_SHORT = re.compile(
    r"\b((?:one|a single) (?:word|line)|briefly|yes or no|tl;?dr|in short)\b|\b(one|two|three|[1-3]) sentences?\b",
    re.IGNORECASE,
)

_READ = 20_000  # characters of a prompt
_LONG_WORDS = 4000
_CUT_WORDS = 400  # of what is cut short


def written(kind: str, asked: Asked, dice: Dice, seed: int) -> str:
    """Write the text of a built-in answer.

    Args:
        kind: one of `WRITTEN`.
        asked: what is answered; if it demands JSON, that is written.
        dice: chance.
        seed: what the dice were made of, which some answers tell.
    """
    if asked.json and asked.schema is not None:
        return json_text(instance_of(asked.schema, Topic(asked.prompt), dice))
    writer = Writer(asked, dice, seed=seed, words=asked.words or _WORDS.get(kind))
    prompt = asked.prompt[:_READ]
    return writer.json() if asked.json else WRITTEN[kind](writer, prompt) or writer.text()


def thought(asked: Asked, dice: Dice) -> str:
    """Write what a model might say before it answers."""
    topic = Topic(asked.prompt)
    thoughts = dice.shuffled(phrases.THOUGHTS)[: dice.between(2, 5)]
    return " ".join([phrases.THINKING_NOTICE, *[line.format(topic=topic.name) for line in thoughts]])


def _demo(writer: Writer, prompt: str) -> str | None:
    """Write what the prompt asks for, as far as its words show."""
    languages = named_languages(prompt)
    table, code = bool(_TABLE.search(prompt)), bool(_CODE.search(prompt))
    if _GREETING.fullmatch(prompt):
        writer.greeting()
    elif verse := _VERSE.search(prompt):
        writer.verse(3 if verse[1].lower() != "haiku" else 1)
    elif _JSON.search(prompt) and not code and not languages:
        return writer.json()
    elif code or (languages and not table):
        writer.programs(languages, table=table)
    elif table:
        writer.comparison(prompt)
    elif _LIST.search(prompt):
        writer.listing(prompt)
    elif short := _SHORT.search(prompt):
        writer.short({"two": 2, "2": 2, "three": 3, "3": 3}.get((short[2] or "").lower(), 1))
    else:
        writer.prose()
    return None


WRITTEN: dict[str, Callable[[Writer, str], str | None]] = {
    "demo": _demo,
    "prose": lambda writer, _: writer.prose(),
    "markdown": lambda writer, _: writer.markdown(),
    "list": lambda writer, prompt: writer.listing(prompt),
    "table": lambda writer, prompt: writer.comparison(prompt),
    "code": lambda writer, prompt: writer.programs(named_languages(prompt), table=False),
    "json": lambda writer, _: writer.json(),
    "unicode": lambda writer, _: writer.scripts(),
    "long": lambda writer, _: writer.prose(),
    "length": lambda writer, _: writer.prose(),
    "filtered": lambda writer, _: writer.prose(),
}
"""How the answers that are one text are written, by name."""

_WORDS = {"long": _LONG_WORDS, "length": _CUT_WORDS, "filtered": _CUT_WORDS}

ANSWERS = (*WRITTEN, "thinking", "tools", "refusal", "empty")
"""The names of all built-in answers."""
