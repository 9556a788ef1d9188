"""A client's connection: requests in turn, each with its play, until one of the two has enough of it.

Laws kept here: the socket is always read, so that a client's leaving is seen at once, whatever the play waits for; what
is written and its note are one step for whoever reads the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from headrace.sim.play import Call
from headrace.sim.serving import control
from headrace.sim.serving.head import has_body, write_head
from headrace.sim.serving.http import CONTINUE, BadRequest, RequestReader
from headrace.sim.serving.player import Mark, Player
from headrace.sim.serving.sockets import has_unsent, say_fin, say_reset_when_closed

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Sequence

    from headrace.sim.play import Act
    from headrace.sim.serving.control import Reply
    from headrace.sim.serving.entries import Entry, Visit
    from headrace.sim.serving.head import Framing
    from headrace.sim.serving.http import Request
    from headrace.sim.serving.records import By
    from headrace.sim.serving.server import Server

_LINGER_S = 1.0  # for a client that still sends while it is told that it should not
_AHEAD = 256 * 1024  # bytes of further requests that may wait for their turn
_WRITE = 16 * 1024  # at once: a write that fills the send buffer by itself waits for delayed acknowledgements
_PATIENCE_S = 10.0  # so long a reset waits for a client that does not read what comes before it
_LOOK_S = 0.002


class _Writing(Struct):
    """A write that goes on.

    Attributes:
        size: all its bytes.
        marks: what is still to be noted.
        how: how the exchange ends with its last byte; empty: it does not.
        handed: bytes that the transport was given.
        noted: bytes that the socket has taken, as it is noted.
    """

    size: int
    marks: deque[Mark]
    how: str
    handed: int = 0
    noted: int = 0


class Connection(asyncio.Protocol):
    """One connection of a server.

    Attributes:
        lost: done when it is gone.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._clock = server.clock
        self._journal = server.journal
        self._reader = RequestReader(body_limit=server.body_limit)
        self._transport: asyncio.Transport
        self._socket: TransportSocket
        self._visit: Visit
        self._peer = ""
        self._entry: Entry | None = None
        self._player: Player | None = None
        self._task: asyncio.Task[None] | None = None
        self._resumed: asyncio.Future[None] | None = None  # while the socket takes no more
        self._writing: _Writing | None = None
        self._closing: tuple[By, str] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
        self._socket = self._transport.get_extra_info("socket")
        # a client that is gone already has no name any more
        self._peer, port = (self._transport.get_extra_info("peername") or ("", 0))[:2]
        peer = f"[{self._peer}]:{port}" if ":" in self._peer else f"{self._peer}:{port}"
        self._visit = self._journal.opened(peer, self._clock.now())
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        if self._closing is not None:
            return
        self._reader.feed(data)
        if self._entry is None:
            self._go_on()
        elif self._reader.waiting_bytes > _AHEAD:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Take the client's FIN."""
        self._leave("fin")
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take its RST, or the end of what we closed ourselves."""
        self._writing = None  # how much of it went out is not known any more
        self._leave("reset" if exc is not None else "fin")
        if self._linger is not None:
            self._linger.cancel()
        by, how = self._closing or ("client", "fin")
        if how != "reset":
            say_fin(self._socket)
        self._journal.closed(self._visit, by, how, self._clock.now())
        self._server.connections.discard(self)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Take note that the socket has not taken all."""
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Take note that it has."""
        self._note_taken()
        resumed, self._resumed = self._resumed, None
        assert resumed is not None
        resumed.set_result(None)

    # -- from the server

    def stop(self) -> None:
        """Cut it, since the server ends."""
        if self._closing is None:
            self._closing = ("server", "stopped")
        self._end_exchange("server", "stopped")
        self._transport.abort()

    # -- from the player

    async def write(self, data: bytes, *, marks: Sequence[Mark] = (), how: str = "") -> None:
        """Write bytes, and note them when the socket has taken them; see `Line.write`."""
        self._writing = _Writing(len(data), deque(marks), how)
        view = memoryview(data)
        for start in range(0, len(data) or 1, _WRITE):
            with self._journal.changed:
                part = view[start : start + _WRITE]
                self._transport.write(part)
                self._writing.handed += len(part)
                if not self._transport.is_closing():
                    self._note_taken()
            if self._transport.is_closing():
                await self.stall()  # until its loss is told
            if (resumed := self._resumed) is not None:
                with self._clock.waiting():
                    await resumed
        self._writing = None
        await asyncio.sleep(0)  # the loop may have seen the client go

    async def stall(self) -> None:
        """Wait until the client goes."""
        with self._clock.waiting():
            await asyncio.get_running_loop().create_future()

    async def hold(self, name: str) -> None:
        """Wait until a hold is released."""
        if not self._server.holds.take(name):
            with self._clock.waiting():
                await self._server.holds.wait(name)

    async def act(self, act: Act) -> None:
        """Close, reset or refuse."""
        assert self._entry is not None
        # noted first: the client must not see it before the journal does
        self._entry.end("server", act.kind, self._clock.now())
        if act.kind == "refuse":
            self._server.refuse_for(act.seconds)
        if act.kind == "close":
            self._close("fin")
        else:
            await self._reset()

    # -- requests

    def _go_on(self) -> None:
        """Answer what has come, until something takes its time."""
        while self._entry is None and self._closing is None:
            try:
                request = self._reader.take()
            except BadRequest as bad:
                self._say(control.refusal(bad.status, str(bad)), keep=False)
                self._close_slowly("bad-request")
                return
            if request is None:
                if self._reader.must_continue():
                    self._transport.write(CONTINUE)
                return
            if control.is_control(request):
                self._control(request)
            elif request.method == "OPTIONS":
                self._say(control.options(), keep=request.keep)
                self._keep(request.keep)
            else:
                self._begin(request)

    def _control(self, request: Request) -> None:
        self._visit.note_control()
        why = control.why_not(request, peer=self._peer, ours=self._transport.get_extra_info("sockname")[0])
        if why is not None:
            reply = control.refusal(403, why)
        else:
            reply = control.answer(request, journal=self._journal, holds=self._server.holds)
        self._say(reply, keep=request.keep, head_only=request.method == "HEAD")
        self._keep(request.keep)

    def _say(self, reply: Reply, *, keep: bool, head_only: bool = False) -> None:
        """Answer at once, past the journal."""
        framing: Framing | None = "length" if has_body(reply.head.status) else None
        data = write_head(reply.head, framing, length=len(reply.body), keep=keep)
        self._transport.write(data if head_only else data + reply.body)

    def _begin(self, request: Request) -> None:
        now_s = self._clock.now()
        self._clock.join()  # before anybody can read of it
        self._entry = self._journal.asked(
            self._visit,
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=request.body,
            at_s=now_s,
        )
        head_only = request.method == "HEAD"
        play = self._server.play(
            Call(
                method="GET" if head_only else request.method,
                path=request.path,
                headers=request.headers,
                body=request.body,
            )
        )
        try:
            self._entry.chosen(play)
            self._player = Player(
                play,
                self,
                clock=self._clock,
                entry=self._entry,
                began_s=now_s,
                chunks=not request.is_1_0,
                head_only=head_only,
                keep=request.keep,
            )
        except BaseException as error:  # noqa: BLE001 - whatever a source takes for a play
            self._fail(error)
            self._task = self._server.spawn(self._reset())
        else:
            self._task = self._server.spawn(self._run(self._player))

    async def _run(self, player: Player) -> None:
        try:
            await player.run()
        except BaseException as error:  # whatever a source's steps raise
            assert self._entry is not None
            if self._entry.ended:  # it was cancelled by whoever ended it
                raise
            self._fail(error)
            await self._reset()
        if self._closing is None:
            self._entry = self._player = self._task = None
            self._keep(player.keeps)
            self._transport.resume_reading()
            self._go_on()

    def _fail(self, error: BaseException) -> None:
        """End the exchange, since its source has failed."""
        assert self._entry is not None
        self._server.note_failure(error, "the source of a play failed")
        self._entry.end("server", "failed", self._clock.now())

    # -- endings

    def _note_taken(self) -> None:
        """Note what the socket has taken by now of what is written."""
        writing = self._writing
        if writing is None or self._entry is None:
            return
        with self._journal.changed:
            taken = max(writing.noted, writing.handed - self._transport.get_write_buffer_size())
            tokens = 0
            while writing.marks and writing.marks[0].end <= taken:
                mark = writing.marks.popleft()
                tokens += mark.tokens
                if mark.status is not None:
                    self._entry.answered(mark.status, self._clock.now())
            self._entry.sent(taken - writing.noted, tokens)
            writing.noted = taken
            if writing.how and taken == writing.size:
                self._entry.end("server", writing.how, self._clock.now())

    def _leave(self, how: str) -> None:
        """Take note that the client is gone, unless we ended it before."""
        if self._closing is None:
            self._closing = ("client", how)
        self._end_exchange("client", "left")

    def _end_exchange(self, by: By, how: str) -> None:
        """End what goes on, from outside of it."""
        if self._entry is None or self._player is None or self._task is None:
            return
        try:
            self._player.stop()
        except BaseException as error:  # noqa: BLE001 - whatever a source's steps raise when they are closed
            self._server.note_failure(error, "the source of a play failed when it was left")
        if not self._entry.ended:
            self._note_taken()
            self._entry.end(by, how, self._clock.now())
        self._task.cancel()

    def _keep(self, keep: bool) -> None:
        if not keep:
            self._close("fin")

    def _close(self, how: str) -> None:
        self._closing = ("server", how)
        self._transport.close()

    def _close_slowly(self, how: str) -> None:
        """Close it, but take what the client still sends: else its system throws our answer away."""
        self._closing = ("server", how)
        self._transport.write_eof()
        self._linger = asyncio.get_running_loop().call_later(_LINGER_S, self._transport.abort)

    async def _reset(self) -> None:
        """Reset it, once the client's system has what was written before: the rest a reset takes with it."""
        self._closing = ("server", "reset")
        say_reset_when_closed(self._socket)
        if self._has_unsent():
            loop = asyncio.get_running_loop()
            until = loop.time() + _PATIENCE_S
            with self._clock.waiting():
                while self._has_unsent() and loop.time() < until:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(_LOOK_S)
        self._transport.abort()

    def _has_unsent(self) -> bool:
        if self._transport.is_closing():
            return False
        return self._transport.get_write_buffer_size() > 0 or has_unsent(self._socket)
