"""The Iceberg catalog of a stack: which one it has, and what is true of the one on PostgreSQL."""

import ipaddress
from collections.abc import Iterator

import psutil
import pyarrow as pa
import pytest
from deploy.local.tests.lake_parts import Lake

from k2_local import Stack, StackSettings
from k2_local.identity import Identity
from k2_local.parts import NotReadyError, Site
from k2_local.ports import PORTS
from k2_local.postgres import Postgres, password
from k2_local.stack_state import StackState
from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg
from k2_support.ports import is_free

ROWS = pa.table({"id": [1, 2, 3]})


def kill(pid: int) -> None:
    """Kill a process, which is gone afterwards."""
    found = psutil.Process(pid)
    found.kill()
    found.wait()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake that is up, whose catalog is on PostgreSQL; a test that breaks a part mends it with ``up``."""
    with Lake(tmp_path_factory.mktemp("lake")).running() as made:
        yield made


def test_a_stack_keeps_its_catalog(settings: StackSettings) -> None:
    """It need not be said again; another one is refused before anything starts, and says what to do."""
    StackState(settings.state).remember_catalog("postgres")
    assert set(Stack(settings).names) == set(PORTS["postgres"])
    other = settings.model_copy(update={"k2_catalog": "seaweed"})
    with pytest.raises(ConfigError, match=r"has the catalog postgres, .* ask for seaweed: .* k2 stack reset"):
        Stack(other).start()
    assert Stack(settings).running() == []


def test_a_stack_of_before_has_the_catalog_that_there_was(settings: StackSettings) -> None:
    """Its folder has ports and says nothing of a catalog."""
    StackState(settings.state).remember_ports({"kafka": 11_000})
    asked = settings.model_copy(update={"k2_catalog": "postgres"})
    assert set(Stack(asked).names) == set(PORTS["seaweed"])


def test_a_catalog_that_there_is_not_is_one_line(settings: StackSettings) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match=r"K2_CATALOG='nessie' is not allowed: .*seaweed.*postgres"):
        StackSettings.load(k2_catalog="nessie")


def test_nothing_of_it_listens_beyond_this_machine(lake: Lake) -> None:
    """Neither the database nor the catalog, which would ask nobody who they are; SeaweedFS has no catalog beside."""
    for part in lake.parts:
        sockets = psutil.Process(lake.process(part.name).pid).net_connections("tcp")
        listening = {one.laddr.ip: one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN}
        assert listening
        assert all(ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback for ip in listening)
    assert {part.port for part in lake.parts} == {lake.site.ports[name] for name in ("s3", "postgres", "iceberg")}


def test_the_database_lets_in_nobody_without_the_password(lake: Lake) -> None:
    """Another stack's is refused, and so taken for another server."""
    stranger = Site(lake.site.settings, Identity("A" * 22, "key", "secret"), lake.site.ports)
    with pytest.raises(NotReadyError, match="password authentication failed"):
        Postgres(stranger).check()


def test_the_password_stands_in_no_log_and_no_open_file(lake: Lake) -> None:
    """Only the catalog's configuration has it, for its owner alone."""
    state, secret = lake.site.settings.state, password(lake.site)
    having = [path for path in state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert having == [state / "rest_catalog" / "rest_catalog.xml"]
    assert having[0].stat().st_mode & 0o077 == 0


@pytest.mark.long
@pytest.mark.parametrize("killed", [["postgres"], ["rest_catalog"], ["seaweed"], ["postgres", "rest_catalog"]])
def test_acknowledged_commits_survive_kill_9(lake: Lake, killed: list[str]) -> None:
    """Of any of its parts: every one, and every row; a client goes on, and only what ended is started again."""
    name = "_".join(killed)
    client = iceberg.connect(LakeSettings.load(**lake.settings()))
    client.create_namespace_if_not_exists("crash")
    made = client.create_table(f"crash.{name}", ROWS.schema)
    for commits in (1, 2):
        made.append(ROWS)
        before = {part.name: lake.process(part.name).pid for part in lake.parts}
        for part in killed:
            kill(before[part])
        lake.up()
        after = {part.name: lake.process(part.name).pid for part in lake.parts}
        assert {part for part in before if before[part] != after[part]} == set(killed)
        assert client.load_table(f"crash.{name}").scan().to_arrow().num_rows == 3 * commits


def test_it_stops_in_order_also_while_it_has_clients(lake: Lake) -> None:
    """The database does not wait for the catalog to leave."""
    database = lake.parts[1]
    assert lake.end(database, database.ended_by) is None
    assert is_free(database.port)
    lake.up()
    assert iceberg.connect(LakeSettings.load(**lake.settings())).list_namespaces() is not None


def test_the_database_is_not_root(lake: Lake) -> None:
    """PostgreSQL refuses to be, also where the stack is."""
    assert psutil.Process(lake.process("postgres").pid).uids().effective != 0
