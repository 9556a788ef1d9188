"""Parts, out: the items that they become, and what is to be known of both while they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.wire.lenient_json import as_text
from headrace.wire.openai_responses.items import CALLS, GROWTH, field_of, kind_of, put_text

if TYPE_CHECKING:
    from headrace.events import PartKind, PartStart, PartWhole

# kind of the part, in a message or a reasoning: its frames, its part's type, its text's field, its list, its place
_VOICES: dict[str, tuple[str, str, str, str, str]] = {
    "text": ("response.output_text", "output_text", "text", "content", "content_index"),
    "refusal": ("response.refusal", "refusal", "refusal", "content", "content_index"),
    "summary_text": ("response.reasoning_summary_text", "summary_text", "text", "summary", "summary_index"),
    "reasoning_text": ("response.reasoning_text", "reasoning_text", "text", "content", "content_index"),
}

_BASES = {word: (base, field) for base, (word, field) in GROWTH.items()}
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc", "mcp_call": "mcp"}

# What parts carry of their item, or say by themselves
_NOT_BESIDE = frozenset(("id", "phase", "type", "text", "refusal", "annotations", "logprobs"))
_OWN = frozenset(("id", "type", "name", "call_id", "status"))
_OF_REASONING = frozenset(("id", "type", "status", "role", "summary", "content"))


class Item:
    """An output item that has begun.

    Attributes:
        index: its place.
        fields: as it stands.
        open: how many of its parts have not ended.
        done: whether its end was written.
    """

    __slots__ = ("done", "fields", "index", "open")

    def __init__(self, index: int, fields: dict[str, Any]) -> None:
        self.index = index
        self.fields = fields
        self.open = 0
        self.done = False


class Part:
    """What is to be known of a part that has not ended.

    Attributes:
        item: where it stands; None: not begun, or nothing that this wire could say.
        entry: in a message or a reasoning, the part of its content.
        base: the type of its frames, without their last word; "": it has none of its own.
        field: the field of the final text.
        place: where it stands, as its frames say it.
        prefix: of a delta's frame, up to the text.
        pieces: its text.
        drawn: how many images were given out before the last.
    """

    __slots__ = (
        "base",
        "call_id",
        "data",
        "drawn",
        "entry",
        "field",
        "item",
        "kind",
        "name",
        "part",
        "pieces",
        "place",
        "prefix",
    )

    def __init__(self, event: PartStart | PartWhole) -> None:
        self.part = event.part
        self.kind: PartKind = event.kind
        self.name = event.name
        self.call_id = event.call_id
        self.data: dict[str, Any] = event.data or {}
        self.item: Item | None = None
        self.entry: dict[str, Any] | None = None
        self.base = ""
        self.field = ""
        self.place: dict[str, Any] = {}
        self.prefix = b""
        self.pieces: list[str] = []
        self.drawn = 0

    @property
    def word(self) -> str:
        """The type that its data tells."""
        return as_text(self.data.get("type"))

    @property
    def holder(self) -> str:
        """The type of the item that it is only a part of; "": it is an item."""
        return {"text": "message", "refusal": "message", "thinking": "reasoning"}.get(self.kind, "")

    @property
    def audio(self) -> bool:
        """Whether it is sound, which is no item."""
        return self.kind == "media" and self.word == "audio"

    def identity(self, word: str) -> str:
        """Give the id of its item: its own, or one that is made of its part's."""
        return as_text(self.data.get("id")) or f"{_PREFIXES.get(word, 'item')}_{self.part}"

    def holding(self) -> dict[str, Any]:
        """Write the item that it begins, as a part of it."""
        word = self.holder
        if word == "reasoning":
            return {"id": self.identity(word), "type": word, "summary": [], **of_reasoning(self.data)}
        fields: dict[str, Any] = {
            "id": self.identity(word),
            "type": word,
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        return {**fields, "phase": self.data["phase"]} if "phase" in self.data else fields

    def enter(self, item: Item) -> dict[str, Any]:
        """Take its place in an item that holds it; what its frame says."""
        voice = self.kind if self.kind != "thinking" else self.word
        self.base, word, self.field, name, index = _VOICES.get(voice, _VOICES["summary_text"])
        self.entry = {} if self.kind == "thinking" else of_content(self.data)
        self.entry |= {"type": word, self.field: ""}
        if self.kind == "text":
            self.entry |= {"annotations": [], "logprobs": []}
        entries: list[Any] = item.fields.setdefault(name, [])
        self.place = {"item_id": item.fields["id"], "output_index": item.index, index: len(entries)}
        entries.append(self.entry)
        self.item = item
        item.open += 1
        return {**self.place, "part": self.entry}

    @property
    def bracket(self) -> str:
        """The type of the frames that begin and end it in its item, without their last word."""
        return "response.reasoning_summary_part" if "summary_index" in self.place else "response.content_part"

    def fields(self) -> dict[str, Any] | None:
        """Write the item that it is; None: this wire has no such item."""
        word, data = self.word, self.data
        if self.kind == "tool_call":
            word = word if word in CALLS else "function_call"
        elif self.kind == "server_tool_call":
            if kind_of(word) != self.kind:  # another wire's
                word, data = "mcp_call", {"server_label": as_text(data.get("server_name"))}
        elif not word or word in ("message", "reasoning") or kind_of(word) != self.kind:
            return None
        if self.kind == "raw" and not data.get("id"):
            return None
        out: dict[str, Any] = {"id": self.identity(word), "type": word}
        if word in CALLS:
            out |= {"status": "in_progress", "call_id": self.call_id or self.part, "name": self.name or ""}
            data = {key: value for key, value in data.items() if key not in _OWN}
        else:
            if self.call_id:
                out["call_id"] = self.call_id
            if self.name and self.name != word:
                out["name"] = self.name
        field = field_of(word)
        if field and word in _BASES:
            out[field] = ""
        return {**data, **out}

    def become(self, item: Item) -> None:
        """Be this item."""
        self.item = item
        item.open = 1
        word = item.fields["type"]
        self.base, self.field = _BASES.get(word, ("", field_of(word)))
        self.place = {"item_id": item.fields["id"], "output_index": item.index}
        if word == "shell_call":
            self.base, self.field = "response.shell_call_command", "command"
            self.place = {"output_index": item.index, "command_index": 0}
        elif word == "shell_call_output":
            self.base = "response.shell_call_output_content"
            self.place["command_index"] = 0

    def settle(self) -> str:
        """Put its text where it belongs, in its item; the text."""
        text = "".join(self.pieces)
        if self.entry is not None:
            self.entry[self.field] = text
        elif self.item is not None:
            put_text(self.item.fields, text)
        return text


def of_content(data: dict[str, Any]) -> dict[str, Any]:
    """Give what a part of a message carries of its own."""
    return {key: value for key, value in data.items() if key not in _NOT_BESIDE}


def of_reasoning(data: dict[str, Any]) -> dict[str, Any]:
    """Give what a part of thinking carries for its item: what signs it."""
    return {key: value for key, value in data.items() if key not in _OF_REASONING}


def response_object(
    status: str,
    output: list[dict[str, Any]],
    *,
    name: str,
    model: str,
    created: int,
    error: dict[str, Any] | None = None,
    reason: str | None = None,
    usage: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a response as it stands, with the fields that clients rely on.

    Args:
        status: ``in_progress``, ``completed``, ``incomplete`` or ``failed``.
        output: its items.
        name: its id.
        model: which model answers.
        created: seconds since the epoch.
        error: what went wrong.
        reason: why it is incomplete.
        usage: what it used.
    """
    return {
        "id": name,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": usage,
    }
