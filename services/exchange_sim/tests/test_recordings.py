"""Recordings are read exactly, or refused with the place."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange_sim import symbols
from exchange_sim.model import Recording
from exchange_sim.recordings import PACKAGED, load
from k2_shared.core.errors import ConfigError

Lines = Callable[[str], list[str]]
Write = Callable[[Path, list[str]], Path]
SYMBOL = "binance_btcusdt"
DATA = '{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}'
TRADE = f'17 {{"stream":"btcusdt@trade","data":{DATA}}}'


def test_packaged_recordings_hold_every_trade() -> None:
    """The three packaged recordings hold 9,757, 6,106 and 600 trades."""
    found = {(each.instrument.venue, each.instrument.symbol): len(each.trades) for each in load(PACKAGED)}
    assert found == {
        ("BINANCE", "BTC/USDT"): 9_757,
        ("BINANCE", "ETH/USDT"): 6_106,
        ("KRAKEN", "BTC/USDT"): 600,
    }


def test_ids_are_contiguous_in_packaged_recordings() -> None:
    """No recorded id is missing, none is there twice."""
    for recording in load(PACKAGED):
        ids = [trade.trade_id for trade in recording.trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_text_is_kept_byte_for_byte(packaged_lines: Lines) -> None:
    """A Binance trade keeps its frame, a Kraken trade its row."""
    by_name = {each.instrument.native: each for each in load(PACKAGED)}
    frames = [line.split(" ", 1)[1] for line in packaged_lines(SYMBOL)]
    assert [trade.text for trade in by_name["BTCUSDT"].trades] == frames
    assert [trade.text for trade in by_name["XBTUSDT"].trades] == packaged_lines("kraken_xbtusdt")


def test_files_of_one_symbol_are_merged_by_id(tmp_path: Path, packaged_lines: Lines, write_lines: Write) -> None:
    """Files that overlap make one recording in which each id is once."""
    rows = packaged_lines(SYMBOL)[:100]
    write_lines(tmp_path / f"{SYMBOL}_later_trades.jsonl.gz", rows[40:])
    write_lines(tmp_path / f"{SYMBOL}_old_trades.jsonl.gz", rows[:60])
    (recording,) = load(tmp_path)
    assert [trade.text for trade in recording.trades] == [row.split(" ", 1)[1] for row in rows]


def test_trade_recorded_twice_with_other_contents_is_refused(
    tmp_path: Path, packaged_lines: Lines, write_lines: Write
) -> None:
    """Two files that disagree about a trade cannot both be replayed."""
    row = packaged_lines(SYMBOL)[0]
    write_lines(tmp_path / f"{SYMBOL}_a_trades.jsonl.gz", [row])
    write_lines(tmp_path / f"{SYMBOL}_b_trades.jsonl.gz", [row.replace("61837.63", "61837.64")])
    with pytest.raises(ConfigError, match="3735683259 was recorded twice"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "not a recorded trade"),
        ("{}", "not a recorded trade"),
        ("17 {}", "not a recorded trade"),
        ('17 {"stream":"btcusdt@trade","data":{}}', "not a recorded trade"),
        ('17 {"stream":"btcusdt@depth","data":{"e":"depth","s":"BTCUSDT","T":1}}', "not a recorded trade"),
        (TRADE.replace("BTC", "ETH").replace("btc", "eth"), "a trade of ETHUSDT"),
        (TRADE.replace('"p":"1"', '"p":"x"'), "not a recorded trade"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, packaged_lines: Lines, write_lines: Write, line: str, what: str) -> None:
    """A line that is no trade of the file's symbol is refused with file and line."""
    path = write_lines(tmp_path / f"{SYMBOL}_x_trades.jsonl.gz", [packaged_lines(SYMBOL)[0], line])
    with pytest.raises(ConfigError, match=f"{path.name}:2: {what}"):
        load(tmp_path)


@pytest.mark.parametrize("row", ["[]", '["1","1",1.5,"x","l","",1]', '["1","",1.5,"b","l","",1]', "nonsense"])
def test_broken_row_is_named(tmp_path: Path, write_lines: Write, row: str) -> None:
    """A Kraken row that is no trade is refused with file and line."""
    path = write_lines(tmp_path / "kraken_xbtusdt_x_trades.jsonl.gz", [row])
    with pytest.raises(ConfigError, match=f"{path.name}:1: not a recorded trade"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"17 {}" * 1_000)[:20], gzip.compress(b"\xff\n")],
    ids=["no gzip", "cut", "not a text"],
)
def test_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that is no whole gzip of text is refused by name."""
    (tmp_path / f"{SYMBOL}_x_trades.jsonl.gz").write_bytes(content)
    with pytest.raises(ConfigError, match=f"{SYMBOL}_x_trades.jsonl.gz:1: cannot be read"):
        load(tmp_path)


def test_empty_file_is_refused(tmp_path: Path, write_lines: Write) -> None:
    """A recording without a trade is refused by name."""
    path = write_lines(tmp_path / f"{SYMBOL}_x_trades.jsonl.gz", [])
    with pytest.raises(ConfigError, match=f"{path.name}:1: holds no trades"):
        load(tmp_path)


def test_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    """An empty or absent folder is refused by name."""
    with pytest.raises(ConfigError, match="holds no binance_"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"):
        load(tmp_path / "absent")


def test_unknown_quote_is_refused(tmp_path: Path, write_lines: Write) -> None:
    """A file whose symbol ends in no known quote is refused by name."""
    write_lines(tmp_path / "kraken_nonsense_x_trades.jsonl.gz", [])
    with pytest.raises(ConfigError, match="NONSENSE ends in none of the known quotes"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("venue", "native", "symbol"),
    [
        ("KRAKEN", "xbtusdt", "BTC/USDT"),
        ("KRAKEN", "XBTUSD", "BTC/USD"),
        ("KRAKEN", "USDTUSD", "USDT/USD"),
        ("BINANCE", "BTCTUSD", "BTC/TUSD"),
        ("KRAKEN", "XDGEUR", "DOGE/EUR"),
        ("KRAKEN", "ETHXBT", "ETH/BTC"),
        ("KRAKEN", "XTZUSD", "XTZ/USD"),
        ("BINANCE", "ETHBTC", "ETH/BTC"),
        ("BINANCE", "BTCFDUSD", "BTC/FDUSD"),
        ("BINANCE", "1INCHUSDC", "1INCH/USDC"),
        ("BINANCE", "USDCUSDT", "USDC/USDT"),
        ("BINANCE", "币安人生USDT", "币安人生/USDT"),
        ("BINANCE", "币安人生usdt", "币安人生/USDT"),
        ("KRAKEN", "AAPLxUSD", "AAPLx/USD"),
        ("KRAKEN", "ETH2.SETH", "ETH2.S/ETH"),
    ],
)
def test_symbol_is_split_by_the_longest_known_quote(venue: str, native: str, symbol: str) -> None:
    """The canonical symbol says BTC and DOGE, whatever the venue's REST says."""
    assert symbols.instrument("KRAKEN" if venue == "KRAKEN" else "BINANCE", native).symbol == symbol


def test_any_folder_of_the_layout_can_be_read(recordings: list[Recording]) -> None:
    """Every recording has trades in the order of their ids."""
    for recording in recordings:
        ids = [trade.trade_id for trade in recording.trades]
        assert ids
        assert ids == sorted(set(ids))
