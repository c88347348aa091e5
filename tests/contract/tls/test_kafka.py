"""SASL and TLS on a real broker: who is let in, and what is said to who is not."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from tests.contract.tls.authority import Authority
from tests.contract.tls.broker import MECHANISMS
from tests.contract.tls.conftest import Environment

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import BRONZE, DLQ, Names, administration
from k2_support.plugin import Agents
from k2_support.topics import lasting_topics, read, write
from k2_support.waiting import eventually, wait_for

TOPIC = BRONZE.format(exchange="kraken")
WAYS = [
    ("SSL", "PLAIN"),
    *((protocol, mechanism) for protocol in ("SASL_PLAINTEXT", "SASL_SSL") for mechanism in MECHANISMS),
]
Load = Callable[..., RunSettings]


@pytest.fixture
def load(run_settings: RunSettings, secure: Environment) -> Load:
    """Settings as an operator sets them, under this test's prefix."""

    def loaded(**changes: str) -> RunSettings:
        given = {name.lower(): value for name, value in {**secure, **changes}.items()}
        return RunSettings.load(k2_prefix=run_settings.k2_prefix, **given)

    return loaded


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_every_way_in_is_open_to_every_client(
    load: Load, broker: Mapping[str, str], protocol: str, mechanism: str
) -> None:
    """Admin, producer and consumer, of each protocol with each mechanism."""
    settings = load(
        KAFKA_BOOTSTRAP_SERVERS=broker[protocol], KAFKA_SECURITY_PROTOCOL=protocol, KAFKA_SASL_MECHANISM=mechanism
    )
    async with lasting_topics(settings):
        await write(settings, Names(settings.k2_prefix), [Outgoing(TOPIC, b"k", b"v", 1, ())])
        assert [record.value for record in await read(settings, Names(settings.k2_prefix), TOPIC)] == [b"v"]


REFUSED = [
    ({"KAFKA_SASL_PASSWORD": "wrong"}, "refused KAFKA_SASL_USERNAME='k2' .*: check it and KAFKA_SASL_PASSWORD"),
    ({"KAFKA_SASL_USERNAME": "nobody"}, "refused KAFKA_SASL_USERNAME='nobody'"),
    ({"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_PASSWORD": "wrong"}, "refused KAFKA_SASL_USERNAME='k2'"),
    ({"KAFKA_SSL_CAFILE": "stranger"}, "is not trusted .*: check KAFKA_SSL_CAFILE"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
async def test_who_is_not_let_in_is_told_which_setting_it_is(
    load: Load, broker: Mapping[str, str], stranger: Authority, changes: Environment, said: str
) -> None:
    """A broker that answers is not said to be away."""
    given = {name: str(stranger.cafile) if value == "stranger" else value for name, value in changes.items()}
    with pytest.raises(ConfigError, match=f"broker at {broker['SASL_SSL']} {said}"):
        async with administration(load(**given)):
            pytest.fail("it was let in")


@pytest.mark.parametrize(("spoken", "understood"), [("SASL_SSL", "SASL_PLAINTEXT"), ("PLAINTEXT", "SSL")])
async def test_a_broker_that_speaks_otherwise_does_not_answer(
    load: Load, broker: Mapping[str, str], spoken: str, understood: str
) -> None:
    """It closes the connection, as one that is going down does: the protocol is named as what to look at."""
    given = load(
        KAFKA_BOOTSTRAP_SERVERS=broker[understood], KAFKA_SECURITY_PROTOCOL=spoken, KAFKA_REQUEST_TIMEOUT_MS="2000"
    )
    with pytest.raises(Unavailable, match=f"whether it speaks KAFKA_SECURITY_PROTOCOL={spoken}"):
        async with administration(given):
            pytest.fail("it was understood")


async def test_an_agent_works_behind_sasl_and_tls(load: Load, secure: Environment, agents: Agents) -> None:
    """Faust's clients, the transactional producers and the group's reader of silver: what it refused is there."""
    settings = load()
    names = Names(settings.k2_prefix)
    async with lasting_topics(settings):
        await write(settings, names, [Outgoing(TOPIC, b"k", b"no trade", 1, ())])
        silver = agents.start("silver", **secure).wait_ready()
        wait_for(lambda: not silver.missing(), 60, "readiness")
        await eventually(lambda: _refused(settings, names), "the dead letter")
        assert silver.stop() == 0
        listed = k2("dlq", "list", "--json", **secure, K2_PREFIX=settings.k2_prefix)
    assert (listed.returncode, "bad_magic" in listed.stdout) == (0, True), listed.stderr


async def _refused(settings: RunSettings, names: Names) -> bool:
    return len(await read(settings, names, DLQ)) == 1


def k2(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from k2.main import main; main()", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("command", [("dlq", "list"), ("init",), ("feed", "list"), ("gaps",), ("probe-broker",)])
def test_a_wrong_password_is_one_line_and_exit_2(secure: Environment, command: tuple[str, ...]) -> None:
    """From every command that asks the broker."""
    done = k2(*command, **secure | {"KAFKA_SASL_PASSWORD": "wrong"})
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("k2: the broker at 127.0.0.1:")
    assert "check it and KAFKA_SASL_PASSWORD" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_agent_with_a_wrong_password_ends_with_exit_2(secure: Environment, agents: Agents) -> None:
    """The last line of its log says which setting it is."""
    silver = agents.start("silver", **secure | {"KAFKA_SASL_PASSWORD": "wrong"})
    wait_for(lambda: silver.exit_code is not None, 60, "the end")
    assert silver.exit_code == 2
    assert "check it and KAFKA_SASL_PASSWORD" in silver.log_tail(1)
