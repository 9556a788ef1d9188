"""The wire ``openai-responses``: OpenAI's Responses, and the servers that follow it."""

from headrace.wire.openai_responses.decode import OpenAIResponsesDecoder
from headrace.wire.openai_responses.encode import OpenAIResponsesEncoder
from headrace.wire.openai_responses.failure import encode_failure
from headrace.wire.openai_responses.request import encode_request
from headrace.wire.openai_responses.whole import encode_message

__all__ = ["OpenAIResponsesDecoder", "OpenAIResponsesEncoder", "encode_failure", "encode_message", "encode_request"]
