"""The gate on trades of which both origins' candles are known to be many: all are equal, and one that is not is found.

Run it by ``make gate``. Gold is told the packaged recordings and generated trades, with repeats, late ones, ties,
extremes and conflicts; gold itself decides which of them stand, both sinks write what it says, Spark recomputes.
Then one candle is altered by hand. Exits 1 where a candle differs, or that one is not found.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from rich.table import Table
from tests.bench.harness import bounded, facts, report, table
from tests.bench.warm_place import WarmPlace
from tests.gate.place import fill, gate_place
from tests.gate.told import Account, ToldMarket, recorded

from exchange_sim.recordings import PACKAGED
from k2_local.child import terminable

SYMBOLS, DAYS = 48, 3
LEAST = SYMBOLS * 1_000
_LIMIT_S = 3_600.0
_MINUTE = timedelta(minutes=1)
_ALTERED = ("1m", "high")
_APART = "--report=.k2/validate-ohlcv-altered.json"  # beside that of all that are equal
_ALTER = """
INSERT INTO candles SELECT * REPLACE (high + toDecimal64('0.00000001', 8) AS high) FROM candles FINAL
WHERE timeframe = '1m' ORDER BY exchange, symbol, window_start LIMIT 1
"""
_FIRST = """
SELECT exchange, symbol, toUnixTimestamp64Micro(window_start) FROM candles FINAL
WHERE timeframe = '1m' ORDER BY exchange, symbol, window_start LIMIT 1
"""


@dataclass(frozen=True)
class Gate:
    """One run of ``k2 validate-ohlcv``: how it ended, what it found, and how long it took."""

    code: int
    found: Mapping[str, Any]
    seconds: float

    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """What it found by timeframe."""
        return {row["timeframe"]: row for row in self.found["rows"]}

    def names_only(self, exchange: str, symbol: str, start: datetime) -> bool:
        """Whether it failed for this candle's high of a minute, and for nothing else."""
        wrong = [each for row in self.rows.values() for each in row["first"]]
        if self.code != 1 or len(wrong) != 1:
            return False
        where = {"exchange": exchange, "symbol": symbol, "timeframe": _ALTERED[0], "window": start.isoformat()}
        return where.items() <= wrong[0].items() and list(wrong[0]["columns"]) == [_ALTERED[1]]


@dataclass(frozen=True)
class Measured:
    """Everything."""

    account: Account
    fill_s: float
    equal: Gate
    tampered: Gate
    tampered_found: bool

    @property
    def succeeded(self) -> bool:
        """Whether all are equal, and the one that is not was found."""
        return self.equal.code == 0 and self.tampered_found


def market(trades: int) -> ToldMarket:
    """So many trades over days that have ended."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight - timedelta(days=DAYS)
    step_us = timedelta(days=DAYS) // timedelta(microseconds=1) // trades
    return ToldMarket(symbols=SYMBOLS, begin_us=int(begin.timestamp()) * 1_000_000, step_us=step_us)


async def measure(trades: int) -> Measured:
    """Run the gate on the recordings and so many generated trades."""
    generated = map(market(trades).trade, range(trades))
    async with gate_place() as place:
        began = time.monotonic()
        account = await fill(place, chain(recorded(PACKAGED), generated))
        fill_s = time.monotonic() - began
        equal = _gate(place)
        ((exchange, symbol, start_us),) = place.tables.ask(_FIRST)
        place.tables.command(_ALTER)
        start = datetime.fromtimestamp(start_us / 1_000_000, UTC)
        tampered = _gate(
            place, f"--symbol={exchange}:{symbol}", f"--from={_said(start)}", f"--to={_said(start + _MINUTE)}", _APART
        )
        return Measured(account, fill_s, equal, tampered, tampered.names_only(exchange, symbol, start))


def _said(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _gate(place: WarmPlace, *words: str) -> Gate:
    """Run the command to its end; what it says for people is shown.

    Raises:
        SystemExit: it found nothing out.
    """
    began, environment = time.monotonic(), {**os.environ, "K2_PREFIX": place.bench.names.prefix}
    command = [sys.executable, "-m", "k2", "validate-ohlcv", "--json", *words]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S)
    if not done.stdout:
        raise SystemExit(f"k2 validate-ohlcv ended with {done.returncode}")
    return Gate(done.returncode, json.loads(done.stdout), time.monotonic() - began)


def tables(found: Measured) -> list[Table]:
    """What was found, for people."""
    columns = ("v1 rows", "v2 rows", "OHLC apart", "within 1e-8", "volume apart", "verdict")
    made = table("Spark's candles (v1) of the lake's trades, and ClickHouse's (v2)", "timeframe", *columns)
    for name, row in found.equal.rows.items():
        within, verdict = "yes" if row["within_1e-8"] else "NO", "equal" if row["ok"] else "FAILS"
        made.add_row(name, f"{row['v1']:,}", f"{row['v2']:,}", row["ohlc"], within, row["volume"], verdict)
    account = found.account
    said = {
        "trades told, and in gold": f"{account.told:,} and {account.trades:,}",
        "s until both tiers have them": f"{found.fill_s:.0f}",
        "s of the gate, whole and of a day alone": f"{found.equal.seconds:.0f} and {found.tampered.seconds:.0f}",
        "a candle altered by hand is named, alone": "yes" if found.tampered_found else "NO",
    }
    wrong = [each for row in found.equal.rows.values() for each in row["first"]]
    return [made, facts("the gate", said | {str(number): json.dumps(each) for number, each in enumerate(wrong)})]


def numbers(found: Measured) -> Mapping[str, object]:
    """What was found, for programs."""
    names = ("v1", "v2", "ohlc", "volume", "ok")
    rows = {name: {each: row[each] for each in names} for name, row in found.equal.rows.items()}
    return {**rows, "tampered_found": found.tampered_found}


def main(words: Sequence[str] | None = None) -> int:
    """Print tables for people and, last, one line of JSON; 1 where the gate failed."""
    parser = argparse.ArgumentParser(prog="make gate", description=__doc__)
    parser.add_argument("--trades", type=int, default=5_000_000, help=f"that are generated, {LEAST:,} or more")
    given = parser.parse_args(words)
    if given.trades < LEAST:
        parser.error(f"--trades {given.trades}: it is {LEAST} at least")
    with terminable():
        found = bounded(measure(given.trades), _LIMIT_S)
    report(tables(found), numbers(found))
    return int(not found.succeeded)


if __name__ == "__main__":
    sys.exit(main())
