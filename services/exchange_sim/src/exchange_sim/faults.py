"""The catalogue of faults at a rate: what each does to a frame, and the ways in which a trade can be broken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from exchange_sim.model import Trade

Kind = Literal["original", "duplicate", "invalid", "snapshot"]
FAR_FUTURE_NS = 4_102_444_800_000_000_000  # 2100-01-01
BEFORE_ANY_VENUE_NS = 978_307_200_000_000_000  # 2001-01-01


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as data.

    ``kind`` says what the frame it makes is logged as; ``moves`` whether the frame itself is sent elsewhere
    (True) or a copy is added (False). ``places`` are the distances, in frames of the same symbol, from which
    the seed chooses: 0 is right behind the frame, -1 right before it.
    """

    kind: Kind
    moves: bool
    places: range


# in the order in which they strike: a copy is made once its original has its place
FAULTS: Mapping[str, Fault] = {
    "delay": Fault("original", moves=True, places=range(2, 21)),
    "reorder": Fault("original", moves=True, places=range(1, 2)),
    "duplicates": Fault("duplicate", moves=False, places=range(50)),
    # never more than one frame early: a copy ahead of its original would be a gap in the ids, another fault
    "invalid": Fault("invalid", moves=False, places=range(-1, 5)),
}


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each fault strikes a trade, 0 to 1."""

    duplicates: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    invalid: float = 0.0

    def of(self, fault: str) -> float:
        """The rate of a fault by its name in ``FAULTS``."""
        return float(getattr(self, fault))


def encodable(trade: Trade) -> bool:
    """Whether decimal(18,8) holds the trade: a copy with two things wrong would say nothing of either."""
    return all(abs(value) < 10**10 and value == round(value, 8) for value in (Decimal(trade.price), Decimal(trade.qty)))


def _zero(decimal: str) -> str:
    """Zero with as many decimals: 105433.60000 becomes 0.00000."""
    _, point, decimals = decimal.partition(".")
    return f"0{point}{'0' * len(decimals)}"


BREAKS: Mapping[str, Callable[[Trade], Trade]] = {
    "price_zero": lambda trade: replace(trade, price=_zero(trade.price)),
    "price_negative": lambda trade: replace(trade, price=f"-{trade.price}"),
    "quantity_zero": lambda trade: replace(trade, qty=_zero(trade.qty)),
    "quantity_negative": lambda trade: replace(trade, qty=f"-{trade.qty}"),
    "trade_id_zero": lambda trade: replace(trade, trade_id=0),
    "trade_id_negative": lambda trade: replace(trade, trade_id=-trade.trade_id),
    "time_future": lambda trade: replace(trade, time_ns=FAR_FUTURE_NS),
    "time_before_venue": lambda trade: replace(trade, time_ns=BEFORE_ANY_VENUE_NS),
}
