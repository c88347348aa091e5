"""Where an INSERT's SQL ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_local.embedded_clickhouse.statement import insert_of, named_format, own_settings


@pytest.mark.parametrize(
    ("text", "sql", "name", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", "INSERT INTO t ", "Native", b"\x01\x02"),
        (b"INSERT INTO t FORMAT Native\n\n\n", "INSERT INTO t ", "Native", b"\n\n"),
        (b"INSERT INTO t FORMAT CSV ;\r\n1", "INSERT INTO t ", "CSV", b"1"),
        (b"insert into t values (1)", "insert into t ", "Values", b" (1)"),
        (b'INSERT INTO t (`FORMAT`, "VALUES") VALUES(1)', 'INSERT INTO t (`FORMAT`, "VALUES") ', "Values", b"(1)"),
        (
            b"/* FORMAT CSV */ INSERT INTO t -- VALUES\nFORMAT TSV\n1",
            "/* FORMAT CSV */ INSERT INTO t -- VALUES\n",
            "TSV",
            b"1",
        ),
        (
            b"INSERT INTO f('VALUES') SETTINGS a='FORMAT' FORMAT TSV\n",
            "INSERT INTO f('VALUES') SETTINGS a='FORMAT' ",
            "TSV",
            b"",
        ),
        ("INSERT INTO `ж` FORMAT TSV\nж".encode(), "INSERT INTO `ж` ", "TSV", "ж".encode()),
    ],
)
def test_data_begins_after_its_format(text: bytes, sql: str, name: str, data: bytes) -> None:
    """Words in quotes, comments and brackets are no keywords; one line's end belongs to the SQL."""
    found = insert_of(text, is_all=True)
    assert found is not None
    assert (found.sql, found.format, text[found.offset :]) == (sql, name, data)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t (FORMAT, VALUES)",
        b"EXPLAIN INSERT INTO t VALUES (1)",
    ],
)
def test_other_statements_have_no_data(text: bytes) -> None:
    """Nor has an INSERT that selects."""
    assert insert_of(text, is_all=True) is None


@given(cut=st.integers(0, 60), data=st.binary(max_size=30))
def test_a_cut_never_changes_what_is_found(cut: int, data: bytes) -> None:
    """Of a part of a request either the same is found as of the whole, or nothing yet."""
    whole = b"INSERT INTO t (a, `b`) SETTINGS c='d' FORMAT Native\n" + data
    found = insert_of(whole[:cut], is_all=False)
    assert found in (None, insert_of(whole, is_all=True))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SHOW TABLES FORMAT CSV", "CSV"),
        ("EXISTS t format TSV;", "TSV"),
        ("DROP TABLE t", None),
        ("EXISTS format", None),
    ],
)
def test_a_statements_format_is_its_last_word(text: str, name: str | None) -> None:
    """Where it has one."""
    assert named_format(text) == name


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        (b"INSERT INTO t (a) FORMAT CSV\n1", "INSERT INTO t (a)  FROM INFILE 'f'  FORMAT CSV"),
        (b"INSERT INTO t SETTINGS a=1 FORMAT CSV\n1", "INSERT INTO t  FROM INFILE 'f' SETTINGS a=1  FORMAT CSV"),
        (b"INSERT INTO t settings a=1 VALUES (1)", "INSERT INTO t  FROM INFILE 'f' settings a=1  FORMAT Values"),
        (b"INSERT INTO settings FORMAT CSV\n1", "INSERT INTO settings  FROM INFILE 'f'  FORMAT CSV"),
        (b"INSERT INTO d.settings VALUES (1)", "INSERT INTO d.settings  FROM INFILE 'f'  FORMAT Values"),
    ],
)
def test_a_file_stands_before_the_settings(text: bytes, statement: str) -> None:
    """As the engine parses it; a table may be called settings."""
    found = insert_of(text, is_all=True)
    assert found is not None
    assert found.from_file("'f'") == statement


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1", {}),
        ("SELECT 1 SETTINGS a = 1", {"a": "1"}),
        ("SELECT 1 settings a=1 , b='20' FORMAT CSV", {"a": "1", "b": "20"}),
        ("SELECT 1 FORMAT CSV SETTINGS a=1;", {"a": "1"}),
        ("SELECT n FROM (SELECT 1 AS n SETTINGS a=1)", {}),
        ("SELECT 1 SETTINGS a=1 UNION ALL SELECT 2 SETTINGS b=2", {"b": "2"}),
        ("SELECT ' SETTINGS a=1' -- SETTINGS a=1", {}),
        ("SELECT 1 SETTINGS a=1, b='x', c=3", {"a": "1"}),
        ("SELECT settings FROM t", {}),
        ("SELECT 1 SETTINGS", {}),
    ],
)
def test_a_query_may_ask_for_settings_in_its_sql(text: str, found: dict[str, str]) -> None:
    """Those of the whole of it, which are numbers."""
    assert own_settings(text) == found
