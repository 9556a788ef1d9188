"""Wires by name: which decoder and encoder, which request, which path and which way to show a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from headrace.errors import UsageError
from headrace.wire import anthropic, openai_chat, openai_responses
from headrace.wire.framing import SSEFramer
from headrace.wire.lenient_json import as_dict, as_list, as_text, loads_leniently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.errors import ErrorInfo
    from headrace.events import Event
    from headrace.message import Message
    from headrace.request import Request
    from headrace.wire.framing import Frame
    from headrace.wire.providers import Provider, WireName

WIRES: tuple[WireName, ...] = ("openai-chat", "anthropic", "openai-responses")


class Decoder(Protocol):
    """A wire's decoder: frames of one attempt in, events out; see `headrace.wire.openai_chat.OpenAIChatDecoder`."""

    done: bool

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        ...

    @property
    def native_stop_reason(self) -> str | None:
        """The provider's word for why the answer (its first choice) ended; None: it has not said one."""
        ...

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in."""
        ...

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document."""
        ...

    def finish(self) -> list[Event]:
        """Say that no more frames come."""
        ...


class Encoder(Protocol):
    """A wire's encoder: a run's events in, whole frames out; see `headrace.wire.openai_chat.OpenAIChatEncoder`."""

    done: bool

    def feed(self, event: Event) -> bytes:
        """Take an event in."""
        ...

    def finish(self) -> bytes:
        """Say that no more events come."""
        ...


class _Room(Protocol):
    """What a wire's package offers under the same name as the others'."""

    def encode_request(self, request: Request, provider: Provider) -> dict[str, Any]:
        """Write a request's body."""
        ...

    def encode_message(self, message: Message, *, created: int = 0) -> bytes:
        """Write an answer's body."""
        ...

    def encode_failure(self, info: ErrorInfo) -> tuple[int, bytes]:
        """Write a refusal's status and body."""
        ...


_ROOMS: dict[WireName, _Room] = {
    "openai-chat": openai_chat,
    "anthropic": anthropic,
    "openai-responses": openai_responses,
}


class HTTPRequest(Struct, frozen=True):
    """What a transport sends.

    Attributes:
        method: of HTTP.
        url: absolute.
        headers: to send.
        body: bytes of JSON.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        # the key stands in the headers, and a conversation in the body
        return f"HTTPRequest({self.method} {self.url}, {len(self.body)} bytes)"


def make_decoder(
    wire: WireName,
    *,
    provider: Provider | None = None,
    think_tags: bool | None = None,
    secrets: Iterable[str] = (),
    marker_seen: bool = True,
) -> Decoder:
    """Make a decoder for a wire, with a provider's habits where one is given.

    Args:
        wire: its name.
        provider: whose stream it is.
        think_tags: whether to split ``<think>`` out of the text; None: as the provider's row says.
        secrets: what must not get into errors.
        marker_seen: whether the stream's terminal marker gets here at all; if not, its lack says nothing.
    """
    name = provider.name if provider else None
    if wire == "anthropic":
        return anthropic.AnthropicDecoder(provider=name, secrets=secrets)
    if wire == "openai-responses":
        return openai_responses.OpenAIResponsesDecoder(provider=name, secrets=secrets)
    tags = provider.think_tags if provider and think_tags is None else bool(think_tags)
    return openai_chat.OpenAIChatDecoder(
        provider=name,
        marker=marker_seen and (provider.marker if provider else True),
        marker_ends=provider.marker_ends if provider else False,
        extension_usage=provider.extension_usage if provider else False,
        think_tags=tags,
        secrets=secrets,
    )


def make_encoder(wire: WireName, *, created: int = 0, include_usage: bool = True, pings: bool = False) -> Encoder:
    """Make an encoder for a wire.

    Args:
        wire: its name.
        created: seconds since the epoch, where the wire tells them.
        include_usage: whether to write usage where the wire leaves that to the asker.
        pings: whether to write the wire's own keepalive where its provider does.
    """
    if wire == "anthropic":
        return anthropic.AnthropicEncoder(pings=pings)
    if wire == "openai-responses":
        return openai_responses.OpenAIResponsesEncoder(created=created)
    return openai_chat.OpenAIChatEncoder(created=created, include_usage=include_usage)


def encode_message(wire: WireName, message: Message, *, created: int = 0) -> bytes:
    """Write a message that has ended as one JSON document, as a wire's answer that is not streamed.

    `make_decoder` (its ``whole``) reads it back.  A message that is no success becomes its error, whose status
    `encode_failure` tells.
    """
    return _ROOMS[wire].encode_message(message, created=created)


def encode_failure(wire: WireName, info: ErrorInfo) -> tuple[int, bytes]:
    """Write a refusal in a wire's own shape: the HTTP status, which is the error's own if it has one, and the body."""
    return _ROOMS[wire].encode_failure(info)


def make_framer(wire: WireName) -> SSEFramer:  # noqa: ARG001 - all wires are server-sent events
    """Make a framer for a wire."""
    return SSEFramer()


_PATHS: dict[WireName, str] = {
    "openai-chat": "/chat/completions",
    "openai-responses": "/responses",
    "anthropic": "/v1/messages",
}


def encode_http(
    request: Request, provider: Provider, *, key: str | None, base_url: str, headers: dict[str, str] | None = None
) -> HTTPRequest:
    """Write the HTTP request for a provider.

    Raises:
        UsageError: for what the wire, or JSON, cannot say.
    """
    sent = {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",  # a compressing hop holds tokens back
        **provider.headers,
    }
    sent.update(_key_header(provider, key))
    body = _ROOMS[provider.wire].encode_request(request, provider)
    url = _base(provider, base_url) + _PATHS[provider.wire]
    sent.update({name.lower(): value for name, value in (headers or {}).items()})
    try:
        return HTTPRequest("POST", url, sent, msgspec.json.encode(body))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"the request cannot be written as JSON: {error}") from None


def ask_for_models(provider: Provider, *, key: str | None, base_url: str) -> HTTPRequest | None:
    """Write the HTTP request for a provider's list of models; None: it has none."""
    if not provider.models_path:
        return None
    headers = {"accept": "application/json", "accept-encoding": "identity", **provider.headers}
    headers.update(_key_header(provider, key))
    return HTTPRequest("GET", _base(provider, base_url) + provider.models_path, headers, b"")


def read_models(body: bytes) -> list[str] | None:
    """Read the names in a list of models, as OpenAI, Anthropic and Together write it; None: it is no such list."""
    try:
        value = loads_leniently(body)
    except ValueError:
        return None
    items = as_list(value)
    if items is None:
        items = as_list((as_dict(value) or {}).get("data"))
    if items is None:
        return None
    return [name for item in items if (name := as_text((as_dict(item) or {}).get("id")))]


def _base(provider: Provider, base_url: str) -> str:
    base = base_url.rstrip("/")
    return base.removesuffix("/v1") if provider.wire == "anthropic" else base


def _key_header(provider: Provider, key: str | None) -> dict[str, str]:
    if not key:
        return {}
    return {"x-api-key": key} if provider.wire == "anthropic" else {"authorization": f"Bearer {key}"}


def detect_wire(frame: Frame) -> WireName:
    """Guess the wire from a stream's first frame, or from a whole document.

    Anthropic's carry a ``type``, OpenAI's ``choices`` or, of Responses, a ``type`` or an ``object`` of that name.
    """
    try:
        value = as_dict(loads_leniently(frame.data)) or {}
    except ValueError:
        value = {}
    word = value.get("type")
    if "choices" not in value and isinstance(word, str):
        numbered = word in ("error", "keepalive") and "sequence_number" in value
        return "openai-responses" if numbered or word.startswith("response.") else "anthropic"
    if value.get("object") == "response":
        return "openai-responses"
    return "openai-chat"
