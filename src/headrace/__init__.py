"""Headrace streams language-model output.

    import headrace

    with headrace.stream("openai/gpt-4o-mini", "Write a haiku") as s:
        for text in s.text_stream:
            print(text, end="", flush=True)

One event model over every provider, sync and async; stopping that really stops the model; endings that do not lie.
The names below are the public ones; `headrace.events`, `headrace.message` and `headrace.errors` say what they mean.
"""

from headrace.adopt import adopt
from headrace.client import AsyncClient, Client, astream, stream
from headrace.errors import (
    AuthenticationError,
    BrokenStreamError,
    ConfigError,
    ConnectError,
    ErrorInfo,
    FrameTooLarge,
    HeadraceError,
    InvalidRequestError,
    MissingKeyError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    RetractedError,
    ServerError,
    StreamError,
    StreamTimeoutError,
    TLSError,
    TransportError,
    TruncatedError,
    UnexpectedResponseError,
    UnknownProviderError,
    UnsupportedError,
    UsageError,
    WireError,
)
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
    decode_event,
    encode_event,
)
from headrace.flow.bounds import has_complete_code_block
from headrace.flow.deadlines import Timeouts
from headrace.flow.timing import Timing
from headrace.message import Choice, Message, Part, ToolCall
from headrace.stream import AsyncStream, Stream
from headrace.together import AsyncMerge, AsyncRace, Merge, Race, gather, merge, race

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncMerge",
    "AsyncRace",
    "AsyncStream",
    "AuthenticationError",
    "BrokenStreamError",
    "Choice",
    "ChoiceFinish",
    "Client",
    "ConfigError",
    "ConnectError",
    "End",
    "ErrorInfo",
    "Event",
    "FrameTooLarge",
    "HeadraceError",
    "InvalidRequestError",
    "Merge",
    "Message",
    "MissingKeyError",
    "NotFoundError",
    "Outcome",
    "OverloadedError",
    "Part",
    "PartDelta",
    "PartEnd",
    "PartKind",
    "PartReplace",
    "PartStart",
    "PartUpdate",
    "PartWhole",
    "PermissionDeniedError",
    "ProviderError",
    "Race",
    "RateLimitError",
    "Raw",
    "Reset",
    "Retract",
    "RetractedError",
    "ServerError",
    "StepStart",
    "StepUpdate",
    "Stream",
    "StreamError",
    "StreamTimeoutError",
    "StreamWarning",
    "TLSError",
    "Timeouts",
    "Timing",
    "ToolCall",
    "TransportError",
    "TruncatedError",
    "UnexpectedResponseError",
    "UnknownProviderError",
    "UnsupportedError",
    "Usage",
    "UsageError",
    "UsageUpdate",
    "WireError",
    "__version__",
    "adopt",
    "astream",
    "decode_event",
    "encode_event",
    "gather",
    "has_complete_code_block",
    "merge",
    "race",
    "stream",
]
