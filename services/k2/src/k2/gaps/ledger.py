"""Reads the ledger of missing trade ids."""

from k2.feed.exchange_symbol import SymbolFilter
from k2.feed.reading import read_topic
from k2.gaps.account import AccountedGap, account
from k2.running import run
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.kafka.topics import GAPS


def read(symbol: str | None) -> tuple[list[AccountedGap], int]:
    """What became of every missing id, of one symbol or all, and the number of records that cannot be read. Blocks.

    Raises:
        ConfigError: that is no symbol, or the topic does not exist.
        Unavailable: no broker answered.
    """
    takes = SymbolFilter.parse(symbol).takes
    found = run(read_topic(RunSettings.load(), GAPS, feed_records.gaps.read, takes))
    return account(found.records), found.unreadable
