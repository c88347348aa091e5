"""What ``make bench-sink-rows`` compares."""

from collections.abc import Mapping

import pyarrow as pa
import pytest
from tests.bench import sink_rows
from tests.bench.sink_rows import CHUNK, TABLES, Rates, measure_rows, numbers

from iceberg_sink.rows import ToRows


@pytest.mark.parametrize("name", TABLES)
def test_every_way_makes_the_same_rows(name: str) -> None:
    """So that what is compared is the way alone; the former one is among them."""
    found = measure_rows(name, CHUNK)
    assert {"before", "by column"} <= set(found.by_way)


def test_ways_that_make_other_rows_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark ends, and says which table it is."""

    def unlike(_name: str) -> Mapping[str, ToRows]:
        return {"one": lambda _: pa.table({"n": [1]}), "other": lambda _: pa.table({"n": [2]})}

    monkeypatch.setattr(sink_rows, "ways", unlike)
    with pytest.raises(SystemExit, match="rows of gold_crypto_trades differ"):
        measure_rows("gold_crypto_trades", 10)


def test_the_last_line_has_each_work_and_way() -> None:
    """In rows per CPU second."""
    assert numbers([Rates("whole sink", {"before": 10.4, "by column": 20.6})]) == {
        "whole_sink_before": 10,
        "whole_sink_by_column": 21,
    }
