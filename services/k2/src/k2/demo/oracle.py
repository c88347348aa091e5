"""The expected side of the reconciliation: what the exchanges sent, by the recordings and the simulator's log."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from k2_shared.core.errors import ConfigError
from k2_shared.core.trade import fits

DROP_IDS = "drop_ids"
"""The simulator's fault: trades that no socket carries, and that REST has."""
_V2_ASSETS = {"XBT": "BTC", "XDG": "DOGE"}
# Longest first; TUSD and the like are quotes on Binance alone: on Kraken they would split XBTUSD as XB/TUSD.
_COMMON_QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "JPY", "CAD", "CHF", "AUD", "BRL", "TRY", "XBT", "BTC", "ETH")
_QUOTES = {"kraken": _COMMON_QUOTES, "binance": ("FDUSD", "TUSD", "BUSD", *_COMMON_QUOTES, "BNB")}


def packaged_recordings() -> Path:
    """The simulator's own copy of the recordings."""
    spec = find_spec("exchange_sim")
    if spec is None or spec.origin is None:
        raise ConfigError("the exchange simulator is not installed: pass --recordings, or install exchange_sim")
    return Path(spec.origin).parent / "recordings"


Recorded = dict[str, dict[int, bool]]
"""The trade ids of each EXCHANGE:SYMBOL, and whether decimal(18,8) holds the trade's price and quantity."""


def recorded(folder: Path) -> Recorded:
    """Read a folder of recordings.

    Raises:
        ConfigError: there is no folder, or no recording in it.
    """
    found: Recorded = {}
    for each in recordings(folder):
        found.setdefault(f"{each.exchange}:{each.symbol}", {}).update(_trades(each))
    return found


class Recording(NamedTuple):
    """A file of recorded trades, and what they are of."""

    path: Path
    exchange: str
    symbol: str


def recordings(folder: Path) -> list[Recording]:
    """The files of a folder of recordings.

    Raises:
        ConfigError: there is none, or one of an exchange or a pair that is not known.
    """
    found = [_recording(path) for path in sorted(folder.glob("*_trades.jsonl.gz"))]
    if not found:
        raise ConfigError(f"--recordings {folder}: no file <exchange>_<pair>_*_trades.jsonl.gz is there")
    return found


def _recording(path: Path) -> Recording:
    exchange, pair = path.name.split("_")[:2]
    if exchange not in _QUOTES:
        raise ConfigError(f"{path}: recordings are of {' or '.join(_QUOTES)}, not of {exchange!r}")
    return Recording(path, exchange.upper(), canonical(exchange, pair))


def canonical(exchange: str, pair: str) -> str:
    """BASE/QUOTE of a pair as a recording's file name has it; all in lower case means upper case."""
    name, quotes = pair.upper() if pair == pair.lower() else pair, _QUOTES[exchange]
    quote = next((q for q in quotes if name.endswith(q) and name != q), None)
    if quote is None:
        raise ConfigError(f"cannot tell base from quote in {pair!r}: known on {exchange} are {', '.join(quotes)}")
    return "/".join(_V2_ASSETS.get(part, part) for part in (name.removesuffix(quote), quote))


def _trades(of: Recording) -> Iterator[tuple[int, bool]]:
    with gzip.open(of.path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if of.exchange == "KRAKEN":
                price, quantity, *_, trade_id = json.loads(line)
            else:
                trade = json.loads(line.partition(" ")[2])["data"]
                price, quantity, trade_id = trade["p"], trade["q"], trade["t"]
            yield trade_id, fits(Decimal(price)) and fits(Decimal(quantity))


@dataclass
class Delivered:
    """What the simulator says it delivered, by message id; invalid trades apart."""

    frames: int = 0
    valid: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    originals: Counter[str] = field(default_factory=Counter)


def delivered(log: Path) -> Delivered:
    """Read the simulator's log of deliveries."""
    found, frames = Delivered(), set()
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if "fault" in entry:
                continue
            frames.add((entry["venue"], entry["connection"], entry["frame"]))
            _count(found, entry)
    found.frames = len(frames)
    return found


class Struck(NamedTuple):
    """How many ids of a symbol its venue dropped, and when the first of them, ns since the epoch."""

    ids: int
    at_ns: int


def struck(log: Path) -> dict[tuple[str, str], Struck]:
    """What the simulator's log tells of dropped ids so far, by exchange and symbol."""
    found: dict[tuple[str, str], Struck] = {}
    with log.open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines if DROP_IDS in line and line.endswith("\n")]
    for entry in entries:
        before = found.get((entry["venue"], entry["symbol"]), Struck(0, entry["time_ns"]))
        found[entry["venue"], entry["symbol"]] = before._replace(ids=before.ids + entry["struck"])
    return found


def _count(found: Delivered, entry: Mapping[str, object]) -> None:
    message_id = f"{entry['venue']}:{entry['symbol']}:{entry['trade_id']}"
    (found.invalid if entry["kind"] == "invalid" else found.valid)[message_id] += 1
    if entry["kind"] == "original":
        found.originals[message_id] += 1
