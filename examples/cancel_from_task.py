"""Stop a model from another task: one reads the answer, the other waits for Enter.

`cancel` closes the provider's socket at once, also before the first token and while the model is silent. Cancelling
the reading task, or a timeout around it, does so too.

Run it: python examples/cancel_from_task.py [MODEL]
"""

import asyncio
import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")


async def read(s: headrace.AsyncStream) -> None:
    async with s:
        async for text in s.text_stream:
            print(text, end="", flush=True)
    print(f"\n[{s.message.outcome}]")  # cancelled, with the text up to there in s.message


async def main() -> None:
    s = headrace.astream(model, "Tell me a long story")
    reading = asyncio.create_task(read(s))
    await asyncio.to_thread(sys.stdin.readline)
    s.cancel()
    await reading


asyncio.run(main())
