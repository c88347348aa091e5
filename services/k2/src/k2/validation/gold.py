"""Gold as its candles have it: which trades of its topic are in none, and what the snapshots of its table have."""

from pyiceberg.table import Table

from k2.topics import reading
from k2.validation.scope import Ends
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_shared.lake.connection import connected

TABLE = contracts.tables()["gold_crypto_trades"]


async def unfolded(settings: KafkaSettings, names: Names, folded: Ends) -> Ends:
    """The offset of each partition's first trade that is in no candle; what is all folded is left out.

    An offset alone does not say it: behind the last trade stand the markers of transactions.

    Raises:
        Unavailable: no broker answers, or it says nothing of a partition for 20 s.
    """
    async with clients.started(clients.consumer(settings), settings) as reader:
        there = await offset_ranges(reader, names.partitions(GOLD))
        left = {at: range(max(span.start, folded.get(at.partition, 0)), span.stop) for at, span in there.items()}
        first = {at.partition: await reading.first(reader, at, span) for at, span in left.items()}
    return {partition: trade.offset for partition, trade in first.items() if trade}


def table(settings: LakeSettings, names: Names) -> Table:
    """Gold's table as it stands. Blocks.

    Raises:
        ConfigError: it does not exist, or is not as its contract says.
        Unavailable: the catalog does not answer.
    """
    with connected(settings) as catalog:
        return iceberg.found(catalog, names, TABLE)
