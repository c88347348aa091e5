"""Faults of ownership: a paused process that comes back, a stolen transactional id, a storm of rebalances."""

import asyncio
import signal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from tests.faults.faults import Injected, arm, injected, said
from tests.faults.offsets import INPUTS
from tests.faults.rig import Rig
from tests.faults.supervisor import SupervisedAgent, until, up

from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, GOLD, SILVER, partition_for

ASSIGNED, REVOKED, FENCED = "partitions_assigned", "partitions_revoked", 3
KEYS = (b"KRAKEN:BTC/USDT", b"KRAKEN:XRP/USD", b"BINANCE:BTC/USDT", b"BINANCE:SOL/EUR")
STORM_EVENTS = 6


async def zombie(
    rig: Rig, stopped: SupervisedAgent, successor: SupervisedAgent, point: str = "before_commit"
) -> list[Injected]:
    """Stop a process within a transaction until another has its partitions, and let it go on."""
    await arm(stopped, point, "stop", rig.rng.randint(1, 8))
    before = len(said(successor, ASSIGNED))
    await until(lambda: len(said(successor, ASSIGNED)) > before, f"{successor.name} in the place of {stopped.name}")
    await successor.ready()
    assigned = len(said(stopped, ASSIGNED))
    stopped.send(signal.SIGCONT)
    await until(
        lambda: not stopped.running or len(said(stopped, ASSIGNED)) > assigned, f"{stopped.name} noticing its successor"
    )
    code = stopped.child.exit_code if stopped.child else None
    revoked = len(said(stopped, REVOKED))
    proof = f"exit {code} after SIGCONT" if code is not None else "its partitions were revoked before it went on"
    await up(stopped)
    return [injected(f"{stopped.service} stopped {point}, overtaken", code == FENCED or revoked, proof)]


async def two_owners(rig: Rig, service: str) -> list[Injected]:
    """Begin a transaction under the id of a working process: that one ends, and its successor fences ours."""
    key = rig.rng.choice(KEYS)
    source, target = _beside(service, key)
    partition = partition_for(key, 12)
    name = rig.names.transactional_id(service, source, partition)
    before = _fences(rig, service)
    thief = clients.producer(rig.settings, transactional_id=name)
    async with clients.started(thief, rig.settings):
        await thief.begin_transaction()
        await thief.send_and_wait(rig.names.topic(target), b"of the second owner", partition=partition)
        await until(lambda: _fences(rig, service) > before, f"an owner of {name} that was fenced")
        await up(*rig.members(service))
        refused = await _refused(thief)
    proof = f"exit {FENCED} of the first owner; the second one's commit: {refused or 'accepted'}"
    return [injected(f"{service} and a second owner", refused, proof)]


async def storm(rig: Rig, service: str) -> list[Injected]:
    """Let two of three processes, dynamic members, come and go faster than the group settles."""
    steady, *restless = rig.agents.of(service)
    for agent in restless:
        await agent.end()
    before, events = len(said(steady, ASSIGNED)), []
    for _ in range(STORM_EVENTS):
        events.append(await _restless(rig, rig.rng.choice(restless)))
        await asyncio.sleep(rig.rng.uniform(0.5, 3.0))
    await until(lambda: len(said(steady, ASSIGNED)) > before, "a rebalance", timeout_s=30)
    for agent in restless:
        await agent.end(signal.SIGTERM)
    await up(*rig.members(service))
    rebalances = len(said(steady, ASSIGNED)) - before
    return [injected(f"{service} rebalance storm", rebalances > 0, f"{', '.join(events)}; {rebalances} rebalances")]


async def _restless(rig: Rig, agent: SupervisedAgent) -> str:
    if not agent.running:
        agent.start(K2_INSTANCE="")
        return "came"
    number = rig.rng.choice((signal.SIGTERM, signal.SIGKILL))
    await agent.end(number)
    return f"went by {number.name}"


def _beside(service: str, key: bytes) -> tuple[str, str]:
    """A service's input and output of a key."""
    exchange = key.decode().partition(":")[0].lower()
    source = {"silver": BRONZE, "gold": SILVER}[service].format(exchange=exchange)
    assert source in INPUTS[service]
    return source, SILVER.format(exchange=exchange) if service == "silver" else GOLD


def _fences(rig: Rig, service: str) -> int:
    """How many processes of a service ended because they were fenced."""
    return sum(end.exit_code == FENCED for agent in rig.agents.of(service) for end in agent.ended)


async def _refused(thief: AIOKafkaProducer) -> str:
    """Why the broker refused to commit, or nothing where it did commit."""
    try:
        await thief.commit_transaction()
    except KafkaError as error:
        return type(error).__name__
    return ""
