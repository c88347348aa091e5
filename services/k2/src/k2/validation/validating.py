"""Candles validated: Spark recomputes them of a snapshot of gold's table, and ClickHouse's are compared with those."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from k2.candles.wanted import Wanted
from k2.running import run
from k2.validation import gold
from k2.validation.comparison import StoredCandle, TimeframeComparison, compared
from k2.validation.report import Report
from k2.validation.scope import Ends, Filled, common, history, ranges
from k2.validation.warm import WarmCandles, candles_of
from k2_shared.batch.candles import MODULE, CandleTask
from k2_shared.batch.driver import EVENT, Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.lake_settings import ColdSettings, SinkIdSettings
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_shared.warm.horizons import horizons
from k2_shared.warm.working import work

_PASSES = 5

Say = Callable[[str], None]


class ValidationSettings(ColdSettings, SinkIdSettings, SparkSettings, KafkaSettings):
    """Both origins of candles, gold's topic, and Spark."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One run of the gate over the candles that are wanted and that have ended by ``now``. ``validate`` blocks."""

    settings: ValidationSettings
    wanted: Wanted
    now: datetime

    def validate(self, say: Say) -> Report:
        """Compare what both have; ``say`` is told what is being done.

        Raises:
            ConfigError: there is no Spark here, or nothing to compare.
            Halt: gold's table was rolled back.
            Unavailable: a server does not answer, or the candles are behind every snapshot of gold's table.
        """
        folded, begun_us = work(self.settings, self._names, self._progress)
        common_to_both = self._common(run(gold.unfolded(self.settings, self._names, folded)))
        now_us = int(self.now.timestamp() * 1e6)
        with tempfile.TemporaryDirectory(prefix="k2-candles-") as folder:
            task = CandleTask(
                ".".join(iceberg.identifier(self._names, gold.TABLE)),
                common_to_both.snapshot_id,
                self.wanted.exchanges,
                self.wanted.symbol,
                ranges(self.wanted, horizons(begun_us, now_us), now_us),
                folder,
            )
            Driver(self.settings, MODULE, [task.to_text()]).run(partial(_tell, say))
            rows = work(self.settings, self._names, lambda client: self._rows(client, task, common_to_both.ends))
        return self._report(Report(common_to_both, self.now, task.ranges, rows))

    @property
    def _names(self) -> Names:
        return Names(self.settings.k2_prefix)

    def _warm(self, client: Client) -> WarmCandles:
        return WarmCandles(client, self.wanted, len(self._names.partitions(GOLD)))

    def _progress(self, client: Client) -> tuple[Ends, int]:
        warm = self._warm(client)
        return warm.folded(), warm.begun_us()

    def _common(self, unfolded: Ends) -> Filled:
        """The snapshot to compare at."""
        table = gold.table(self.settings, self._names)
        filled = history(table.metadata, self.settings.sink_id, self._names.topic(GOLD))
        if found := common(filled, unfolded):
            return found
        if not filled:
            raise Unavailable(f"{gold.TABLE.name} has no trades yet: 'k2 sink status' says how far iceberg_sink is")
        behind = ", ".join(f"partition {each} from offset {first}" for each, first in sorted(unfolded.items()))
        raise Unavailable(
            f"no snapshot of {gold.TABLE.name} is as old as the candles, which lack trades of gold ({behind}): "
            "warm_sink makes them when it runs, 'k2 lag' says how far it is; then run this again"
        )

    def _rows(self, client: Client, task: CandleTask, ends: Ends) -> list[TimeframeComparison]:
        return [_compared(self._warm(client), task, timeframe, ends) for timeframe in task.ranges]

    def _report(self, report: Report) -> Report:
        if any(row.v1 or row.v2 for row in report.rows):
            return report
        raise ConfigError(
            f"no window of {self.wanted} that has ended is in both {gold.TABLE.name} and ClickHouse: nothing was "
            "compared; 'k2 trades' shows what there is"
        )


def _compared(warm: WarmCandles, task: CandleTask, timeframe: str, ends: Ends) -> TimeframeComparison:
    """Compare one timeframe; where a candle that differs has changed meanwhile, once more without it."""
    span, newer = task.ranges[timeframe], warm.newer(timeframe, task.ranges[timeframe], ends)
    for _ in range(_PASSES):
        found = compared(timeframe, _recomputed(task, timeframe), warm.read(timeframe, span), newer)
        changed = warm.newer(timeframe, span, ends) - newer if found.faulty else set()
        if not found.faulty & changed:
            break
        newer |= changed
    return found


def _recomputed(task: CandleTask, timeframe: str) -> Iterator[StoredCandle]:
    with pa.OSFile(str(task.file(timeframe))) as file, pa.ipc.open_stream(file) as batches:
        yield from candles_of(batches)


def _tell(say: Say, line: Line) -> None:
    if line[EVENT] == "candles":
        say(f"Spark: {line['rows']:,} candles of {line['timeframe']} after {line['seconds']:.1f} s")
