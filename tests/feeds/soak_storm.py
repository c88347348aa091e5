"""Which faults strike a long run, and in which order: a seed fixes all of it. Pure."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.feeds import soak_market

from exchange_sim.catalogue import INJECTED, Bound, Fault
from exchange_sim.fault_request import choices
from k2_shared.core.trade import Exchange

KILL, TERMINATE, RESET = "kill", "terminate", "id_reset"
_ALL_SOCKETS = 0.25
_NO_SYMBOL = 0.5
_FORMS = {"rest_holes": ("next",)}  # nobody asks REST for the recent trades that were captured already
# What strikes only when the feed connects, or asks REST: it is followed at once by a fault that makes the feed do so.
_PROVOKED = {
    **dict.fromkeys(("refuse_connections", "wrong_acks", "no_acks"), "drop_connections"),
    **dict.fromkeys(
        ("rate_limit", "rest_lag", "rest_errors", "rest_no_last", "rest_off_by_1us", "rest_holes"), "drop_ids"
    ),
}


@dataclass(frozen=True)
class Strike:
    """One fault: for the simulator with what it is told besides kind and venue, or for a feed's process.

    ``followed``: the next one comes at once.
    """

    kind: str
    venue: Exchange
    said: Mapping[str, Any] = field(default_factory=dict)
    followed: bool = False

    @property
    def on_process(self) -> bool:
        """Whether it strikes the feed's process."""
        return self.kind in (KILL, TERMINATE)

    @property
    def lasts_s(self) -> float:
        """For how long it hinders trades or REST."""
        return float(self.said.get("seconds", 0.0))


def storm(seed: int) -> Iterator[Strike]:
    """Faults without end: decks of cards, each with every kind by its weight; the first deck shows all kinds first."""
    rng = random.Random(seed)
    first = _kinds()
    rng.shuffle(first)
    yield from _dealt(first, rng)
    while True:
        deck = [card for card in _kinds() for _ in range(_copies(card[0]))]
        rng.shuffle(deck)
        yield from _dealt(deck, rng)


def _kinds() -> list[tuple[str, Exchange]]:
    """Every kind with every venue that it strikes, but for resets, which are scenes of their own."""
    injected = [
        (kind, venue) for kind, fault in INJECTED.items() if kind != RESET and fault.weight for venue in fault.venues
    ]
    return injected + [(kind, venue) for kind in (KILL, TERMINATE) for venue in ("KRAKEN", "BINANCE")]


def _copies(kind: str) -> int:
    return math.ceil(INJECTED[kind].weight / len(INJECTED[kind].venues)) if kind in INJECTED else 1


def _dealt(cards: list[tuple[str, Exchange]], rng: random.Random) -> Iterator[Strike]:
    for kind, venue in cards:
        strike = drawn(kind, venue, rng)
        yield replace(strike, followed=kind in _PROVOKED)
        if kind in _PROVOKED:
            yield _provoking(strike, rng)


def _provoking(strike: Strike, rng: random.Random) -> Strike:
    """What makes the feed run into a fault; of ids, with the symbol that the fault is about."""
    if _PROVOKED[strike.kind] == "drop_connections":
        return Strike("drop_connections", strike.venue, {"count": 1})
    symbol = strike.said.get("symbol") or rng.choice(soak_market.lively(strike.venue))
    return Strike("drop_ids", strike.venue, {"symbol": symbol, "count": rng.randrange(1, 20), "value": "all"})


def drawn(kind: str, venue: Exchange, rng: random.Random) -> Strike:
    """A fault with everything that the catalogue leaves open."""
    if kind not in INJECTED:
        return Strike(kind, venue)
    fault = INJECTED[kind]
    said = {
        "symbol": _symbol(fault, venue, rng),
        "count": _count(fault, rng),
        "seconds": _between(fault.seconds, rng),
        "value": _value(kind, fault, venue, rng),
    }
    return Strike(kind, venue, {name: given for name, given in said.items() if given is not None})


def _symbol(fault: Fault, venue: Exchange, rng: random.Random) -> str | None:
    if fault.scope == "venue" or (fault.scope == "any" and rng.random() < _NO_SYMBOL):
        return None
    return rng.choice(soak_market.lively(venue))


def _count(fault: Fault, rng: random.Random) -> int | None:
    """Of the faults that strike every socket without a count, some do."""
    if fault.count is None or (fault.count.default is None and rng.random() < _ALL_SOCKETS):
        return None
    return round(rng.uniform(*fault.count.storm))


def _value(kind: str, fault: Fault, venue: Exchange, rng: random.Random) -> float | str | None:
    forms = _FORMS.get(kind, choices(kind, fault, venue))
    return rng.choice(forms) if forms else _between(fault.value, rng)


def _between(bound: Bound | None, rng: random.Random) -> float | None:
    return None if bound is None else round(rng.uniform(*bound.storm), 3)
