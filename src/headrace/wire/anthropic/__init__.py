"""The wire ``anthropic``: Anthropic's Messages, and the servers that follow it."""

from headrace.wire.anthropic.decode import AnthropicDecoder
from headrace.wire.anthropic.encode import AnthropicEncoder
from headrace.wire.anthropic.failure import encode_failure
from headrace.wire.anthropic.request import encode_request
from headrace.wire.anthropic.whole import encode_message

__all__ = ["AnthropicDecoder", "AnthropicEncoder", "encode_failure", "encode_message", "encode_request"]
