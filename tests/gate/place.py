"""Where the gate is run: topics and tables of its own, and the agents that fill them: gold and both sinks."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from decimal import Decimal
from itertools import islice

from tests.bench.harness import POLL_S
from tests.bench.warm_place import WarmPlace, started, warm_place
from tests.gate.told import Account

from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Trade, wire_prefix
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.feed.publish.encoder import Encode, encoder
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import SILVER, partition_for
from k2_shared.lake import iceberg
from k2_support.children import Child
from k2_support.lake_tables import lake_tables
from k2_support.waiting import came_true

TABLE = "gold_crypto_trades"
AGENTS = ("gold", "iceberg_sink", "warm_sink")
_AT_ONCE = 100_000  # trades that are held as records
_PATIENCE_S = 900.0
_TOTALS = """
SELECT sum(trade_count), toString(sum(volume)), toString(sum(quote_volume)) FROM candles FINAL WHERE timeframe = '1d'
"""


@asynccontextmanager
async def gate_place() -> AsyncIterator[WarmPlace]:
    """Topics, and tables of the lake and of ClickHouse, for the length of the block."""
    async with warm_place() as place:
        with lake_tables(place.bench.names):
            yield place


async def fill(place: WarmPlace, trades: Iterable[Trade]) -> Account:
    """Tell gold these trades, and wait until both sinks have what it makes of them; returns what that must be.

    Raises:
        SystemExit: they have something else after a quarter of an hour.
    """
    account = Account()
    with ExitStack() as ending:
        agents = [place.agent(each) for each in AGENTS]
        for each in agents:
            ending.callback(each.stop)
        await started(*agents)
        await _tell(place, account.of(trades))
        if not await came_true(lambda: _have_all(place, agents, account), _PATIENCE_S, POLL_S):
            raise SystemExit(f"of {account} {_rows(place):,} trades are in the lake, and in candles {_totals(place)}")
    return account


async def _tell(place: WarmPlace, trades: Iterator[Trade]) -> None:
    """Write trades to silver's topics, each received now, in their order within a partition."""
    settings, encoders = place.bench.settings, dict[bytes, Encode]()
    async with clients.started(clients.producer(settings), settings) as sender:
        while chunk := list(islice(trades, _AT_ONCE)):
            parts = _parts(place, chunk, encoders)
            await asyncio.gather(*(send_all(sender, place.bench.names, *part) for part in parts))


def _parts(
    place: WarmPlace, trades: Iterable[Trade], encoders: dict[bytes, Encode]
) -> Iterable[tuple[int, dict[str, list[Outgoing]]]]:
    """Records by the number of their partition, and by topic."""
    found, received = dict[int, dict[str, list[Outgoing]]](), now_us()
    header = (HEADER, Origin(received * 1_000, connection_id=1, frame_number=1).pack())
    prefix = wire_prefix(place.bench.schema_id)
    for trade in trades:
        key, topic = trade.key, SILVER.format(exchange=trade.exchange.lower())
        encode = encoders.get(key) or encoders.setdefault(key, encoder(trade.exchange, trade.symbol, prefix))
        partition = partition_for(key, place.bench.names.contract(place.bench.names.topic(topic)).partitions)
        record = Outgoing(topic, key, encode(trade, received), received // 1_000, (header,))
        found.setdefault(partition, {}).setdefault(topic, []).append(record)
    return found.items()


def _have_all(place: WarmPlace, agents: Iterable[Child], account: Account) -> bool:
    for each in agents:
        each.check()
    return _totals(place) == (account.trades, account.volume, account.quote_volume) and _rows(place) == account.trades


def _totals(place: WarmPlace) -> tuple[int, Decimal, Decimal]:
    """What all candles of a day have."""
    ((trades, volume, quote_volume),) = place.tables.ask(_TOTALS)
    return int(trades), Decimal(volume), Decimal(quote_volume)


def _rows(place: WarmPlace) -> int:
    """How many trades the lake's gold has."""
    catalog = iceberg.connect(LakeSettings.load())
    return iceberg.row_count(catalog.load_table(iceberg.identifier(place.bench.names, contracts.tables()[TABLE])))
