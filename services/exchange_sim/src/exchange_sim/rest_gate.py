"""A venue's REST limits, and the faults that refuse or delay an answer. Without I/O.

Sources: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits and
https://docs.kraken.com/api/docs/guides/spot-rest-ratelimits.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exchange_sim.conditions import Conditions

WEIGHT_LIMIT = 6_000
WEIGHTS = {"ping": 1, "time": 1, "exchangeInfo": 20, "trades": 25, "historicalTrades": 25}
WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
KRAKEN_CALLS = 5.0  # that many at once, then one a second: "about 1 call/s", loosely
_MINUTE_S = 60
_LIMITED, _BANNED, _BROKEN, _AWAY, _GAVE_UP = 429, 418, 500, 503, 504


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error instead of an answer; with ``after_s`` nothing for so many seconds, then the connection is cut."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


class BinanceGate:
    """Counts request weight by the minute; above the limit the answer is 429."""

    def __init__(self, conditions: Conditions, now: Callable[[], float] = time.time) -> None:
        self._conditions = conditions
        self._now = now
        self._minute = 0
        self._used = 0

    def enter(self, call: str) -> Refusal | None:
        """Account for one call; None lets it pass."""
        minute = int(self._now() // _MINUTE_S)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += WEIGHTS.get(call, 1)
        limited = self._conditions.take("rate_limit")
        if limited is not None:
            return _refused(_BANNED if limited.used > 1 else _LIMITED, limited.number)
        if self._used > WEIGHT_LIMIT:
            return _refused(_LIMITED, _MINUTE_S - self._now() % _MINUTE_S)
        return _broken(self._conditions)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer: the weight used in this minute."""
        return {WEIGHT_HEADER: str(self._used)}


class KrakenGate:
    """Answers calls that come too fast with an error; only ``strict`` counts them."""

    def __init__(self, conditions: Conditions, *, strict: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._conditions = conditions
        self._strict = strict
        self._now = now
        self._calls = KRAKEN_CALLS
        self._last = now()

    def enter(self, _call: str) -> Refusal | None:
        """Account for one call; None lets it pass."""
        if self._conditions.take("rate_limit") is not None or (self._strict and not self._allowed()):
            return Refusal(200, '{"error":["EAPI:Rate limit exceeded"]}')
        return _broken(self._conditions)

    def _allowed(self) -> bool:
        now = self._now()
        self._calls = min(KRAKEN_CALLS, self._calls + now - self._last)
        self._last = now
        if self._calls < 1:
            return False
        self._calls -= 1
        return True

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer: none."""
        return {}


def _refused(status: int, after_s: float) -> Refusal:
    msg = "Too much request weight used" if status == _LIMITED else "Way too much request weight used; IP banned"
    return Refusal(status, json.dumps({"code": -1003, "msg": msg}), {"Retry-After": str(math.ceil(after_s))})


def _broken(conditions: Conditions) -> Refusal | None:
    if conditions.take("rest_outage") is not None:
        return Refusal(_AWAY, "{}")
    found = conditions.take("rest_errors")
    if found is None:
        return None
    return Refusal(_BROKEN, "{}") if found.value == "status" else Refusal(_GAVE_UP, "", after_s=found.number)
