"""The catalogue of injected faults, as data: what each does, to whom, within which limits, how often in a storm.

``faults`` holds the other catalogue, of what happens to frames at a rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from exchange_sim.acks import LOST, WRONG
from exchange_sim.fuzz import FORMS
from exchange_sim.model import VENUES, Venue

OVERFLOW_QUANTITY = "46000000000.12"  # above 10^10 units, as Binance allows for SHIB
_KRAKEN: tuple[Venue, ...] = ("KRAKEN",)
_BINANCE: tuple[Venue, ...] = ("BINANCE",)
# acks of one venue name what the other's do not have
_WRONG_ACKS = tuple(dict.fromkeys(how for ways in WRONG.values() for how in ways))


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter: its default, what is allowed, and from what a storm chooses."""

    default: float | None
    lowest: float
    highest: float
    storm: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    ``scope`` is what a symbol means: it strikes one ("symbol"; without, the seed chooses), one or without it
    all ("any"), or the whole venue ("venue"). A parameter that is None is not taken. ``choices`` are the
    values of a fault that has several forms; without a value the seed chooses. ``weight`` is its share of a storm.
    """

    does: str
    scope: Literal["symbol", "any", "venue"]
    weight: float
    count: Bound | None = None
    seconds: Bound | None = None
    value: Bound | None = None
    choices: tuple[str, ...] = ()
    ids: bool = False
    venues: tuple[Venue, ...] = VENUES


def _count(default: float, highest: float, storm: tuple[float, float]) -> Bound:
    return Bound(default, 1, highest, storm)


def _seconds(default: float, storm: tuple[float, float]) -> Bound:
    return Bound(default, 0.001, 86_400, storm)


_SOCKETS = Bound(None, 1, 1_000, (1, 1))  # without a count all that there are
_NEXT_TRADES = _count(1, 100_000, (1, 40))
_NEXT_CALLS = _count(1, 10_000, (1, 4))

INJECTED: Mapping[str, Fault] = {
    "drop_ids": Fault(
        "the next trades, every second one of twice as many, or those of ids, go to no socket (or not to one), "
        "REST has them",
        "symbol",
        10,
        _NEXT_TRADES,
        choices=("all", "one", "alternate"),
        ids=True,
    ),
    "unfillable": Fault(
        "the next trades go to no socket, and REST never has them", "symbol", 3, _count(1, 100_000, (1, 5))
    ),
    "rest_holes": Fault(
        "REST never has the next trades, or some of the recent ones, or those of ids",
        "symbol",
        3,
        _NEXT_TRADES,
        choices=("next", "recent"),
        ids=True,
    ),
    "drop_connections": Fault("sockets are aborted", "any", 6, _SOCKETS),
    "refuse_connections": Fault("upgrades are answered 503", "venue", 2, seconds=_seconds(5, (1, 8))),
    "half_open": Fault("sockets stay, send and answer nothing", "any", 3, _SOCKETS, _seconds(120, (30, 90))),
    "close_without_tcp": Fault("sockets get a Close frame, TCP stays", "any", 3, _SOCKETS, _seconds(120, (30, 90))),
    "silent": Fault("no trades on sockets, signs of life go on", "any", 3, seconds=_seconds(10, (2, 30))),
    "slow_frames": Fault(
        "each trade frame waits value seconds",
        "any",
        2,
        seconds=_seconds(10, (1, 10)),
        value=Bound(0.05, 0, 60, (0.001, 0.1)),
    ),
    "split_frames": Fault(
        "next frames come in value WebSocket fragments",
        "any",
        4,
        _count(1, 100_000, (1, 50)),
        value=Bound(4, 2, 1_000, (2, 40)),
    ),
    "wrong_acks": Fault(
        "next acks of a subscription are wrong", "venue", 3, _count(1, 1_000, (1, 2)), choices=_WRONG_ACKS
    ),
    "no_acks": Fault("next acks, or the requests, are lost", "venue", 2, _count(1, 1_000, (1, 2)), choices=LOST),
    "id_reset": Fault("ids start anew at 1", "symbol", 0.3),
    "rate_limit": Fault(
        "next REST calls are refused: 429 then 418, or EAPI", "venue", 4, _NEXT_CALLS, value=Bound(1, 0, 3_600, (1, 3))
    ),
    "rest_lag": Fault(
        "REST lacks the last value seconds",
        "any",
        4,
        seconds=_seconds(30, (5, 30)),
        value=Bound(5, 0.1, 180, (0.5, 10)),
    ),
    "rest_errors": Fault(
        "next REST calls get a 500, or nothing until they are cut off after seconds",
        "venue",
        4,
        _NEXT_CALLS,
        _seconds(15, (3, 20)),
        choices=("status", "timeout"),
    ),
    # weighs nothing: while REST is away, no other fault of it strikes
    "rest_outage": Fault("REST answers 503", "venue", 0, seconds=_seconds(60, (60, 180))),
    "rest_no_last": Fault("next pages of Trades lack `last`", "venue", 2, _NEXT_CALLS, venues=_KRAKEN),
    "rest_off_by_1us": Fault("REST's times are 1 µs later", "any", 3, seconds=_seconds(30, (5, 60))),
    "server_shutdown": Fault(
        "serverShutdown is announced, sockets abort after seconds",
        "venue",
        3,
        seconds=_seconds(10, (3, 15)),
        venues=_BINANCE,
    ),
    "clock_offset": Fault(
        "exchange times are wrong by value seconds",
        "any",
        2,
        seconds=_seconds(60, (5, 60)),
        value=Bound(1.5, -86_400, 86_400, (-3, 3)),
    ),
    "burst": Fault("as many trades in one millisecond", "symbol", 1, _count(735, 20_000, (200, 1_500))),
    "fuzzed_frames": Fault("garbage frames", "any", 5, _count(1, 1_000, (1, 10)), choices=tuple(FORMS)),
    "overflow": Fault(f"next trades have the quantity {OVERFLOW_QUANTITY}", "symbol", 2, _count(1, 10_000, (1, 3))),
    "maintenance": Fault(
        "status is maintenance and nothing trades, then online",
        "venue",
        1,
        seconds=_seconds(10, (1, 8)),
        venues=_KRAKEN,
    ),
    # weighs nothing: nothing of it is seen but by a feed that starts
    "halted": Fault(
        "the list of pairs says BREAK or cancel_only, or has not got the pair; trades go on",
        "symbol",
        0,
        seconds=_seconds(30, (1, 8)),
        choices=("status", "missing"),
    ),
    "duplicate_trades": Fault("the latest trades come again", "symbol", 5, _count(1, 10_000, (1, 30))),
}
