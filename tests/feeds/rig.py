"""A feed as a process on a simulated venue and the real broker, and everything that its tests ask of the three."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.faults.supervisor import ProcessExit, SupervisedAgent, SupervisedAgents, up
from tests.feeds.accounts import (
    Account,
    VenueAccounts,
    accounts,
    auditing,
    schema_id,
    sources,
    through_gold,
    unaccounted,
)
from tests.feeds.sim import BTC, ETH, Plays, Sim, simulating

from k2_shared.core.letter_headers import PREFIX
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import (
    EventKind,
    EventRecord,
    GapRecord,
    GapState,
    Resumption,
    SymbolRecord,
    now_us,
)
from k2_shared.feed.coverage.intervals import Interval, IntervalSet
from k2_shared.kafka.topics import DLQ, EVENTS, GAPS, Names
from k2_support.topics import read, write
from k2_support.waiting import came_true, eventually

PATIENCE_S = 90.0
PLAYS = Plays({BTC: 600, ETH: 300})  # some two hundred trades a second
_QUICK = {
    "FEED_SOCKETS": "1",
    "FEED_GAP_GRACE_S": "0.3",
    "FEED_GAP_PATIENCE_S": "4",
    "FEED_BACKOFF_BASE_S": "0.1",
    "FEED_BACKOFF_CAP_S": "0.5",
    "FEED_ACK_TIMEOUT_S": "3",
    "FEED_CHECKPOINT_S": "1",
}
_POLL_S = 0.3
_ANSWERS = aiohttp.ClientTimeout(total=10)


@dataclass
class Rig:
    """One venue, one or more processes of its feed, and what stands in Kafka."""

    settings: RunSettings
    names: Names
    venue: Exchange
    plays: Plays
    sim: Sim
    agents: SupervisedAgents
    since: dict[str, int] = field(default_factory=dict)  # the first id of a symbol that counts

    @property
    def feed(self) -> SupervisedAgent:
        """The feed's first process."""
        return next(iter(self.agents))

    def tell(self, **environment: str) -> None:
        """Change what processes are told that start from now on."""
        for agent in self.agents:
            agent.environment = {**agent.environment, **environment}

    def ws_urls(self, *urls: str) -> dict[str, str]:
        """The variable that tells the feed these endpoints."""
        return {f"{self.venue}_WS_URL": ",".join(urls)}

    async def up(self, *agents: SupervisedAgent) -> None:
        """Hand processes of the feed, or the first one, to the supervisor; returns when their trades flow."""
        await up(*(agents or [self.feed]))
        await eventually(partial(self._flow, agents or [self.feed]), "trades of every symbol", PATIENCE_S)

    async def _flow(self, agents: Sequence[SupervisedAgent]) -> bool:
        """Whether each symbol has brought a trade; one whose lap is long may have none to bring."""
        name = "k2_last_record_timestamp_seconds"
        return all(
            [await self.metric(name, agent, symbol=symbol) > 0 for agent in agents for symbol in self.plays.lively]
        )

    async def metric(self, name: str, of: SupervisedAgent | None = None, **labels: str) -> float:
        """The sum of a process's samples of a name that have these labels; 0 where it has none or does not answer."""
        samples = [sample for sample in await scraped(of or self.feed) if sample.name == name]
        return float(sum(each.value for each in samples if labels.items() <= each.labels.items()))

    async def counted(self, name: str, least: float = 1, **labels: str) -> None:
        """Wait until a metric of the feed has grown to ``least``."""

        async def grown() -> bool:
            return await self.metric(name, None, **labels) >= least

        await eventually(grown, f"{name}{labels or ''} of {least:g}", PATIENCE_S)

    async def events(self, *kinds: EventKind) -> list[EventRecord]:
        """What the feed has told of these kinds, oldest first."""
        found = [feed_records.events.read(record.value) for record in await read(self.settings, self.names, EVENTS)]
        return [event for event in found if event.kind in kinds]

    async def told(self, kind: EventKind, about: str = "", times: int = 1, within_s: float = PATIENCE_S) -> None:
        """Wait until the feed has told of a kind so often, with these words in the symbol or the detail."""

        async def enough() -> bool:
            return sum(about in f"{said.symbol} {said.detail}" for said in await self.events(kind)) >= times

        await eventually(enough, f"{times} {kind} events about {about!r}", within_s)

    async def gaps(self, *states: GapState) -> list[GapRecord]:
        """The records of the gap ledger of these states, or all, oldest first."""
        found = [feed_records.gaps.read(record.value) for record in await read(self.settings, self.names, GAPS)]
        return [gap for gap in found if not states or gap.state in states]

    async def wrote(self, state: GapState, first: int, last: int) -> None:
        """Wait until the ledger says of every id of a range that it is in a state."""

        async def written() -> bool:
            told = IntervalSet((gap.first_id, gap.last_id) for gap in await self.gaps(state))
            return not told.without(first, last)

        await eventually(written, f"{state} of {first} to {last}", PATIENCE_S)

    async def letters(self, reason: str) -> list[bytes]:
        """The frames that the feed quarantined for a reason, as they came."""
        said = {(f"{PREFIX}stage", b"feed"), (f"{PREFIX}reason", reason.encode())}
        return [each.value for each in await read(self.settings, self.names, DLQ) if said <= set(each.headers)]

    async def say(self, symbol: str, *, captured: bool = True, **said: int | Resumption) -> None:
        """An operator's word about a symbol, as ``k2 feed`` writes it."""
        record = SymbolRecord(exchange=self.venue, symbol=symbol, captured=captured, at=now_us(), **said)  # type: ignore[arg-type]
        await write(self.settings, self.names, [feed_records.symbols.outgoing(record)])

    async def assigned(self, *symbols: str) -> dict[str, list[Interval]]:
        """The ids that the venue has assigned so far and that count, of these symbols or of all."""
        return {
            symbol: [(max(first, self.since.get(symbol, 0)), last) for first, last in await self.sim.assigned(symbol)]
            for symbol in symbols or self.plays.lively
        }

    async def count_from_now(self) -> None:
        """Only what is assigned from now on: trades of before the subscription may come late, and not all of them."""
        self.since = {symbol: (await self.sim.assigned(symbol))[-1][1] + 1 for symbol in self.plays.lively}

    async def settled(self, *symbols: str) -> Mapping[str, Account]:
        """Wait until each id that is assigned by now is published, quarantined or unfillable.

        Raises:
            AssertionError: it does not come to that; names what is missing.
        """
        assigned = await self.assigned(*symbols)
        kept = VenueAccounts(self.venue, await schema_id(self.settings, self.names, self.venue))
        async with auditing(self.settings, self.names, sources(kept, self.venue)) as audit:

            async def complete() -> bool:
                await audit.read_on()
                return not unaccounted(assigned, kept.accounts)

            await came_true(complete, PATIENCE_S, _POLL_S)
        missing = unaccounted(assigned, kept.accounts)
        assert not missing, f"assigned by the venue and nowhere in Kafka: {missing}"
        assert kept.accounts.keys() >= assigned.keys(), "a symbol of which no trade was captured"
        return kept.accounts

    async def whole(self, *symbols: str) -> Mapping[str, Account]:
        """Wait until all is settled, stop in order, and see that gold has every published id exactly once."""
        await self.settled(*symbols)
        for ended in await self.stop():
            assert ended.exit_code == 0, ended
        found = await self.accounts()
        gold = await through_gold(self.settings, self.names, self.venue)
        assert len(gold) == len(set(gold)), "gold would publish an id twice"
        assert len(gold) == sum(len(account.published) for account in found.values())
        return found

    async def accounts(self) -> Mapping[str, Account]:
        """The accounts as they stand now."""
        return await accounts(self.settings, self.names, self.venue)

    async def stop(self) -> list[ProcessExit]:
        """End every process in order; how each ended."""
        ends = await asyncio.gather(*(agent.end(signal.SIGTERM) for agent in self.agents))
        return [ended for ended in ends if ended]

    async def crash_amid_a_backfill(self, symbol: str) -> None:
        """Kill the feed while REST cannot fill a gap; the next process, which can, fills it."""
        await self.sim.fault("rest_errors", count=50, value="status")
        ((first, last),) = (await self.sim.fault("drop_ids", symbol=symbol, count=100))["ids"]
        await self.wrote(GapState.OPENED, first, first)
        await self.feed.end(signal.SIGKILL)
        await self.sim.fault("rest_errors", count=1, value="status")
        await self.up()
        await self.wrote(GapState.FILLED, first, last)

    async def restart(self, agent: SupervisedAgent | None = None, *, after_trades: int = 0) -> None:
        """Kill a process as a crash would, let the venue trade, and start it again."""
        agent = agent or self.feed
        await agent.end(signal.SIGKILL)
        if after_trades:
            await self.sim.traded(BTC, after_trades)
        await self.up(agent)


async def scraped(agent: SupervisedAgent) -> list[Sample]:
    """Every sample of a process; none where it does not answer."""
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        url = f"http://127.0.0.1:{agent.child.web_port if agent.child else 0}/metrics"
        async with aiohttp.ClientSession(timeout=_ANSWERS) as session, session.get(url) as answer:
            families = list(text_string_to_metric_families(await answer.text()))
        return [sample for family in families for sample in family.samples]
    return []


@asynccontextmanager
async def running(
    settings: RunSettings,
    venue: Exchange,
    folder: Path,
    *,
    plays: Plays = PLAYS,
    flags: Sequence[str] = (),
    processes: int = 1,
    **environment: str,
) -> AsyncIterator[Rig]:
    """A simulated venue with processes of its feed that are not started yet; ``environment`` is that of the feed."""
    async with AsyncExitStack() as opened:
        sim = await opened.enter_async_context(simulating(venue, plays, folder, flags))
        service, own = f"feed_{venue.lower()}", _environment(settings, sim, plays) | environment
        agents = SupervisedAgents([SupervisedAgent(service, number, own, folder) for number in range(processes)])
        await opened.enter_async_context(agents.supervising())
        yield Rig(settings, Names(settings.k2_prefix), venue, plays, sim, agents)


def _environment(settings: RunSettings, sim: Sim, plays: Plays) -> dict[str, str]:
    return {
        **_QUICK,
        "K2_PREFIX": settings.k2_prefix,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "SCHEMA_REGISTRY_URL": settings.schema_registry_url,
        f"{sim.venue}_WS_URL": sim.ws_url,
        f"{sim.venue}_REST_URL": sim.urls["url"],
        f"{sim.venue}_SYMBOLS": ",".join(plays.captured or plays.symbols),
    }
