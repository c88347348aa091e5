"""What is true of a stack that is up."""

import ipaddress

import psutil
import pytest
import requests
from aiokafka.admin import AIOKafkaAdminClient
from requests_aws4auth import AWS4Auth

from k2_local import Stack, StackSettings
from k2_local.disk import write_json
from k2_local.identity import Identity
from k2_local.kafka import Kafka
from k2_local.parts import NotReadyError, Site
from k2_local.stack_state import StackState
from k2_local.status import whole


def _state(stack: Stack) -> StackState:
    return StackState(stack.settings.state)


def test_every_part_is_up_with_its_process_and_port(stack: Stack) -> None:
    """Status names pid, port, memory and start of each part."""
    parts = stack.status()
    assert [part.part for part in parts] == list(stack.names)
    assert whole(parts) == "up"
    assert all(part.pid and part.port and part.resident_mb and part.since for part in parts)


def test_up_twice_is_harmless(stack: Stack) -> None:
    """A second up starts nothing, keeps every process and gives the same environment."""
    before = [part.pid for part in stack.status()]
    assert stack.start() == []
    assert stack.up() == stack.env()
    assert [part.pid for part in stack.status()] == before


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    """Every listening socket of every part is bound to the loopback."""
    for part in stack.status():
        sockets = psutil.Process(part.pid).net_connections("tcp")
        hosts = {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}
        assert hosts
        assert all(ipaddress.ip_address(host.removeprefix("::ffff:")).is_loopback for host in hosts)


@pytest.mark.parametrize("path", ["", "/lake", "/warehouse"])
def test_s3_refuses_anonymous_access(stack: Stack, path: str) -> None:
    """Without keys, neither the buckets' list nor a bucket is shown."""
    assert requests.get(stack.env()["S3_ENDPOINT"] + path, timeout=120).status_code == 403


def test_s3_refuses_wrong_keys(stack: Stack) -> None:
    """Keys other than the stack's own open nothing."""
    environment = stack.env()
    stranger = AWS4Auth(environment["S3_ACCESS_KEY_ID"], "wrong", environment["S3_REGION"], "s3")
    url = f"{environment['S3_ENDPOINT']}/lake"
    assert requests.get(url, auth=stranger, timeout=120).status_code == 403


def test_keys_are_readable_by_their_owner_alone(stack: Stack) -> None:
    """The identity file has mode 600."""
    assert (stack.settings.state / "identity.json").stat().st_mode & 0o077 == 0


def test_registry_writes_before_it_acknowledges(stack: Stack) -> None:
    """H2 runs without a write delay."""
    process = _state(stack).process("registry")
    assert process is not None
    assert any(word.endswith(";WRITE_DELAY=0") for word in psutil.Process(process.pid).cmdline())


def test_registry_has_time_to_open_its_database(stack: Stack) -> None:
    """As long as a start may take, not the 5 s that are its default."""
    process = _state(stack).process("registry")
    assert process is not None
    option = f"-Dquarkus.datasource.h2.jdbc.acquisition-timeout={stack.settings.k2_work_timeout_s:.0f}S"
    assert option in psutil.Process(process.pid).cmdline()


async def test_broker_has_the_settings_of_a_single_node(stack: Stack) -> None:
    """Asking for an unknown topic does not create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.env()["KAFKA_BOOTSTRAP_SERVERS"])
    await admin.start()
    try:
        await admin.describe_topics(["never-created"])
        assert "never-created" not in await admin.list_topics()
    finally:
        await admin.close()


def test_another_cluster_is_not_taken_for_ours(stack: Stack) -> None:
    """The broker's check fails where another cluster id answers."""
    stranger = Identity("A" * 22, "key", "secret")
    site = Site(stack.settings, stranger, _state(stack).ports())
    with pytest.raises(NotReadyError, match="another cluster"):
        Kafka(site).check()


def test_another_process_on_our_port_is_not_taken_for_ours(stack: Stack, settings: StackSettings) -> None:
    """A stack whose recorded processes do not own the ports that answer is not up."""
    ours, theirs = StackState(settings.state), _state(stack)
    ours.remember_ports(theirs.ports())
    write_json(
        settings.state / "identity.json", {"cluster_id": "x", "s3_access_key_id": "", "s3_secret_access_key": ""}
    )
    own = psutil.Process()
    for name in stack.names:
        write_json(settings.state / "run" / f"{name}.json", {"pid": own.pid, "started": own.create_time()})
    assert {part.state for part in Stack(settings).status()} == {"not answering"}


def test_port_set_by_hand_for_a_part_that_runs_elsewhere_is_refused(stack: Stack) -> None:
    """A running part does not move: the variable is named, and what to do."""
    moved = stack.settings.model_copy(update={"k2_kafka_port": 20_999})
    with pytest.raises(Exception, match=r"K2_KAFKA_PORT=20999 .*k2 stack down first") as caught:
        Stack(moved).up()
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]
