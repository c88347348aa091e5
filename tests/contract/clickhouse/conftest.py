"""One body of tests for any server of ClickHouse's HTTP interface: that of ``CLICKHOUSE_URL``, else an embedded one."""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from tests.contract.clickhouse.server import Address, Embedded, address_of

Table = Callable[[str], str]


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Address]]:
    """The owner of a server, and its reader if one is known."""
    if "CLICKHOUSE_URL" in os.environ:
        prefixes = {"owner": "CLICKHOUSE", "reader": "CLICKHOUSE_READER"}
        yield {user: address_of(prefix) for user, prefix in prefixes.items() if f"{prefix}_USER" in os.environ}
        return
    embedded = Embedded(tmp_path_factory.mktemp("clickhouse")).start()
    yield {"owner": embedded.owner, "reader": embedded.reader}
    embedded.stop()


@pytest.fixture(scope="session")
def owner(users: dict[str, Address]) -> Address:
    """Who may do everything."""
    return users["owner"]


@pytest.fixture(scope="session")
def reader(users: dict[str, Address]) -> Address:
    """Who may only read."""
    if "reader" not in users:
        pytest.skip("CLICKHOUSE_READER_USER names no reader of this server")
    return users["reader"]


@pytest.fixture(scope="session")
def database(owner: Address) -> Iterator[str]:
    """A database of this session's own, gone afterwards."""
    name = f"conformance_{uuid.uuid4().hex[:8]}"
    owner.ask(f"CREATE DATABASE {name} ENGINE=Atomic").raise_for_status()
    yield name
    owner.ask(f"DROP DATABASE {name}").raise_for_status()


@pytest.fixture
def client(owner: Address, database: str) -> Iterator[Client]:
    """clickhouse-connect's synchronous client, in the session's database."""
    with owner.client(database) as made:
        yield made


@pytest.fixture
async def asynchronous(owner: Address, database: str) -> AsyncIterator[AsyncClient]:
    """clickhouse-connect's asynchronous client, in the session's database."""
    async with await clickhouse_connect.get_async_client(dsn=owner.url, database=database, tz_mode="aware") as made:
        yield made


@pytest.fixture
def table(owner: Address, database: str) -> Table:
    """Make a table of the given columns, sorted by the first; returns its full name."""

    def make(columns: str) -> str:
        name = f"{database}.t{uuid.uuid4().hex[:8]}"
        created = f"CREATE TABLE {name} ({columns}) ENGINE=MergeTree ORDER BY {columns.split()[0]}"
        owner.ask(created).raise_for_status()
        return name

    return make
