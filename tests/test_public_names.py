"""What the package offers: its names are a promise, and importing it costs little."""

import subprocess
import sys
from pathlib import Path

import headrace

NAMES = """
    AsyncClient AsyncMerge AsyncRace AsyncStream AuthenticationError BrokenStreamError Choice ChoiceFinish Client
    ConfigError ConnectError End ErrorInfo Event FrameTooLarge HeadraceError InvalidRequestError Merge Message
    MissingKeyError NotFoundError Outcome OverloadedError Part PartDelta PartEnd PartKind PartReplace PartStart
    PartUpdate PartWhole PermissionDeniedError ProviderError Race RateLimitError Raw Reset Retract RetractedError
    ServerError StepStart StepUpdate Stream StreamError StreamTimeoutError StreamWarning TLSError Timeouts Timing
    ToolCall TransportError TruncatedError UnexpectedResponseError UnknownProviderError UnsupportedError Usage
    UsageError UsageUpdate WireError __version__ adopt astream decode_event encode_event gather has_complete_code_block
    merge race stream
""".split()  # noqa: SIM905


def test_the_public_names() -> None:
    assert headrace.__all__ == NAMES
    assert [name for name in NAMES if not hasattr(headrace, name)] == []


def test_every_error_is_public() -> None:
    errors = {name for name, value in vars(headrace.errors).items() if isinstance(value, type)}
    errors = {name for name in errors if issubclass(getattr(headrace.errors, name), headrace.HeadraceError)}
    assert errors - set(NAMES) == set()


def test_every_event_is_public() -> None:
    events = {event.__name__ for event in headrace.Event.__args__}
    assert events - set(NAMES) == set()


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("aiohttp", "urllib3", "fastapi", "starlette", "uvicorn", "pydantic", "typer", "rich")
    code = f"import sys, headrace; print([m for m in {heavy!r} if m in sys.modules])"
    # Isolated, and without site's .pth files, which measure coverage and import what they like.
    source = Path(headrace.__file__).parent.parent
    path = [p for p in sys.path if p.endswith("site-packages")] + [str(source)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
