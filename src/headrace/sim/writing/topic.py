"""What a prompt is about, as far as its words show.

Law kept here: only letters, digits, apostrophes and hyphens are taken over, so that no prompt brings Markdown or HTML
into an answer.
"""

from __future__ import annotations

import re
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LONGEST = 24  # characters of a word
_MOST_WORDS = 5  # of a topic
_READ = 20_000  # characters of a prompt


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SMALL = _words(
    """a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how i
    i'd i'm i've if in into is it it's its itself just let let's me more most my myself no nor not now of off on once
    only or other our ours out over own same she should so some such than that the their theirs them then there these
    they this those through to too under until up us very was we were what what's when where which while who whom why
    will with would you your yours"""
)
_ASKING = _words(
    """answer answers array asap bash brief briefly bullet bulleted bullets code compare create csv describe detail
    detailed discuss draft essay example examples explain format function generate give go golang haiku haikus hello
    help hey hi implement implementation javascript json kindly list lists make markdown need outline output please poem
    poems points produce program prompt prose provide python question respond return rust script short show simple
    sketch snippet sql steps story suggest summarise summarize table tables tell text thank thanks think tips top
    translate typescript valid versus vs want write yes"""
)
_NUMBERS = _words("one two three four five six seven eight nine ten eleven twelve single")
_MEASURES = _words("character characters line lines paragraph paragraphs sentence sentences word words")

_DEFAULT_WORDS = ("streams", "tokens", "patience", "water")


class Topic:
    """The words of a prompt that it is about.

    Attributes:
        name: a few words in a row, as the prompt has them; more than three in quotation marks.
        title: the same, to begin a line with.
        words: single words, at least four.
    """

    def __init__(self, prompt: str) -> None:
        found = [match[0][:_LONGEST] for match in _WORD.finditer(prompt[:_READ])]
        low = [word.casefold() for word in found]
        number = [word.isdigit() or word in _NUMBERS for word in low]
        small = [word in _SMALL or number[i] for i, word in enumerate(low)]
        # "300 words", but not "counting words"
        asking = [word in _ASKING or (word in _MEASURES and i > 0 and number[i - 1]) for i, word in enumerate(low)]
        places = [i for i in range(len(found)) if not (small[i] or asking[i])]
        places = places or [i for i in range(len(found)) if not small[i]]
        own = list(dict.fromkeys(_lowered(found[i], i) for i in places))
        phrase = " ".join(_phrase(found, places)) or "nothing in particular"
        self.name = f"“{phrase}”" if phrase.count(" ") > 2 else phrase
        self.title = phrase[:1].upper() + phrase[1:]
        self.words = [*own[:12], *_DEFAULT_WORDS[len(own) :]]

    @property
    def snake(self) -> str:
        """The name as an identifier with underscores, in ASCII."""
        return "_".join(self._ascii_words()).lower()

    @property
    def pascal(self) -> str:
        """The name as an identifier with capitals, in ASCII."""
        return "".join(word[:1].upper() + word[1:].lower() for word in self._ascii_words())

    def _ascii_words(self) -> list[str]:
        parts = re.findall(r"[A-Za-z][A-Za-z0-9]*", self.name)[:3]
        return parts or ["topic"]


def quoted(text: str, most: int = 10) -> str:
    """Give the first words of a text, safe to stand within quotation marks."""
    words = [match[0][:_LONGEST] for match in _WORD.finditer(text[:_READ])]
    return " ".join(words[:most]) + (" …" if len(words) > most else "")


def _lowered(word: str, place: int) -> str:
    """Take the capital from a sentence's first word; what is all capitals, or has some inside, keeps them."""
    return word.lower() if place == 0 and word[1:].islower() else word


def _phrase(found: list[str], places: list[int]) -> list[str]:
    """Give the first words that belong together: with at most two small ones between them."""
    if not places:
        return []
    first = last = places[0]
    for here, there in pairwise(places):
        if there - here > 3 or there - first >= _MOST_WORDS:
            break
        last = there
    return [_lowered(word, first + i) for i, word in enumerate(found[first : last + 1])]
