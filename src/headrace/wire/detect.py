"""A decoder for who does not know the wire: the first frame, or the whole document, tells it.

Law kept here: the choice is made once, by what says something; an empty frame does not choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.wire.framing import Frame
from headrace.wire.registry import detect_wire, make_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.events import Event
    from headrace.wire.providers import WireName
    from headrace.wire.registry import Decoder


class DetectingDecoder:
    """Decode one attempt's frames of a wire that is found out.

    Args:
        make: makes the decoder of the wire that was found.

    Attributes:
        wire: the wire that was found, None before.
        done: whether the end was given.
    """

    def __init__(self, make: Callable[[WireName], Decoder] = make_decoder) -> None:
        self.wire: WireName | None = None
        self.done = False
        self._make = make
        self._decoder: Decoder | None = None

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self._decoder is not None and self._decoder.finished

    @property
    def native_stop_reason(self) -> str | None:
        """The provider's word for why the answer (its first choice) ended; None: it has not said one."""
        return None if self._decoder is None else self._decoder.native_stop_reason

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in and give its events.

        Raises:
            WireError: if the frame's data is not JSON.
        """
        if self._decoder is None and not frame.data.strip():
            return []
        decoder = self._for(frame)
        events = decoder.feed(frame)
        self.done = decoder.done
        return events

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document.

        Raises:
            WireError: if it is no answer of a wire that is known.
        """
        decoder = self._for(Frame(body))
        events = decoder.whole(body)
        self.done = decoder.done
        return events

    def finish(self) -> list[Event]:
        """Say that no more frames come: the end, if none was given yet."""
        decoder = self._for(Frame(b""))
        events = decoder.finish()
        self.done = decoder.done
        return events

    def _for(self, frame: Frame) -> Decoder:
        if self._decoder is None:
            self.wire = detect_wire(frame)
            self._decoder = self._make(self.wire)
        return self._decoder
