"""The plan of a playback is a pure function of recordings, rates and seed."""

from collections import Counter
from dataclasses import fields
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange_sim import binance, kraken
from exchange_sim.faults import BREAKS, FAULTS, Rates
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Dialect, Recording, Trade, Venue
from exchange_sim.pacing import offsets
from exchange_sim.plan import Planned, plan
from exchange_sim.recordings import PACKAGED, load

DIALECTS: dict[Venue, Dialect] = {"KRAKEN": kraken, "BINANCE": binance}
VENUES = st.sampled_from(["KRAKEN", "BINANCE"])
RATE = st.sampled_from([0.0, 0.01, 0.3, 1.0])
RATES = st.builds(Rates, RATE, RATE, RATE, RATE)


@cache
def scripts(venue: Venue, size: int = 400) -> list[tuple[Recording, list[int]]]:
    cuts = [
        Recording(each.instrument, each.trades[:size], each.files[:size])
        for each in load(PACKAGED)
        if each.instrument.venue == venue
    ]
    return [(each, offsets(each)) for each in cuts]


def made(venue: Venue, rates: Rates, seed: str) -> list[str]:
    """The frames of a venue, in order."""
    replays = {each.instrument.symbol: MarketReplay(each, DIALECTS[venue]) for each, _ in scripts(venue)}
    planned = plan(scripts(venue), DIALECTS[venue], rates, seed)
    return [replays[each.symbol].payload(each.indexes, each.broken)[1] for each in planned]


def trades_of(planned: list[Planned], kind: str) -> Counter[tuple[str, int]]:
    return Counter((each.symbol, index) for each in planned if each.kind == kind for index in each.indexes)


@given(VENUES, RATES, st.integers())
@settings(max_examples=25, deadline=None)
def test_same_seed_gives_the_same_bytes(venue: Venue, rates: Rates, seed: int) -> None:
    """Two plans from the same recordings, rates and seed make the same frames in the same order."""
    assert made(venue, rates, str(seed)) == made(venue, rates, str(seed))


@given(VENUES, RATES, st.integers())
@settings(max_examples=25, deadline=None)
def test_every_trade_is_sent_once_as_original_and_time_never_goes_back(venue: Venue, rates: Rates, seed: int) -> None:
    """Whatever the faults, no original is lost or doubled, and frames are due in the order of the plan."""
    planned = plan(scripts(venue), DIALECTS[venue], rates, str(seed))
    wanted = {(each.instrument.symbol, index): 1 for each, _ in scripts(venue) for index in range(len(each.trades))}
    assert trades_of(planned, "original") == wanted
    assert [each.at_ns for each in planned] == sorted(each.at_ns for each in planned)


@given(VENUES, RATES, st.integers())
@settings(max_examples=25, deadline=None)
def test_duplicate_comes_after_its_original(venue: Venue, rates: Rates, seed: int) -> None:
    """The second copy of a frame is never the first to arrive."""
    sent: set[tuple[str, range]] = set()
    for each in plan(scripts(venue), DIALECTS[venue], rates, str(seed)):
        assert each.kind != "duplicate" or (each.symbol, each.indexes) in sent
        if each.kind == "original":
            sent.add((each.symbol, each.indexes))


def test_no_faults_is_the_recording() -> None:
    """Without faults the frames are the recorded ones, in the recorded order of each symbol."""
    recorded = Counter(trade.text for each, _ in scripts("BINANCE") for trade in each.trades)
    assert Counter(made("BINANCE", Rates(), "0")) == recorded


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_rates_hold(rate: float) -> None:
    """The planned share of struck trades is the rate, within four standard deviations."""
    whole = scripts("BINANCE", 100_000)
    trades = sum(len(each.trades) for each, _ in whole)
    planned = plan(whole, binance, Rates(duplicates=rate, invalid=rate), "1")
    slack = 4 * (trades * rate * (1 - rate)) ** 0.5
    for kind in ("duplicate", "invalid"):
        assert trades_of(planned, kind).total() == pytest.approx(trades * rate, abs=slack)


@pytest.mark.parametrize("fault", ["delay", "reorder"])
def test_moved_frames_are_out_of_order_at_the_rate(fault: str) -> None:
    """Frames that were moved arrive behind a younger one; without the fault none does."""
    whole = scripts("BINANCE", 100_000)
    planned = plan(whole, binance, Rates(delay=0.1 * (fault == "delay"), reorder=0.1 * (fault == "reorder")), "1")
    latest: Counter[str] = Counter()
    late = 0
    for each in planned:
        late += each.indexes.start < latest[each.symbol]
        latest[each.symbol] = max(latest[each.symbol], each.indexes.start)
    frames = sum(len(each.trades) for each, _ in whole)
    assert late == pytest.approx(frames * 0.1, rel=0.15)


def test_faults_do_not_disturb_each_other() -> None:
    """Raising one rate leaves the trades that another fault strikes as they were."""
    alone = plan(scripts("BINANCE"), binance, Rates(duplicates=0.1), "3")
    among = plan(scripts("BINANCE"), binance, Rates(duplicates=0.1, delay=0.5, invalid=0.5), "3")
    assert trades_of(alone, "duplicate") == trades_of(among, "duplicate")


def test_every_way_of_breaking_is_used_and_breaks_one_thing() -> None:
    """An invalid copy differs from its trade in one field, and each kind of break occurs."""
    recording, due = scripts("KRAKEN")[0]
    planned = plan([(recording, due)], kraken, Rates(invalid=1.0), "0")
    broken = {each.broken for each in planned if each.kind == "invalid"}
    assert broken == set(BREAKS)
    for name in broken - {None}:
        trade, after = recording.trades[3], BREAKS[str(name)](recording.trades[3])
        changed = [field.name for field in fields(Trade) if getattr(trade, field.name) != getattr(after, field.name)]
        assert len(changed) == 1
        assert changed[0].startswith({"quantity": "qty"}.get(str(name).split("_")[0], str(name).split("_")[0]))


def test_each_fault_has_a_rate() -> None:
    """The catalogue and the rates name the same faults."""
    assert set(FAULTS) == {field.name for field in fields(Rates)}
