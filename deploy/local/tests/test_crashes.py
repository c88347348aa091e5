"""What survives kill -9, a restart and the loss of a port."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager

import clickhouse_connect
import psutil
import pyarrow as pa
import pytest
import requests
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pyiceberg.catalog import Catalog, load_catalog

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_local.status import whole
from k2_support.ports import HOST, is_free
from k2_support.waiting import wait_for

Occupied = Callable[[int], AbstractContextManager[int]]


def _kill(stack: Stack, part: str) -> None:
    process = StackState(stack.settings.state).process(part)
    assert process is not None
    found = psutil.Process(process.pid)
    found.kill()
    found.wait()


def _register(stack: Stack, subject: str) -> int:
    schema = json.dumps({"type": "record", "name": subject, "fields": [{"name": "id", "type": "long"}]})
    url = f"{stack.env()['SCHEMA_REGISTRY_URL']}/subjects/{subject}/versions"
    answer = requests.post(url, json={"schema": schema}, timeout=120)
    answer.raise_for_status()
    return int(answer.json()["id"])


def _registered(stack: Stack, subject: str) -> int:
    url = f"{stack.env()['SCHEMA_REGISTRY_URL']}/subjects/{subject}/versions/latest"
    answer = requests.get(url, timeout=120)
    answer.raise_for_status()
    return int(answer.json()["id"])


def _catalog(stack: Stack) -> Catalog:
    environment = stack.env()
    return load_catalog(
        "k2",
        type="rest",
        uri=environment["ICEBERG_CATALOG_URI"],
        warehouse=environment["ICEBERG_WAREHOUSE"],
        credential=environment["ICEBERG_CREDENTIAL"],
        scope="catalog",
        **{
            "oauth2-server-uri": environment["ICEBERG_OAUTH2_SERVER_URI"],
            "s3.endpoint": environment["S3_ENDPOINT"],
            "s3.access-key-id": environment["S3_ACCESS_KEY_ID"],
            "s3.secret-access-key": environment["S3_SECRET_ACCESS_KEY"],
            "s3.region": environment["S3_REGION"],
            "s3.path-style-access": "true",
        },
    )


def _commit(stack: Stack, table: str, commits: int) -> None:
    catalog, rows = _catalog(stack), pa.table({"id": [1, 2, 3]})
    catalog.create_namespace_if_not_exists("crash")
    created = catalog.create_table(f"crash.{table}", rows.schema)
    for _ in range(commits):
        created.append(rows)


def _rows(stack: Stack, table: str) -> int:
    return _catalog(stack).load_table(f"crash.{table}").scan().to_arrow().num_rows


async def _produce(stack: Stack, topic: str, value: bytes) -> None:
    bootstrap = stack.env()["KAFKA_BOOTSTRAP_SERVERS"]
    admin, producer = AIOKafkaAdminClient(bootstrap_servers=bootstrap), AIOKafkaProducer(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with producer:
        await producer.send_and_wait(topic, value)


async def _consume(stack: Stack, topic: str) -> bytes:
    bootstrap = stack.env()["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return bytes((await consumer.getone()).value)


@asynccontextmanager
async def _group(stack: Stack, at: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(bootstrap_servers=stack.env()["KAFKA_BOOTSTRAP_SERVERS"], group_id="crash") as consumer:
        consumer.assign([at])
        yield consumer


def _starts(stack: Stack) -> list[str]:
    log = stack.log("kafka-broker").read_text().splitlines()
    return [line for line in log if "Transition from STARTING to STARTED" in line and "BrokerServer" in line]


@pytest.mark.long
def test_acknowledged_schemas_survive_kill_9_of_the_registry(stack: Stack) -> None:
    """Every id is still its subject's, a new subject gets a new id, and only the registry is started again."""
    stack.up()
    ids = {f"crash{n}": _register(stack, f"crash{n}") for n in range(5)}
    _kill(stack, "registry")
    assert stack.start() == ["registry"]
    assert {subject: _registered(stack, subject) for subject in ids} == ids
    assert _register(stack, "afterwards") not in ids.values()


@pytest.mark.long
def test_iceberg_commits_survive_kill_9_of_seaweed(stack: Stack) -> None:
    """Every acknowledged commit, and every row of it, is there after the crash."""
    stack.up()
    _commit(stack, "killed", commits=5)
    for _ in range(3):
        _kill(stack, "seaweed")
        assert stack.start() == ["seaweed"]
        assert _rows(stack, "killed") == 15


@pytest.mark.long
def test_acknowledged_rows_survive_kill_9_of_clickhouse(stack: Stack) -> None:
    """Every row of an insert that was answered is there, and only this part is started again."""
    stack.up()
    env = stack.env()
    port, login = int(env["CLICKHOUSE_URL"].rpartition(":")[2]), (env["CLICKHOUSE_USER"], env["CLICKHOUSE_PASSWORD"])
    client = clickhouse_connect.get_client(host=HOST, port=port, username=login[0], password=login[1])
    client.command("CREATE OR REPLACE TABLE killed (a Int64) ENGINE=MergeTree ORDER BY a")
    client.insert("killed", [[number] for number in range(1_000)])
    _kill(stack, "clickhouse")
    assert stack.start() == ["clickhouse"]
    assert client.query("SELECT count(), sum(a) FROM killed").first_row == (1_000, 499_500)


@pytest.mark.long
async def test_a_killed_broker_is_reached_only_after_an_orderly_restart(stack: Stack) -> None:
    """It starts twice, the first time on a port of its own; what a group committed is what it finds."""
    stack.up()
    await _produce(stack, "committed", b"value")
    at = TopicPartition("committed", 0)
    async with _group(stack, at) as group:
        await group.commit({at: 1})
    _kill(stack, "kafka")
    said, before = list[str](), _starts(stack)
    assert stack.start(said.append) == ["kafka"]
    assert any("it starts and stops once before anybody may reach it" in line for line in said)
    assert len(_starts(stack)) == len(before) + 2
    async with _group(stack, at) as group:
        assert await group.committed(at) == 1
    stack.down(only=["kafka"])
    stack.up()
    assert len(_starts(stack)) == len(before) + 3


def test_half_dead_stack_is_named_part_by_part(stack: Stack) -> None:
    """A killed part is told from those that work, and its environment is refused until it is mended."""
    stack.up()
    _kill(stack, "seaweed")
    parts = stack.status()
    assert {part.part: part.state for part in parts} == {
        "kafka": "up",
        "registry": "up",
        "seaweed": "died",
        "clickhouse": "up",
    }
    assert whole(parts) == "half-dead"
    with pytest.raises(Exception, match=r"seaweed not running"):
        stack.env()
    stack.up()


@pytest.mark.long
async def test_state_survives_a_restart_on_other_ports(stack: Stack, occupied: Occupied) -> None:
    """Topics, schemas and tables are there after a restart that had to replace remembered, busy ports."""
    stack.up()
    await _produce(stack, "kept", b"value")
    schema = _register(stack, "kept")
    _commit(stack, "kept", commits=1)
    stack.down()
    assert whole(stack.status()) == "down"
    ports, said = StackState(stack.settings.state).ports(), list[str]()
    wanted = ("kafka", "kafka_controller", "registry", "s3", "seaweed_master", "seaweed_volume", "seaweed_filer")
    with ExitStack() as busy:
        for name in wanted:
            wait_for(lambda: is_free(ports[name]), 60, f"the release of {name}'s port")  # noqa: B023  # called at once
            busy.enter_context(occupied(ports[name]))
        stack.up(said.append)
    assert all(f"{name}: the remembered port {ports[name]} is busy, choosing another" in said for name in wanted)
    assert await _consume(stack, "kept") == b"value"
    assert _registered(stack, "kept") == schema
    assert _rows(stack, "kept") == 3
