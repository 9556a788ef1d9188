"""The last conversation, kept for ``headrace chat -c``.

Laws kept here: the file is the user's alone (mode 0600); it is replaced as a whole, never left half written; only a
turn that got an answer, or a part of one, is kept; no key gets in.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from headrace.errors import ConfigError


class Conversation(Struct):
    """What has been said, and to whom.

    Attributes:
        v: version of the file's form.
        model: ``provider/model``; None: it has not begun.
        base_url: the address that was given in place of the provider's.
        system: the system prompt.
        messages: the turns, as OpenAI's dicts.
    """

    v: int = 1
    model: str | None = None
    base_url: str | None = None
    system: str | None = None
    messages: list[dict[str, Any]] = []

    def asking(self, prompt: str) -> list[dict[str, Any]]:
        """Give the messages of the next request."""
        return [*self.messages, {"role": "user", "content": prompt}]

    def add(self, prompt: str, answer: str) -> None:
        """Add a turn."""
        self.messages = [*self.asking(prompt), {"role": "assistant", "content": answer}]


def conversation_path() -> Path:
    """Say where it is kept: ``$XDG_STATE_HOME/headrace``, by default ``~/.local/state/headrace``."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # a relative path there is to be ignored (XDG Base Directory Specification)
    state = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return state / "headrace" / "conversation.json"


def load() -> Conversation | None:
    """Read the last conversation; None: there is none.

    Raises:
        ConfigError: if the file cannot be read.
    """
    path = conversation_path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Conversation)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is no conversation ({error}); a chat without -c replaces it") from None


def save(conversation: Conversation) -> None:
    """Keep a conversation in place of the one that was kept.

    Raises:
        OSError: if it cannot be written.
    """
    path = conversation_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".conversation-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(conversation))
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
