"""What a user holds: `Stream` and `AsyncStream`, two thin runners over one `Exchange`.

Laws kept here: a stream is entered once and read inside its block; leaving the block by whatever way, `cancel`, a met
condition or a deadline closes the upstream's socket now; a second iterator goes on where the first stopped; an end that
is no success raises, after all that had arrived was given out.
"""

from headrace.stream.asynchronous import AsyncStream
from headrace.stream.blocking import Stream

__all__ = ["AsyncStream", "Stream"]
