"""What is true of the embedded server alone: its limits, its folder, the traps of its engine."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from tests.contract.clickhouse.server import Address, Embedded, endless

from k2_shared.warm.migrations import migrations
from k2_support.waiting import wait_for

MIB = 1_048_576
LIMITS = {
    "concurrent": 2,
    "waiting": 1,
    "waiting_s": 1,
    "body": MIB,
    "query_text": 100_000,
    "result": MIB,
    "body_idle_s": 1,
    "sessions": 2,
    "execution_s": 20,
    "query_memory": 100 * MIB,
}


def code(answer: requests.Response) -> str | None:
    """The engine's code of an answer; None if it is no error."""
    return answer.headers.get("X-ClickHouse-Exception-Code")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server with limits that a test can reach."""
    server = Embedded(tmp_path_factory.mktemp("small"), LIMITS).start()
    yield server
    server.stop()


@pytest.fixture
def tight(small: Embedded) -> Address:
    """Its owner."""
    return small.owner


def test_a_query_that_finds_no_place_is_refused(tight: Address) -> None:
    """With two at work, one waits and is refused after its time, the next at once; afterwards all is as before."""
    codes: list[str | None] = []
    with endless(tight, uuid.uuid4().hex), endless(tight, uuid.uuid4().hex):
        asking = [threading.Thread(target=lambda: codes.append(code(tight.ask("SELECT 1")))) for _ in range(3)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
    assert codes == ["202"] * 3
    assert tight.ask("SELECT 1").text == "1\n"


def test_a_body_has_an_end(tight: Address) -> None:
    """Rows, compressed rows and SQL that are larger than their limits are refused as 413."""
    tight.ask("CREATE TABLE IF NOT EXISTS body (s String) ENGINE=MergeTree ORDER BY s").raise_for_status()
    answer = tight.ask("INSERT INTO body FORMAT TSV", b"x" * (2 * MIB))
    assert (answer.status_code, code(answer)) == (413, "229")
    assert code(tight.ask(data=b"SELECT 1 /*" + b"x" * 200_000 + b"*/")) == "229"
    assert tight.ask("SELECT count() FROM body").text == "0\n"


def test_a_body_that_stops_is_given_up(tight: Address) -> None:
    """Its place is free again."""
    tight.ask("CREATE TABLE IF NOT EXISTS stops (s String) ENGINE=MergeTree ORDER BY s").raise_for_status()
    given_up = threading.Event()

    def stalling() -> Iterator[bytes]:
        yield b"INSERT INTO stops FORMAT TSV\n" + b"x\n" * 40_000
        given_up.wait(60)

    def send() -> None:
        with suppress(requests.RequestException):  # the server may end the connection
            tight.ask(data=stalling())

    sending = threading.Thread(target=send)
    sending.start()
    with endless(tight, uuid.uuid4().hex):
        wait_for(lambda: tight.ask("SELECT 1").ok, 60, "the place of a body that stopped")
    given_up.set()
    sending.join()
    assert tight.ask("SELECT count() FROM stops").text == "0\n"


def test_a_result_that_is_held_has_an_end(tight: Address) -> None:
    """A stream has none, and is not held."""
    long = "SELECT number, toString(number) FROM numbers(200000)"
    assert code(tight.ask(f"{long} FORMAT JSON")) == "396"
    assert code(tight.ask(long, wait_end_of_query=1)) == "396"
    assert tight.ask(long).text.count("\n") == 200_000


def test_a_query_has_the_servers_limits(tight: Address) -> None:
    """Memory and time are granted without being asked for."""
    assert code(tight.ask("SELECT groupArray(number) FROM numbers(100000000) FORMAT Null")) == "241"
    assert float(tight.ask("SELECT getSetting('max_execution_time')").text) == LIMITS["execution_s"]


def test_sessions_have_a_number(tight: Address) -> None:
    """One too many is refused, and those that have expired make room."""
    for name in ("one", "two"):
        assert tight.ask("SELECT 1", session_id=name, session_timeout=1).ok
    assert code(tight.ask("SELECT 1", session_id="three")) == "202"
    wait_for(lambda: tight.ask("SELECT 1", session_id="three", session_timeout=1).ok, 60, "a session to expire")
    assert code(tight.ask("SELECT 1", session_id="x", session_timeout=100_000)) == "36"


@pytest.mark.parametrize("engine", ["Kafka", "kafka", "`Kafka`"])
def test_a_table_of_kafkas_engine_is_refused(tight: Address, engine: str) -> None:
    """Its directory would not open again: by any way to spell it, and nothing is left of it."""
    arguments = "('127.0.0.1:1', 'topic', 'group', 'JSONEachRow')"
    for create in ("CREATE TABLE kafka (n Int8) ENGINE", "CREATE MATERIALIZED VIEW kafka ENGINE"):
        end = " AS SELECT 1 AS n" if "VIEW" in create else ""
        answer = tight.ask(f"{create} = {engine}{arguments}{end}")
        assert (code(answer), "would not open again" in answer.text) == ("344", True)
    assert tight.ask("EXISTS TABLE kafka").text == "0\n"


def test_the_engine_is_set_as_the_warm_tier_needs_it(tight: Address) -> None:
    """No asynchronous inserts, bounded memory and caches, prompt TTL merges, an Atomic database."""
    settings = "SELECT getSetting('async_insert'), getSetting('implicit_select'), getSetting('max_memory_usage')"
    assert tight.ask(settings).text == f"false\tfalse\t{LIMITS['query_memory']}\n"
    server = "SELECT value FROM system.server_settings WHERE name IN ('mark_cache_size', 'max_server_memory_usage')"
    assert tight.ask(f"{server} ORDER BY name").text == f"{64 * MIB}\n{2_048 * MIB}\n"
    merges = "SELECT value FROM system.merge_tree_settings WHERE name = 'merge_with_ttl_timeout'"
    assert tight.ask(merges).text == "300\n"
    assert tight.ask("SELECT engine FROM system.databases WHERE name = currentDatabase()").text == "Atomic\n"


def test_a_file_of_the_machine_is_out_of_reach(tight: Address, tmp_path: Path) -> None:
    """INTO OUTFILE and FROM INFILE are refused to the owner too, as is Python's namespace."""
    tight.ask("CREATE TABLE IF NOT EXISTS files (s String) ENGINE=MergeTree ORDER BY s").raise_for_status()
    for sql in (
        f"SELECT 1 INTO OUTFILE '{tmp_path / 'out'}'",
        "INSERT INTO files FROM INFILE '/etc/passwd' FORMAT LineAsString",
        f"CREATE TABLE out (n Int8) ENGINE=Memory COMMENT 'x' INTO OUTFILE '{tmp_path / 'out'}'",
        f"SHOW TABLES INTO OUTFILE '{tmp_path / 'out'}'",
        "SELECT * FROM Python(accounts)",
    ):
        assert code(tight.ask(sql)) == "344"
    assert not (tmp_path / "out").exists()
    assert tight.ask("CREATE TABLE commented (n Int8) ENGINE=Memory COMMENT 'no file'").ok
    assert tight.ask("SELECT count() FROM files").text == "0\n"


@pytest.mark.parametrize("name", ["compress", "decompress", "log_comment", "dialect"])
def test_what_is_not_supported_is_said(tight: Address, name: str) -> None:
    """As 501, by name; external data too."""
    answer = tight.ask("SELECT 1", **{name: "1"})
    assert (answer.status_code, name in answer.text) == (501, True)
    external = requests.post(
        tight.root, params={"query": "SELECT 1"}, files={"t": ("t", b"1\n")}, auth=tight.login, timeout=120
    )
    assert (external.status_code, code(external)) == (501, "48")


def test_readers_share_the_server_with_a_writer(small: Embedded) -> None:
    """Two threads of reads beside inserts: no error, and a sum that only grows."""
    owner = small.owner
    owner.ask("CREATE OR REPLACE TABLE beside (n Int64) ENGINE=MergeTree ORDER BY n").raise_for_status()
    counts: list[int] = []
    writing = threading.Thread(
        target=lambda: [owner.ask("INSERT INTO beside SELECT number FROM numbers(1000)") for _ in range(20)]
    )
    writing.start()
    while writing.is_alive():
        counts.append(int(small.reader.ask("SELECT count() FROM beside").text))
    writing.join()
    assert counts == sorted(counts)
    assert owner.ask("SELECT count() FROM beside").text == "20000\n"


def test_an_insert_that_fails_while_its_parts_are_written_is_refused(tmp_path: Path) -> None:
    """It is never answered as one that stands; the engine's own way to insert a stream would say so."""
    server = Embedded(tmp_path / "poor", {"query_memory": 2 * MIB}).start()
    (table,) = (each for each in migrations() if each.name == "bronze_trades")
    assert server.owner.ask(table.sql).ok
    row = json.dumps({"ingestion_timestamp": int(time.time()), "kafka_topic": "t", "kafka_offset": 1})
    answer = server.owner.ask("INSERT INTO bronze_trades FORMAT JSONEachRow", row.encode())
    assert code(answer) == "241"
    server.stop()
    rich = Embedded(server.folder, port=server.port).start()
    assert rich.owner.ask("SELECT count() FROM bronze_trades").text == "0\n"
    assert rich.owner.ask("INSERT INTO bronze_trades FORMAT JSONEachRow", row.encode()).ok
    assert rich.owner.ask("SELECT count() FROM bronze_trades").text == "1\n"
    rich.stop()


def test_a_disk_that_is_nearly_full_is_written_to_no_more(tmp_path: Path) -> None:
    """Its last bytes are not used: a merge that met its end would leave a part that nobody can read."""
    server = Embedded(tmp_path / "full").start()
    server.owner.ask("CREATE TABLE full (n Int64) ENGINE=MergeTree ORDER BY n").raise_for_status()
    assert server.owner.ask("INSERT INTO full VALUES (1)").ok
    server.stop()
    server.limits = {"free_disk": 10**15}
    server.start()
    assert code(server.owner.ask("INSERT INTO full VALUES (2)")) == "243"
    assert server.owner.ask("SELECT sum(n) FROM full").text == "1\n"
    server.stop()


def test_what_a_killed_server_had_put_by_of_an_insert_is_gone(tmp_path: Path) -> None:
    """An insert is in a file until it is whole; a start begins without such files."""
    server = Embedded(tmp_path / "killed").start()
    server.kill()
    (left,) = server.data.glob("*.spool")
    (left / "half").write_bytes(b"1")
    server.start()
    assert list(left.iterdir()) == []
    server.stop()
