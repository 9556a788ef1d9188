"""Answers worth looking at, for any prompt: prose, lists, tables, programs, JSON, all in Markdown but the last.

Law kept here: an answer says in its first line that it is a simulation; JSON, which must be nothing else, in its first
field.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from headrace.sim.writing import phrases
from headrace.sim.writing.code_blocks import LANGUAGES, code_block, named_languages
from headrace.sim.dice import Deck
from headrace.sim.writing.topic import Topic, quoted

if TYPE_CHECKING:
    from headrace.sim.asked import Asked
    from headrace.sim.dice import Dice

NOTICE = "Simulated answer: no model was called."

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
_ORDERED = re.compile(r"\b(steps|top|rank\w*|first|order\w*|numbered)\b", re.IGNORECASE)
_SHORT = re.compile(
    r"\b((?:one|a single) (?:word|line)|briefly|yes or no|tl;?dr|in short)\b|\b(one|two|three|[1-3]) sentences?\b",
    re.IGNORECASE,
)
_AGAINST = re.compile(r"([^\W_]+)\W+(?:vs\.?|versus|and|with|to|or)\W+([^\W_]+)", re.IGNORECASE)

_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = re.compile(rf"\b(\d{{1,2}}|{'|'.join(_NUMBERS)})\b", re.IGNORECASE)


def answer_text(asked: Asked, dice: Dice) -> str:
    """Write an answer."""
    prompt = asked.prompt[:20_000]
    writer = _Writer(asked, dice)
    if asked.json:
        return writer.json()
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
    return writer.text()


class _Writer:
    """Write blocks of Markdown."""

    def __init__(self, asked: Asked, dice: Dice) -> None:
        self._asked = asked
        self._dice = dice
        self._topic = Topic(asked.prompt)
        self._words = Deck(dice, self._topic.words)
        self._sentences = Deck(dice, phrases.SENTENCES)
        self._headings = Deck(dice, phrases.HEADINGS)
        self._points = Deck(dice, phrases.POINTS)
        self._blocks: list[str] = []
        self._count = 0
        self.add(f"> {NOTICE}")
        if asked.system:
            self.add(f"*(The system prompt says “{quoted(asked.system)}”; a simulation can only quote it.)*")
        if asked.before:
            self.add(f"*(Before that you said “{quoted(asked.before)}”; a simulation remembers nothing of it.)*")

    def add(self, block: str) -> None:
        self._blocks.append(block)
        self._count += len(block.split())

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    # -- pieces

    def _fill(self, template: str) -> str:
        word = self._words.deal()
        other = self._dice.pick([w for w in self._topic.words if w != word])
        return template.format(
            topic=self._topic.name,
            word=word,
            other=other,
            snake=self._topic.snake,
            n=self._dice.between(3, 42),
        )

    def _opening(self) -> str:
        return self._fill(self._dice.pick(phrases.OPENINGS))

    def _paragraph(self, sentences: int, *, most_words: int | None = None) -> str:
        said: list[str] = []
        count = 0
        for _ in range(sentences):
            said.append(self._fill(self._sentences.deal()))
            count += len(said[-1].split())
            if most_words is not None and count >= most_words:
                break
        return " ".join(said)

    def _point(self) -> str:
        return f"**{_capital(self._words.deal())}**: {self._fill(self._points.deal())}"

    def _list(self, count: int, *, ordered: bool) -> str:
        return "\n".join([f"{i}. {self._point()}" if ordered else f"- {self._point()}" for i in range(1, count + 1)])

    def _table(self, columns: list[str]) -> str:
        dice = self._dice
        lines = [f"| | {_capital(columns[0])} | {_capital(columns[1])} | Verdict |", "|:--|--:|--:|:-:|"]
        for row in dice.shuffled(phrases.ROWS)[: dice.between(3, 5)]:
            one, two = dice.uniform(0, 100), dice.uniform(0, 100)
            lines.append(f"| **{row}** | {one:.1f} | {two:.1f} | {dice.pick(phrases.VERDICTS)} |")
        return "\n".join(lines)

    def _more(self, usual: int) -> None:
        """Add paragraphs until the answer is about as long as wanted."""
        wanted = self._asked.words or usual
        while self._count < wanted:
            self.add(self._paragraph(self._dice.between(2, 4), most_words=wanted - self._count))

    # -- answers

    def greeting(self) -> None:
        self.add("Hello! 👋 Nobody is at home here but a seed and some dice. They answer anything, at a model's pace.")
        self.add("Ask, say, for:")
        self.add(
            "- *a haiku about autumn rain*\n- *a Python function that counts words*\n- *tea vs coffee, as a table*\n"
            "- *five tips for a naïve gardener, as JSON*\n- or for anything else: prose, **with** Markdown"
        )

    def verse(self, stanzas: int) -> None:
        self.add(f"*{self._topic.title}*")
        fives, sevens = Deck(self._dice, phrases.FIVES), Deck(self._dice, phrases.SEVENS)
        ends = Deck(self._dice, phrases.LAST_FIVES)
        for _ in range(stanzas):
            self.add(f"{fives.deal()},  \n{sevens.deal()} –  \n{ends.deal()}. 🍂")  # two spaces: the line ends

    def short(self, sentences: int) -> None:
        self.add(" ".join([self._opening(), *[self._fill(self._sentences.deal()) for _ in range(sentences - 1)]]))

    def listing(self, prompt: str) -> None:
        found = _COUNT.search(prompt)
        said = found[1].lower() if found else "0"
        count = int(said) if said.isdigit() else 2 + _NUMBERS.index(said)
        self.add(f"On **{self._topic.name}**:")
        self.add(self._list(count or self._dice.between(4, 6), ordered=bool(_ORDERED.search(prompt))))
        self._more(0)

    def comparison(self, prompt: str) -> None:
        pair = _AGAINST.search(prompt)
        words = [pair[1], pair[2]] if pair else [self._words.deal(), self._words.deal()]
        self.add(self._opening())
        self.add(self._table(words))
        self._more(self._count + 25)

    def programs(self, languages: list[str], *, table: bool) -> None:
        dice = self._dice
        for language in languages[:3] or [dice.pick(["python", *LANGUAGES])]:
            self.add(f"A sketch for **{self._topic.name}**, in {language}:")
            self.add(code_block(language, self._topic, dice))
        if table:
            self.add(self._table([self._words.deal(), self._words.deal()]))
        self.add(f"What to change first:\n\n{self._list(3, ordered=True)}")
        self._more(self._count + 30)

    def prose(self) -> None:
        dice, wanted = self._dice, self._asked.words
        wanted = dice.between(130, 210) if wanted is None else wanted
        if wanted < 60:
            self.add(self._opening())
            self._more(wanted)
            return
        self.add(f"## {self._topic.title}")
        self.add(self._opening() + " " + self._paragraph(dice.between(1, 2)))
        extras = dice.shuffled(["list", "list", "table", "quote", "code", "steps"])
        while self._count < wanted:
            self.add(f"### {_capital(self._fill(self._headings.deal()))}")
            self.add(self._paragraph(dice.between(2, 4), most_words=wanted - self._count))
            if self._count < wanted - 20:
                self._extra(extras.pop() if extras else "list")
        self.add(f"---\n\n*A seed wrote this: {self._asked.seed}.*")

    def _extra(self, kind: str) -> None:
        match kind:
            case "table":
                self.add(self._table([self._words.deal(), self._words.deal()]))
            case "quote":
                self.add("> " + self._fill(self._sentences.deal()))
            case "code":
                self.add(code_block(self._dice.pick(list(LANGUAGES)), self._topic, self._dice))
            case _:
                self.add(self._list(self._dice.between(3, 4), ordered=kind == "steps"))

    def json(self) -> str:
        dice = self._dice
        count = max(1, (self._asked.words or 40) // 6)
        items: list[dict[str, Any]] = [
            {
                "name": self._words.deal(),
                "weight": round(dice.uniform(0, 1), 3),
                "good": dice.chance(0.6),
                "remark": self._fill(self._points.deal()),
            }
            for _ in range(count)
        ]
        value = {
            "simulated": True,
            "notice": NOTICE,
            "topic": self._topic.name,
            "items": items,
            "total": count,
            "source": None,
        }
        return json.dumps(value, ensure_ascii=False, indent=2)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
