"""A test's recording of real providers, in place of its simulator.

Laws kept here: what is recorded takes the place of the old cassettes when its test has passed, and not before; a test
that asks the simulator itself for something ends there as skipped, with its recording kept.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import msgspec
import pytest

from headrace.sim.cassettes.record import Recorder
from headrace.wire.providers import PROVIDERS

if TYPE_CHECKING:
    from headrace.wire.providers import Provider

_fresh_key = pytest.StashKey[set[Path]]()


class Recording:
    """A recorder for a test; it is what the fixture gives.

    Args:
        folder: where the cassettes are put.
        upstream: what is recorded; None: the providers, where the environment says that they are.
        config: pytest's.

    Attributes:
        keep: whether what was recorded is kept.
    """

    def __init__(self, folder: Path, *, upstream: str | None, config: pytest.Config) -> None:
        self.keep = False
        self._folder = folder
        self._fresh = config.stash.setdefault(_fresh_key, set())
        self._new = Path(tempfile.mkdtemp(prefix="headrace-"))
        keys = {os.environ.get(name, "") for row in PROVIDERS.values() for name in row.key_env}
        self._recorder = Recorder(self._new, upstream=upstream, providers=_as_in_environment(), secrets=keys)

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._recorder.__exit__(*exc)
        new = sorted(self._new.glob("*.jsonl"))
        if self.keep and new:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._folder not in self._fresh:  # what this run has recorded there itself stays
                self._fresh.add(self._folder)
                for old in self._folder.glob("*.jsonl"):
                    old.unlink()
            count = len(list(self._folder.glob("*.jsonl")))
            for number, file in enumerate(new, start=count + 1):
                shutil.move(file, self._folder / f"{number:04d}-{file.name.partition('-')[2]}")
        shutil.rmtree(self._new)

    @property
    def url(self) -> str:
        """The recorder's address."""
        return self._recorder.url

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's SDK."""
        return self.env()["OPENAI_BASE_URL"]

    @property
    def anthropic_url(self) -> str:
        """The base URL for Anthropic's SDK."""
        return self.env()["ANTHROPIC_BASE_URL"]

    def env(self) -> dict[str, str]:
        """Give the variables that lead the SDKs here; the keys are those that are there."""
        return self._recorder.env()

    def __getattr__(self, name: str) -> NoReturn:
        """Say that there is no simulator now."""
        if name.startswith("_"):
            raise AttributeError(name)
        pytest.skip(f"recorded; headrace_sim.{name} is there when it is replayed")


def _as_in_environment() -> dict[str, Provider]:
    """Give the providers at the addresses that the environment has for them."""
    rows: dict[str, Provider] = {}
    for name, row in PROVIDERS.items():
        found: Any = next((v for variable in row.base_url_env if (v := os.environ.get(variable))), row.base_url)
        rows[name] = msgspec.structs.replace(row, base_url=found)
    return rows
