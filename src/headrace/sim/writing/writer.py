"""One answer, written block by block.

Law kept here: an answer says in its first line that it is a simulation; JSON, which must be nothing else, in its first
field.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from headrace.sim.dice import Deck
from headrace.sim.writing import phrases
from headrace.sim.writing.code_blocks import LANGUAGES, code_block
from headrace.sim.writing.topic import Topic, quoted

if TYPE_CHECKING:
    from headrace.sim.asked.base import Asked
    from headrace.sim.dice import Dice

_ORDERED = re.compile(r"\b(steps|top|rank\w*|first|order\w*|numbered)\b", re.IGNORECASE)
_AGAINST = re.compile(r"([^\W_]+)\W+(?:vs\.?|versus|and|with|to|or)\W+([^\W_]+)", re.IGNORECASE)

_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = re.compile(rf"\b(\d{{1,2}}|{'|'.join(_NUMBERS)})\b", re.IGNORECASE)


class Writer:
    """Write an answer as blocks of Markdown, or as JSON.

    Args:
        asked: what is answered.
        dice: chance.
        seed: what the dice were made of.
        words: about how many are wanted; None: as many as the answer likes.
    """

    def __init__(self, asked: Asked, dice: Dice, *, seed: int, words: int | None) -> None:
        self._dice = dice
        self._seed = seed
        self._wanted = words
        self._topic = Topic(asked.prompt)
        self._words = Deck(dice, self._topic.words)
        self._sentences = Deck(dice, phrases.SENTENCES)
        self._headings = Deck(dice, phrases.HEADINGS)
        self._points = Deck(dice, phrases.POINTS)
        self._blocks: list[str] = []
        self._count = 0
        self.add(f"> {phrases.NOTICE}")
        if asked.system:
            self.add(f"*(The system prompt says “{quoted(asked.system)}”; a simulation can only quote it.)*")
        if asked.before:
            self.add(f"*(Before that you said “{quoted(asked.before)}”; a simulation remembers nothing of it.)*")

    def add(self, block: str) -> None:
        """Add a block."""
        self._blocks.append(block)
        self._count += len(block.split())

    def text(self) -> str:
        """Give all blocks."""
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
        wanted = self._wanted or usual
        while self._count < wanted:
            self.add(self._paragraph(self._dice.between(2, 4), most_words=wanted - self._count))

    # -- answers

    def greeting(self) -> None:
        """Return a greeting."""
        self.add("Hello! 👋 Nobody is at home here but a seed and some dice. They answer anything, at a model's pace.")
        self.add("Ask, say, for:")
        self.add(
            "- *a haiku about autumn rain*\n- *a Python function that counts words*\n- *tea vs coffee, as a table*\n"
            "- *five tips for a naïve gardener, as JSON*\n- or for anything else: prose, **with** Markdown"
        )

    def verse(self, stanzas: int) -> None:
        """Write haikus."""
        self.add(f"*{self._topic.title}*")
        fives, sevens = Deck(self._dice, phrases.FIVES), Deck(self._dice, phrases.SEVENS)
        ends = Deck(self._dice, phrases.LAST_FIVES)
        for _ in range(stanzas):
            self.add(f"{fives.deal()},  \n{sevens.deal()} –  \n{ends.deal()}. 🍂")  # two spaces: the line ends

    def short(self, sentences: int) -> None:
        """Write a few sentences."""
        self.add(" ".join([self._opening(), *[self._fill(self._sentences.deal()) for _ in range(sentences - 1)]]))

    def listing(self, prompt: str) -> None:
        """Write a list of as many points as the prompt wants."""
        found = _COUNT.search(prompt)
        said = found[1].lower() if found else "0"
        count = int(said) if said.isdigit() else 2 + _NUMBERS.index(said)
        self.add(f"On **{self._topic.name}**:")
        self.add(self._list(count or self._dice.between(4, 6), ordered=bool(_ORDERED.search(prompt))))
        self._more(0)

    def comparison(self, prompt: str) -> None:
        """Write a table of what the prompt compares."""
        pair = _AGAINST.search(prompt)
        words = [pair[1], pair[2]] if pair else [self._words.deal(), self._words.deal()]
        self.add(self._opening())
        self.add(self._table(words))
        self._more(self._count + 25)

    def programs(self, languages: list[str], *, table: bool) -> None:
        """Write programs."""
        dice = self._dice
        for language in languages[:3] or [dice.pick(["python", *LANGUAGES])]:
            self.add(f"A sketch for **{self._topic.name}**, in {language}:")
            self.add(code_block(language, self._topic, dice))
        if table:
            self.add(self._table([self._words.deal(), self._words.deal()]))
        self.add(f"What to change first:\n\n{self._list(3, ordered=True)}")
        self._more(self._count + 30)

    def prose(self) -> None:
        """Write prose with headings, and now and then something else."""
        dice, wanted = self._dice, self._wanted
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
        self.add(f"---\n\n*A seed wrote this: {self._seed}.*")

    def _extra(self, kind: str) -> None:
        match kind:
            case "table":
                self.add(self._table([self._words.deal(), self._words.deal()]))
            case "quote":
                self.add("> " + self._fill(self._sentences.deal()))
            case "code":
                self.add(code_block(self._dice.pick(list(LANGUAGES)), self._topic, self._dice))
            case "tasks":
                self.add(f"- [x] {self._point()}\n- [ ] {self._point()}")
            case "nested":
                self.add(f"1. {self._point()}\n   - {self._point()}\n     - {self._point()}\n2. {self._point()}")
            case "marks":
                self.add("**Bold**, *italic*, ***both***, ~~struck~~, `code`, [link](https://example.com/), note[^1].")
            case _:
                self.add(self._list(self._dice.between(3, 4), ordered=kind == "steps"))

    def markdown(self) -> None:
        """Write everything that Markdown has."""
        dice, wanted = self._dice, self._wanted or 0
        self.add(f"# {self._topic.title}")
        self.add(self._opening())
        kinds = dice.shuffled(["list", "steps", "table", "quote", "code", "tasks", "nested", "marks"])
        while kinds or self._count < wanted:
            self.add(f"## {_capital(self._fill(self._headings.deal()))}")
            self.add(self._paragraph(1))
            self._extra(kinds.pop() if kinds else "list")
        self.add("***\n\n[^1]: A footnote, as some readers of Markdown know it.")

    def scripts(self) -> None:
        """Write what trips programs that take characters for bytes, or for UTF-16."""
        self.add(f"About **{self._topic.name}**, in characters that are hard to cut:")
        lines = Deck(self._dice, phrases.SCRIPTS)
        wanted = self._wanted or 0
        for number in range(max(len(phrases.SCRIPTS), wanted)):
            if number >= len(phrases.SCRIPTS) and self._count >= wanted:
                break
            self.add(f"- {lines.deal()}")

    def json(self) -> str:
        """Write JSON that says what it is."""
        dice = self._dice
        count = max(1, (self._wanted or 40) // 6)
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
            "notice": phrases.NOTICE,
            "topic": self._topic.name,
            "items": items,
            "total": count,
            "source": None,
        }
        return json.dumps(value, ensure_ascii=False, indent=2)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
