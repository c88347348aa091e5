"""How ids and times run, whatever happens to a replay: pure."""

from functools import cache
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_sim import binance
from exchange_sim.catalogue import INJECTED
from exchange_sim.conditions import Conditions
from exchange_sim.fault_request import FaultRequest, parse
from exchange_sim.fault_schedule import random_faults
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Recording, Venue
from exchange_sim.pacing import offsets
from exchange_sim.ranges import assigned, compress, summary
from exchange_sim.recordings import PACKAGED, load
from exchange_sim.rest_view import RestView
from exchange_sim.wire import fragments, segments

LAP = 40
ORIGIN_NS = 1_800_000_000_000_000_000
STEP = st.tuples(
    st.sampled_from(["play", "pause", "reset", "clock", "burst", "lap"]),
    st.integers(min_value=-5_000_000_000, max_value=5_000_000_000),
)
MARKETS: dict[Venue, list[str]] = {"KRAKEN": ["BTC/USDT"], "BINANCE": ["BTC/USDT", "ETH/USDT"]}


@cache
def base() -> Recording:
    found = load(PACKAGED)[0]
    return Recording(found.instrument, found.trades[:LAP], found.files[:LAP])


class Played:
    """A live replay, played by steps as a player would."""

    def __init__(self) -> None:
        self.replay = MarketReplay(base(), binance, offsets(base(), clock=lambda trade: trade.time_ns))
        self.wall_ns, self.lap, self.index = ORIGIN_NS, 0, 0
        self.sent: list[tuple[int, int, int]] = []
        self.replay.anchor(0, self.wall_ns)

    def do(self, step: str, amount: int) -> None:
        self.wall_ns += 1_000_000_000
        match step:
            case "play":
                for _ in range(abs(amount) % 30):
                    self.one()
            case "pause":
                self.replay.anchor(self.lap, self.wall_ns)
            case "reset":
                self.replay.timeline.reset_ids(self.replay.exposed)
            case "clock":
                self.replay.timeline.shift_clock(self.replay.exposed, amount)
            case "burst":
                self.note(self.replay.burst(1 + abs(amount) % 90))
            case "lap":
                while self.index:
                    self.one()

    def one(self) -> None:
        numbers = self.replay.numbers(self.lap, range(self.index, self.index + 1))
        self.replay.expose(numbers.stop)
        self.note(numbers)
        self.index += 1
        if self.index == LAP:
            self.lap, self.index = self.lap + 1, 0
            self.replay.anchor(self.lap, self.wall_ns)

    def note(self, numbers: range) -> None:
        self.sent += [
            (number, trade.trade_id, trade.time_ns) for number in numbers for trade in [self.replay.trade(number)]
        ]


@given(st.lists(STEP, max_size=25))
@settings(max_examples=150, deadline=None)
def test_every_trade_has_its_number_and_never_changes(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, numbers are 0, 1, 2…, and what REST tells later is what was sent."""
    played = Played()
    for step in steps:
        played.do(*step)
    assert [number for number, _, _ in played.sent] == list(range(played.replay.exposed))
    now = [played.replay.trade(number) for number in range(played.replay.exposed)]
    assert [(trade.trade_id, trade.time_ns) for trade in now] == [(found, at) for _, found, at in played.sent]


@given(st.lists(STEP, max_size=25))
@settings(max_examples=150, deadline=None)
def test_assigned_ranges_are_the_ids_sent(steps: list[tuple[str, int]]) -> None:
    """Ids go on one by one, over laps and bursts, but for resets; the ranges tell exactly them."""
    played = Played()
    for step in steps:
        played.do(*step)
    told = [found for first, last in assigned(played.replay) for found in range(first, last + 1)]
    assert told == [found for _, found, _ in played.sent]
    assert all(after in (before + 1, 1) for before, after in pairwise(told))
    brief = summary(played.replay)
    assert (brief["count"], brief["holes"]) == (len(told), 0)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=150, deadline=None)
def test_pages_by_time_hold_every_trade(steps: list[tuple[str, int]]) -> None:
    """Whoever goes on from each page's last order gets every trade, though clocks stepped back."""
    played = Played()
    for step in steps:
        played.do(*step)
    view, since, seen = RestView(played.replay), 0, set[tuple[int, int]]()
    for _ in range(1 + played.replay.exposed):
        trades, since = view.since(since, 120)
        seen |= {(trade.trade_id, trade.time_ns) for trade in trades}
    assert seen == {(found, at) for _, found, at in played.sent}
    orders = [played.replay.timeline.order_ns(number) for number in range(played.replay.exposed)]
    assert orders == sorted(orders)


@given(st.binary(min_size=0, max_size=300), st.integers(min_value=1, max_value=400))
def test_fragments_join_to_the_message(payload: bytes, pieces: int) -> None:
    """Frames carry the payload in order, text first, FIN last; segments are the same bytes."""
    frames = fragments(payload, pieces)
    assert b"".join(frame[2 if frame[1] < 126 else 4 :] for frame in frames) == payload
    assert [frame[0] for frame in frames] == [
        (0 if index else 1) | (0x80 if index == len(frames) - 1 else 0) for index in range(len(frames))
    ]
    assert b"".join(segments(frames)) == b"".join(frames)
    assert len(frames) <= pieces


def test_large_message_has_a_long_header() -> None:
    """Sizes from 65,536 on take eight bytes."""
    (frame,) = fragments(b"x" * 70_000, 1)
    assert frame[1:10] == bytes([127]) + (70_000).to_bytes(8, "big")


@given(st.sets(st.integers(min_value=1, max_value=60)))
def test_compressed_ranges_hold_the_same_numbers(values: set[int]) -> None:
    """Runs of consecutive numbers, ascending, none adjacent to the next."""
    ranges = compress(values)
    assert {number for first, last in ranges for number in range(first, last + 1)} == values
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))


def drawn(seed: int, size: int) -> list[tuple[float, FaultRequest]]:
    return [(due.at_s, due.request) for due, _ in zip(random_faults(60, MARKETS, seed), range(size), strict=False)]


def test_storm_is_by_seed_and_of_every_kind() -> None:
    """The same seed gives the same faults; their rate is the one asked for, and every request is allowed."""
    found = drawn(3, 4_000)
    assert found == drawn(3, 4_000)
    assert found[:50] != drawn(4, 50)
    assert 3_600 < found[-1][0] < 4_400
    assert {request.kind for _, request in found} == {kind for kind, fault in INJECTED.items() if fault.weight}
    for _, request in found:
        said = {name: getattr(request, name) for name in ("kind", "venue", "symbol", "count", "seconds", "value")}
        assert parse({name: value for name, value in said.items() if value is not None}, MARKETS, Random(0)) == request


def test_condition_ends_with_its_time_or_its_occasions() -> None:
    """A fault is at work until its moment or its last occasion; for one symbol, or for all."""
    now = [0.0]
    found = Conditions("KRAKEN", clock=lambda: now[0])
    found.start("silent", "BTC/USDT", seconds=2)
    found.start("no_acks", count=2, value="ack")
    assert (found.active("silent", "BTC/USDT") is None, found.active("silent", "ETH/USDT")) == (False, None)
    assert [found.take("no_acks") is not None for _ in range(3)] == [True, True, False]
    assert found.active("no_acks", "BTC/USDT") is None
    now[0] = 2.0
    assert found.active("silent", "BTC/USDT") is None
    assert found.calm
