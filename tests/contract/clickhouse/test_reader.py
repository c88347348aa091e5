"""The reader's settings: no row twice, limits, and which of them it may change."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
from tests.contract.clickhouse.server import Address

from k2_shared.warm.reader import CHANGEABLE, GRANTED

PROFILE = "profiles/reader"
ROOT = Path(__file__).parents[3]
HUNGRY = "SELECT groupArray(number) FROM numbers(100000000) FORMAT Null"


@pytest.fixture
def doubled(owner: Address, database: str) -> Iterator[str]:
    """A table that holds one row twice, in two parts that nothing merges."""
    name = f"{database}.doubled_{uuid.uuid4().hex[:8]}"
    owner.ask(f"CREATE TABLE {name} (n Int64) ENGINE=ReplacingMergeTree ORDER BY n").raise_for_status()
    owner.ask(f"SYSTEM STOP MERGES {name}").raise_for_status()
    for _ in range(2):
        owner.ask(f"INSERT INTO {name} VALUES (1)").raise_for_status()
    yield name
    owner.ask(f"DROP TABLE {name}").raise_for_status()


def code(answer: requests.Response) -> str | None:
    """The engine's code of an answer; None if it is no error."""
    return answer.headers.get("X-ClickHouse-Exception-Code")


def test_a_reader_sees_no_row_twice(owner: Address, reader: Address, doubled: str) -> None:
    """By itself, also in a subquery; unless it asks for the rows as they lie."""
    assert owner.ask(f"SELECT count() FROM {doubled}").text == "2\n"
    assert reader.ask(f"SELECT count() FROM {doubled}").text == "1\n"
    assert reader.ask(f"SELECT count() FROM (SELECT n FROM {doubled})").text == "1\n"
    assert reader.ask(f"SELECT count() FROM {doubled}", final=0).text == "2\n"


@pytest.mark.parametrize("name", GRANTED)
def test_a_reader_has_these_settings(reader: Address, name: str) -> None:
    """Without asking."""
    assert reader.ask(f"SELECT toUInt64(getSetting('{name}'))").text == f"{GRANTED[name]}\n"


def test_a_query_of_a_reader_ends_where_it_asked_to(reader: Address) -> None:
    """At its time, its memory and its rows."""
    endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    assert code(reader.ask(endless, max_execution_time=1)) == "159"
    assert code(reader.ask(HUNGRY, max_memory_usage=50_000_000)) == "241"
    assert code(reader.ask("SELECT * FROM numbers(100000) FORMAT Null", max_result_rows=1_000)) == "396"


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_reader_has_no_more_than_it_is_allowed(reader: Address, name: str) -> None:
    """Neither more than the most, nor none, which would be no limit."""
    assert code(reader.ask("SELECT 1", **{name: CHANGEABLE[name].most + 1})) == "452"
    if CHANGEABLE[name].least:
        assert code(reader.ask("SELECT 1", **{name: 0})) == "452"


@pytest.mark.parametrize("name", CHANGEABLE)
def test_what_a_reader_asks_for_in_its_sql_is_judged_the_same(reader: Address, name: str) -> None:
    """By its SETTINGS clause it has what it may have, whatever FORMAT follows, and is refused what it may not."""
    allowed = CHANGEABLE[name]
    wanted = allowed.least if GRANTED[name] == allowed.most else allowed.most
    had = f"SELECT toUInt64(getSetting('{name}')) SETTINGS {name} = "
    assert reader.ask(f"{had}{wanted}").text == f"{wanted}\n"
    assert reader.ask(f"{had}'{wanted}' FORMAT CSV").text == f"{wanted}\n"
    assert reader.ask(f"{had}{wanted}", **{name: GRANTED[name]}).text == f"{wanted}\n"
    assert code(reader.ask(f"{had}{allowed.most + 1}")) == ("452" if allowed.most > 1 else "70")  # a flag is 0 or 1


@pytest.mark.parametrize(("name", "value"), [("max_threads", 7), ("max_rows_to_read", 7), ("readonly", 0)])
def test_a_reader_changes_no_other_setting(reader: Address, name: str, value: int) -> None:
    """Neither beside its SQL nor in it, also behind one that it may change."""
    assert code(reader.ask("SELECT 1", **{name: value})) == "164"
    assert code(reader.ask(f"SELECT 1 SETTINGS {name} = {value}")) == "164"
    assert code(reader.ask(f"SELECT 1 SETTINGS final = 0, {name} = {value} FORMAT TSV")) == "164"


def test_a_reader_sees_rows_as_they_lie_where_its_sql_asks_for_it(reader: Address, doubled: str) -> None:
    """As beside it; the name of a column is no clause."""
    assert reader.ask(f"SELECT count() FROM {doubled} SETTINGS final = 0").text == "2\n"
    assert reader.ask(f"SELECT n AS settings, count() FROM {doubled} GROUP BY settings").text == "1\t1\n"


def test_the_profile_of_a_server_says_the_same() -> None:
    """What deploy/clickhouse gives the reader of a server of one's own, and lets it change."""
    profile = ElementTree.parse(ROOT / "deploy/clickhouse/users.xml").find(PROFILE)  # noqa: S314  # our own file
    assert profile is not None
    granted = {each.tag: int(each.text or "") for each in profile if each.tag != "constraints"}
    assert granted == {**GRANTED, "readonly": 1, "cancel_http_readonly_queries_on_client_close": 1}
    constraints = {each.tag: each for each in profile.iterfind("constraints/*")}
    assert all(each.find("changeable_in_readonly") is not None for each in constraints.values())
    allowed = {
        name: (int(each.findtext("min", "")), int(each.findtext("max", ""))) for name, each in constraints.items()
    }
    assert allowed == {name: (each.least, each.most) for name, each in CHANGEABLE.items()}
