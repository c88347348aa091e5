"""Keeps the table of missing ids: those of the gap ledger and of dead letters, less what gold has by now.

Three tables say which ids are missing, each filled on its own. So that none of their changes goes unseen, whoever
inserts into one looks afterwards at the others: a ledger's or a letter's row leads to a new row here, and then to
another look at gold; a trade leads to a new row here where its id is in one. Of two rows of a symbol the one counts
whose writer began to look last, by the server's clock: it saw all that was inserted before.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.binding import format_str

from k2_shared.arrow.arrays import TEXT, times
from k2_shared.core.layout import Longs
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.feed.coverage.gap_log import GapFold
from k2_shared.feed.coverage.intervals import Interval, IntervalSet
from k2_shared.warm.candle_rows import Keys, Pair
from warm_sink.adapters import Warehouse, literal

TABLE = "missing_ids"
_CLOCK = "SELECT toUnixTimestamp64Micro(now64(6))"
_IN_LEDGER = "SELECT DISTINCT exchange, symbol FROM gaps"
_IN_LETTERS = """
SELECT DISTINCT splitByChar(':', message_key)[1], splitByChar(':', message_key)[2] FROM dead_letters
WHERE source_sequence > 0
"""
_LEDGER = """
SELECT exchange, symbol, state, first_id, last_id FROM gaps FINAL WHERE (exchange, symbol) IN ({pairs})
ORDER BY kafka_topic, kafka_partition, kafka_offset
"""
_LETTERS = """
SELECT DISTINCT message_key, source_sequence FROM dead_letters
WHERE message_key IN ({keys}) AND source_sequence > 0
"""
_IN_GOLD = """
SELECT exchange, symbol, min(id), max(id) FROM
(
    SELECT exchange, symbol, id, id - row_number() OVER (PARTITION BY exchange, symbol ORDER BY id) AS run
    FROM
    (
        SELECT DISTINCT gold.exchange AS exchange, gold.symbol AS symbol, gold.number AS id
        FROM
        (
            SELECT exchange, symbol, assumeNotNull(source_sequence) AS number FROM gold_trades
            WHERE (exchange, symbol) IN ({pairs}) AND source_sequence BETWEEN {first} AND {last}
        ) AS gold
        ASOF JOIN
        (
            SELECT exchange, symbol, first_id, last_id
            FROM VALUES('exchange String, symbol String, first_id Int64, last_id Int64', {ranges})
        ) AS named
        ON gold.exchange = named.exchange AND gold.symbol = named.symbol AND gold.number >= named.first_id
        WHERE gold.number <= named.last_id
    )
)
GROUP BY exchange, symbol, run
"""
_KNOWN = "SELECT exchange, symbol, first_ids, last_ids FROM missing_ids FINAL WHERE notEmpty(first_ids)"
_RANGES_AT_ONCE = 1_000  # ORed, they took ClickHouse seconds for each hundred
_LISTS = pa.list_(pa.int64())


class MissingIds:
    """The table of missing ids; for one thread at a time, every method blocks and raises what ``Warehouse`` raises."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def begin_ledger(self) -> None:
        """Look at every symbol that is in the ledger: what was written may be of an older version."""
        self._begin(_IN_LEDGER)

    def begin_letters(self) -> None:
        """Look at every symbol that has a letter: what was written may be of an older version."""
        self._begin(_IN_LETTERS)

    def follow_ledger(self, rows: pa.Table) -> None:
        """Take note of rows of ``gaps``, which stand in it."""
        self.look(_pairs(rows))

    def follow_letters(self, rows: pa.Table) -> None:
        """Take note of rows of ``dead_letters``, which stand in it."""
        named = rows.filter(pc.is_valid(rows["source_sequence"]))["message_key"].unique().to_pylist()
        self.look([(exchange, symbol) for exchange, _, symbol in (each.partition(":") for each in named)])

    def follow_gold(self, rows: pa.Table) -> None:
        """Take note of rows of ``gold_trades``, which stand in it: of those whose ids are said to be missing."""
        known = {(exchange, symbol): (first, last) for exchange, symbol, first, last in self._warehouse.ask(_KNOWN)}
        if known:
            self.look([pair for pair, ids in _ids(rows) if pair in known and _any_within(ids, *known[pair])])

    def look(self, pairs: Sequence[Pair]) -> None:
        """Find out which ids of these symbols are missing now, and write it down."""
        while pairs:
            ((asked_us,),) = self._warehouse.ask(_CLOCK)
            found = self._named(pairs)
            for pair, there in self._in_gold(found).items():
                self._take_out(found[pair], there)
            self._warehouse.insert(TABLE, _rows(found, int(asked_us)))
            pairs = list(self._in_gold(found))

    def _begin(self, symbols: str) -> None:
        self.look([(exchange, symbol) for exchange, symbol in self._warehouse.ask(symbols)])

    def _named(self, pairs: Iterable[Pair]) -> dict[Pair, IntervalSet]:
        """The ids that the ledger or a letter names, by symbol."""
        folds: dict[Pair, GapFold] = {pair: GapFold((GapState.OPENED, GapState.UNFILLABLE)) for pair in pairs}
        spelt = ", ".join(f"({literal(pair)})" for pair in folds)
        for exchange, symbol, state, first, last in self._warehouse.ask(_LEDGER.format(pairs=spelt)):
            folds[exchange, symbol].take(_record(exchange, symbol, state, first, last))
        found = {pair: IntervalSet([*fold.open, *fold[GapState.UNFILLABLE]]) for pair, fold in folds.items()}
        keys = ", ".join(format_str(":".join(pair)) for pair in folds)
        for key, number in self._warehouse.ask(_LETTERS.format(keys=keys)):
            exchange, _, symbol = key.partition(":")
            found[exchange, symbol].add(number, number)
        return found

    def _in_gold(self, named: Mapping[Pair, IntervalSet]) -> dict[Pair, list[Interval]]:
        """Which of the ids of symbols gold has; a symbol of which it has none is left out."""
        found: dict[Pair, list[Interval]] = {}
        every = [(pair, *each) for pair, ids in named.items() for each in ids]
        for at in range(0, len(every), _RANGES_AT_ONCE):
            for exchange, symbol, first, last in self._warehouse.ask(_in_gold(every[at : at + _RANGES_AT_ONCE])):
                found.setdefault((exchange, symbol), []).append((int(first), int(last)))
        return found

    @staticmethod
    def _take_out(ids: IntervalSet, there: Iterable[Interval]) -> None:
        for first, last in there:
            ids.remove(first, last)


def _in_gold(named: Sequence[tuple[Pair, int, int]]) -> str:
    """The query for those of some ranges' ids that gold has."""
    return _IN_GOLD.format(
        pairs=", ".join({f"({literal(pair)})" for pair, _, _ in named}),
        first=min(first for _, first, _ in named),
        last=max(last for _, _, last in named),
        ranges=", ".join(f"({literal(pair)}, {first}, {last})" for pair, first, last in named),
    )


def _record(exchange: Any, symbol: str, state: str, first: int, last: int) -> GapRecord:
    return GapRecord(
        exchange=exchange,
        symbol=symbol,
        state=GapState(state),
        first_id=first,
        last_id=last,
        cause=Cause.RECONNECT,
        opened_at=0,
        at=0,
    )


def _rows(found: Mapping[Pair, IntervalSet], asked_us: int) -> pa.Table:
    exchanges, symbols = zip(*found, strict=True)
    ranges = [list(ids) for ids in found.values()]
    return pa.table(
        {
            "exchange": pa.array(exchanges, TEXT),
            "symbol": pa.array(symbols, TEXT),
            "first_ids": pa.array([[first for first, _ in each] for each in ranges], _LISTS),
            "last_ids": pa.array([[last for _, last in each] for each in ranges], _LISTS),
            "asked_at": times(np.full(len(ranges), asked_us)),
        }
    )


def _pairs(rows: pa.Table) -> list[Pair]:
    """The symbols that rows are of."""
    keys = Keys()
    keys.of(rows)
    return keys.pairs


def _ids(rows: pa.Table) -> list[tuple[Pair, Longs]]:
    """The trade ids of gold's rows by symbol."""
    keys, ids = Keys(), pc.fill_null(rows["source_sequence"], -1).to_numpy()
    numbers = keys.of(rows)
    return [(pair, ids[numbers == number]) for number, pair in enumerate(keys.pairs)]


def _any_within(ids: Longs, firsts: Sequence[int], lasts: Sequence[int]) -> bool:
    """Whether any id is in one of these ranges, which ascend."""
    at = np.searchsorted(np.array(firsts), ids, side="right") - 1
    return bool(((at >= 0) & (ids <= np.array(lasts)[at])).any())
