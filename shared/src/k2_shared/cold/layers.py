"""What a comparison of both tiers comes to, layer by layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from k2_shared.cold.hours import Hour, TierHour, Verdict
from k2_shared.cold.offload import ColdOffload, HourComparison
from k2_shared.cold.warm_hours import KeyDifference

_DIFFERING = {Verdict.TO_WRITE, Verdict.WOULD_SHRINK}
_COMPARED = {Verdict.EQUAL, *_DIFFERING}
NAMED_HOURS, _NAMED_KEYS = 10, 5
_CANDLES = "gold_ohlcv_"


@dataclass(frozen=True, slots=True)
class Layer:
    """One cold table beside what it is offloaded from, by the hours that could be compared."""

    table: str
    hours: Sequence[HourComparison]
    keys: Mapping[Hour, Sequence[KeyDifference]]

    @classmethod
    def of(cls, table: str, offload: ColdOffload, hours: Sequence[HourComparison]) -> Self:
        """The layer of a comparison, with the first keys of the first hours that differ. Blocks."""
        differing = [each for each in hours if each.verdict in _DIFFERING][:NAMED_HOURS]
        return cls(table, hours, {each.hour: offload.differing(each, _NAMED_KEYS) for each in differing})

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
        return [each for each in self._compared if each.verdict in _DIFFERING]

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
                    "keys": [_key(found) for found in self.keys.get(each.hour, ())],
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


def _key(found: KeyDifference) -> dict[str, Any]:
    key = {name: _microseconds(value) if name == "window_start" else value for name, value in found.key.items()}
    return {"key": key, "warm": found.warm, "cold": found.cold}


def _microseconds(us: int) -> str:
    return (Hour(0).start + timedelta(microseconds=us)).isoformat()


def _rows(tier: TierHour | None) -> int:
    return tier.fingerprint.rows if tier else 0
