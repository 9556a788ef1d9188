"""Output items while they come: which parts of them are open, and what is known of each.

Laws kept here: what a ``done`` says counts, so that a delta that was missed is made good: what is lacking is added, and
a text that is another one replaces what was there; an item that comes only added and done, or only done, is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.wire.lenient_json import as_dict, as_list, as_text, repaired, repaired_deep
from headrace.wire.openai_responses.items import data_of, kind_of, text_of

if TYPE_CHECKING:
    from headrace.events import Event, PartKind
    from headrace.wire.parts import OpenPart, Parts

_CONTENT: dict[str, tuple[str, PartKind]] = {
    "output_text": ("content", "text"),
    "text": ("content", "text"),
    "refusal": ("content", "refusal"),
    "reasoning_text": ("reasoning", "thinking"),
    "summary_text": ("summary", "thinking"),
}

# What stands in an item or its parts anyhow, or says nothing beyond the events
_OF_ITEMS = frozenset(("type", "status", "role", "content", "summary"))
_OF_PARTS = frozenset(("type", "text", "refusal", "annotations", "logprobs"))

Slot = tuple[str, int]
WHOLE: Slot = ("", 0)
"""The slot of an item that is one part."""


class _Growth:
    """A part of an item, while it is open."""

    __slots__ = ("cited", "command", "held", "part", "pieces")

    def __init__(self, part: OpenPart, held: str = "") -> None:
        self.part = part
        self.pieces: list[str] = []
        self.held = held  # text that stood in the item from the start, until a delta comes
        self.cited = 0
        self.command = 0


class Item:
    """An output item."""

    __slots__ = ("added", "closed", "data", "done", "growths", "index", "last", "word")

    def __init__(self, index: int, added: dict[str, Any]) -> None:
        self.index = index
        self.word = as_text(added.get("type"))
        self.added = added
        self.data: dict[str, Any] = {}  # what the events have said
        self.growths: dict[Slot, _Growth] = {}
        self.closed: set[Slot] = set()
        self.last: str | None = None  # the last part that started
        self.done = False


class Output:
    """All items of a response.

    Args:
        parts: of the attempt.
    """

    def __init__(self, parts: Parts) -> None:
        self.items: dict[int, Item] = {}
        self.called = False  # whether a tool of the client's was
        self.custom: frozenset[str] | None = None  # the client's own custom tools, where the response names its tools
        self._parts = parts

    # -- items

    def add(self, out: list[Event], index: int, added: dict[str, Any]) -> None:
        """Begin an item."""
        old = self.items.get(index)
        if old is not None and not old.done:
            same = old.word == added.get("type") and old.added.get("call_id") == added.get("call_id")
            if same:  # said twice; ids say nothing, since some proxies change them with every frame
                return
            self._close(out, old, implicit=True)
        item = self.items[index] = Item(index, added)
        if item.word not in ("message", "reasoning"):
            self._start(out, item, WHOLE)

    def finish(self, out: list[Event], index: int, final: dict[str, Any]) -> None:
        """End an item, as its last state says."""
        item = self.items.get(index)
        if item is None:
            self.add(out, index, final)
            item = self.items[index]
        if item.done:
            return
        word = as_text(final.get("type")) or item.word
        if word == "message":
            self._content(out, item, final)
        elif word == "reasoning":
            self._reasoned(out, item, final)
        else:
            self._settle_item(out, item, final)
        self._close(out, item, implicit=False)

    def close(self, out: list[Event]) -> None:
        """Close what is open, since nothing more comes."""
        for item in self.items.values():
            if not item.done:
                self._close(out, item, implicit=True)

    def _close(self, out: list[Event], item: Item, *, implicit: bool) -> None:
        for slot in list(item.growths):
            self._end(out, item, slot, implicit=implicit)
        item.done = True

    def _item(self, index: int, word: str) -> Item:
        item = self.items.get(index)
        if item is None:
            item = self.items[index] = Item(index, {"type": word})
        return item

    # -- parts

    def grow(
        self, out: list[Event], index: int, word: str, slot: Slot, kind: PartKind, text: str, logprobs: Any = None
    ) -> None:
        """Add to a part of an item; both begin if they are not known."""
        item = self.items.get(index) or self._item(index, word)
        growth = item.growths.get(slot) or self._start(out, item, slot, kind, implicit=True)
        growth.held = ""
        growth.pieces.append(text)
        self._parts.delta(out, growth.part, text, logprobs)

    def command(self, out: list[Event], index: int, number: int, text: str) -> None:
        """Add to a command of a shell call: each is a line."""
        growth = self._item(index, "shell_call").growths.get(WHOLE)
        if growth is not None and growth.command != number:
            growth.command = number
            text = "\n" + text
        self.grow(out, index, "shell_call", WHOLE, "server_tool_call", text)

    def part(self, out: list[Event], index: int, number: int, part: dict[str, Any], *, done: bool) -> None:
        """Begin a part of a message's or a reasoning's content, or end it."""
        name, kind = _CONTENT.get(as_text(part.get("type")), ("", "text"))
        if not name:  # the item will bring it whole
            return
        slot = (name, number)
        item = self._item(index, "message" if name == "content" else "reasoning")
        if done:
            if slot not in item.closed:
                self._part_done(out, item, slot, kind, part)
            return
        if slot not in item.growths:
            self._start(out, item, slot, kind, part)
        text = as_text(part.get("refusal" if kind == "refusal" else "text"))
        if text:
            self.grow(out, index, "", slot, kind, text)

    def settle(self, out: list[Event], index: int, word: str, slot: Slot, kind: PartKind, text: str | None) -> None:
        """Take what a part says in the end; nothing at all says nothing."""
        item = self._item(index, word)
        if text and slot not in item.closed:
            growth = item.growths.get(slot) or self._start(out, item, slot, kind, implicit=True)
            self._settle(out, growth, text)

    def cite(self, out: list[Event], index: int, number: int, annotation: Any) -> None:
        """Add a citation to a text."""
        item = self._item(index, "message")
        slot = ("content", number)
        growth = item.growths.get(slot)
        if growth is None and slot in item.closed:
            self._cite(out, item.last, annotation)
            return
        growth = growth or self._start(out, item, slot, "text", implicit=True)
        growth.cited += 1
        self._cite(out, growth.part.id, annotation)

    def status(self, out: list[Event], index: int, word: str, status: str) -> None:
        """Say what a server-side tool is at."""
        item = self._item(index, word)
        if item.done:
            return
        if WHOLE not in item.growths:
            self._start(out, item, WHOLE, implicit=True)
        self._tell(out, item, {"status": status})

    def image(self, out: list[Event], index: int, drawn: str) -> None:
        """Put an image in place of the one that was there."""
        item = self._item(index, "image_generation_call")
        growth = item.growths.get(WHOLE) or self._start(out, item, WHOLE, implicit=True)
        growth.pieces = [drawn]
        self._parts.replace(out, growth.part, drawn)

    # -- within

    def _start(
        self,
        out: list[Event],
        item: Item,
        slot: Slot,
        kind: PartKind = "text",
        part: dict[str, Any] | None = None,
        *,
        implicit: bool = False,
    ) -> _Growth:
        name = call_id = None
        held = ""
        if slot == WHOLE:
            word = item.word if item.word not in ("message", "reasoning") else "function_call"
            kind = self._kind(word, as_text(item.added.get("name")))
            item.data = repaired_deep(data_of(item.added))
            data = item.data
            name = as_text(item.added.get("name")) or (None if kind == "tool_call" else word) or None
            call_id = as_text(item.added.get("call_id")) or None
            held = text_of(item.added)
            self.called = self.called or kind == "tool_call"
        else:
            data = {key: value for key, value in (part or {}).items() if key not in _OF_PARTS and value is not None}
            if kind == "thinking":
                data["type"] = "summary_text" if slot[0] == "summary" else "reasoning_text"
            data.update({key: item.added[key] for key in ("id", "phase") if item.added.get(key)})
        opened = self._parts.start(
            out,
            (item, slot),
            kind,
            name=name,
            call_id=call_id,
            native_index=item.index,
            data=dict(data) or None,
            implicit=implicit,
        )
        item.last = opened.id
        growth = item.growths[slot] = _Growth(opened, held)
        return growth

    def _kind(self, word: str, name: str) -> PartKind:
        # xAI's own tools look like custom tools of the client's, who has not declared any of that name
        if word == "custom_tool_call" and self.custom is not None and name not in self.custom:
            return "server_tool_call"
        return kind_of(word)

    def _settle(self, out: list[Event], growth: _Growth, text: str, logprobs: Any = None) -> None:
        growth.held = ""
        part, text = growth.part, repaired(text)
        given = "".join(growth.pieces)
        if part.half:
            given = given[:-1]
        given = repaired(given)
        part.half = ""
        if given == text:
            return
        growth.pieces = [text]
        if text.startswith(given):
            self._parts.delta(out, part, text[len(given) :], None if given else logprobs)
        else:
            self._parts.replace(out, part, text)

    def _end(self, out: list[Event], item: Item, slot: Slot, *, implicit: bool = False) -> None:
        growth = item.growths.pop(slot)
        item.closed.add(slot)
        if growth.held:
            self._settle(out, growth, growth.held)
        self._parts.end(out, (item, slot), implicit=implicit)

    def _part_done(self, out: list[Event], item: Item, slot: Slot, kind: PartKind, part: dict[str, Any]) -> None:
        growth = item.growths.get(slot) or self._start(out, item, slot, kind, part)
        text = as_text(part.get("refusal" if kind == "refusal" else "text"))
        if text:
            self._settle(out, growth, text, as_list(part.get("logprobs")))
        for annotation in (as_list(part.get("annotations")) or [])[growth.cited :]:
            self._cite(out, growth.part.id, annotation)
        self._end(out, item, slot)

    def _cite(self, out: list[Event], part: str | None, annotation: Any) -> None:
        self._parts.whole(out, "citation", data=as_dict(annotation) or {"value": annotation}, parent=part)

    def _content(self, out: list[Event], item: Item, final: dict[str, Any]) -> None:
        for number, value in enumerate(as_list(final.get("content")) or ()):
            part = as_dict(value) or {"type": "output_text", "text": as_text(value)}
            word = as_text(part.get("type"))
            name, kind = _CONTENT.get(word, ("", "text"))
            slot = (name or "content", number)
            if slot in item.closed:
                continue
            if name:
                self._part_done(out, item, slot, kind, part)
            else:
                item.closed.add(slot)
                item.last = self._parts.whole(out, "raw", name=word or None, native_index=item.index, data=part)

    def _reasoned(self, out: list[Event], item: Item, final: dict[str, Any]) -> None:
        for field, name in (("summary", "summary"), ("content", "reasoning")):
            for number, value in enumerate(as_list(final.get(field)) or ()):
                part = as_dict(value) or {"text": value}
                if (name, number) not in item.closed:
                    self._part_done(out, item, (name, number), "thinking", part)
        for slot in list(item.growths):
            self._end(out, item, slot)
        more = {key: value for key, value in final.items() if key not in _OF_ITEMS and value is not None}
        if item.last is None:
            item.last = self._parts.whole(out, "thinking", native_index=item.index, data={"type": "reasoning", **more})
            return
        if more.get("id") == item.added.get("id"):
            more.pop("id", None)
        if more:
            self._parts.update(out, item.last, data=more)

    def _settle_item(self, out: list[Event], item: Item, final: dict[str, Any]) -> None:
        growth = item.growths.get(WHOLE) or self._start(out, item, WHOLE, implicit=True)
        text = text_of(final)
        shown = item.word != "shell_call_output" or not growth.pieces  # two streams in one order that only deltas tell
        if text and shown:
            self._settle(out, growth, text)
        name, call_id = as_text(final.get("name")), as_text(final.get("call_id"))
        self._tell(
            out,
            item,
            data_of(final),
            name=name if name != as_text(item.added.get("name")) else "",
            call_id=call_id if call_id != as_text(item.added.get("call_id")) else "",
        )

    def _tell(self, out: list[Event], item: Item, data: dict[str, Any], *, name: str = "", call_id: str = "") -> None:
        """Tell what of an item's own fields is new."""
        new = {k: v for k, v in repaired_deep(data).items() if k not in item.data or item.data[k] != v}
        item.data.update(new)
        if new or name or call_id:
            part = item.growths[WHOLE].part.id
            self._parts.update(out, part, name=name or None, call_id=call_id or None, data=new or None)


def declared(tools: Any) -> frozenset[str] | None:
    """Give the names of the custom tools that a response says it was given; None: it does not say."""
    listed = as_list(tools)
    if not listed:
        return None
    fields = [as_dict(tool) or {} for tool in listed]
    return frozenset(as_text(tool.get("name")) for tool in fields if tool.get("type") == "custom")
