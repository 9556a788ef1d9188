"""The habits of real servers, by name, as a table: what their streams have that the vendor's own have not.

A row is what was seen in recorded streams of that server, or said of it in documentation and bug reports; where
versions differ, one of them.  Values that are the server's alone (prices, fingerprints) are made up.  Rows that are
named for a habit (``done-proxy``) stand for servers of several makers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from headrace.sim.faults import habits as h, message_habits as m
from headrace.sim.faults.frame import Frame
from headrace.sim.faults.style import PLAIN, Style
from headrace.wire.providers import WireName


class Known(Struct, frozen=True):
    """What is known of an answer before it comes.

    Attributes:
        total_tokens: how many it will have.
        prompt_tokens: how many the prompt has.
    """

    total_tokens: int | None = None
    prompt_tokens: int | None = None


Habit = Callable[[Iterator[Frame], Known], Iterator[Frame]]


class Dialect(Struct, frozen=True, kw_only=True):
    """Whose habits a stream has.

    Attributes:
        name: the server's.
        wire: which it speaks.
        description: its habits, in a line.
        habits: what they make of the frames, in this order.
        style: how the frames are written.
        headers: of the response, in place of the usual ones.
        error: the shape of its errors inside a stream, as the fault ``error`` names them.
        overlong: what it answers to a prompt that is too long: a refusal, or a 200 with an empty body.
    """

    name: str
    wire: WireName = "openai-chat"
    description: str
    habits: tuple[Habit, ...] = ()
    style: Style = PLAIN
    headers: tuple[tuple[str, str], ...] = ()
    error: str = ""
    overlong: Literal["error", "empty"] = "error"


_ROWS = (
    Dialect(
        name="groq",
        description="usage on the finish and in x_groq; tool calls whole; thinking in 'reasoning'; event: error",
        habits=(h.no_refusal, h.reasoning, h.whole_calls, h.usage_at("finish"), h.x_groq),
        error="groq",
    ),
    Dialect(
        name="openrouter",
        description="comments first; the role on every chunk; usage on one more chunk with a choice",
        habits=(
            h.no_refusal,
            h.reasoning_details,
            h.usage_at("after-finish"),
            h.role_always,
            h.native_finish,
            h.usage_fields(lambda _: {"cost": 0.0001, "is_byok": False}),
            h.chunk_fields(provider="DeepInfra"),
        ),
        style=Style(comments=(b": OPENROUTER PROCESSING\n\n",), comment_share=0.05),
        error="openrouter",
    ),
    Dialect(
        name="perplexity",
        description="CR LF; no [DONE]; usage, citations, the whole message on every chunk; an odd last chunk",
        habits=(
            h.no_refusal,
            h.usage_at("every"),
            h.role_always,
            h.absent_nulls,
            h.whole_so_far,
            h.finish_object("chat.completion.done"),
            h.chunk_fields(
                citations=["https://example.com/a", "https://example.com/b"],
                search_results=[
                    {"title": "A", "url": "https://example.com/a", "date": "2025-06-01"},
                    {"title": "B", "url": "https://example.com/b", "date": None},
                ],
            ),
            h.no_marker,
        ),
        style=Style(newline=b"\r\n"),
    ),
    Dialect(
        name="mistral",
        description="usage on the finish, unasked; tool calls whole and without an index; a padding field 'p'",
        habits=(h.no_refusal, h.whole_calls, h.no_index, h.usage_at("finish"), h.chunk_fields(p="abcdefgh")),
    ),
    Dialect(
        name="deepseek",
        description="usage on the finish, with figures of its cache, null before; comments : keep-alive under load",
        habits=(
            h.no_refusal,
            h.usage_at("finish"),
            h.null_usage,
            h.usage_fields(
                lambda usage: {"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": usage.get("prompt_tokens", 0)}
            ),
        ),
        style=Style(comments=(b": keep-alive\n\n",), comment_share=0.1),
    ),
    Dialect(
        name="together",
        description="the role on every chunk; the text beside the delta again; usage on the finish, null before",
        habits=(
            h.no_refusal,
            h.reasoning,
            h.usage_at("finish"),
            h.null_usage,
            h.role_always,
            h.each_delta(lambda delta: {"token_id": 1, **delta}),
            h.text_beside,
            h.each_choice(lambda choice: {**choice, "seed": None}),
        ),
    ),
    Dialect(
        name="azure",
        description="first a verdict on the prompt, without id and model; verdicts beside the deltas",
        habits=(h.content_filter, h.prompt_filter),
    ),
    Dialect(
        name="ollama",
        description="the role on every chunk; thinking in 'reasoning'; tool calls whole, all at index 0",
        habits=(
            h.no_refusal,
            h.reasoning,
            h.whole_calls,
            h.first_index,
            h.role_always,
            h.chunk_fields(system_fingerprint="fp_ollama"),
        ),
    ),
    Dialect(
        name="gpustack",
        description="no role, but empty thinking first; no [DONE]; usage on every chunk; empty 200s",
        habits=(h.no_refusal, h.role_never, h.opening(reasoning_content=""), h.usage_at("every"), h.no_marker),
        overlong="empty",
    ),
    Dialect(
        name="snowflake",
        description="[DONE] without a finish reason; empty ids; the role on every chunk",
        habits=(
            h.marker_only,
            h.role_always,
            h.each_delta(lambda delta: {**delta, "refusal": "", "tool_calls": delta.get("tool_calls")}),
            h.each_choice(lambda choice: {k: v for k, v in choice.items() if k != "finish_reason"}),
            h.chunk_fields(id="", created=0, service_tier="", system_fingerprint=""),
        ),
    ),
    Dialect(
        name="huggingface",
        description="a router: the role on every chunk; usage twice; no [DONE] from some of its upstreams",
        habits=(h.no_refusal, h.role_always, h.usage_at("both"), h.null_usage, h.no_marker),
    ),
    Dialect(
        name="cloudflare",
        description="no role at all; usage on the finish; emoji cut into lone surrogates over two deltas",
        habits=(h.no_refusal, h.role_never, h.usage_at("finish"), h.halved_emoji),
    ),
    Dialect(
        name="vllm",
        description="a stop_reason beside the finish; thinking in 'reasoning'; errors without the key 'error'",
        habits=(h.no_refusal, h.reasoning, h.finish_fields(stop_reason=None)),
        error="vllm",
    ),
    Dialect(
        name="llamacpp",
        description="the server's own timings on the last chunk",
        habits=(h.no_refusal, h.timings),
    ),
    Dialect(
        name="xai",
        description="the role with the first token; the finish reason absent rather than null; tool calls whole",
        habits=(
            h.no_refusal,
            h.role_with_text,
            h.absent_nulls,
            h.whole_calls,
            h.usage_fields(lambda _: {"num_sources_used": 0, "cost_in_usd_ticks": 1497500}),
        ),
    ),
    Dialect(
        name="zai",
        description="the role on every chunk; the finish reason absent rather than null; usage on the finish",
        habits=(h.no_refusal, h.whole_calls, h.usage_at("finish"), h.role_always, h.absent_nulls),
    ),
    Dialect(
        name="alibaba",
        description="empty ids where tool calls go on; usage null before its own chunk",
        habits=(h.no_refusal, h.empty_ids, h.null_usage),
    ),
    Dialect(
        name="litellm",
        description="a proxy: the finish reason absent rather than null; one more chunk with a choice, for the usage",
        habits=(
            h.no_refusal,
            h.role_with_text,
            h.usage_at("after-finish"),
            h.absent_nulls,
            h.chunk_fields(stream_options={"include_usage": True}),
        ),
    ),
    Dialect(
        name="repeated-names",
        description="a server that repeats id and name on every fragment of a tool call",
        habits=(h.no_refusal, h.repeated_names),
    ),
    # -- anthropic
    Dialect(
        name="anthropic-padded",
        wire="anthropic",
        description="the vendor's own padding: spaces before the last brace",
        style=Style(padding=16),
    ),
    Dialect(
        name="bedrock",
        wire="anthropic",
        description="the platform's metrics in message_stop; ids msg_bdrk_",
        habits=(m.message_ids("msg_bdrk_"), m.invocation_metrics),
    ),
    Dialect(
        name="vertex",
        wire="anthropic",
        description="ids msg_vrtx_, and an event of its own",
        habits=(m.message_ids("msg_vrtx_"), m.platform_event("vertex_event")),
    ),
    Dialect(
        name="nameless-proxy",
        wire="anthropic",
        description="a proxy that leaves the event: lines out",
        style=Style(names=False),
    ),
    Dialect(
        name="done-proxy",
        wire="anthropic",
        description="a proxy that appends [DONE], as for the other wire",
        habits=(m.marker_appended,),
    ),
    Dialect(
        name="whole-input",
        wire="anthropic",
        description="a tool's complete input in its block's start, no deltas",
        habits=(m.whole_input,),
    ),
)

DIALECTS: dict[str, Dialect] = {row.name: row for row in _ROWS}
"""All dialects, by name."""
