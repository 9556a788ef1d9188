"""Scripts from files: YAML, JSON or Python, read again when they change.

    seed: 7                     # these four are defaults for all that the script says, and for what it does not match
    pace: {rate: 60}
    faults: [drip]
    dialect: ollama
    scenarios:
      - match: {text: weather}
        answer: It rains.

A Python file has ``scenarios = [Scenario(…), …]``, ``def answer(asked): …``, or both; the function is asked last.

Laws kept here: what is wrong with a file is said by its place in the file; a script that once worked goes on working
while its file is broken, and that is said once.
"""

from __future__ import annotations

import runpy
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.sim.faults.fault import Fault
from headrace.sim.scenarios.failing import ScriptError, shortened
from headrace.sim.scenarios.inherit import inheriting
from headrace.sim.scenarios.scenario import PaceOptions, Scenario

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from headrace.sim.scenarios.choose import Rule

_Signature = tuple[int, int]


class _Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script in YAML or JSON."""

    seed: int | None = None
    pace: PaceOptions = PaceOptions()
    faults: tuple[Fault | str, ...] = ()
    dialect: str | None = None
    scenarios: tuple[Scenario, ...] = ()

    def __post_init__(self) -> None:
        self.default()

    def default(self) -> Scenario:
        """Give what holds for all."""
        return Scenario(pace=self.pace, faults=self.faults, dialect=self.dialect, seed=self.seed)


class Script:
    """A file's scenarios, always the present ones.

    Args:
        path: the file.
        on_error: what is told of a file that became unusable; None: it is a warning.

    Attributes:
        path: the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, on_error: Callable[[ScriptError], object] | None = None
    ) -> None:
        self.path = Path(path)
        self._on_error = on_error
        self._lock = threading.Lock()
        self._signature = _signature(self.path)
        self._rules = _read(self.path)

    def scenarios(self) -> tuple[Rule, ...]:
        """Give the present rules: the same object as long as the file is the same, or cannot be read."""
        with self._lock:
            signature = _signature(self.path)
            if signature == self._signature:
                return self._rules
            self._signature = signature
            try:
                self._rules = _read(self.path)
            except ScriptError as error:
                failed = error
            else:
                return self._rules
        self._tell(failed)
        return self._rules

    def _tell(self, error: ScriptError) -> None:
        if self._on_error is not None:
            self._on_error(error)
        else:
            warnings.warn(f"{error}; the script is used as it was before", stacklevel=3)


def load_script(path: str | os.PathLike[str], *, on_error: Callable[[ScriptError], object] | None = None) -> Script:
    """Load a script from a YAML, JSON or Python file; it follows the file's changes.

    Args:
        path: the file; its name's end says what it is, and all but ``.py`` and ``.json`` is YAML.
        on_error: what is told when the changed file is unusable; None: it is a warning.

    Raises:
        ScriptError: saying what in the file is wrong, and where.
    """
    return Script(path, on_error=on_error)


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> tuple[Rule, ...]:
    if path.suffix.lower() == ".py":
        return _run(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        document = _decode(data, json=path.suffix.lower() == ".json")
    except msgspec.ValidationError as error:
        raise ScriptError(f"{path}: {_placed(str(error))}") from None
    except (ValueError, TypeError, RecursionError) as error:
        kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
        raise ScriptError(f"{path}: is not {kind}: {' '.join(str(error).split())}") from None
    return _with_defaults(document)


def _decode(data: bytes, *, json: bool) -> _Document:
    value: Any = msgspec.json.decode(data) if json else msgspec.yaml.decode(data)
    return msgspec.convert({} if value is None else value, _Document)  # an empty file is an empty script


def _placed(said: str) -> str:
    """Put the place in the document before what is wrong there."""
    wrong, _, place = said.partition(" - at `$")
    return f"{place.strip('`.') or 'the document'}: {wrong}"


def _with_defaults(document: _Document) -> tuple[Rule, ...]:
    default = document.default()
    if default == Scenario():
        return document.scenarios
    # What nobody else matches ends at the defaults themselves, and gets what the model's name implies.
    return (*[inheriting(scenario, default, name=scenario.name) for scenario in document.scenarios], default)


def _run(path: Path) -> tuple[Rule, ...]:
    try:
        names = runpy.run_path(str(path), run_name="headrace_script")
    except OSError as error:
        if not path.is_file():
            raise ScriptError(f"{path}: cannot be read: {error.strerror or error}") from None
        raise ScriptError(f"{path}: {shortened(error, str(path))}") from error
    except Exception as error:
        raise ScriptError(f"{path}: {shortened(error, str(path))}") from error
    rules: Any = names.get("scenarios", ())
    function: Any = names.get("answer")
    if "scenarios" not in names and function is None:
        raise ScriptError(f"{path}: has neither 'scenarios = [Scenario(…), …]' nor 'def answer(asked)'")
    if not isinstance(rules, list | tuple):
        raise ScriptError(f"{path}: 'scenarios' must be a list, not a {type(rules).__name__}")
    found: list[Rule] = [*rules, *([] if function is None else [function])]  # pyright: ignore[reportUnknownVariableType]
    for rule in found:
        if not (isinstance(rule, Scenario) or callable(rule)):
            raise ScriptError(f"{path}: 'scenarios' has a {type(rule).__name__}; wanted are Scenario(…) and functions")
    return tuple(found)
