"""What gold is told by ``make gate``, what must come of it, and when the gate has passed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.gate.run import SYMBOLS, Gate, Measured, main, market, numbers, tables
from tests.gate.told import LATEST_US, LEAST, MOST, Account, recorded

from exchange_sim.recordings import PACKAGED
from k2_shared.core.trade import Trade

COUNT = 40_000
NAMES = ("1m", "5m", "15m", "30m", "1h", "1d")
START = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def told() -> list[Trade]:
    return [market(COUNT).trade(number) for number in range(COUNT)]


def by_id(told: list[Trade]) -> Mapping[tuple[str, int], list[Trade]]:
    found: dict[tuple[str, int], list[Trade]] = defaultdict(list)
    for trade in told:
        found[trade.symbol, trade.trade_id].append(trade)
    return found


def test_trades_are_told_again_and_otherwise(told: list[Trade]) -> None:
    """A hundredth is a repeat, a thousandth says another price; never before what it repeats."""
    again = [same for same in by_id(told).values() if len(same) > 1]
    conflicts = [same for same in again if same[0] != same[1]]
    assert (len(again) - len(conflicts), len(conflicts)) == (COUNT // 100, COUNT // 1_000)
    assert all(first.price != second.price for first, second in conflicts)


def test_trades_come_late_at_one_time_and_as_large_as_can_be(told: list[Trade]) -> None:
    """By up to 25 hours; prices and quantities of every digit are among them."""
    times = [trade.timestamp for trade in told]
    late = [newest - at for newest, at in zip(map(max, times, [0, *times]), times, strict=True)]
    assert 20 * 3_600_000_000 < max(late) < LATEST_US + 60_000_000
    assert {MOST, LEAST} <= {trade.price for trade in told}
    assert len({(trade.symbol, trade.timestamp) for trade in told}) < len(told) * 2 // 3
    assert len({trade.symbol for trade in told}) == SYMBOLS


def test_all_of_them_are_of_days_that_have_ended(told: list[Trade]) -> None:
    """The last day is compared, too."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert max(trade.timestamp for trade in told) < midnight.timestamp() * 1e6


def test_the_first_that_is_told_counts(told: list[Trade]) -> None:
    """Whatever comes after it under its id."""
    account = Account()
    assert list(account.of(told)) == told
    first = [same[0] for same in by_id(told).values()]
    assert (account.told, account.trades) == (COUNT, len(first))
    assert account.volume == sum((trade.quantity for trade in first), Decimal())
    units = sum(int(trade.price.scaleb(8)) * int(trade.quantity.scaleb(8)) for trade in first)
    assert account.quote_volume == Decimal((0, tuple(map(int, str(units))), -16))


def test_the_packaged_recordings_are_told() -> None:
    """Each trade, and some of them twice."""
    account = Account()
    assert len(list(account.of(recorded(PACKAGED)))) > account.trades > 16_000


def gate(code: int = 0, **wrong: list[dict[str, Any]]) -> Gate:
    """A run that found these wrong, by timeframe."""
    rows = [
        {
            "timeframe": name,
            "v1": 2,
            "v2": 2,
            "ohlc": "0",
            "within_1e-8": True,
            "volume": "0",
            "first": wrong.get(f"_{name}", []),
            "ok": f"_{name}" not in wrong,
        }
        for name in NAMES
    ]
    return Gate(code, {"rows": rows}, 1.0)


def named(**changes: Any) -> dict[str, Any]:
    where = {"exchange": "KRAKEN", "symbol": "S1/USDT", "timeframe": "1m", "window": START.isoformat()}
    return {**where, "columns": {"high": {}}, **changes}


@pytest.mark.parametrize(
    ("found", "is_named"),
    [
        (gate(1, _1m=[named()]), True),
        (gate(0, _1m=[named()]), False),
        (gate(1, _1m=[named(), named()]), False),
        (gate(1, _1m=[named()], _5m=[named()]), False),
        (gate(1, _1m=[named(window="2026-11-25T00:01:00+00:00")]), False),
        (gate(1, _1m=[named(columns={"low": {}})]), False),
        (gate(1), False),
    ],
)
def test_an_altered_candle_is_found_where_it_alone_is_named(found: Gate, *, is_named: bool) -> None:
    """By its window and its column, and the exit code."""
    assert found.names_only("KRAKEN", "S1/USDT", START) is is_named


def test_the_last_line_has_each_timeframe_and_whether_the_altered_one_was_found() -> None:
    """It has passed where all are equal and that one was found."""
    found = Measured(Account(3, 2), 1.0, gate(), gate(1), tampered_found=True)
    row = {"v1": 2, "v2": 2, "ohlc": "0", "volume": "0", "ok": True}
    assert numbers(found) == {**dict.fromkeys(NAMES, row), "tampered_found": True}
    assert len(tables(found)) == 2
    assert found.succeeded
    assert not replace(found, tampered_found=False).succeeded
    assert not replace(found, equal=gate(1)).succeeded


def test_too_few_trades_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With how many it takes."""
    with pytest.raises(SystemExit, match="2"):
        main(["--trades", "10"])
    assert "it is 48000 at least" in capsys.readouterr().err
