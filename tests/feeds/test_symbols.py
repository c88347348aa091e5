"""Symbols that are added, left, reset, too large, garbled or out of time."""

import asyncio
from functools import partial

import pytest
from tests.feeds.claims import claimed
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.rig import Rig
from tests.feeds.sim import BTC, ETH, NAMED, Plays

from exchange_sim.fuzz import FORMS
from k2_shared.core.origin import Origin, find
from k2_shared.core.trade import Exchange, contract_under, decode
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState, Resumption
from k2_shared.kafka.topics import BRONZE
from k2_support.topics import read
from k2_support.waiting import eventually

pytestmark = pytest.mark.long
ONE_OF_TWO = Plays({BTC: 600, ETH: 300}, captured=[BTC])


@BOTH
async def test_a_symbol_is_added_to_a_running_feed(begin: Begin, venue: Exchange) -> None:
    """On every socket, without a restart; after a restart it is captured still."""
    rig = await begin(venue, plays=ONE_OF_TWO, FEED_SOCKETS="2")
    await rig.say(ETH)
    await rig.told(EventKind.SUBSCRIBED, ETH)
    await rig.sim.traded(ETH, 30)
    await rig.settled(BTC, ETH)
    assert rig.feed.starts == 1
    await rig.restart(after_trades=30)
    await rig.whole(BTC, ETH)
    assert await rig.events(EventKind.DISCONNECTED) == []


@BOTH
async def test_a_symbol_is_added_with_its_history(begin: Begin, venue: Exchange) -> None:
    """From an id on that was traded before anybody listened."""
    rig = await begin(venue, plays=ONE_OF_TWO)
    first = (await rig.sim.assigned(ETH))[0][0]
    await rig.say(ETH, backfill_from_id=first)
    await rig.told(EventKind.SUBSCRIBED, ETH)
    await rig.wrote(GapState.FILLED, first, first)
    accounts = await rig.whole(BTC, ETH)
    assert first in accounts[ETH].published
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.REQUEST}


@BOTH
async def test_a_pair_of_any_name_is_captured_to_gold(begin: Begin, venue: Exchange) -> None:
    """A tokenized stock, a name with a dot, a name in Chinese: by the socket, by REST, at an operator's word."""
    first, *others = NAMED[venue]
    rig = await begin(venue, plays=Plays({BTC: 300} | dict.fromkeys(NAMED[venue], 300), captured=[BTC, first]))
    for symbol in others:
        await rig.say(symbol)
        await rig.told(EventKind.SUBSCRIBED, symbol)
    ((lost, _),) = (await rig.sim.fault("drop_ids", symbol=first, count=20))["ids"]
    await rig.wrote(GapState.FILLED, lost, lost)
    await rig.counted("k2_last_record_timestamp_seconds", symbol=first)
    accounts = await rig.whole(BTC, *NAMED[venue])
    assert accounts[first].rest_records >= 20
    assert all(len(accounts[symbol].published) > 0 for symbol in NAMED[venue])
    assert {gap.symbol for gap in await rig.gaps()} == {first}
    assert await rig.events(EventKind.DISCONNECTED) == []


@BOTH
@pytest.mark.parametrize(("how", "why"), [("status", "its status is"), ("missing", "the venue does not trade it")])
async def test_a_symbol_that_is_not_to_be_had_over_a_restart_goes_on_where_it_stood(
    begin: Begin, venue: Exchange, how: str, why: str
) -> None:
    """It is said to be refused, and why; the other goes on; what was traded meanwhile is filled."""
    rig = await begin(venue, FEED_STALE_AFTER_S="1")
    await rig.feed.end()
    await rig.sim.fault("halted", symbol=ETH, seconds=3_600, value=how)
    rig.feed.supervised = True
    await rig.told(EventKind.REJECTED, why)
    await rig.feed.ready()
    await rig.settled(BTC)
    assert (await claimed(rig)).keys() == {BTC, ETH}
    await rig.sim.fault("halted", symbol=ETH, seconds=0.001, value=how)
    await rig.told(EventKind.SUBSCRIBED, ETH, times=2)
    accounts = await rig.whole()
    assert accounts[ETH].rest_records > 0
    assert {gap.cause for gap in await rig.gaps()} == {Cause.RESTART}


@BOTH
async def test_a_symbol_is_left_without_a_restart(begin: Begin, venue: Exchange) -> None:
    """The others go on; after a restart it is left still."""
    rig = await begin(venue)
    await rig.say(ETH, captured=False)
    await rig.told(EventKind.UNSUBSCRIBED, ETH)
    left_at = (await rig.sim.assigned(ETH))[-1][1]
    await rig.sim.traded(ETH, 50)
    await rig.feed.end()
    rig.feed.supervised = True
    await rig.told(EventKind.CONNECTED, times=2)
    accounts = await rig.whole(BTC)
    assert all(last <= left_at for _, last in accounts[ETH].published)
    assert not any(gap.symbol == ETH for gap in await rig.gaps())


@BOTH
async def test_a_symbol_that_is_left_while_the_feed_is_away_leaves_no_gap_open(begin: Begin, venue: Exchange) -> None:
    """What was missing of it is given up in the ledger, and no checkpoint speaks of it any more."""
    rig = await begin(venue, FEED_GAP_PATIENCE_S="600")
    ahead = (await rig.sim.assigned(ETH))[-1][1] + 30
    await rig.sim.fault("rest_holes", symbol=ETH, ids=[ahead])
    await rig.sim.fault("drop_ids", symbol=ETH, count=60)
    await rig.wrote(GapState.FILLED, ahead + 1, ahead + 1)
    await rig.feed.end()
    await rig.say(ETH, captured=False)
    rig.feed.supervised = True
    await rig.wrote(GapState.UNFILLABLE, ahead, ahead)
    await rig.whole(BTC)
    assert ETH not in await claimed(rig)


async def test_a_symbol_that_every_socket_refuses_costs_none_of_them(begin: Begin) -> None:
    """The first refusal ends its trial; the others change nothing."""
    rig = await begin("KRAKEN", plays=ONE_OF_TWO, FEED_SOCKETS="2")
    await rig.sim.fault("wrong_acks", count=2, value="unsupported")
    await rig.say(ETH)
    await rig.told(EventKind.REJECTED, "Currency pair not supported")
    await rig.sim.struck("wrong_acks", 2)
    await rig.whole(BTC)
    assert await rig.events(EventKind.DISCONNECTED) == []


async def test_a_new_symbol_that_is_refused_for_now_stays_on_trial(begin: Begin) -> None:
    """A venue that is busy has not said no: it is asked again, and the others notice nothing."""
    rig = await begin("KRAKEN", plays=ONE_OF_TWO)
    await rig.sim.fault("wrong_acks", count=1, value="error")
    await rig.say(ETH)
    await rig.told(EventKind.REFUSED, "EService:Unavailable")
    await rig.told(EventKind.SUBSCRIBED, ETH)
    await rig.sim.traded(ETH, 50)
    accounts = await rig.whole(BTC, ETH)
    assert len(accounts[ETH].published) > 0
    assert await rig.events(EventKind.DISCONNECTED, EventKind.REJECTED) == []


async def test_a_configured_symbol_that_the_venue_refuses_costs_the_others_nothing(begin: Begin) -> None:
    """It is said, and why the feed is not ready; the next connection asks again."""
    rig = await begin("KRAKEN")
    await rig.sim.fault("wrong_acks", count=1, value="unsupported")
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.REFUSED, "Currency pair not supported")
    await rig.sim.struck("wrong_acks")
    (refused,) = {event.symbol for event in await rig.events(EventKind.REFUSED)}
    assert rig.feed.child is not None
    missing = await asyncio.to_thread(rig.feed.child.missing)
    assert missing == [f"subscription {refused}: the venue refused it: Currency pair not supported {refused}"]
    await rig.told(EventKind.LOST, refused)
    await rig.sim.traded(BTC, 150)
    assert len(await rig.events(EventKind.DISCONNECTED)) == 1
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.SUBSCRIBED, refused, times=2)
    await rig.whole()


@BOTH
@pytest.mark.parametrize(("symbol", "why"), [("NONE/USDT", "does not trade it"), ("PEPE/USDT", "10 decimals")])
async def test_a_symbol_that_cannot_be_captured_is_refused(
    begin: Begin, venue: Exchange, symbol: str, why: str
) -> None:
    """With the reason, and nothing else changes."""
    rig = await begin(venue, flags=["--listed", f"{venue}:PEPE/USDT:10"])
    await rig.say(symbol)
    await rig.told(EventKind.REJECTED, why)
    await rig.whole()
    assert await rig.events(EventKind.DISCONNECTED) == []


async def _reset(rig: Rig) -> None:
    """A symbol's ids begin anew, and the feed stops it."""
    await rig.sim.fault("id_reset", symbol=ETH)
    await rig.told(EventKind.RESET, ETH)
    await rig.sim.struck("id_reset")
    await rig.counted("k2_feed_stopped_symbols")


@BOTH
async def test_a_symbol_whose_ids_begin_anew_is_stopped_until_they_are_accepted(begin: Begin, venue: Exchange) -> None:
    """Its trades are quarantined meanwhile, the other symbol goes on, and the new numbering is captured then."""
    rig = await begin(venue)
    await _reset(rig)
    stopped = await rig.settled()
    assert len(stopped[ETH].quarantined) > 0
    await rig.say(ETH, resumption=Resumption.ACCEPT)
    await rig.told(EventKind.RESUMED, ETH)
    await rig.sim.traded(ETH, 50)
    accounts = await rig.whole()
    assert len(accounts[ETH].published) > len(stopped[ETH].published)


@BOTH
async def test_a_stopped_symbol_is_stopped_after_a_crash_too(begin: Begin, venue: Exchange) -> None:
    """It is written down at once; no restart decides for the operator; a word that was said meanwhile counts."""
    rig = await begin(venue, FEED_CHECKPOINT_S="60")
    await _reset(rig)
    await rig.sim.traded(ETH, 150)
    await rig.feed.end()
    rig.feed.supervised = True
    await rig.feed.ready()
    await rig.counted("k2_feed_stopped_symbols")
    await rig.settled(BTC)
    await rig.feed.end()
    await rig.say(ETH, resumption=Resumption.ACCEPT)
    await rig.up()
    await rig.told(EventKind.RESUMED, ETH)
    await rig.whole()


@BOTH
async def test_a_venue_that_goes_on_with_new_ids_is_stopped_again(begin: Begin, venue: Exchange) -> None:
    """An operator who says that the old numbering goes on is not right for that."""
    rig = await begin(venue)
    await _reset(rig)
    await rig.say(ETH, resumption=Resumption.CONTINUE)
    await rig.told(EventKind.RESUMED, ETH)
    await rig.told(EventKind.RESET, ETH, times=2)
    accounts = await rig.whole()
    assert len(accounts[ETH].quarantined) > 0


@BOTH
async def test_quantities_that_no_decimal_holds_are_quarantined_whole(begin: Begin, venue: Exchange) -> None:
    """With their exact text, never rounded; from REST after a crash as from the socket."""
    rig = await begin(venue)
    ((first, last),) = (await rig.sim.fault("overflow", symbol=BTC, count=5))["ids"]
    await rig.sim.struck("overflow", 5)
    await rig.settled()
    await rig.restart()
    accounts = await rig.whole()
    assert list(accounts[BTC].quarantined) == [(first, last)]
    letters = [letter for reason in ("decimal_overflow", "quantity_overflow") for letter in await rig.letters(reason)]
    assert len(letters) >= 5
    assert all(b"46000000000.12" in letter for letter in letters)


async def _odd_frames(rig: Rig) -> bool:
    kinds = [await rig.metric("k2_frames_total", kind=kind) for kind in ("Unreadable", "other")]
    return sum(kinds) > 0


@BOTH
@pytest.mark.parametrize("form", FORMS)
async def test_garbage_between_trades_disturbs_none(begin: Begin, venue: Exchange, form: str) -> None:
    """It is counted, and quarantined as it came where it should carry trades; the socket stays."""
    rig = await begin(venue)
    await rig.sim.fault("fuzzed_frames", count=20, value=form)
    await rig.sim.struck("fuzzed_frames", 20)
    await eventually(partial(_odd_frames, rig), "frames that are no trades", 30.0)
    unreadable = await rig.metric("k2_frames_total", kind="Unreadable")
    await rig.whole()
    assert len(await rig.letters("unreadable_frame")) == unreadable
    assert await rig.gaps() == []
    assert await rig.events(EventKind.DISCONNECTED) == []


@BOTH
@pytest.mark.parametrize("lead_s", [1.5, -3.0])
async def test_the_venues_time_is_never_corrected(begin: Begin, venue: Exchange, lead_s: float) -> None:
    """A clock that leads ours is made known; times in bronze are the venue's own, before the receipt or after."""
    rig = await begin(venue, FEED_CLOCK_SKEW_S="0.5")
    await rig.sim.fault("clock_offset", value=lead_s, seconds=4)
    await rig.sim.struck("clock_offset", 2)
    if lead_s > 0:
        await rig.told(EventKind.CLOCK_SKEW)
    await rig.sim.traded(BTC, 200)
    await rig.whole()
    leads = await _leads_s(rig)
    assert any(0 < lead / lead_s < 1.2 and abs(lead) > abs(lead_s) / 2 for lead in leads)


async def _leads_s(rig: Rig) -> list[float]:
    """By how much each record's exchange time is ahead of its receipt."""
    leads = []
    for record in await read(rig.settings, rig.names, BRONZE.format(exchange=rig.venue.lower())):
        origin = Origin.unpack(find(record.headers) or b"")
        said = decode(record.value, contract_under(int.from_bytes(record.value[1:5], "big")))
        leads.append((said["timestamp"] - origin.received_ns // 1_000) / 1e6)
    return leads
