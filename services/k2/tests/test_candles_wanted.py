"""Which candles are meant by what the command line says."""

from datetime import UTC, date, datetime

import pytest

from k2.candles.wanted import FIRST, LAST, Wanted
from k2_shared.core.errors import ConfigError

NOW = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
SINCE = date(2026, 10, 28)


@pytest.mark.parametrize(
    ("symbol", "start", "end", "wanted"),
    [
        ("BTC/USD", None, None, Wanted(("KRAKEN", "BINANCE"), "BTC/USD", FIRST, LAST)),
        ("KRAKEN:BTC/USD", "2026-11-20", None, Wanted(("KRAKEN",), "BTC/USD", date(2026, 11, 20), LAST)),
        (None, "13h", None, Wanted(("KRAKEN", "BINANCE"), "", date(2026, 11, 25), LAST)),
        (None, None, "2026-11-25T00:00Z", Wanted(("KRAKEN", "BINANCE"), "", FIRST, date(2026, 11, 24))),
        (None, None, "2026-11-25T00:01Z", Wanted(("KRAKEN", "BINANCE"), "", FIRST, date(2026, 11, 25))),
    ],
)
def test_whole_days_are_meant(symbol: str | None, start: str | None, end: str | None, wanted: Wanted) -> None:
    """Those that the times are in; what is not given restricts nothing."""
    found = Wanted.parse(symbol, start, end, NOW)
    assert (sorted(found.exchanges), found.symbol) == (sorted(wanted.exchanges), wanted.symbol)
    assert (found.first, found.last) == (wanted.first, wanted.last)


@pytest.mark.parametrize(
    ("symbol", "start", "end", "says"),
    [
        ("BTC", None, None, "'BTC' is not a symbol"),
        (None, "yesterday", None, "--from 'yesterday' is no time"),
        (None, "1d", "2d", "--to 2d is not after --from 1d"),
    ],
)
def test_what_is_none_is_refused_by_name(symbol: str | None, start: str | None, end: str | None, says: str) -> None:
    """With what is allowed."""
    with pytest.raises(ConfigError, match=says):
        Wanted.parse(symbol, start, end, NOW)


def test_only_days_whose_trades_are_all_there_can_be_compared() -> None:
    """Without a first day they begin there; with an earlier one it is refused."""
    assert Wanted.parse("BTC/USD", None, None, NOW).within(SINCE).first == SINCE
    assert Wanted.parse(None, "2026-11-20", None, NOW).within(SINCE).first == date(2026, 11, 20)
    assert Wanted.parse(None, "2024-11-20", None, NOW).within(FIRST).first == date(2024, 11, 20)
    with pytest.raises(ConfigError, match="every trade since 2026-10-28 only"):
        Wanted.parse(None, "2026-10-27", None, NOW).within(SINCE)


def test_they_are_named() -> None:
    """As the command line has them."""
    assert str(Wanted.parse("KRAKEN:BTC/USD", "1d", "0s", NOW)) == "KRAKEN:BTC/USD from 2026-11-25 to 2026-11-26"
    assert str(Wanted.parse("BTC/USD", "1d", "0s", NOW)).startswith("BTC/USD from")
    assert str(Wanted.parse(None, "1d", "0s", NOW)).startswith("any symbol from")
