"""A client's connection: requests in turn, each with its play, until one of the two has enough of it.

Laws kept here: the socket is always read, so that a client's leaving is seen at once, whatever the play waits for; what
is written and its note are one step for whoever reads the journal.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING, cast

from headrace.sim.play import Call
from headrace.sim.serving import control
from headrace.sim.serving.head import has_body, write_head
from headrace.sim.serving.http import CONTINUE, BadRequest, RequestReader
from headrace.sim.serving.player import Player

if TYPE_CHECKING:
    from headrace.sim.play import Act
    from headrace.sim.serving.control import Reply
    from headrace.sim.serving.head import Framing
    from headrace.sim.serving.http import Request
    from headrace.sim.serving.journal import Entry, Visit
    from headrace.sim.serving.records import By
    from headrace.sim.serving.server import Server

_LINGER_S = 1.0  # for a client that still sends while it is told that it should not
_AHEAD = 256 * 1024  # bytes of further requests that may wait for their turn

_log = logging.getLogger("headrace.sim")


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
        self._visit: Visit
        self._peer = ""
        self._entry: Entry | None = None
        self._player: Player | None = None
        self._task: asyncio.Task[None] | None = None
        self._resumed: asyncio.Future[None] | None = None  # while the socket takes no more
        self._under_way = 0  # bytes of the write that waits for the socket
        self._closing: tuple[By, str] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
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
        self._under_way = 0  # how much of it went out is not known any more
        self._leave("reset" if exc is not None else "fin")
        if self._linger is not None:
            self._linger.cancel()
        by, how = self._closing or ("client", "fin")
        self._journal.closed(self._visit, by, how, self._clock.now())
        self._server.connections.discard(self)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Take note that the socket has not taken all."""
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Take note that it has."""
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

    async def write(self, data: bytes, *, tokens: int = 0, answered: int | None = None, how: str = "") -> None:
        """Write bytes, and note them when the socket has taken them; see `Line.write`."""
        with self._journal.changed:
            self._transport.write(data)
            taken = self._resumed is None and not self._transport.is_closing()
            if taken:
                self._note(len(data), tokens, answered, how)
        if self._transport.is_closing():
            await self.stall()  # until its loss is told
        if not taken:
            self._under_way = len(data)
            with self._clock.waiting():
                while self._resumed is not None:
                    await self._resumed
            self._under_way = 0
            self._note(len(data), tokens, answered, how)
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

    def act(self, act: Act) -> None:
        """Close, reset or refuse."""
        assert self._entry is not None
        # noted first: the client must not see it before the journal does
        self._entry.end("server", act.kind, self._clock.now())
        if act.kind == "refuse":
            self._server.refuse_for(act.seconds)
        if act.kind == "close":
            self._close("fin")
        else:
            self._reset()

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
        self._task = self._server.spawn(self._run(self._player))

    async def _run(self, player: Player) -> None:
        try:
            await player.run()
        except Exception:  # noqa: BLE001 - whatever a source's steps raise
            _log.exception("the source of a play failed")
            assert self._entry is not None
            self._entry.end("server", "failed", self._clock.now())
            self._reset()
        if self._closing is None:
            self._entry = self._player = self._task = None
            self._keep(player.keeps)
            self._transport.resume_reading()
            self._go_on()

    # -- endings

    def _note(self, size: int, tokens: int, answered: int | None, how: str) -> None:
        assert self._entry is not None
        with self._journal.changed:
            if answered is not None:
                self._entry.answered(answered, self._clock.now())
            self._entry.sent(size, tokens)
            if how:
                self._entry.end("server", how, self._clock.now())

    def _leave(self, how: str) -> None:
        """Take note that the client is gone, unless we ended it before."""
        if self._closing is None:
            self._closing = ("client", how)
        self._end_exchange("client", "left")

    def _end_exchange(self, by: By, how: str) -> None:
        """End what goes on, from outside of it."""
        if self._entry is None or self._player is None or self._task is None:
            return
        self._player.stop()
        if not self._entry.ended:
            if self._under_way:
                self._entry.sent(self._under_way - self._transport.get_write_buffer_size(), 0)
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

    def _reset(self) -> None:
        self._closing = ("server", "reset")
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()
