"""What Spark is asked to recompute, as an argument."""

from pathlib import Path

from k2_shared.batch.candles import CandleTask, WindowRange


def test_a_task_is_read_as_it_was_written() -> None:
    """Whatever is in its texts."""
    ranges = {"1m": WindowRange(0, 60_000_000), "1d": WindowRange(0, 0)}
    task = CandleTask("p_market_data.gold", 2**62, ["KRAKEN"], 'O\'BTC/"USD" 币', ranges, "/some where")
    assert CandleTask.of_text(task.to_text()) == task
    assert CandleTask.of_text(task.to_text()).ranges["1m"].end == 60_000_000


def test_each_timeframe_has_a_file_of_its_own() -> None:
    """In the task's folder."""
    assert CandleTask("t", 1, [], "", {}, "/there").file("5m") == Path("/there/5m.arrow")
