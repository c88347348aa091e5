"""Trades that stand in topics before anybody reads them."""

from tests.bench.harness import Bench
from tests.bench.market import Market

from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import encode, wire_prefix
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.kafka.topics import partition_for
from k2_support.topics import write


async def write_trades(bench: Bench, pattern: str, count: int, market: Market) -> None:
    """Write so many trades to the topics of a pattern, each received now, in batches as large as gold's own."""
    prefix, by_place = wire_prefix(bench.schema_id), dict[tuple[str, int], list[Outgoing]]()
    for trade in map(market.trade, range(count)):
        topic, received = pattern.format(exchange=trade.exchange.lower()), now_us()
        header = (HEADER, Origin(received * 1_000, connection_id=1, frame_number=1).pack())
        record = Outgoing(topic, trade.key, encode(trade, received, prefix), received // 1_000, (header,))
        partition = partition_for(trade.key, bench.names.contract(topic).partitions)
        by_place.setdefault((topic, partition), []).append(record)
    for (_, partition), records in by_place.items():
        await write(bench.settings, bench.names, records, partition)
