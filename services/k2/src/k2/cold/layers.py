"""What a comparison of both tiers comes to, layer by layer. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from k2_shared.cold.hours import TierHour, Verdict
from k2_shared.cold.offload import HourComparison

_COMPARED = {Verdict.EQUAL, Verdict.TO_WRITE, Verdict.WOULD_SHRINK}
_CANDLES = "gold_ohlcv_"


@dataclass(frozen=True, slots=True)
class Layer:
    """One cold table beside what it is offloaded from, by the hours that could be compared."""

    table: str
    hours: Sequence[HourComparison]

    @property
    def name(self) -> str:
        """The layer as people say it: raw, bronze, silver, gold 1m and so on."""
        if self.table.startswith(_CANDLES):
            return f"gold {self.table.removeprefix(_CANDLES)}"
        return self.table.removesuffix("_trades")

    @property
    def warm(self) -> int:
        """Rows of the warm tier in hours that were compared."""
        return sum(_rows(each.warm) for each in self._compared)

    @property
    def cold(self) -> int:
        """Rows of the cold tier in them."""
        return sum(_rows(each.cold) for each in self._compared)

    @property
    def differing(self) -> list[HourComparison]:
        """The hours in which the tiers differ."""
        return [each for each in self._compared if each.verdict is not Verdict.EQUAL]

    @property
    def is_equal(self) -> bool:
        """Whether there is none."""
        return not self.differing

    def skipped(self, verdict: Verdict) -> list[str]:
        """The hours that were not compared, for a reason."""
        return [str(each.hour) for each in self.hours if each.verdict is verdict]

    def to_json(self) -> dict[str, Any]:
        """The layer as ``--json`` prints it."""
        return {
            "layer": self.name,
            "warm": self.warm,
            "cold": self.cold,
            "equal": self.is_equal,
            "hours": len(self._compared),
            "differing": [
                {
                    "hour": str(each.hour),
                    "verdict": each.verdict.value,
                    "warm": told(each.warm),
                    "cold": told(each.cold),
                }
                for each in self.differing
            ],
            "expiring": self.skipped(Verdict.EXPIRING),
            "open": self.skipped(Verdict.OPEN),
        }

    @property
    def _compared(self) -> list[HourComparison]:
        return [each for each in self.hours if each.verdict in _COMPARED]


def told(tier: TierHour | None) -> str:
    """What a tier has of an hour, in one line."""
    return str(tier.fingerprint) if tier else "nothing"


def _rows(tier: TierHour | None) -> int:
    return tier.fingerprint.rows if tier else 0
