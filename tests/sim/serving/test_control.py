"""``/_sim/``: for programs on this machine, and for nobody else."""

import pytest

from headrace.sim.serving.control import is_loopback, why_not
from headrace.sim.serving.http import RequestReader
from tests.sim.serving.raw import LAST, Client, act, get, play, request, simulator


def test_what_there_is() -> None:
    with simulator(play(b"x")) as sim, Client(sim) as client:
        for path in ("/_sim", "/_sim/", "/_sim/?x=y"):
            client.send(get(path))
            assert client.json()["simulation"] is True
        client.send(request(line="POST /_sim/ HTTP/1.1"))
        assert client.answer()[0] == 405
        client.send(get("/_sim/nothing"))
        status, headers, body = client.answer()
        assert (status, headers["content-type"]) == (404, "application/json")
        assert b"GET /_sim/journal" in body


def test_the_journal_is_read_and_forgotten() -> None:
    with simulator(play(b"x")) as sim, Client(sim, request()) as asking, Client(sim) as looking:
        asking.until(LAST)
        looking.send(get("/_sim/journal"))
        said = looking.json()
        # who looks is not among those who are looked at
        assert (len(said["exchanges"]), len(said["connections"]), said["open_connections"]) == (1, 1, 1)
        looking.send(get("/_sim/journal", method="HEAD"))
        head = looking.until(b"\r\n\r\n")
        assert b"content-length: " in head
        looking.send(get("/_sim/journal", method="DELETE"))
        assert looking.json() == {"cleared": True}
        looking.send(get("/_sim/journal"))
        assert looking.json()["exchanges"] == []
        looking.send(request(line="PUT /_sim/journal HTTP/1.1"))
        status, headers, _ = looking.answer()
        assert (status, headers["allow"]) == (405, "GET, HEAD, DELETE")


def test_who_looks_and_asks_is_shown() -> None:
    with simulator(play(b"x")) as sim, Client(sim, get("/_sim/journal")) as client:
        assert client.json()["connections"] == []
        client.send(request())
        client.until(LAST)
        assert [c.exchanges for c in sim.journal.connections] == [(1,)]


def test_a_release() -> None:
    with simulator(play(act("hold"), b"x")) as sim, Client(sim) as client:
        client.send(request(b"", line="POST /_sim/release?name=a HTTP/1.1"))
        assert client.json() == {"released": 0}
        client.send(get("/_sim/release"))
        status, headers, _ = client.answer()
        assert (status, headers["allow"]) == (405, "POST")


def test_who_will_not_ask_again() -> None:
    with simulator(play(b"x")) as sim:
        with Client(sim, get("/_sim/", "connection: close")) as client:
            assert client.json()["simulation"] is True
            assert client.rest() == b""
        with Client(sim, get("/v1/models", "connection: close", method="OPTIONS")) as client:
            assert client.answer()[0] == 204
            assert client.rest() == b""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4748", "10.0.0.1", "localhost.evil.example", "a b", ""])
def test_a_name_that_is_not_this_machines(host: str) -> None:
    with simulator(play(b"x")) as sim, Client(sim, get("/_sim/journal", host=host)) as client:
        status, _, body = client.answer()
        assert status == 403
        assert b"Host header must name this machine" in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:4748", "[::1]:4748", "127.1.2.3"])
def test_names_of_this_machine(host: str) -> None:
    with simulator(play(b"x")) as sim, Client(sim, get("/_sim/journal", host=host)) as client:
        assert client.answer()[0] == 200


@pytest.mark.parametrize(
    "header",
    ["origin: http://localhost", "Origin: null", "sec-fetch-site: cross-site", "sec-fetch-site: same-site"],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_web_pages_are_refused(header: str, method: str) -> None:
    with simulator(play(b"x")) as sim, Client(sim, request()) as client:
        client.until(LAST)
        client.send(get("/_sim/journal", header, method=method))
        status, headers, body = client.answer()
        assert status == 403
        assert b"not for web pages" in body
        assert not any(name.startswith("access-control") for name in headers)
        assert len(sim.journal.exchanges) == 1


def test_a_person_may_look_with_a_browser() -> None:
    with simulator(play(b"x")) as sim, Client(sim, get("/_sim/journal", "sec-fetch-site: none")) as client:
        assert client.answer()[0] == 200


def test_other_machines_are_refused() -> None:
    reader = RequestReader(body_limit=10)
    reader.feed(get("/_sim/journal", host="10.0.0.7:4748"))
    asked = reader.take()
    assert asked is not None
    assert why_not(asked, peer="10.0.0.8", ours="10.0.0.7") == "this answers its own machine only"
    assert why_not(asked, peer="10.0.0.7", ours="10.0.0.7") is None


@pytest.mark.parametrize(
    ("address", "ours"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("::2", False), ("x", False)],
)
def test_loopback(address: str, ours: bool) -> None:
    assert is_loopback(address) is ours
