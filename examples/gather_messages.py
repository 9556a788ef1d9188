"""Ask several at once, and wait for their whole messages.

Run it: python examples/gather_messages.py [MODEL]
"""

import asyncio
import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")


async def main() -> None:
    async with headrace.AsyncClient() as client:  # holds the connections that the streams share
        streams = {city: client.stream(model, f"In one sentence: {city}") for city in ("Oslo", "Lima", "Rome")}
        messages = await headrace.gather(streams, max_concurrency=2, raise_errors=False)
    for city, message in messages.items():
        print(f"{city}: {message.outcome}: {message.text!r}")


asyncio.run(main())
