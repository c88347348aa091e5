"""``k2 warm restore``: which tables it takes, and what it says; ``tests/restores`` has it work on two real tiers."""

import pytest
from typer.testing import CliRunner

from k2.main import app
from k2.warm.restoring import TableRestore, restorable
from k2_shared.core.errors import ConfigError


def test_tables_of_trades_are_put_back() -> None:
    """All three, or those that are named."""
    assert list(restorable(())) == ["raw_trades", "bronze_trades", "silver_trades"]
    assert list(restorable(["silver_trades"])) == ["silver_trades"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["silver_trades", "gold_ohlcv_1m"], "gold_ohlcv_1m cannot be put back: warm_sink folds candles"),
        (["gold_trades"], "'gold_trades' is no cold table"),
    ],
)
def test_candles_and_unknown_tables_are_refused(names: list[str], said: str) -> None:
    """By name, with what there is, before any server is asked."""
    with pytest.raises(ConfigError, match=said) as refused:
        restorable(names)
    assert "silver_trades" in str(refused.value)


def test_the_command_refuses_in_one_line() -> None:
    """Exit 2, before a server is asked."""
    done = CliRunner().invoke(app, ["warm", "restore", "--table", "gold_ohlcv_1h"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("k2: gold_ohlcv_1h cannot be put back")


def test_what_was_put_back_is_counted() -> None:
    """For people by hours and rows, for programs hour by hour."""
    done = TableRestore("raw_trades", {"2026-11-28T10:00Z": 1_200, "2026-11-28T11:00Z": 34})
    assert done.to_row() == ["raw_trades", "2", "1,234"]
    assert done.to_json() == {"table": "raw_trades", "put_back": done.put_back}
