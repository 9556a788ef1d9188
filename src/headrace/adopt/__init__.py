"""What people already hold, an SDK's stream or a response or an iterator, made ours.

Connections over foreign sources, for the same exchange and the same two runners as everything else.

    adopting.py          `adopt`: options in, a `Stream` or `AsyncStream` out
    recognise.py         what a source is, by what it can do: foreign packages are never imported
    pieces.py            what iterators give (bytes, lines, chunk objects) to bytes of a stream. Sans-IO
    reach.py             the socket below a source, and what is to be closed
    blocking.py          a connection over a source that blocks
    asynchronous.py      a connection over an async source
    aiohttp_response.py  the same over aiohttp's responses, which our own transport knows how to read
    watchdog.py          deadlines for sources that know none
"""

from headrace.adopt.adopting import adopt

__all__ = ["adopt"]
