"""The public surface is pinned: what is in `surface.txt` is promised, so that no signature changes unseen.

`HEADRACE_WRITE_SURFACE=1 pytest tests/test_surface.py` writes the file anew; what has changed is then to be read.
"""

import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

import headrace
from headrace.client import ClientOptions, Options

FILE = Path(__file__).with_name("surface.txt")

# Classes whose objects users make by calling them; structs, which are data, are told by their fields.
_MADE = (headrace.Client, headrace.AsyncClient, headrace.HeadraceError)

_PUBLIC = [thing for name in headrace.__all__ if inspect.isclass(thing := getattr(headrace, name))]

_PROTOCOLS = {"__add__", "__aenter__", "__aexit__", "__aiter__", "__enter__", "__exit__", "__iter__"}


class _Source:
    """An annotation, shown as it stands in the source in every version of Python."""

    def __init__(self, annotation: Any) -> None:
        annotation = getattr(annotation, "__forward_arg__", annotation)
        self._text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def __repr__(self) -> str:
        return self._text


def _shown(annotation: Any) -> Any:
    return annotation if annotation is inspect.Signature.empty else _Source(annotation)


def signature(function: Callable[..., Any]) -> str:
    found = inspect.signature(function)
    parameters = [p.replace(annotation=_shown(p.annotation)) for p in found.parameters.values()]
    return str(found.replace(parameters=parameters, return_annotation=_shown(found.return_annotation)))


def _async(function: Any) -> str:
    return "async " if inspect.iscoroutinefunction(function) else ""


def of_function(name: str, function: Callable[..., Any]) -> Iterator[str]:
    for way in typing.get_overloads(function) or [function]:
        yield f"{_async(function)}def {name}{signature(way)}"


def of_fields(name: str, cls: Any) -> Iterator[str]:
    made = inspect.signature(cls).parameters if issubclass(cls, Struct | tuple) else {}
    for field, annotation in _annotations(cls).items():
        default = made[field].default if field in made else inspect.Parameter.empty
        shown = "" if default is inspect.Parameter.empty else f" = {default!r}"
        yield f"{name}.{field}: {_Source(annotation)}{shown}"


def _annotations(cls: Any) -> dict[str, Any]:
    """Give the fields of data, with those of the bases that are nobody's business."""
    private = [base for base in cls.__mro__[1:] if issubclass(base, Struct) and base.__name__.startswith("_")]
    found: dict[str, Any] = {}
    for owner in (*reversed(private), cls):
        found |= inspect.get_annotations(owner)
    return {field: annotation for field, annotation in found.items() if not field.startswith("_")}


def of_members(name: str, members: dict[str, Any]) -> Iterator[str]:
    for member, value in sorted(members.items()):
        if member.startswith("_") and member not in _PROTOCOLS:
            continue
        if isinstance(value, property) and value.fget is not None:
            kind = "async property" if inspect.isasyncgenfunction(value.fget) else "property"
            yield f"{name}.{member}{signature(value.fget)}  # {kind}"
        elif isinstance(value, types.FunctionType):
            yield from of_function(f"{name}.{member}", value)


def of_class(name: str, cls: Any) -> Iterator[str]:
    """Tell of a class; what it has from a base that is public stands there."""
    bases = [base.__name__ for base in cls.__bases__ if base in _PUBLIC or base.__module__ == "builtins"]
    yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    if cls in _MADE:
        yield f"{name}{signature(cls)}"
    if issubclass(cls, Struct | tuple):
        yield from of_fields(name, cls)
    told = {above for base in cls.__mro__[1:] if base in _PUBLIC for above in base.__mro__}
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base not in told and base.__module__.startswith("headrace."):
            members |= vars(base)
    yield from of_members(name, members)


def of(name: str, thing: Any) -> Iterator[str]:
    if inspect.isclass(thing):
        yield from of_class(name, thing)
    elif inspect.isfunction(thing):
        yield from of_function(name, thing)
    elif members := typing.get_args(thing):
        yield f"{name} = {' | '.join(getattr(member, '__name__', repr(member)) for member in members)}"
    elif name != "__version__":
        yield from of_function(name, type(thing).__call__)


def surface() -> str:
    things = [(name, getattr(headrace, name)) for name in headrace.__all__]
    told = [list(of(name, thing)) for name, thing in things]
    told.append([f"Options.{name}: {_Source(kind)}" for name, kind in inspect.get_annotations(Options).items()])
    told.append(
        [
            f"ClientOptions.{name}: {_Source(kind)}  # beside those"
            for name, kind in inspect.get_annotations(ClientOptions).items()
            if name not in Options.__annotations__
        ]
    )
    return "\n\n".join("\n".join(lines) for lines in told if lines) + "\n"


def test_the_surface_is_as_it_was() -> None:
    now = surface()
    if os.environ.get("HEADRACE_WRITE_SURFACE"):
        FILE.write_text(now, encoding="utf-8")
    assert now.splitlines() == FILE.read_text(encoding="utf-8").splitlines()
