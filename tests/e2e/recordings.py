"""Small recordings of other symbols and days, in the layout of the packaged ones."""

import gzip
import json
from pathlib import Path

BINANCE_FIRST_NS = 1_735_689_600_000_000_000  # 2025-01-01, UTC
KRAKEN_FIRST_S = 1_740_787_200  # 2025-03-01, UTC
UNFIT_QUANTITY = "46116860414.00"  # allowed by Binance, more than decimal(18,8) holds


def binance(folder: Path, pair: str, count: int, *, unfit: int = 0) -> None:
    """Trades of one pair, one every 20 ms; the last ``unfit`` have a quantity that V3 cannot hold."""
    lines = []
    for number in range(count):
        at_ns = BINANCE_FIRST_NS + number * 20_000_000
        quantity = UNFIT_QUANTITY if number >= count - unfit else f"{1 + number % 7}.50000000"
        trade = {
            "e": "trade",
            "E": at_ns // 1_000_000 + 1,
            "s": pair.upper(),
            "t": 900_000_000 + number,
            "p": f"0.0000{1000 + number % 100}",
            "q": quantity,
            "T": at_ns // 1_000_000,
            "m": number % 3 == 0,
            "M": True,
        }
        lines.append(f"{at_ns} " + json.dumps({"stream": f"{pair}@trade", "data": trade}, separators=(",", ":")))
    _write(folder / f"binance_{pair}_20250101_trades.jsonl.gz", lines)


def kraken(folder: Path, pair: str, count: int) -> None:
    """Trades of one pair, three with every time."""
    rows = [
        json.dumps(
            [
                f"{90_000 + number}.10000",
                "0.00010000",
                KRAKEN_FIRST_S + number // 3 * 0.5,
                "bs"[number % 2],
                "l",
                "",
                77 + number,
            ],
            separators=(",", ":"),
        )
        for number in range(count)
    ]
    _write(folder / f"kraken_{pair}_202503_trades.jsonl.gz", rows)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines) + "\n")
