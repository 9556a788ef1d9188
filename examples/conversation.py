"""Go on with a conversation: a message goes back into the list as it was received.

Run it: python examples/conversation.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

messages: list[str | headrace.Message] = []
with headrace.Client() as client:  # one connection for all turns
    for question in ("Write a haiku about rivers", "And now one about rain"):
        messages.append(question)
        print(f"> {question}")
        with client.stream(model, messages, system="You are a poet.") as s:
            for text in s.text_stream:
                print(text, end="", flush=True)
        print()
        messages.append(s.message)
