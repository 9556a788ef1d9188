"""Keep the SDK that you have, and read its stream with ours: events, `until`, and leaving stops the model.

It wants the SDK (pip install openai) and asks OPENAI_BASE_URL, or OpenAI; MODEL is as that server names it.

Run it: python examples/adopt_sdk.py [MODEL]
"""

import os
import sys

import openai

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "gpt-4o-mini")

client = openai.OpenAI()
chunks = client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": "Count to ten, in words."}], stream=True
)
with headrace.adopt(chunks).until("three") as s:
    for text in s.text_stream:
        print(text, end="", flush=True)
print(f"\n[{s.message.outcome}]")
