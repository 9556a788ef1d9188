"""Wires by name, and the providers' rows."""

import re
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from headrace.events import PartWhole, Usage, UsageUpdate
from headrace.message import fold
from headrace.wire.anthropic import AnthropicDecoder, AnthropicEncoder
from headrace.wire.framing import Frame, SSEFramer
from headrace.wire.openai_chat import OpenAIChatDecoder, OpenAIChatEncoder
from headrace.wire.openai_responses import OpenAIResponsesDecoder, OpenAIResponsesEncoder
from headrace.wire.providers import PROVIDERS, Provider, WireName
from headrace.wire.registry import WIRES, detect_wire, encode_message, make_decoder, make_encoder, make_framer
from tests.wire.encoding import DONE as END, encode, start
from tests.wire.streams import DONE, Decoded, checked, say, sse

ROWS = list(PROVIDERS.values())


def test_every_wire_has_a_name_and_a_decoder() -> None:
    assert set(get_args(WireName)) == set(WIRES)
    assert isinstance(make_decoder("anthropic"), AnthropicDecoder)
    assert isinstance(make_decoder("openai-chat"), OpenAIChatDecoder)
    assert isinstance(make_decoder("openai-responses"), OpenAIResponsesDecoder)
    for wire in WIRES:
        assert isinstance(make_framer(wire), SSEFramer)


def test_every_wire_has_an_encoder() -> None:
    assert isinstance(make_encoder("anthropic"), AnthropicEncoder)
    assert isinstance(make_encoder("openai-chat"), OpenAIChatEncoder)
    assert isinstance(make_encoder("openai-responses"), OpenAIResponsesEncoder)
    events = [start(), PartWhole("t", text="x"), UsageUpdate(Usage(input_tokens=3)), END]
    for wire in WIRES:
        for data in (encode(events, wire), encode(events, wire, created=7, include_usage=False, pings=True)):
            framer, decoder = make_framer(wire), make_decoder(wire)
            assert checked([e for f in framer.feed(data) for e in decoder.feed(f)]).message.text == "x"
            assert decoder.done
    assert b'"created":7' in encode(events, "openai-chat", created=7)
    assert b'"prompt_tokens"' in encode(events, "openai-chat")
    assert b'"prompt_tokens"' not in encode(events, "openai-chat", include_usage=False)
    assert b"event: ping" in encode(events, "anthropic", pings=True)
    assert b"event: ping" not in encode(events, "anthropic")
    assert b'"created_at":7' in encode(events, "openai-responses", created=7)
    assert b'"created":7' in encode_message("openai-chat", fold(events), created=7)


def run(data: bytes, **habits: Any) -> Decoded:
    framer, decoder = make_framer("openai-chat"), make_decoder("openai-chat", **habits)
    frames = [*framer.feed(data), *framer.finish()]
    return checked([e for f in frames for e in decoder.feed(f)] + decoder.finish())


def row(**habits: Any) -> Provider:
    return Provider(name="acme", base_url="http://x", **habits)


def test_a_decoder_has_the_habits_of_its_provider() -> None:
    ended, unmarked, bare = sse(say("a", "stop"), DONE), sse(say("a", "stop")), sse(say("a"), DONE)
    assert run(ended, provider=row()).message.provider == "acme"
    assert run(ended).message.provider is None
    assert run(unmarked).warnings == run(unmarked, provider=row()).warnings == ["no_terminal_marker"]
    assert run(unmarked, provider=row(marker=False)).warnings == []
    assert run(bare).message.outcome == run(bare, provider=row()).message.outcome == "truncated"
    assert run(bare, provider=row(marker_ends=True)).message.outcome == "complete"
    grouped = sse(say("a", "stop", x_groq={"usage": {"prompt_tokens": 3}}), DONE)
    assert run(grouped, provider=row(extension_usage=True)).message.usage.input_tokens == 3
    assert run(grouped, provider=row()).message.usage.input_tokens is None


def test_think_tags_are_of_the_row_unless_the_request_says() -> None:
    stream = sse(say("<think>hm</think>a", "stop"), DONE)
    split, whole = "a", "<think>hm</think>a"
    assert run(stream).message.text == whole
    assert run(stream, think_tags=True).message.text == split
    assert run(stream, provider=row(think_tags=True)).message.text == split
    assert run(stream, provider=row(think_tags=True), think_tags=False).message.text == whole
    assert run(stream, provider=row()).message.text == whole


@pytest.mark.parametrize("wire", WIRES)
def test_secrets_are_kept_out(wire: WireName) -> None:
    decoder = make_decoder(wire, provider=row(), secrets=iter(["sk-1"]))
    events = decoder.feed(Frame(b'{"error": {"message": "bad key sk-1"}}'))
    assert "sk-1" not in repr(events)
    assert "[redacted]" in repr(events)


FIRST = {
    b'{"type":"message_start","message":{}}': "anthropic",
    b'{"type":"ping"}': "anthropic",
    b'{"type":"error","error":{}}': "anthropic",
    b'{"type":"message_start","x":"\\ud800\xff"}': "anthropic",
    b'{"type":"response.created","response":{}}': "openai-responses",
    b'{"type":"keepalive","sequence_number":0}': "openai-responses",
    b'{"type":"error","error":{},"sequence_number":0}': "openai-responses",
    b'{"id":"x","object":"response","output":[]}': "openai-responses",
    b'{"id":"x","choices":[]}': "openai-chat",
    b'{"type":"x","choices":[]}': "openai-chat",
    b'{"error":{"type":"x"}}': "openai-chat",
    b'{"object":"error"}': "openai-chat",
    b'{"type":5}': "openai-chat",
    b"[DONE]": "openai-chat",
    b"[]": "openai-chat",
    b"": "openai-chat",
    b"[" * 100_000: "openai-chat",
}


@pytest.mark.parametrize(("data", "wire"), FIRST.items(), ids=lambda v: repr(v)[:30])
def test_a_wire_is_guessed_from_its_first_frame(data: bytes, wire: WireName) -> None:
    assert detect_wire(Frame(data)) == wire


# -- the rows


def test_the_rows_and_their_order() -> None:
    # a key is looked for in this order when no model is named
    assert " ".join(PROVIDERS) == (
        "openai anthropic openai-responses openrouter groq deepseek mistral together fireworks xai perplexity cerebras "
        "moonshot zai huggingface snowflake ollama lmstudio llamacpp vllm compatible sim"
    )


@pytest.mark.parametrize("provider", ROWS, ids=lambda p: p.name)
def test_a_row_makes_sense(provider: Provider) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)?", provider.name)
    assert provider.wire in WIRES
    address = urlsplit(provider.base_url)
    if provider.simulated or not provider.base_url:  # the address is the user's to give
        assert not address.netloc
        assert provider.simulated or provider.base_url_env
    elif provider.local:
        assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
        assert provider.key_env == ()
    else:
        assert address.scheme == "https"
        assert provider.key_env
    assert not provider.base_url.endswith("/")
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in provider.key_env + provider.base_url_env)
    assert all(name == name.lower() for name in provider.headers)


def test_no_two_rows_share_a_variable() -> None:
    # one account may be had over two wires; the row that comes first is asked when no model is named
    rows = [provider for provider in ROWS if provider.name != "openai-responses"]
    names = [name for provider in rows for name in provider.key_env + provider.base_url_env]
    assert len(set(names)) == len(names)
    openai, other = PROVIDERS["openai"], PROVIDERS["openai-responses"]
    assert (openai.key_env, openai.base_url_env) == (other.key_env, other.base_url_env)
    assert openai.base_url == other.base_url


def test_the_habits_that_wires_depend_on() -> None:
    def of(habit: str) -> list[str]:
        default = getattr(row(), habit)
        return [provider.name for provider in ROWS if getattr(provider, habit) != default]

    assert of("marker_ends") == ["snowflake", "ollama"]
    assert of("marker") == ["perplexity", "huggingface"]
    assert of("extension_usage") == ["groq"]
    assert of("include_usage") == ["mistral", "perplexity"]
    assert of("max_tokens_field") == ["openai"]
    assert of("think_tags") == []
    assert of("wire") == ["anthropic", "openai-responses"]
