"""Let a model call a function of yours: it asks, you answer, it goes on.

Run it: python examples/tool_call.py [MODEL]
"""

import json
import os
import sys
from typing import Any

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/tools")

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]


def get_weather(city: str) -> dict[str, Any]:
    return {"city": city, "sky": "rain", "celsius": 11}


messages: list[Any] = ["What is the weather in Paris?"]
for _ in range(5):  # a model that calls for ever is stopped
    with headrace.stream(model, messages, tools=TOOLS) as s:
        for text in s.text_stream:
            print(text, end="", flush=True)
    messages.append(s.message)
    if s.message.outcome != "tool_calls":
        break
    for call in s.message.tool_calls:
        try:
            result = json.dumps(get_weather(**call.parsed()))
        except (ValueError, TypeError) as error:  # arguments are a model's words: let it mend them
            result = f"error: {error}"
        print(f"[{call.name}({call.arguments}) -> {result}]")
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
print()
