"""The journal: what is noted, what is not, and waiting for it."""

import asyncio
import json
import threading

import pytest
from hypothesis import given, strategies as st

from headrace.sim.play import Piece, Play
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.entries import Entry, Visit
from headrace.sim.serving.journal import Exchange, Journal
from headrace.sim.serving.records import scrub_path
from tests.sim.serving.raw import HEAD, LAST, SSE, Client, act, chunks, get, play, request, simulator

KEY = "sk-very-secret-1234"


def test_all_that_is_noted() -> None:
    facts = play(
        Piece(1.0, b"a", 2),
        Piece(2.0, b"b", 3),
        wire="anthropic",
        model="m;seed=1",
        label="weather",
        faults=("stall@token:9",),
        tokens=9,
        details={"nth": 1},
    )
    with simulator(facts, clock=VirtualClock()) as sim, Client(sim) as client:
        client.send(request(b'{"model": "m;seed=1"}', "x-a: b", line="POST /v1/messages?beta=true HTTP/1.1"))
        client.expect(HEAD + chunks(b"a", b"b") + LAST)
        assert sim.journal.last == Exchange(
            id=1,
            connection=1,
            method="POST",
            path="/v1/messages?beta=true",
            wire="anthropic",
            model="m;seed=1",
            headers={"host": "localhost", "content-length": "21", "x-a": "b"},
            body={"model": "m;seed=1"},
            body_size=21,
            label="weather",
            faults=("stall@token:9",),
            details={"nth": 1},
            status=200,
            asked_s=0.0,
            answered_s=0.0,
            ended_s=2.0,
            bytes_sent=len(HEAD + chunks(b"a", b"b") + LAST),
            tokens=5,
            tokens_planned=9,
            ended_by="server",
            how="complete",
        )
        assert sim.journal.last.left_at_token is None
        (connection,) = sim.journal.connections
        assert connection.peer == f"127.0.0.1:{client.socket.getsockname()[1]}"
        assert (connection.opened_s, connection.closed_s, connection.exchanges) == (0.0, None, (1,))
        assert sim.journal.open_connections == 1


def test_a_snapshot_never_changes() -> None:
    with simulator(play(b"a", act("hold"), Piece(0.0, b"b", 1))) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))
        before = sim.journal.last
        sim.release()
        client.expect(chunks(b"b") + LAST)
        assert (before.tokens, before.ended_by) == (0, None)
        assert (sim.journal.last.tokens, sim.journal.last.ended_by) == (1, "server")


def test_keys_and_cookies_are_never_noted() -> None:
    secret = [
        f"Authorization: Bearer {KEY}",
        f"x-api-key: {KEY}",
        f"api-key: {KEY}",
        f"x-goog-api-key: {KEY}",
        f"Cookie: a={KEY}",
        f"proxy-authorization: Basic {KEY}",
    ]
    line = f"POST /v1/x?key={KEY}&a=b HTTP/1.1"
    with simulator(play(b"x")) as sim, Client(sim) as client:
        client.send(request(b"{}", *secret, "idempotency-key: 7", line=line))
        client.until(LAST)
        client.send(get("/_sim/journal"))
        _, _, body = client.answer()
        assert KEY not in body.decode()
        assert KEY not in repr(sim.journal.exchanges)
        last = sim.journal.last
        assert last.path == "/v1/x?key=[redacted]&a=b"
        assert last.headers["authorization"] == "[redacted]"
        assert last.headers["idempotency-key"] == "7"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a?key=K", "/a?key=[redacted]"),
        ("/a?b=c&api_key=K&d=e", "/a?b=c&api_key=[redacted]&d=e"),
        ("/a?X-API-KEY=K", "/a?X-API-KEY=[redacted]"),
        ("/a?access_token=K&token=K", "/a?access_token=[redacted]&token=[redacted]"),
        ("/key=K?monkey=K&max_tokens=5", "/key=K?monkey=K&max_tokens=5"),
    ],
)
def test_keys_in_a_path(path: str, shown: str) -> None:
    assert scrub_path(path) == shown


@pytest.mark.parametrize(
    ("body", "noted"),
    [
        (b"", None),
        (b"[1, 2]", [1, 2]),
        (b"not json", "not json"),
        (b"\xff{", "�{"),
        (b'"\\ud83d"', "\ud83d"),
        (b"NaN", "NaN"),
        (b"[1e999, 1.5]", ["1e999", 1.5]),
        (b"[" * 100_000, "[" * 100_000),
        (b"9" * 5000, "9" * 5000),
    ],
)
def test_any_body_is_noted_and_written_as_json(body: bytes, noted: object) -> None:
    with simulator(play(b"x")) as sim, Client(sim, request(body)) as client:
        client.until(LAST)
        assert sim.journal.last.body == noted
        assert json.loads(sim.journal.as_json())["exchanges"][0]["body"] == noted


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_comes_back(value: object) -> None:
    journal = Journal()
    visit = journal.opened("", 0.0)
    journal.asked(visit, method="POST", path="/", headers={}, body=json.dumps(value).encode(), at_s=0.0)
    json.loads(journal.as_json().decode(), parse_constant=pytest.fail)


def test_what_is_nested_too_deeply_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    visit = journal.opened("", 0.0)
    journal.asked(visit, method="POST", path="/", headers={}, body=b"[[]]", at_s=0.0)
    dumps = json.dumps

    def shallow(value: dict[str, object], **options: object) -> str:
        if value["body"] == [[]]:
            raise RecursionError
        return dumps(value)

    monkeypatch.setattr(json, "dumps", shallow)
    assert json.loads(journal.as_json())["exchanges"][0]["body"] == "(nested too deeply)"


def test_as_json() -> None:
    with simulator(
        lambda: Play(head=SSE, steps=iter([Piece(0.0, b"a", 7), act("stall")]), details={"odd": {1}})
    ) as sim:
        assert json.loads(sim.journal.as_json()) == {"open_connections": 0, "connections": [], "exchanges": []}
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"a"))
        sim.journal.wait_closed()
        said = json.loads(sim.journal.as_json())
        assert (said["open_connections"], len(said["connections"])) == (0, 1)
        (exchange,) = said["exchanges"]
        assert (exchange["left_at_token"], exchange["tokens_after_leaving"], exchange["how"]) == (7, 0, "left")
        assert exchange["details"] == {"odd": "{1}"}


def test_clear_forgets_what_is_over() -> None:
    with simulator(play(b"x")) as sim:
        with Client(sim, request()) as client:
            client.until(LAST)
        sim.journal.wait_closed()
        with Client(sim, request()) as client:
            client.until(LAST)
            sim.journal.clear()
            assert sim.journal.exchanges == []
            assert [c.id for c in sim.journal.connections] == [2]
            with pytest.raises(LookupError, match="nothing was asked yet"):
                _ = sim.journal.last
            client.send(request())
            client.until(LAST)
            assert sim.journal.last.id == 3


def test_only_the_newest_are_kept() -> None:
    with simulator(play(b"x"), journal=Journal(keep=2)) as sim, Client(sim) as client:
        for _ in range(5):
            client.send(request())
            client.until(LAST)
        assert [e.id for e in sim.journal.exchanges] == [4, 5]


def test_a_connection_knows_what_the_journal_still_has() -> None:
    journal = Journal(keep=3)
    visit, other = journal.opened("a", 0.0), journal.opened("b", 0.0)
    for number in range(100):
        ask(journal, other if number % 2 else visit)
    assert [c.exchanges for c in journal.connections] == [(99,), (98, 100)]
    assert [e.id for e in journal.exchanges] == [98, 99, 100]
    visit.note_control()
    journal.clear()
    assert [c.exchanges for c in journal.connections] == [(), ()]  # it has asked for something else too
    assert journal.exchanges == []


def test_a_long_connection_costs_no_more_with_each_request() -> None:
    journal = Journal()
    visit = journal.opened("a", 0.0)
    before = visit.facts
    for _ in range(5):
        ask(journal, visit)
        assert visit._facts is before  # nothing is copied that nobody reads
    assert visit.facts is visit.facts
    assert visit.facts.exchanges == (1, 2, 3, 4, 5)


def ask(journal: Journal, visit: Visit, body: bytes = b"") -> Entry:
    return journal.asked(visit, method="POST", path="/", headers={}, body=body, at_s=0.0)


def test_only_so_many_bytes_are_kept() -> None:
    journal = Journal(keep=5, keep_bytes=10)
    visit = journal.opened("a", 0.0)
    ask(journal, visit, b"1234")
    ask(journal, visit)
    ask(journal, visit, b"5678")
    first = journal.exchanges[0]
    assert first.body == 1234
    ask(journal, visit, b"90123")
    assert [(e.body, e.body_size, e.body_kept) for e in journal.exchanges] == [
        (None, 4, False),
        (None, 0, True),
        (5678, 4, True),
        (90123, 5, True),
    ]
    assert (first.body, first.body_kept) == (1234, True)
    ask(journal, visit, b"x" * 11)  # larger than all of it
    assert [e.body_kept for e in journal.exchanges] == [False, True, False, False, False]
    for _ in range(5):
        ask(journal, visit, b"12")
    assert [e.body for e in journal.exchanges] == [12] * 5
    journal.clear()
    ask(journal, visit, b"1234567890")
    assert [e.body for e in journal.exchanges] == [1234567890]
    assert (journal._body_bytes, len(journal._bodies)) == (10, 1)
    assert json.loads(journal.as_json())["exchanges"][0]["body_kept"] is True


@given(st.lists(st.integers(0, 30), max_size=50), st.integers(0, 10), st.integers(0, 60))
def test_what_is_kept_is_within_its_bounds(sizes: list[int], keep: int, keep_bytes: int) -> None:
    journal = Journal(keep=keep, keep_bytes=keep_bytes)
    visit = journal.opened("a", 0.0)
    for size in sizes:
        ask(journal, visit, b"x" * size)
    held = [e.body_size for e in journal.exchanges if e.body_kept]
    assert sum(held) == sum(len(e.body or "") for e in journal.exchanges) == journal._body_bytes <= keep_bytes
    assert len(journal.exchanges) == len(visit.facts.exchanges) == min(keep, len(sizes))
    # it is the newest that are kept
    kept = [e.body_kept for e in journal.exchanges if e.body_size]
    assert kept == sorted(kept)


def test_what_fails_in_telling_is_kept_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def tell(exchange: Exchange) -> None:
        raise SystemExit(exchange.id)

    with simulator(play(b"x"), journal=Journal(on_end=tell)) as sim, Client(sim) as client:
        assert sim.failure is None
        for _ in range(2):
            client.send(request())
            client.until(LAST)
        assert isinstance(sim.failure, SystemExit)
        assert sim.failure.code == 1
    assert "what a journal tells of each end failed" in caplog.text


def test_whoever_wants_to_know_is_told_of_each_end() -> None:
    told: list[Exchange] = []
    with simulator(play(b"x"), play(act("reset")), journal=Journal(on_end=told.append)) as sim:
        with Client(sim) as client:
            client.send(request())
            client.until(LAST)
            client.send(request())
            client.rest_and_reset()
    assert [(e.id, e.how) for e in told] == [(1, "complete"), (2, "reset")]


def test_waiting_in_a_thread() -> None:
    with simulator(play(b"a", act("hold"), b"b")) as sim, Client(sim) as client:
        found: list[Exchange] = []
        waiting = threading.Thread(target=lambda: found.append(sim.journal.wait(lambda e: e.ended_by is not None)))
        waiting.start()
        client.send(request())
        client.expect(HEAD + chunks(b"a"))
        sim.release()
        waiting.join(30)
        assert found[0].how == "complete"


async def test_waiting_in_a_task() -> None:
    async with simulator(play(b"a", act("hold"), b"b")) as sim:
        with Client(sim) as client:
            waiting = asyncio.create_task(sim.journal.wait_async())
            await asyncio.sleep(0)
            client.send(request())
            exchange = await sim.journal.wait_async(lambda e: e.status == 200)
            assert exchange.ended_by is None
            sim.release()
            assert (await waiting).how == "complete"
        await sim.journal.wait_closed_async()


def test_a_wait_that_is_too_long_says_what_there_was() -> None:
    journal = Journal()
    with pytest.raises(TimeoutError, match="nothing at all"):
        journal.wait(deadline_s=0)
    with simulator(play(b"a", act("stall"), model="m")) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))
        with pytest.raises(TimeoutError, match="1: POST /v1/chat/completions, model m, 0 tokens, goes on"):
            sim.journal.wait(deadline_s=0)
        with pytest.raises(TimeoutError, match=r"1 from 127\.0\.0\.1:\d+ \(exchanges \[1\]\)"):
            sim.journal.wait_closed(deadline_s=0)
    with pytest.raises(TimeoutError, match=r"ended by server \(stopped\)|ended by client \(left\)"):
        sim.journal.wait(lambda e: e.id == 2, deadline_s=0)


async def test_a_tasks_wait_that_is_too_long_says_so_too() -> None:
    async with simulator(play(act("stall"))) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD)
            with pytest.raises(TimeoutError, match="goes on"):
                await sim.journal.wait_async(deadline_s=0.01)
            with pytest.raises(TimeoutError, match="still open"):
                await sim.journal.wait_closed_async(deadline_s=0.01)


def test_a_loop_that_is_closed_while_it_waits_harms_nobody() -> None:
    with simulator(play(b"x")) as sim:
        loop = asyncio.SelectorEventLoop()
        waiting = loop.create_task(sim.journal.wait_async())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        with Client(sim, request()) as client:
            client.until(LAST)
        assert sim.journal.wait().how == "complete"
        waiting.get_coro().close()  # type: ignore[union-attr]
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]


def test_tokens_that_are_made_after_the_end_would_be_counted() -> None:
    journal = Journal()
    entry = journal.asked(journal.opened("", 0.0), method="POST", path="/", headers={}, body=b"", at_s=0.0)
    entry.made(3)
    entry.end("client", "left", 1.0)
    entry.made(4)
    entry.end("server", "complete", 2.0)
    assert (journal.last.tokens_after_leaving, journal.last.how, journal.last.ended_s) == (4, "left", 1.0)
