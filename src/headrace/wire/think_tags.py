"""Split ``<think>…</think>`` out of text, across chunk seams.

Some open models write their thinking into the answer.  Opt in by the provider row's or the request's ``think_tags``;
off by default, since a text may rightly speak of the tags.
"""

from __future__ import annotations

from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"
_MOST_BLANK = 64  # more white space than this before a tag, and it is no tag

Said = tuple[Literal["text", "thinking"], str]


class ThinkTags:
    """A stage: text in, (kind, text) out; a possible beginning of a tag is held back until it is decided.

    Only a tag before any other text opens the thinking, as the models' templates have it.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "thinking", "text"] = "start"
        self._held = ""
        self._trim = False  # line ends right after a tag belong to it

    def feed(self, text: str) -> list[Said]:
        """Take text in."""
        text = self._held + text
        self._held = ""
        out: list[Said] = []
        if self._state == "start":
            bare = text.lstrip()
            if len(text) - len(bare) > _MOST_BLANK:
                self._state = "text"
            elif bare.startswith(_OPEN):
                self._state = "thinking"
                self._trim = True
                text = bare[len(_OPEN) :]
            elif _OPEN.startswith(bare):
                self._held = text
                return out
            else:
                self._state = "text"
        text = self._trimmed(text)
        if self._state == "thinking":
            at = text.find(_CLOSE)
            if at < 0:
                keep = _overlap(text)
                self._held = text[len(text) - keep :]
                text = text[: len(text) - keep]
                return [("thinking", text)] if text else out
            if at:
                out.append(("thinking", text[:at]))
            self._state = "text"
            self._trim = True
            text = self._trimmed(text[at + len(_CLOSE) :])
        if text:
            out.append(("text", text))
        return out

    def _trimmed(self, text: str) -> str:
        if self._trim:
            text = text.lstrip("\n")
            self._trim = not text
        return text

    def finish(self) -> list[Said]:
        """Give what was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [("thinking" if self._state == "thinking" else "text", held)]


def _overlap(text: str) -> int:
    """Count the characters at the end of the text that may begin the closing tag."""
    for size in range(min(len(text), len(_CLOSE) - 1), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return size
    return 0
