"""The file that an exchange is recorded into, while it happens.

Laws kept here: what is written was scrubbed before; a line is written whole and at once, so that a recorder that is
killed leaves what had come; a file is never overwritten, and no two have one number, also with two recorders in one
folder.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headrace.sim.cassettes.cassette import RecordedHead, chunk_line, end_line, first_line, head_line
from headrace.sim.cassettes.fields import JsonFields
from headrace.sim.cassettes.likeness import facts_of, is_coded
from headrace.sim.cassettes.scrub import StreamScrubber

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.sim.cassettes.cassette import Ending, Framing, Headers, RecordedRequest
    from headrace.sim.cassettes.credentials import Secrets

_NUMBER = re.compile(r"([0-9]+)-.*\.jsonl")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80


class Tape:
    """A cassette that is being recorded.

    Args:
        folder: where it is put; it must be there.
        request: as it was asked, scrubbed.
        secrets: what must not be kept; what the answer holds is learnt.
        provider: whom it is recorded from, if that has a name.
        first: its first line, if that was written before.

    Raises:
        OSError: if no file can be written there; so do its methods.
    """

    def __init__(
        self,
        folder: Path,
        request: RecordedRequest,
        *,
        secrets: Secrets,
        provider: str | None = None,
        first: bytes | None = None,
    ) -> None:
        self._secrets = secrets
        self._scrubber = StreamScrubber(secrets.search)
        self._fields = JsonFields()
        self._coded = False
        self.path, self._file = _create(folder, _slug(secrets.text(_words(request, provider))))
        self._write(first or begun(request, provider=provider))

    def head(self, at_s: float, *, status: int, headers: Headers, framing: Framing) -> None:
        """Note the response's head."""
        coding = is_coded(headers)
        self._coded = coding is not None
        self._secrets.learn_headers(headers)
        note = f"the body is compressed ({coding}): it is kept as it came, and could not be looked through for secrets"
        self._write(
            head_line(
                RecordedHead(
                    at_s=at_s,
                    status=status,
                    headers=self._secrets.headers(headers),
                    framing=framing,
                    note=note if coding else None,
                )
            )
        )

    def chunk(self, at_s: float, data: bytes) -> None:
        """Note a chunk of the body."""
        if not self._coded:
            for value in self._fields.feed(data):
                self._secrets.learn_field(value)
        self._scrubber.search = self._secrets.search
        self._chunks(self._scrubber.feed(at_s, data, waiting=self._fields.waiting))

    def end(self, at_s: float, ending: Ending | None) -> None:
        """Note how it ended, and close the file; None: the recording is broken off, and that is not known."""
        try:
            self._chunks(self._scrubber.finish(waiting=self._fields.waiting))
            if ending is not None:
                self._write(end_line(at_s, ending))
        finally:
            os.close(self._file)

    def discard(self) -> None:
        """Remove the file: nothing took place."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    def _chunks(self, chunks: list[tuple[float, bytes]]) -> None:
        for at_s, data in chunks:
            self._write(chunk_line(at_s, data, coded=self._coded))

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._file, line) :]


def begun(request: RecordedRequest, *, provider: str | None) -> bytes:
    """Write the first line of a recording that begins now."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return first_line(request, provider=provider, recorded=now)


def _words(request: RecordedRequest, provider: str | None) -> str:
    facts = facts_of(request, providers=(provider,) if provider else ())
    words = [facts.route.replace("/", "-") or "root", facts.model or ""]
    return "-".join(word for word in words if word)


def _slug(words: str) -> str:
    return _NO_NAME.sub("-", words)[:_LONGEST].strip("-.") or "exchange"


def _create(folder: Path, slug: str) -> tuple[Path, int]:
    """Create the next file of a folder.

    Another recorder may take the number in the same moment, for another name. Whoever sees that gives his own up and
    takes the next, and at least the later of two sees it.
    """
    number = _last(folder) + 1
    while True:
        path = folder / f"{number:04}-{slug}.jsonl"
        number += 1
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except FileExistsError:
            continue
        if sum(_number(name) == number - 1 for name in os.listdir(folder)) == 1:  # noqa: PTH208 - names are enough
            return path, file
        os.close(file)
        path.unlink()


def _last(folder: Path) -> int:
    return max((_number(name) for name in os.listdir(folder)), default=0)  # noqa: PTH208


def _number(name: str) -> int:
    found = _NUMBER.fullmatch(name)
    return int(found[1]) if found else 0
