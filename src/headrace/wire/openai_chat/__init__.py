"""The wire ``openai-chat``: OpenAI's Chat Completions and the servers that follow it, each with habits of its own."""

from headrace.wire.openai_chat.decode import OpenAIChatDecoder
from headrace.wire.openai_chat.encode import OpenAIChatEncoder
from headrace.wire.openai_chat.failure import encode_failure
from headrace.wire.openai_chat.request import encode_request
from headrace.wire.openai_chat.whole import encode_message

__all__ = ["OpenAIChatDecoder", "OpenAIChatEncoder", "encode_failure", "encode_message", "encode_request"]
