"""Tables fit a terminal, and numbers are read at a glance."""

import io

import pytest
from rich.console import Console

from k2.terminal import Column, fitting, moment, say, size, span, table

COLUMNS = [Column("name"), Column("rare", 2), Column("often", 1)]
ROWS = [("market.crypto.trades.silver.binance", "x" * 20, "y" * 20), ("b", "c", "d\ne")]


@pytest.mark.parametrize(("width", "kept"), [(200, [0, 1, 2]), (79, [0, 1, 2]), (78, [0, 2]), (56, [0]), (10, [0])])
def test_columns_are_left_out_where_they_do_not_fit(width: int, kept: list[int]) -> None:
    """The least important first, the first never."""
    assert fitting(COLUMNS, ROWS, width) == kept


def test_what_does_not_fit_is_wrapped_and_never_cut() -> None:
    """Every character of an identifier is there."""
    out = io.StringIO()
    Console(file=out, width=20).print(table(COLUMNS, ROWS, 20))
    assert ROWS[0][0] in "".join(out.getvalue().split())
    assert "…" not in out.getvalue()


def test_what_looks_like_markup_is_printed_as_it_is() -> None:
    """A cell is data, whoever wrote it."""
    out = io.StringIO()
    Console(file=out, width=80).print(table([Column("said")], [("[red]gold[/red][11]",)], 80))
    assert "[red]gold[/red][11]" in out.getvalue()


def test_a_column_of_sentences_is_wrapped_before_others_go() -> None:
    """But for as many characters as it must have."""
    columns = [Column("symbol"), Column("told", 1), Column("detail", wraps=24)]
    rows = [("KRAKEN:BTC/USD", "2026-11-26T22:57:06", "the venue does not trade it " * 4)]
    assert [fitting(columns, rows, width) for width in (61, 60)] == [[0, 1, 2], [0, 2]]


def test_lines_may_be_added_to_a_table() -> None:
    """Under the titles of the first ones: no column is narrower than it was asked to be."""
    out = io.StringIO()
    console = Console(file=out, width=40)
    columns = [Column("name", least=8), Column("count", 0, "right", least=7)]
    console.print(table(columns, [("a", "1")], 40))
    console.print(table(columns, [("b", "22")], 40, has_titles=False))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "name        count",
        "a               1",
        "b              22",
    ]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_line_is_wrapped_between_words_where_a_person_reads_it(is_terminal: bool) -> None:
    """What looks like markup is text; no name is cut, and in a pipe a line stays one."""
    out = io.StringIO()
    line = "the frame of [red]KRAKEN:BTC/USD:12[/red] :smile: at market.crypto.trades.gold[3]@17"
    say(Console(file=out, width=40, force_terminal=is_terminal, color_system=None), line, 2)
    found = [each.strip() for each in out.getvalue().splitlines()]
    assert " ".join(found) == line
    assert (len(found) > 1) is is_terminal
    assert max(map(len, out.getvalue().splitlines())) <= (40 if is_terminal else 200)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (15_500_000, "15.5 MB"), (10**20, "1e+05 PB")],
)
def test_bytes_have_three_digits(count: int | None, shown: str) -> None:
    """And a unit."""
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, ""), (0.04, "0.0 s"), (1.5, "1.5 s"), (90, "90 s"), (7_200, "2 h"), (604_800, "7 d")]
)
def test_a_duration_is_in_its_largest_unit(seconds: float | None, shown: str) -> None:
    """Of which there are at least two."""
    assert span(seconds) == shown


def test_a_time_is_iso_8601() -> None:
    """One that no calendar holds stays a number."""
    assert moment(None) == ""
    assert moment(1_500) == "1970-01-01T00:00:01.500+00:00"
    assert moment(1e18) == "1e+18 ms"
