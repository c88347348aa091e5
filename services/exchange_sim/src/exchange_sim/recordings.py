"""Recordings on disk to trades in memory, exactly as recorded."""

import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from exchange_sim import binance, kraken, symbols
from exchange_sim.model import Dialect, Instrument, Recording, Trade, Venue
from k2_shared.core.errors import ConfigError

PACKAGED = Path(__file__).parent / "recordings"
DIALECTS: dict[Venue, Dialect] = {"KRAKEN": kraken, "BINANCE": binance}
_NAME = re.compile(r"(?P<venue>binance|kraken)_(?P<native>[^_]+)_(?:.+_)?trades\.jsonl\.gz")
_UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError)


def load(folder: Path) -> list[Recording]:
    """Read every recording of a folder, a recording for each instrument, ordered by venue and symbol.

    Raises:
        ConfigError: the folder holds no recording, or a line is broken; names the file and the line.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder of recordings")
    named = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
    found = sorted((_instrument(path, name), path) for path, name in named if name)
    if not found:
        raise ConfigError(f"{folder} holds no binance_<symbol>_*_trades.jsonl.gz or kraken_<pair>_*_trades.jsonl.gz")
    return [_merge(which, [path for _, path in group]) for which, group in groupby(found, key=itemgetter(0))]


def _instrument(path: Path, name: re.Match[str]) -> Instrument:
    venue: Venue = "KRAKEN" if name["venue"] == "kraken" else "BINANCE"
    try:
        return symbols.instrument(venue, name["native"])
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _merge(instrument: Instrument, paths: list[Path]) -> Recording:
    merged: dict[int, tuple[Trade, int]] = {}
    for number, path in enumerate(paths):
        for trade in read(path, instrument):
            known, _ = merged.setdefault(trade.trade_id, (trade, number))
            _agree(path, known, trade)
    ordered = [merged[trade_id] for trade_id in sorted(merged)]
    return Recording(instrument, tuple(trade for trade, _ in ordered), tuple(number for _, number in ordered))


def _agree(path: Path, known: Trade, trade: Trade) -> None:
    same = (known.price, known.qty, known.side, known.time_ns) == (
        trade.price,
        trade.qty,
        trade.side,
        trade.time_ns,
    )
    if not same:
        raise ConfigError(f"{path}: trade {trade.trade_id} was recorded twice with different contents")


def read(path: Path, instrument: Instrument) -> Iterator[Trade]:
    """Yield the trades of one file in file order.

    Raises:
        ConfigError: the file cannot be read, is empty, or a line is not a trade of ``instrument``.
    """
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                yield _trade(path, number, line.rstrip("\r\n"), instrument)
    except _UNREADABLE as error:
        raise ConfigError(f"{path}:{number + 1}: cannot be read: {error}") from None
    if not number:
        raise ConfigError(f"{path}:1: holds no trades")


def _trade(path: Path, number: int, line: str, instrument: Instrument) -> Trade:
    try:
        native, trade = DIALECTS[instrument.venue].parse(line)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ConfigError(f"{path}:{number}: not a recorded trade: {error!r}") from None
    if native not in ("", instrument.native):
        raise ConfigError(f"{path}:{number}: a trade of {native} in a recording of {instrument.native}")
    return trade
