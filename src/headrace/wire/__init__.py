"""The wires: how providers (and front ends) put a stream into bytes. Sans-IO, a room a wire.

Public by themselves, for who has the bytes and wants events: a framer cuts frames out of bytes, a decoder reads them.

    framer, decoder = SSEFramer(), make_decoder("openai-chat")
    for chunk in chunks:
        for frame in framer.feed(chunk):
            events = decoder.feed(frame)
"""

from headrace.wire.anthropic import AnthropicDecoder
from headrace.wire.framing import Frame, SSEFramer
from headrace.wire.openai_chat import OpenAIChatDecoder
from headrace.wire.registry import detect_wire, make_decoder, make_framer

__all__ = [
    "AnthropicDecoder",
    "Frame",
    "OpenAIChatDecoder",
    "SSEFramer",
    "detect_wire",
    "make_decoder",
    "make_framer",
]
