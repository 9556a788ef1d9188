"""The wire ``openai-chat``: OpenAI's Chat Completions and the servers that follow it, each with habits of its own."""

from headrace.wire.openai_chat.decode import OpenAIChatDecoder
from headrace.wire.openai_chat.request import encode_request

__all__ = ["OpenAIChatDecoder", "encode_request"]
