"""The chart of candles, to the character."""

import io
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from services.k2.tests.candles import DAY, HOUR, candle

from k2.ohlcv.candle import Candle
from k2.ohlcv.chart import chart, fitting
from k2.ohlcv.view import charts

SOME = [
    candle(0, (10, 16, 9, 14), 4),
    candle(1, (14, 15, 4, 5), 8, missing=2),
    candle(2, (5, 9, 4, 5), 1, missing=1),
    candle(5, (5, 16, 4, 16), "0.25"),
    candle(6, (16, 16, 10, 10), 16),
]
PRICES = st.lists(st.decimals("0.00000001", "9999999999.99999999", places=8), min_size=4, max_size=4)


def plain(lines: Sequence[object]) -> list[str]:
    """Lines as they look, without what nobody sees at their ends."""
    return [str(line).rstrip() for line in lines]


def test_a_candle_is_the_row_of_its_view() -> None:
    """And says whether it is whole, and whether more may come."""
    for one, said in (
        (SOME[0], "complete"),
        (SOME[1], "2 missing"),
        (replace(SOME[1], is_closed=False), "open, 2 missing"),
    ):
        row = {**asdict(one), "is_complete": not one.missing_trades}
        assert Candle.of(row) == one
        assert Candle.of(row).state == said


def test_bodies_wicks_volumes_and_times_are_where_they_belong() -> None:
    """A candle that rises is a line and one that falls a block; a stretch without trades is a column of nothing."""
    assert plain(chart(SOME, 40, 2)) == [
        "KRAKEN:BTC/USD  5 candles of 1m, 2026-11-26 22:57 to 23:04 UTC",
        "│  ╷        ┃  █      16.0",
        "┃  █        ┃  █",
        "┃  █        ┃  █",
        "┃  █        ┃  █      10.0",
        "╵  █  │     ┃",
        "   █  │     ┃",
        "   ▀  ╿     ╿          4.0",
        "   ?  ?",
        "               █        16",
        "▄  █  ▁     ▁  █    volume",
        "╵22:57      ╵23:02",
    ]


def test_halves_of_a_line_are_told_apart() -> None:
    """Also at the lowest height; where all are complete there is no line of marks."""
    assert plain(chart([candle(0, (10, 16, 9, 14), 4), *SOME[3:]], 40, 1))[1:] == [
        "╽     ┃  █        16",
        "┃     ┃  █",
        "╹     ┃  ▀",
        "      ╿            4",
        "         █        16",
        "▄     ▁  █    volume",
        "╵22:57   ╵23:03",
    ]


def test_candles_of_one_price_have_one_line() -> None:
    """No line is drawn for a difference that is none."""
    assert plain(chart([candle(number, (7, 7, 7, 7)) for number in range(3)], 40))[1:] == [
        "╹  ╹  ╹         7",
        "█  █  █         1",
        "█  █  █    volume",
        "╵22:57",
    ]


@pytest.mark.parametrize(
    ("width", "title", "times"),
    [
        (
            HOUR,
            "30 candles of 1h, 2026-11-26 22:00 to 2026-11-28 04:00 UTC",
            "╵11-26 22:00  ╵11-27 12:00  ╵11-28 02:00",
        ),
        (DAY, "30 candles of 1d, 2026-11-26 00:00 to 2026-12-26 00:00 UTC", "╵2026-11-26  ╵2026-12-09  ╵2026-12-22"),
    ],
)
def test_wide_windows_are_named_by_their_days(width: int, title: str, times: str) -> None:
    """By as much as tells them apart."""
    lines = plain(chart([candle(number, width=width) for number in range(30)], 44, 1))
    assert (lines[0], lines[-1]) == (f"KRAKEN:BTC/USD  {title}", times)


def test_the_last_ones_are_drawn_where_not_all_fit() -> None:
    """And a candle to which more may come is told."""
    many = [candle(number, is_closed=number < 49) for number in range(50)]
    fit = fitting(many, 30)
    assert fit == many[28:]
    assert max(map(len, plain(chart(fit, 30)[1:]))) == 30
    assert plain(chart(fit, 30))[0].endswith("22 candles of 1m, 2026-11-26 23:25 to 23:47 UTC, the last still open")


def test_a_chart_does_not_begin_with_a_stretch_of_nothing() -> None:
    """The column that would is given up."""
    three = [candle(0), candle(2), candle(4)]
    assert fitting(three, 13) == three
    assert fitting(three, 12) == three[1:]


def test_each_exchange_has_a_chart_and_all_have_one_legend() -> None:
    """Of what is drawn: where nothing is incomplete, the mark is not explained."""
    others = [candle(0, exchange="BINANCE"), candle(1, exchange="BINANCE")]
    lines = plain(charts([others[0], SOME[0], others[1], *SOME[1:]], 60))
    assert [line for line in lines if ":" in line and "UTC" in line] == [
        "BINANCE:BTC/USD  2 candles of 1m, 2026-11-26 22:57 to 22:59 UTC",
        "KRAKEN:BTC/USD  5 candles of 1m, 2026-11-26 22:57 to 23:04 UTC",
    ]
    assert lines[-1] == "┃ rises, █ falls; ? is incomplete: trades of it are known to be missing"
    assert plain(charts(others, 60))[-1] == "┃ rises, █ falls"
    assert charts([], 60) == []


@pytest.mark.parametrize(("no_color", "colours"), [(False, {"32", "31", "33", "2"}), (True, {"2"})])
def test_colours_say_what_the_signs_do(no_color: bool, colours: set[str]) -> None:
    """Green rises, red falls, yellow is incomplete; without them nothing is lost."""
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, no_color=no_color, highlight=False)
    for line in charts(SOME, 60):
        console.print(line)
    found = {part.partition("m")[0] for part in out.getvalue().split("\x1b[")[1:]} - {"0"}
    assert found == colours


@given(st.lists(PRICES, min_size=1, max_size=90), st.integers(32, 200), st.integers(1, 6), st.data())
def test_whatever_the_prices_a_chart_keeps_its_width_and_height(
    found: list[list[str]], width: int, thirds: int, data: st.DataObject
) -> None:
    """Its labels are in order, and its highest and its lowest price are exact."""
    numbers = data.draw(st.lists(st.integers(0, 300), min_size=len(found), max_size=len(found), unique=True))
    candles = [_ordered(number, prices) for number, prices in zip(sorted(numbers), found, strict=True)]
    fit = fitting(candles, width, thirds)
    lines = plain(chart(fit, width, thirds))[1:]
    labels = [float(line.split()[-1]) for line in lines[:-3] if line.split() and line.split()[-1][:1].isdigit()]
    assert max(map(len, lines)) <= width
    assert labels == sorted(labels, reverse=True)
    assert (labels[0], labels[-1]) == (max(float(each.high) for each in fit), min(float(each.low) for each in fit))


def _ordered(number: int, prices: list[str]) -> Candle:
    low, first, second, high = sorted(prices)
    return candle(number, (first, high, low, second) if number % 2 else (second, high, low, first))
