"""The embedded server's folder: what survives kill -9, who else may open it, and how the server ends."""

import random
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests
from tests.contract.clickhouse.server import ENDLESS, Embedded

from k2_support.waiting import wait_for

BATCH = 500


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    """A server that runs, and that a test may end."""
    made = Embedded(tmp_path / "server", {"stopping_s": 1}).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server that no test ends."""
    made = Embedded(tmp_path_factory.mktemp("steady"), {"stopping_s": 1}).start()
    yield made
    made.stop()


def _insert(server: Embedded, batch: int) -> bool:
    """Insert one batch; whether it was acknowledged."""
    first = batch * BATCH
    rows = "".join(f"{n}\n" for n in range(first, first + BATCH)).encode()
    try:
        return server.owner.ask("INSERT INTO killed FORMAT TSV", rows).ok
    except requests.RequestException:
        return False


def _batches(server: Embedded) -> dict[int, int]:
    """The rows of every batch that is there."""
    found = server.owner.ask(f"SELECT intDiv(n, {BATCH}), count() FROM killed GROUP BY 1").text
    return {int(batch): int(rows) for batch, rows in (line.split() for line in found.splitlines())}


def _kill_in_the_middle(server: Embedded, first: int) -> set[int]:
    """Insert batch after batch; the server is killed a moment after the third answer. Returns the acknowledged."""
    acknowledged = set()
    killing = threading.Timer(random.random() * 0.05, server.kill)
    for batch in range(first, first + 1_000):
        if not _insert(server, batch):
            break
        acknowledged.add(batch)
        if len(acknowledged) == 3:
            killing.start()
    killing.join()
    return acknowledged


def _rounds(server: Embedded, rounds: int) -> None:
    """Kill and start over and over: what was acknowledged is there whole, what was not is there whole or not at all."""
    server.owner.ask("CREATE TABLE killed (n Int64) ENGINE=MergeTree ORDER BY n").raise_for_status()
    acknowledged: set[int] = set()
    for done in range(rounds):
        acknowledged |= _kill_in_the_middle(server, done * 1_000)
        server.start()
        found = _batches(server)
        assert acknowledged <= found.keys()
        assert set(found.values()) == {BATCH}
    assert len(acknowledged) >= 3 * rounds


def test_acknowledged_inserts_survive_two_kills(server: Embedded) -> None:
    """kill -9 in the middle of inserts, twice."""
    _rounds(server, 2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_acknowledged_inserts_survive_twenty_kills(server: Embedded) -> None:
    """kill -9 in the middle of inserts, twenty times."""
    _rounds(server, 20)


def test_a_second_server_on_one_path_is_refused_by_name(steady: Embedded, tmp_path: Path) -> None:
    """With exit code 2 and what to do; the first is not disturbed."""
    second = Embedded(steady.folder)
    second.child.log = tmp_path / "second.log"
    second.child.start()
    wait_for(lambda: second.child.exit_code is not None, 60, "the second server to be refused")
    assert second.child.exit_code == 2
    assert f"another process has {steady.data} open: stop it, or give another --path" in second.child.log_tail()
    assert steady.owner.ask("SELECT 1").text == "1\n"


def test_a_port_that_is_taken_is_named(steady: Embedded, tmp_path: Path) -> None:
    """With exit code 2."""
    second = Embedded(tmp_path / "second", port=steady.port)
    second.child.start()
    wait_for(lambda: second.child.exit_code is not None, 60, "the second server to be refused")
    assert (second.child.exit_code, f"cannot listen on 127.0.0.1:{steady.port}" in second.child.log_tail()) == (2, True)


def test_a_path_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where the folder is to be."""
    broken = Embedded(tmp_path / "broken")
    broken.data.write_text("a file")
    broken.child.start()
    wait_for(lambda: broken.child.exit_code is not None, 60, "the server to be refused")
    assert (broken.child.exit_code, f"cannot use {broken.data}" in broken.child.log_tail()) == (2, True)


def test_a_folder_that_the_engine_does_not_open_is_named(server: Embedded) -> None:
    """Metadata that is damaged: the folder is named, and nothing of it is deleted."""
    server.owner.ask("CREATE TABLE whole (n Int64) ENGINE=MergeTree ORDER BY n").raise_for_status()
    assert server.stop() == 0
    (damaged,) = (server.data / "store").rglob("whole.sql")
    damaged.write_text("ATTACH TABLE nonsense")
    server.child.start()
    wait_for(lambda: server.child.exit_code is not None, 60, "the server to end")
    assert (server.child.exit_code, str(server.data) in server.child.log_tail(20)) == (3, True)
    assert damaged.read_text() == "ATTACH TABLE nonsense"


@contextmanager
def asked(server: Embedded, *queries: str) -> Iterator[None]:
    """Queries that run as the block begins, and whose answers the server never gives."""

    def ask(sql: str) -> None:
        with suppress(requests.RequestException):  # the server ends the connection
            server.owner.ask(sql, query_id=uuid.uuid4().hex)

    asking = [threading.Thread(target=ask, args=(sql,)) for sql in queries]
    for each in asking:
        each.start()
    running = f"SELECT count() > {len(queries)} FROM system.processes"
    wait_for(lambda: server.owner.ask(running).text == "1\n", 60, "the queries to run")
    yield
    for each in asking:
        each.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order(server: Embedded, number: signal.Signals) -> None:
    """With exit code 0 though a query runs, which is cancelled; and it starts again with every row."""
    owner = server.owner
    owner.ask("CREATE TABLE kept (n Int64) ENGINE=MergeTree ORDER BY n").raise_for_status()
    owner.ask("INSERT INTO kept VALUES (1), (2)").raise_for_status()
    with asked(server, ENDLESS):
        server.child.signal(number)
        wait_for(lambda: server.child.exit_code is not None, 60, "the server to stop")
    assert server.child.exit_code == 0
    server.start()
    assert owner.ask("SELECT sum(n) FROM kept").text == "3\n"


def test_it_stops_though_a_cancelling_has_to_wait(server: Embedded) -> None:
    """As on a busy machine: here both threads that cancel queries are taken for longer than a stop gives a request."""
    with asked(server, ENDLESS, *2 * ["KILL QUERY WHERE sleep(3) = 1 TEST"]):
        server.child.signal(signal.SIGTERM)
        wait_for(lambda: server.child.exit_code is not None, 60, "the server to stop")
    assert server.child.exit_code == 0


def test_it_listens_on_the_loopback_alone(steady: Embedded) -> None:
    """And on nothing but its port."""
    sockets = psutil.Process(steady.child.pid).net_connections("tcp")
    listening = {(one.laddr.ip, one.laddr.port) for one in sockets if one.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", steady.port)}


def test_its_data_is_its_owners_alone(steady: Embedded) -> None:
    """The folder's mode is 700."""
    assert steady.data.stat().st_mode & 0o077 == 0
