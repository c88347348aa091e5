"""Queries: results, formats, streams, parameters, settings, sessions, headers."""

import json
import uuid

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.contract.clickhouse.conftest import Table
from tests.contract.clickhouse.server import Address, endless

ROWS = 300_000
SUM = ROWS * (ROWS - 1) // 2


def test_ping(client: Client, owner: Address) -> None:
    """Who may not even log in learns that the server lives."""
    assert client.ping()


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", "deflate", False])
def test_streams_hold_every_row(owner: Address, compress: str | bool) -> None:
    """Row blocks and Arrow batches of a result that is larger than a block, under each compression."""
    with owner.client(compress=compress) as client:
        with client.query_row_block_stream(f"SELECT number FROM numbers({ROWS})") as blocks:
            assert sum(row[0] for block in blocks for row in block) == SUM
        with client.query_arrow_stream(f"SELECT number, toString(number) s FROM numbers({ROWS})") as batches:
            assert sum(batch.num_rows for batch in batches) == ROWS


async def test_the_asynchronous_client_streams(asynchronous: AsyncClient) -> None:
    """Row blocks by asyncio."""
    async with await asynchronous.query_row_block_stream(f"SELECT number FROM numbers({ROWS})") as blocks:
        assert sum([row[0] async for block in blocks for row in block]) == SUM


def test_an_empty_result_has_its_columns(client: Client) -> None:
    """Arrow's schema, and the names of a LIMIT 0."""
    assert client.query_arrow("SELECT 1 AS n WHERE 0").schema.names == ["n"]
    assert client.query("SELECT 1 AS n, 'x' AS s LIMIT 0").column_names == ("n", "s")
    with client.query_arrow_stream("SELECT 1 AS n WHERE 0") as batches:
        assert sum(batch.num_rows for batch in batches) == 0


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("TabSeparated", "0\n1\n"),
        ("CSVWithNames", '"number"\n0\n1\n'),
        ("JSONEachRow", '{"number":"0"}\n{"number":"1"}\n'),
    ],
)
def test_the_format_is_the_clauses_or_the_default(owner: Address, output: str, expected: str) -> None:
    """FORMAT in the SQL, and default_format where there is none."""
    quoted = {"output_format_json_quote_64bit_integers": 1}
    by_clause = owner.ask(f"SELECT number FROM numbers(2) FORMAT {output}", **quoted)
    by_default = owner.ask("SELECT number FROM numbers(2)", default_format=output, **quoted)
    assert by_clause.text == by_default.text == expected
    assert by_clause.headers["X-ClickHouse-Format"] == by_default.headers["X-ClickHouse-Format"] == output


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int64", -(2**63)),
        ("String", "it's\t\\ \n 'x' 日本"),
        ("Array(String)", ["a'b", "\\", ""]),
        ("Nullable(String)", None),
        ("Decimal(18, 8)", "1.00000001"),
    ],
)
def test_parameters_arrive_as_they_were(client: Client, kind: str, value: object) -> None:
    """Values that need quoting, in each type, and as a server-side parameter."""
    assert client.query(f"SELECT toString({{v:{kind}}}) = toString({{v:{kind}}})", {"v": value}).first_row[0] in (
        1,
        None,
    )
    if not isinstance(value, str) or kind == "String":
        assert client.query(f"SELECT {{v:{kind}}}", {"v": value}).first_row == (value,)


def test_a_parameter_may_name_a_table(client: Client, table: Table) -> None:
    """Identifier is a type too."""
    database, name = table("n Int64").split(".")
    found = client.query("SELECT count() FROM {d:Identifier}.{t:Identifier}", {"d": database, "t": name})
    assert found.first_row == (0,)


def test_many_parameters_go_as_a_form(owner: Address) -> None:
    """clickhouse-connect sends a multipart form where asked to."""
    with owner.client(form_encode_query_params=True) as client:
        assert client.query("SELECT {s:String}", {"s": "x" * 20_000}).first_row == ("x" * 20_000,)


def test_a_setting_is_its_querys_alone(client: Client) -> None:
    """Also within a session."""
    before = client.query("SELECT getSetting('max_block_size')").first_row
    asked = client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 77})
    assert asked.first_row == (77,)
    assert client.query("SELECT getSetting('max_block_size')").first_row == before


def test_an_unknown_setting_is_refused(owner: Address) -> None:
    """By name, as 115."""
    answer = owner.ask("SELECT 1", no_such_setting=1)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (404, "115")


def test_a_session_keeps_what_is_set_in_it(owner: Address) -> None:
    """SET and temporary tables are the session's; another session has neither."""
    session, other = uuid.uuid4().hex, uuid.uuid4().hex
    for sql in ("SET max_block_size = 99", "CREATE TEMPORARY TABLE kept (n Int8)", "INSERT INTO kept VALUES (7)"):
        assert owner.ask(sql, session_id=session).ok
    assert owner.ask("SELECT n, getSetting('max_block_size') FROM kept", session_id=session).text == "7\t99\n"
    assert owner.ask("SELECT n FROM kept", session_id=other).headers["X-ClickHouse-Exception-Code"] == "60"
    assert (
        owner.ask("SELECT 1", session_id=other + "x", session_check=1).headers["X-ClickHouse-Exception-Code"] == "372"
    )


def test_a_session_may_give_up_writing(owner: Address, table: Table) -> None:
    """After SET readonly it reads, and neither writes nor takes it back."""
    session, name = uuid.uuid4().hex, table("n Int64")
    assert owner.ask("SET readonly = 1", session_id=session).ok
    assert owner.ask(f"SELECT count() AS n FROM {name} FORMAT CSVWithNames", session_id=session).text == '"n"\n0\n'
    for sql in (f"INSERT INTO {name} VALUES (1)", "SET readonly = 0"):
        assert owner.ask(sql, session_id=session).headers["X-ClickHouse-Exception-Code"] == "164"


def test_use_belongs_to_the_session(owner: Address, database: str) -> None:
    """USE of one session changes no other's database, nor that of who has none."""
    session = uuid.uuid4().hex
    assert owner.ask(f"USE {database}", session_id=session).ok
    assert owner.ask("SELECT currentDatabase()", session_id=session).text == f"{database}\n"
    assert owner.ask("SELECT currentDatabase()").text != f"{database}\n"
    assert owner.ask("SELECT currentDatabase()", database=database).text == f"{database}\n"


def test_a_session_has_one_query_at_a_time(owner: Address) -> None:
    """The second is refused, not queued."""
    session, query_id = uuid.uuid4().hex, uuid.uuid4().hex
    with endless(owner, session_id=session, query_id=query_id):
        assert owner.ask("SELECT 1", session_id=session).headers["X-ClickHouse-Exception-Code"] == "373"


def test_headers_tell_of_the_query(owner: Address) -> None:
    """Its id, format, server, time zone and numbers."""
    answer = owner.ask("SELECT number FROM numbers(10)", query_id="told-" + uuid.uuid4().hex, wait_end_of_query=1)
    assert answer.headers["X-ClickHouse-Query-Id"].startswith("told-")
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert answer.headers["X-ClickHouse-Server-Display-Name"]
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("10", "10")
    assert int(summary["elapsed_ns"]) > 0


def test_commands_give_values_and_summaries(client: Client, table: Table) -> None:
    """One value, several, and the rows that were written."""
    name = table("n Int64")
    assert client.command("SELECT 5") == 5
    assert client.command("SELECT 1, 'x'") == ["1", "x"]
    assert client.command(f"INSERT INTO {name} SELECT number FROM numbers(4)").written_rows == 4
    assert client.command(f"EXISTS TABLE {name}") == 1


def test_a_failure_in_the_middle_of_a_stream_is_told(client: Client) -> None:
    """With rows already sent, the client still gets the engine's own words."""
    failing = f"SELECT throwIf(number = {ROWS - 1}, 'far along') FROM numbers({ROWS})"
    with pytest.raises(Exception, match="far along"), client.query_row_block_stream(failing) as blocks:
        assert sum(len(block) for block in blocks) == 0
    with pytest.raises(Exception, match=r"far along|IncompleteRead"), client.query_arrow_stream(failing) as batches:
        assert sum(batch.num_rows for batch in batches) == 0
    with pytest.raises(DatabaseError, match="far along"):
        client.query(failing)
