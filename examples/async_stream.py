"""The same in async code: other tasks run while this one waits for the model.

Run it: python examples/async_stream.py [MODEL]
"""

import asyncio
import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")


async def main() -> None:
    async with headrace.astream(model, "Write a haiku about rivers") as s:
        async for text in s.text_stream:
            print(text, end="", flush=True)
    print()


asyncio.run(main())
