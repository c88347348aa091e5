"""Candles of two origins beside each other, to the last digit: v1 is recomputed, v2 is what is stored. Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from k2_shared.core.decimals import plain
from k2_shared.core.times import iso

TOLERANCE = Decimal("0.00000001")
"""What a price may differ by in the contract of the gate; ours is nothing, and both are told."""
NAMED = 10
"""How many candles that are not as they must be are named, of each timeframe."""
PRICES = ("open", "high", "low", "close")
_COMPARED = (*PRICES, "volume", "quote_volume", "trade_count", "open_time", "close_time")
_EXACT = Context(prec=160)  # more digits than any sum or product here has
_VWAP_UNIT = Decimal("1E-16")
_ZERO = Decimal()


class Window(NamedTuple):
    """A window of a symbol; ``start`` is in microseconds since 1970."""

    exchange: str
    symbol: str
    start: int

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol} from {iso(self.start, 'minutes')}"


class StoredCandle(NamedTuple):
    """What one origin says of a window; times are microseconds. ``vwap`` is None where it is not told."""

    exchange: str
    symbol: str
    window_start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int
    open_time: int
    close_time: int
    vwap: Decimal | None = None

    @property
    def window(self) -> Window:
        """Its window."""
        return Window(*self[:3])


class Fault(StrEnum):
    """What can be wrong with a candle."""

    DIFFERS = "differs"
    ONLY_V1 = "only in v1"
    """Gold has a trade of the window, and no candle stands."""
    ONLY_V2 = "only in v2"
    """A candle stands, and gold has no trade of its window; or it stands twice."""
    BROKEN = "impossible"
    """It contradicts itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One candle that is not as it must be; ``values`` are of both origins by what differs, or what cannot be."""

    window: Window
    fault: Fault
    values: dict[str, tuple[str, str]]

    def to_json(self, timeframe: str) -> dict[str, Any]:
        """It as the report has it."""
        start = iso(self.window.start)
        where = {"exchange": self.window.exchange, "symbol": self.window.symbol, "timeframe": timeframe}
        values = {name: {"v1": v1, "v2": v2} for name, (v1, v2) in self.values.items()}
        return {**where, "window": start, "fault": self.fault, "columns": values}


@dataclass(slots=True)
class TimeframeComparison:
    """What was compared of a timeframe; ``ohlc`` and ``volume`` are the largest differences of what both have.

    ``left_out`` counts stored candles that have trades beyond what was recomputed, and are not in ``v2``.
    """

    timeframe: str
    v1: int = 0
    v2: int = 0
    left_out: int = 0
    ohlc: Decimal = _ZERO
    volume: Decimal = _ZERO
    first: list[Finding] = field(default_factory=list)
    faults: dict[Fault, int] = field(default_factory=lambda: dict.fromkeys(Fault, 0))
    faulty: set[Window] = field(default_factory=set)

    @property
    def is_equal(self) -> bool:
        """Whether every candle is as it must be."""
        return not self.faulty

    def add(self, window: Window, v1: StoredCandle | None, v2: StoredCandle | None) -> None:
        """Take what the origins have of a window; one of them may have nothing."""
        self.v1 += v1 is not None
        self.v2 += v2 is not None
        if v1 and v2:
            self._compare(v1, v2)
        else:
            self._note(Finding(window, Fault.ONLY_V1 if v1 else Fault.ONLY_V2, _values(v1, v2)))
        if v2 and (broken := contradictions(v2)):
            self._note(Finding(window, Fault.BROKEN, broken))

    def _compare(self, v1: StoredCandle, v2: StoredCandle) -> None:
        if v1[: len(_COMPARED) + 3] == v2[: len(_COMPARED) + 3]:
            return
        self.ohlc = max(self.ohlc, *(_apart(getattr(v1, name), getattr(v2, name)) for name in PRICES))
        self.volume = max(self.volume, _apart(v1.volume, v2.volume))
        values = {name: pair for name, pair in _values(v1, v2).items() if pair[0] != pair[1]}
        self._note(Finding(v1.window, Fault.DIFFERS, values))

    def _note(self, finding: Finding) -> None:
        self.faulty.add(finding.window)
        self.faults[finding.fault] += 1
        if len(self.first) < NAMED:
            self.first.append(finding)

    def to_json(self) -> dict[str, Any]:
        """It as the report has it; decimals are texts."""
        return {
            "timeframe": self.timeframe,
            "v1": self.v1,
            "v2": self.v2,
            "ohlc": plain(self.ohlc),
            "within_1e-8": self.ohlc <= TOLERANCE,
            "volume": plain(self.volume),
            "left_out": self.left_out,
            "faults": {fault.value: count for fault, count in self.faults.items()},
            "first": [each.to_json(self.timeframe) for each in self.first],
            "ok": self.is_equal,
        }


def compared(
    timeframe: str, v1: Iterable[StoredCandle], v2: Iterable[StoredCandle], newer: Collection[Window]
) -> TimeframeComparison:
    """Compare candles of both origins, each in the order of its windows, but for those of ``newer`` windows."""
    found = TimeframeComparison(timeframe)
    for window, left, right in _paired(iter(v1), iter(v2)):
        if window in newer:
            found.left_out += 1
        else:
            found.add(window, left, right)
    return found


def _paired(
    v1: Iterator[StoredCandle], v2: Iterator[StoredCandle]
) -> Iterator[tuple[Window, StoredCandle | None, StoredCandle | None]]:
    left, right = next(v1, None), next(v2, None)
    while left or right:
        window = min(each.window for each in (left, right) if each)
        in_v1, in_v2 = (each if each and each.window == window else None for each in (left, right))
        yield window, in_v1, in_v2
        left, right = next(v1, None) if in_v1 else left, next(v2, None) if in_v2 else right


def contradictions(candle: StoredCandle) -> dict[str, tuple[str, str]]:
    """What a candle says that no trades make: by the rule what it has, in place of v2, and what it may have."""
    low, high, vwap = candle.low, candle.high, candle.vwap
    found = {
        name: (f"{plain(low)} to {plain(high)}", plain(value))
        for name in ("open", "close", "vwap")
        if (value := getattr(candle, name)) is not None and not low <= value <= high
    }
    found |= {
        name: ("more than 0", plain(Decimal(value)))
        for name in ("volume", "trade_count")
        if (value := getattr(candle, name)) <= 0
    }
    if vwap is not None and candle.volume > 0 and vwap != (exact := vwap_of(candle.quote_volume, candle.volume)):
        found.setdefault("vwap", (plain(exact), plain(vwap)))
    return found


def vwap_of(quote_volume: Decimal, volume: Decimal) -> Decimal:
    """The average price by volume, its digits beyond the sixteenth cut off."""
    quotient = _EXACT.divide(quote_volume, volume)
    return quotient.quantize(_VWAP_UNIT, ROUND_FLOOR, _EXACT)


def _apart(v1: Decimal, v2: Decimal) -> Decimal:
    return _EXACT.subtract(v1, v2).copy_abs()


def _values(v1: StoredCandle | None, v2: StoredCandle | None) -> dict[str, tuple[str, str]]:
    """What both say of each column; nothing of the one that has no candle."""
    return {name: (_said(v1, name), _said(v2, name)) for name in _COMPARED}


def _said(candle: StoredCandle | None, name: str) -> str:
    if candle is None:
        return ""
    value = getattr(candle, name)
    return iso(value) if name.endswith("_time") else plain(Decimal(value))
