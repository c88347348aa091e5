"""Refusals: errors by code and status, passwords, the reader, and queries that are ended."""

import uuid
from pathlib import Path

import pytest
import requests
from tests.contract.clickhouse.conftest import Table
from tests.contract.clickhouse.server import ENDLESS, Address, endless

from k2_support.waiting import wait_for


def code(answer: requests.Response) -> str | None:
    """The engine's code of an answer; None if it is no error."""
    return answer.headers.get("X-ClickHouse-Exception-Code")


@pytest.mark.parametrize(
    ("sql", "status", "number", "name"),
    [
        ("SELEC 1", 400, "62", "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 400, "62", "SYNTAX_ERROR"),
        ("SELECT * FROM no_such_table", 404, "60", "UNKNOWN_TABLE"),
        ("SELECT no_such_column", 404, "47", "UNKNOWN_IDENTIFIER"),
        ("SELECT no_such_function(1)", 404, "46", "UNKNOWN_FUNCTION"),
        ("SELECT * FROM no_such_database.t", 404, "81", "UNKNOWN_DATABASE"),
        ("SELECT 1 FORMAT NoSuchFormat", 404, "73", "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1)", 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT toInt8('x')", 400, "6", "CANNOT_PARSE_TEXT"),
        ("SELECT {missing:String}", 500, "456", "UNKNOWN_QUERY_PARAMETER"),
    ],
)
def test_an_error_has_its_code_status_and_name(owner: Address, sql: str, status: int, number: str, name: str) -> None:
    """As ClickHouse maps them, with the version at the end of the text."""
    answer = owner.ask(sql)
    assert (answer.status_code, code(answer)) == (status, number)
    assert answer.text.startswith(f"Code: {number}. DB::Exception: ")
    assert f"({name})" in answer.text
    assert "(version " in answer.text


@pytest.mark.parametrize(("user", "password"), [("nobody", ""), ("default", "wrong"), ("", "")])
def test_a_stranger_is_refused(owner: Address, user: str, password: str) -> None:
    """By Basic, by headers and by parameters alike."""
    url, query = owner.root, {"query": "SELECT 1"}
    given = {"user": user, "password": password}
    headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
    for answer in (
        requests.post(url, params=query, auth=(user, password), timeout=120),
        requests.post(url, params=query, headers=headers, timeout=120),
        requests.post(url, params={**query, **given}, timeout=120),
    ):
        assert answer.status_code in (401, 403)
        assert code(answer) in ("516", "194")
        assert "SELECT" not in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {table} VALUES (1)",
        "CREATE TABLE {table}2 (n Int8) ENGINE=Memory",
        "DROP TABLE {table}",
        "TRUNCATE TABLE {table}",
        "ALTER TABLE {table} DELETE WHERE 1",
        "OPTIMIZE TABLE {table}",
        "SYSTEM STOP MERGES",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT 1 FROM numbers(1) WHERE length(file('/etc/passwd')) > 0",
        "SELECT hasColumnInTable('127.0.0.1:1', 'u', 'p', 'system', 'one', 'dummy')",
        "DESCRIBE TABLE file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "DESCRIBE TABLE url('http://127.0.0.1:1/')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/file.csv')",
        "SELECT * FROM icebergS3('http://127.0.0.1:1/bucket/table/', 'key', 'secret')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM executable('x.sh', 'CSV', 'n Int8')",
        "SELECT * FROM view(SELECT * FROM `FILE`('/etc/passwd', 'LineAsString'))",
        "EXPLAIN SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT 1 INTO OUTFILE '{out}'",
        "EXPLAIN SELECT 1 INTO OUTFILE '{out}'",
        "SELECT 1 SETTINGS readonly = 0",
        "SET readonly = 0",
        "SET max_threads = 1",
        "BACKUP TABLE {table} TO File('{out}')",
    ],
)
def test_a_reader_only_reads(owner: Address, reader: Address, table: Table, tmp_path: Path, sql: str) -> None:
    """It writes nothing, sets nothing, and reaches no file and no other server; nor does who asks for readonly=1."""
    name, out = table("n Int64"), tmp_path / "out"
    statement = sql.format(table=name, out=out)
    session = uuid.uuid4().hex
    for answer in (
        reader.ask(statement),
        reader.ask(statement, session_id=session),
        owner.ask(statement, readonly=1),
    ):
        assert answer.status_code >= 400
        assert code(answer) is not None
        assert "root:" not in answer.text
    assert not out.exists()
    assert owner.ask(f"SELECT count() FROM {name}").text == "0\n"


def test_a_reader_cannot_change_settings(reader: Address) -> None:
    """Nor by the URL."""
    assert code(reader.ask("SELECT 1", max_threads=1)) == "164"
    assert code(reader.ask("SELECT 1", readonly=0, max_threads=1)) == "164"


def test_a_reader_reads(owner: Address, reader: Address, table: Table) -> None:
    """Tables, their descriptions, and functions that compute, by clickhouse-connect."""
    name = table("n Int64")
    owner.ask(f"INSERT INTO {name} VALUES (1), (2)").raise_for_status()
    with reader.client() as client:
        assert client.query(f"SELECT sum(n) FROM {name}").first_row == (3,)
        assert client.query_arrow(f"SELECT n FROM {name}").num_rows == 2
        assert client.query("SELECT count() FROM numbers(10)").first_row == (10,)
        assert client.query(f"DESCRIBE TABLE {name}").first_row[0] == "n"
        assert client.command(f"EXISTS TABLE {name}") == 1


def test_a_get_changes_nothing(owner: Address, table: Table) -> None:
    """Whatever it asks for, a GET may only read."""
    asked = {"query": f"INSERT INTO {table('n Int64')} SELECT 1"}
    assert code(requests.get(owner.root, params=asked, auth=owner.login, timeout=120)) == "164"
    assert requests.get(owner.root, params={"query": "SELECT 1"}, auth=owner.login, timeout=120).text == "1\n"


def test_a_query_ends_at_its_time(owner: Address) -> None:
    """max_execution_time is its own code."""
    assert code(owner.ask(ENDLESS, max_execution_time=1)) == "159"


def test_a_query_ends_at_its_memory(owner: Address) -> None:
    """max_memory_usage too, and the server goes on."""
    hungry = "SELECT groupArray(number) FROM numbers(100000000) FORMAT Null"
    assert code(owner.ask(hungry, max_memory_usage=50_000_000)) == "241"
    assert owner.ask("SELECT 1").text == "1\n"


def test_a_result_ends_at_its_size(owner: Address) -> None:
    """max_result_rows refuses a longer one."""
    assert code(owner.ask("SELECT * FROM numbers(100000)", max_result_rows=1_000)) == "396"


def test_a_query_is_killed_by_its_id(owner: Address) -> None:
    """KILL QUERY of another connection ends it with 394."""
    with endless(owner, uuid.uuid4().hex) as answers:
        assert not answers
    assert code(answers[0]) == "394"


def test_a_query_id_is_in_use_once(owner: Address) -> None:
    """The second of two queries with one id is refused."""
    query_id = uuid.uuid4().hex
    with endless(owner, query_id):
        assert code(owner.ask("SELECT 1", query_id=query_id)) == "216"
    assert code(owner.ask("SELECT 1", query_id=query_id)) is None


def test_a_client_that_goes_ends_its_query(owner: Address) -> None:
    """Its query is cancelled, and does not run on for nobody."""
    mark = uuid.uuid4().hex
    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{mark}%' AND query NOT LIKE '%processes%'"
    asked = {"query": f"{ENDLESS} /* {mark} */", "cancel_http_readonly_queries_on_client_close": 1}
    with pytest.raises(requests.ReadTimeout):
        requests.post(owner.root, params=asked, auth=owner.login, timeout=1)
    wait_for(lambda: owner.ask(running).text == "0\n", 60, "the query of a client that has gone to end")


@pytest.mark.parametrize("result_format", ["Native", "ArrowStream", "TabSeparated", "JSONEachRow"])
def test_clients_that_leave_in_the_middle_of_a_result_stop_nobody(owner: Address, result_format: str) -> None:
    """Whatever was being written when they left: everybody else is answered."""
    sql = f"SELECT number, toString(number) FROM numbers(100000000) FORMAT {result_format}"
    for pieces in range(12):
        with requests.post(owner.root, params={"query": sql}, auth=owner.login, timeout=120, stream=True) as answer:
            for _ in range(pieces):
                answer.raw.read(65_536)
        assert owner.ask("SELECT 1").text == "1\n"
