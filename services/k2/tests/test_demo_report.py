"""What a demo prints at its end, on screens of any width."""

import io
import json
import re
from array import array
from collections import Counter

import pytest
from rich.console import Console
from services.k2.tests.candles import candle

from k2.demo.faults import DropOutcome, DroppedIds, Faults, GoldKill
from k2.demo.observer import StageCount
from k2.demo.oracle import Delivered
from k2.demo.reconcile import ColdRows, Expected, Sides, differences
from k2.demo.report import Ages, Report
from k2.demo.tables import TWICE, TableRows
from k2.demo.warm_rows import WarmRows

ANSI = re.compile(r"\x1b\[[\d;]*m")
ID = "KRAKEN:BTC/USDT:10218807"
DRAWN = [candle(number, (105_342, "105435.80000001", 105_342, "105435.7"), symbol="BTC/USDT") for number in range(90)]
FAULTS = Faults([DropOutcome(DroppedIds("KRAKEN", "BTC/USDT", 10, 12), 3, 5.0, 1.0, 1.4)], GoldKill(7, 3.1))


def report(gold: int = 1, faults: Faults = FAULTS) -> Report:
    """One trade that came twice, and one broken copy; ``gold`` is what the stage holds."""
    sent = Delivered(3, Counter({ID: 2}), Counter({ID: 1}), Counter([ID]))
    stages = {
        "raw": StageCount(3),
        "bronze": StageCount(3, Counter({ID: 3})),
        "silver": StageCount(2, Counter({ID: 2})),
        "dlq": StageCount(1),
        "gold": StageCount(gold, Counter({ID: gold})),
    }
    tables = {
        "bronze_crypto_trades": TableRows(3, Counter({TWICE: 0})),
        "silver_binance_trades": TableRows(0, Counter()),
        "silver_kraken_trades": TableRows(2, Counter({ID: 2})),
        "gold_crypto_trades": TableRows(1, Counter([ID])),
        "silver_dlq_trades": TableRows(1, Counter({TWICE: 0})),
    }
    warm = {
        "raw_trades": WarmRows(3, 3),
        "bronze_trades": WarmRows(3, 3, Counter({ID: 3})),
        "silver_trades": WarmRows(2, 2, Counter({ID: 2})),
        "gold_trades": WarmRows(1, 1, Counter([ID])),
        "dead_letters": WarmRows(1, 1),
        "gaps": WarmRows(4, 4),
    }
    candles = {name: WarmRows(1, 1) for name in ("1m", "15m", "1d")}
    cold = [ColdRows("raw", 3, 3, equal=True), ColdRows("silver", 2, 2, equal=True)]
    sides = Sides(Expected({"KRAKEN:BTC/USDT": {10_218_807: True}}, sent), stages, tables, warm, candles, cold)
    ages = Ages(array("d", [4_000.0]), array("d", [900.0]))
    return Report(sides, differences(sides), ages, 1.0, faults, DRAWN)


def printed(of: Report, width: int, *, terminal: bool = False, no_color: bool = False) -> str:
    out = io.StringIO()
    of.print(Console(file=out, width=width, force_terminal=terminal, no_color=no_color, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_identifier_is_cut(width: int) -> None:
    """Tables leave columns out instead, and no line is wider than the terminal."""
    said = ANSI.sub("", printed(report(), width, terminal=True))
    whole = [
        "silver_binance_trades",
        "bronze_crypto_trades",
        "silver_trades (warm)",
        "gold_ohlcv_15m (warm)",
        "KRAKEN:BTC/USDT",
        "105435.80000001",
        "expected",
    ]
    assert [word for word in whole if word not in said] == []
    assert "…" not in said
    assert max(len(line.rstrip()) for line in said.splitlines()) <= width


def test_the_difference_between_bronze_and_gold_is_explained() -> None:
    """In numbers: what was set aside, and what was dropped."""
    said = printed(report(), 200)
    assert "Set aside as broken, whole and with the reason: 1 (dlq). Dropped as repeats: 1." in said


def test_the_last_candles_are_drawn_in_few_lines() -> None:
    """As many as fit into 80 columns, on a wider screen too."""
    lines = printed(report(), 200).splitlines()
    (title,) = (number for number, line in enumerate(lines) if line.startswith("KRAKEN:BTC/USDT  63 candles of 1m"))
    assert lines[title + 11] == "┃ rises, █ falls"
    assert max(map(len, lines[title : title + 12])) == 80


def test_both_tiers_stand_side_by_side() -> None:
    """Layer by layer, for people and for machines."""
    lines = [line.split() for line in printed(report(), 80).splitlines()]
    at = lines.index(["layer", "warm", "cold", "equal"])
    assert lines[at + 1 : at + 3] == [["raw", "3", "3", "yes"], ["silver", "2", "2", "yes"]]
    said = json.loads(report().as_json())["consistency"]
    assert said["rows"][0] == {"layer": "raw", "warm": 3, "cold": 3, "equal": True}
    assert said["equal"] is True


def test_how_soon_a_trade_stands_in_both_tiers_is_told() -> None:
    """From the receipt of its frame."""
    told = "from frame to Iceberg p50 4,000 ms, p99 4,000 ms, to a query of ClickHouse p50 900 ms, p99 900 ms"
    assert told in printed(report(), 200)


def test_what_the_faults_came_to_is_told_before_the_verdict() -> None:
    """The last line is the verdict."""
    *_, drop, kill, verdict = printed(report(), 200).splitlines()
    assert "gap recorded after 1.0 s, filled by REST after 1.4 s" in drop
    assert kill == "gold killed (-9) at record 7, back after 3.1 s, doubled 0, lost 0"
    assert verdict == "reconciled: nothing lost, nothing doubled"


def test_a_fault_that_did_not_end_well_is_no_success() -> None:
    """Though all may be reconciled: it is told, and is in the JSON."""
    found = report(faults=Faults([], GoldKill(7)))
    assert (found.reconciled, found.succeeded) == (True, False)
    assert "failed gold, killed at record 7, did not come back" in printed(found, 200)
    assert '"problems": ["gold, killed at record 7, did not come back"]' in found.as_json()


GREEN, RED = "\x1b[32m", "\x1b[31m"


def test_colours_say_what_is_as_expected() -> None:
    """Green is, red is not; there are none where nobody wants them."""
    good, bad = (printed(report(gold), 80, terminal=True) for gold in (1, 2))
    assert GREEN in good
    assert RED not in good
    assert re.search(f"{re.escape(RED)} *2", bad)
    assert "NOT reconciled" in bad
    assert GREEN not in printed(report(), 80, terminal=True, no_color=True)
    assert "\x1b[" not in printed(report(), 80)
