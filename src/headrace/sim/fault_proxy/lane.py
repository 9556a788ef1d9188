"""One direction of a connection: what its source says is held, delayed and passed on to its sink.

Laws kept here: bytes come out in their order and none is made up; what is held is bounded, so that a receiver who does
not read slows the sender down; an end is passed on as what it is, after the bytes before it; an ending at a byte comes
after exactly so many bytes were given to the receiver's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Literal, Protocol

from headrace.sim.dice import Dice
from headrace.sim.fault_proxy.sockets import watching
from headrace.sim.fault_proxy.toxics import Toxics
from headrace.sim.serving.sockets import has_unsent

if TYPE_CHECKING:
    from headrace.sim.fault_proxy.toxics import Direction, Ending
    from headrace.sim.serving.clock import Clock

SourceEnd = Literal["fin", "reset"]
Closing = Literal["reset", "close"]

_READ = 16 * 1024
_HELD = 64 * 1024
_ON_THE_WAY = 4 * 1024 * 1024  # more may be held where bytes take their time
_TICK_S = 0.02  # a bandwidth is shared out in writes of so long
_SLIP_S = 0.1  # and what was not used for longer is lost
_UNSENT_S = 0.002
_PATIENCE_S = 0.5  # so long a reset waits for a receiver that does not take the bytes before it

_HEALTHY = Toxics()


class Ends(Protocol):
    """The connection, as its two directions see it."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ...

    def source_ended(self, lane: Lane, how: SourceEnd) -> None:
        """Note that a side has said its end."""
        ...

    def struck(self, lane: Lane, ending: Ending) -> None:
        """Note that an ending has come."""
        ...

    def close(self, how: Closing) -> None:
        """End both sides."""
        ...

    def lane_done(self) -> None:
        """Note that a direction will pass on nothing more."""
        ...

    def moved(self) -> None:
        """Note that bytes were read, or passed on."""
        ...


class Lane:
    """A direction.

    Attributes:
        received: bytes read from the source.
        passed: bytes given to the sink.
        source_end: how the source ended; None: it has not.
        done: whether nothing more will be passed on.
        opposite: the other direction.
    """

    opposite: Lane

    def __init__(
        self, direction: Direction, *, source: socket.socket | None, clock: Clock, ends: Ends, number: int, seed: int
    ) -> None:
        self.direction: Direction = direction
        self.source = source
        self.sink: socket.socket | None = None
        self.received = 0
        self.passed = 0
        self.source_end: SourceEnd | None = None
        self.done = False
        self._clock = clock
        self._ends = ends
        self._number = number
        self._seed = seed
        self._dice = Dice(seed, f"fault proxy, jitter of {direction} of connection {number}")
        self._opened_s = clock.now()
        self._toxics = _HEALTHY
        self._held: deque[tuple[float, memoryview]] = deque()  # when it may be passed on, and what
        self._held_bytes = 0
        self._last_due_s = 0.0
        self._end_due_s = 0.0
        self._free_s = 0.0  # when the line has carried what it carries
        self._written_s: float | None = None
        self._mode: Ending | None = None  # the ending that it is in
        self._spent = False  # the ending came, and was released
        self._sink_gone = False
        self._all_read = False
        self._patience: asyncio.TimerHandle | None = None
        self._patient = True
        self._resting = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def held(self) -> int:
        """How many bytes were read and not yet passed on."""
        return self._held_bytes

    # ---- what others do to it

    def take(self, toxics: Toxics) -> None:
        """Take new settings; what has stalled or fell into a black hole goes on."""
        self._toxics = toxics if toxics.hits(self._number, self._seed, self.direction) else _HEALTHY
        self._spent = False
        if self._mode in ("stall", "blackhole"):
            self._mode = None
        self.wake()
        self._room.set()

    def release(self) -> None:
        """Let it go on, if it has stalled."""
        if self._mode == "stall":
            self._mode = None
            self._spent = True
            self.wake()

    def source_reset(self) -> None:
        """Take it that the source was reset, as a write to it has shown."""
        self._end("reset")

    def wake(self) -> None:
        """Look again at what is to be done. For the clock it is at work from now on, not from when its task runs."""
        if self._resting:
            self._resting = False
            self._clock.join()
        self._wake.set()

    # ---- reading

    async def read(self) -> None:
        """Read the source to its end."""
        loop = asyncio.get_running_loop()
        source = self.source
        assert source is not None
        while True:
            if self._held_bytes >= self._bound():
                await self._pause(source)
            try:
                data = await loop.sock_recv(source, _READ)
            except OSError:
                self._all_read = True
                self.source_reset()
                return
            if not data:
                self._all_read = True
                self._end("fin")
                return
            self.received += len(data)
            self._held.append((self._due_s(), memoryview(data)))
            self._held_bytes += len(data)
            self.wake()
            self._ends.moved()

    async def _pause(self, source: socket.socket) -> None:
        """Wait for room. A source that is reset meanwhile is not waited for: its other side shall know."""
        with watching(source, self._room.set) as was_reset:
            while self._held_bytes >= self._bound() and self.source_end is None:
                await self._make_room()
                if was_reset():
                    self.source_reset()
        while self._held_bytes >= self._bound():
            await self._make_room()

    async def _make_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _bound(self) -> int:
        return _ON_THE_WAY if self._toxics.latency_s or self._toxics.jitter_s else _HELD

    def _due_s(self) -> float:
        toxics = self._toxics
        late_s = toxics.latency_s + (self._dice.uniform(0.0, toxics.jitter_s) if toxics.jitter_s else 0.0)
        self._last_due_s = max(self._last_due_s, self._clock.now() + late_s)
        return self._last_due_s

    def _end(self, how: SourceEnd) -> None:
        if self.source_end in (how, "reset"):
            return
        self.source_end = how
        self._end_due_s = self._due_s()
        self._ends.source_ended(self, how)
        self.wake()
        self.opposite.wake()

    # ---- passing on

    async def pass_on(self) -> None:
        """Pass on what is held, until the connection is over."""
        self._clock.join()
        try:
            while not self._ends.over:
                until_s = self._step()
                if until_s is not None and until_s <= self._clock.now():
                    await asyncio.sleep(0)  # somebody may have left meanwhile
                elif not self._ends.over:
                    await self._wait(until_s)
        finally:
            self._clock.leave()

    def _step(self) -> float | None:
        """Do what is due now. Give when there is more to do; None: when woken."""
        now = self._clock.now()
        ending = self._ending_due(now)
        if ending is not None:
            self._strike(ending)
        if self._ends.over:
            return None
        if self._deaf():
            self._throw_away()
            return None
        if self._mode == "stall":
            return None
        if ending is not None and self._mode is None:  # the bytes before it are still here
            return self._earlier(None)
        if self._held and self._patient:
            return self._earlier(self._pass_piece(now))
        if self.source_end is not None:
            return self._earlier(self._pass_end(now))
        return self._earlier(None)

    def _ending_due(self, now: float) -> Ending | None:
        toxics = self._toxics
        if toxics.ending is None or self._mode is not None or self._spent:
            return None
        if toxics.at_byte is None and toxics.at_s is None:
            return toxics.ending
        by_byte = toxics.at_byte is not None and self.passed >= toxics.at_byte
        by_time = toxics.at_s is not None and now >= self._opened_s + toxics.at_s
        return toxics.ending if by_byte or by_time else None

    def _earlier(self, at_s: float | None) -> float | None:
        """Look again when the ending's time comes, if that is before."""
        toxics = self._toxics
        if toxics.at_s is None or self._mode is not None or self._spent:
            return at_s
        ends_s = self._opened_s + toxics.at_s
        return ends_s if at_s is None else min(at_s, ends_s)

    def _strike(self, ending: Ending) -> None:
        """Begin the ending; not yet, if it is a reset that would take bytes with it that come before its place."""
        by_byte = self._toxics.at_byte is not None and self.passed >= self._toxics.at_byte
        if ending == "reset" and by_byte and self._unsent():
            return
        self._mode = ending
        self._ends.struck(self, ending)
        if ending in ("reset", "close"):
            self._ends.close(ending)
        elif ending == "truncate":
            self._finish()

    def _deaf(self) -> bool:
        """Say whether what is said is thrown away: nobody will ever read it."""
        if self._sink_gone or self._mode in ("truncate", "blackhole"):
            return True
        return self._mode == "stall" and self.opposite.source_end is not None

    def _throw_away(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._room.set()
        self._ends.moved()
        if self.source_end is not None:
            self._be_done()

    def _pass_piece(self, now: float) -> float | None:
        due_s, data = self._held[0]
        size = self._size(len(data))
        ready_s = self._ready_s(due_s, size)
        if ready_s > now:
            return ready_s
        sink = self.sink
        assert sink is not None
        try:
            size = sink.send(data[:size])
        except (BlockingIOError, InterruptedError):
            asyncio.get_running_loop().add_writer(sink, self._writable)
            if self.source_end == "reset":
                self._lose_patience()
            return None
        except OSError:
            self._sink_gone = True
            self.opposite.source_reset()
            return now
        self._free_s = ready_s if now - ready_s < _SLIP_S else now
        self._written_s = now
        self.passed += size
        self._held_bytes -= size
        if size == len(data):
            self._held.popleft()
        else:
            self._held[0] = (due_s, data[size:])
        self._room.set()
        self._ends.moved()
        return now

    def _size(self, size: int) -> int:
        """Say how many bytes may be written at once."""
        toxics = self._toxics
        if toxics.bandwidth is not None:
            size = min(size, max(1, int(toxics.bandwidth * _TICK_S)))
        if toxics.slice_bytes is not None:
            size = min(size, toxics.slice_bytes)
        if toxics.ending is not None and toxics.at_byte is not None and self._mode is None and not self._spent:
            size = min(size, toxics.at_byte - self.passed)
        return size

    def _ready_s(self, due_s: float, size: int) -> float:
        """Say when so many bytes may be written that are due at a moment."""
        toxics = self._toxics
        ready_s = due_s
        if toxics.bandwidth is not None:
            ready_s = max(due_s, self._free_s) + size / toxics.bandwidth
        if toxics.slice_bytes is not None and self._written_s is not None:
            ready_s = max(ready_s, self._written_s + toxics.slice_gap_s)
        return ready_s

    def _pass_end(self, now: float) -> float | None:
        if self._end_due_s > now:
            return self._end_due_s
        if self.source_end == "reset":
            if self._patient and (not self._all_read or self._unsent()):
                self._lose_patience()
            else:
                self._ends.close("reset")
        elif not self.done:
            self._finish()
        return None

    def _finish(self) -> None:
        """Tell the sink that this was all."""
        assert self.sink is not None
        with contextlib.suppress(OSError):  # it has gone meanwhile
            self.sink.shutdown(socket.SHUT_WR)
        self._be_done()

    def _be_done(self) -> None:
        if not self.done:
            self.done = True
            self._ends.lane_done()

    # ---- waiting

    def _lose_patience(self) -> None:
        """Begin to lose it: the source is gone, and the sink does not read."""
        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_PATIENCE_S, self._impatient)

    def _impatient(self) -> None:
        self._patient = False
        self.wake()

    def _unsent(self) -> bool:
        """Say whether bytes wait in the sink that a reset would take with it; if so, look again in a moment."""
        assert self.sink is not None
        waiting = not self._sink_gone and has_unsent(self.sink)
        if waiting:
            asyncio.get_running_loop().call_later(_UNSENT_S, self.wake)
        return waiting

    def _writable(self) -> None:
        assert self.sink is not None
        asyncio.get_running_loop().remove_writer(self.sink)
        self.wake()

    async def _wait(self, until_s: float | None) -> None:
        """Wait until a moment, or until woken."""
        self._resting = True
        if until_s is None:
            self._clock.leave()
            try:
                await self._wake.wait()
            finally:
                if self._resting:
                    self._clock.join()
        else:
            tasks = {
                asyncio.ensure_future(self._clock.sleep_until(until_s)),
                asyncio.ensure_future(self._wake.wait()),
            }
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                if not self._resting:
                    self._clock.leave()  # it has joined twice: when it was woken, and when its sleep ended
        self._resting = False
        self._wake.clear()
