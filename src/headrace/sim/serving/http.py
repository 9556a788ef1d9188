"""Requests out of bytes, by h11; any number in a row on one connection.

Law kept here: h11 only reads. Each request has an h11 connection of its own, which begins with what the one before has
left over; answers are written by whoever plays them, byte for byte.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import h11
from msgspec import Struct

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_HEAD_LIMIT = 64 * 1024


class Request(Struct, frozen=True, kw_only=True):
    """A whole request.

    Attributes:
        method: of HTTP.
        path: with its query.
        headers: names in lower case; what comes twice is joined by commas.
        hosts: what stands in `Host`, each time.
        body: its bytes.
        is_1_0: whether the client speaks HTTP/1.0, and so knows no chunks.
        keep: whether the client would ask again on this connection.
    """

    method: str
    path: str
    headers: dict[str, str]
    hosts: tuple[str, ...]
    body: bytes
    is_1_0: bool
    keep: bool


class BadRequest(Exception):
    """What came is no request that can be answered, and nothing after it can be read.

    Attributes:
        status: that says so.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestReader:
    """Bytes in, requests out.

    Args:
        body_limit: of a request's body, in bytes.
    """

    def __init__(self, *, body_limit: int) -> None:
        self.body_limit = body_limit
        self._later: list[bytes] = []
        self._later_size = 0
        self._h11 = _fresh()
        self._request: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._told_to_go_on = False

    @property
    def waiting_bytes(self) -> int:
        """Tell how many bytes were fed while nobody took requests."""
        return self._later_size

    def feed(self, data: bytes) -> None:
        """Take bytes in; nothing is looked at until a request is asked for."""
        if data:  # to h11, nothing is the end
            self._later.append(data)
            self._later_size += len(data)

    def take(self) -> Request | None:
        """Give the next request; None: it is not all there yet.

        Raises:
            BadRequest: if there is none, and never will be.
        """
        if self._later:
            self._h11.receive_data(b"".join(self._later))
            self._later.clear()
            self._later_size = 0
        try:
            while True:
                event = self._h11.next_event()
                if isinstance(event, h11.Request):
                    self._begin(event)
                elif isinstance(event, h11.Data):
                    self._add(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    return self._end()
                else:  # more is needed
                    return None
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint, str(error)) from None

    def must_continue(self) -> bool:
        """Tell, once a request, whether its client waits to be told to send the body."""
        if self._told_to_go_on or not self._h11.they_are_waiting_for_100_continue:
            return False
        self._told_to_go_on = True
        return True

    def _begin(self, event: h11.Request) -> None:
        self._request = event
        length = next((value for name, value in event.headers if name == b"content-length"), b"0")
        if int(length) > self.body_limit:
            raise self._too_large()

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self.body_limit:
            raise self._too_large()
        self._body.append(data)

    def _too_large(self) -> BadRequest:
        return BadRequest(413, f"the request's body is larger than {self.body_limit} bytes")

    def _end(self) -> Request:
        event, body = self._request, b"".join(self._body)
        assert event is not None
        rest, _ = self._h11.trailing_data
        self._h11 = _fresh()
        if rest:
            self._h11.receive_data(rest)
        self._request, self._body, self._size, self._told_to_go_on = None, [], 0, False
        headers: dict[str, str] = {}
        hosts: list[str] = []
        for raw_name, raw_value in event.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
            if name == "host":
                hosts.append(value)
        tokens = {token.strip().lower() for token in headers.get("connection", "").split(",")}
        is_1_0 = event.http_version < b"1.1"
        return Request(
            method=event.method.decode("ascii"),
            path=_path(event.target.decode("latin-1")),
            headers=headers,
            hosts=tuple(hosts),
            body=body,
            is_1_0=is_1_0,
            keep=not is_1_0 and "close" not in tokens,
        )


def _fresh() -> h11.Connection:
    return h11.Connection(our_role=h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)


def _path(target: str) -> str:
    """Give the path of a target, which a client that takes us for a proxy gives with the host."""
    if not target.lower().startswith(("http://", "https://")):
        return target
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise BadRequest(400, f"the target is no address: {error}") from None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
