"""Compares what must be in topics and tables with what is, stage by stage and id by id. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from k2.demo.faults import DroppedIds
from k2.demo.observer import WARM_STAGES, StageCount
from k2.demo.oracle import Delivered, Recorded
from k2.demo.tables import TableRows
from k2.demo.warm_rows import SHOWN, WarmRows
from k2_shared.core.trade import Exchange
from k2_shared.kafka.topics import EXCHANGES


@dataclass(frozen=True)
class Difference:
    """Where two counts differ, by how many, and some of the ids."""

    where: str
    expected: int
    found: int
    missing: tuple[str, ...] = ()
    excess: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.where}: expected {self.expected:,}, found {self.found:,}"]
        parts += [f"missing {', '.join(self.missing)}"] if self.missing else []
        parts += [f"too many {', '.join(self.excess)}"] if self.excess else []
        parts += [f"other values: {', '.join(self.unlike)}"] if self.unlike else []
        return "; ".join(parts)


class Expected:
    """The expected side: what every stage and table must hold, by what the exchanges sent.

    A trade that decimal(18,8) does not hold goes from the feed to the DLQ, at each of its deliveries. Ids that a venue
    dropped come once, by REST: one answer for each range of them.
    """

    def __init__(self, recorded: Recorded, sent: Delivered, dropped: Sequence[DroppedIds] = ()) -> None:
        by_rest = Counter(message_id for ids in dropped for message_id in ids.message_ids)
        self.recorded = {symbol: len(trades) for symbol, trades in recorded.items()}
        all_ids = {f"{symbol}:{id_}": fits for symbol, trades in recorded.items() for id_, fits in trades.items()}
        self.originals = Counter(list(all_ids)) - by_rest
        self.once = Counter(id_ for id_, fits in all_ids.items() if fits)
        self.sent_originals = sent.originals
        self.silver = Counter({id_: n for id_, n in sent.valid.items() if all_ids.get(id_, True)}) + by_rest
        self.bronze = self.silver + sent.invalid
        self.by_exchange = {exchange: _of(exchange, self.silver) for exchange in EXCHANGES}
        everything = self.bronze.total()
        self.stages = {
            "raw": sent.frames + len(dropped),
            "bronze": everything,
            "silver": self.silver.total(),
            "dlq": sent.valid.total() + by_rest.total() + sent.invalid.total() - self.silver.total(),
            "gold": self.once.total(),
        }
        self.tables = {
            "bronze_crypto_trades": everything,
            **{_silver(exchange): ids.total() for exchange, ids in self.by_exchange.items()},
            "gold_crypto_trades": self.once.total(),
            "silver_dlq_trades": self.stages["dlq"],
        }
        self.warm = {table: self.stages[stage] for table, stage in WARM_STAGES.items()}


@dataclass(frozen=True)
class ColdRows:
    """A layer in both tiers: how many rows each has of the hours that are over, and whether they are the same."""

    layer: str
    warm: int
    cold: int
    equal: bool


@dataclass(frozen=True)
class Sides:
    """The expected and the found side of a reconciliation; ``tables`` are Iceberg's, ``warm`` ClickHouse's.

    ``candles`` are of each timeframe those of ClickHouse, beside those that another engine makes of the recordings.
    ``cold`` are the layers of the cold tier, in Iceberg, beside ClickHouse's.
    """

    expected: Expected
    stages: Mapping[str, StageCount]
    tables: Mapping[str, TableRows]
    warm: Mapping[str, WarmRows]
    candles: Mapping[str, WarmRows]
    cold: Sequence[ColdRows] = ()

    @property
    def expected_cold(self) -> dict[str, int]:
        """The rows that each layer of the cold tier must have."""
        stages = {name: self.expected.stages[name] for name in ("raw", "bronze", "silver")}
        return stages | {f"gold {timeframe}": found.records for timeframe, found in self.candles.items()}

    @property
    def expected_warm(self) -> dict[str, int]:
        """The rows that each table of the warm tier must have: what the exchanges make no stage of, by its topic."""
        return {table: self.expected.warm.get(table, found.records) for table, found in self.warm.items()}


def differences(sides: Sides) -> list[Difference]:
    """Every place where a stage or a table does not hold exactly what it must; empty when all reconciles."""
    return list(_all(sides))


def shortfalls(expected: Expected, counts: Mapping[str, int]) -> list[str]:
    """Which stages and tables hold less than they must, each with both counts; by name, the warm tier's too."""
    wanted = {**expected.stages, **expected.tables, **expected.warm}
    return [f"{name} {counts[name]:,} of {count:,}" for name, count in wanted.items() if counts[name] < count]


def _all(sides: Sides) -> Iterator[Difference]:
    want, stages, tables = sides.expected, sides.stages, sides.tables
    yield from _ids("the simulator against the recordings", want.originals, want.sent_originals)
    yield from _count("raw", want.stages["raw"], stages["raw"].records)
    yield from _ids("bronze", want.bronze, stages["bronze"].ids)
    yield from _ids("silver", want.silver, stages["silver"].ids)
    yield from _count("dlq", want.stages["dlq"], stages["dlq"].records)
    yield from _ids("gold", want.once, stages["gold"].ids)
    for name in ("bronze_crypto_trades", "silver_dlq_trades"):
        yield from _count(f"table {name}", want.tables[name], tables[name].rows)
        yield from _ids(f"table {name}, deliveries", Counter(), +tables[name].ids)
    for exchange, ids in want.by_exchange.items():
        yield from _ids(f"table {_silver(exchange)}", ids, tables[_silver(exchange)].ids)
    yield from _ids("table gold_crypto_trades", want.once, tables["gold_crypto_trades"].ids)
    by_id = {"bronze_trades": want.bronze, "silver_trades": want.silver, "gold_trades": want.once}
    for name, count in sides.expected_warm.items():
        where, found = f"warm table {name}", sides.warm[name]
        yield from _ids(where, by_id[name], found.ids) if name in by_id else _count(where, count, found.rows)
        yield from _beside(f"{where} against its topics", found)
    for timeframe, found in sides.candles.items():
        yield from _beside(f"candles of {timeframe} against the recordings", found)
    for layer in sides.cold:
        yield from _count(f"cold layer {layer.layer}", sides.expected_cold[layer.layer], layer.cold)
        if not layer.equal:
            yield Difference(f"cold layer {layer.layer} against the warm tier", layer.warm, layer.cold)


def _of(exchange: Exchange, ids: Counter[str]) -> Counter[str]:
    return Counter({id_: n for id_, n in ids.items() if id_.startswith(f"{exchange}:")})


def _silver(exchange: Exchange) -> str:
    return f"silver_{exchange.lower()}_trades"


def _count(where: str, expected: int, found: int) -> Iterator[Difference]:
    if expected != found:
        yield Difference(where, expected, found)


def _ids(where: str, expected: Counter[str], found: Counter[str]) -> Iterator[Difference]:
    missing, excess = expected - found, found - expected
    if missing or excess:
        yield Difference(where, expected.total(), found.total(), _some(missing), _some(excess))


def _beside(where: str, found: WarmRows) -> Iterator[Difference]:
    if not found.is_exact:
        yield Difference(where, found.records, found.rows, found.missing, found.excess, found.unlike)


def _some(ids: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{id_} ({n}x)" if n > 1 else id_ for id_, n in sorted(ids.items())[:SHOWN])
