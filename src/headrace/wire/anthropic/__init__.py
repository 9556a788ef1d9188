"""The wire ``anthropic``: Anthropic's Messages, and the servers that follow it."""

from headrace.wire.anthropic.decode import AnthropicDecoder
from headrace.wire.anthropic.request import encode_request

__all__ = ["AnthropicDecoder", "encode_request"]
