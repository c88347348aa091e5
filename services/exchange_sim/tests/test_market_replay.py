"""What has been played, as REST and the sockets see it."""

import json

from exchange_sim import binance, kraken
from exchange_sim.binance_rest import BinanceRest
from exchange_sim.kraken_rest import KrakenRest
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Dialect, Recording, Trade, Venue
from exchange_sim.pacing import offsets
from exchange_sim.recordings import PACKAGED, load
from exchange_sim.rest_view import RestView

DIALECTS: dict[Venue, Dialect] = {"KRAKEN": kraken, "BINANCE": binance}
ORIGIN_NS = 1_800_000_000_000_000_000


def recording(venue: Venue, size: int = 100) -> Recording:
    found = next(each for each in load(PACKAGED) if each.instrument.venue == venue)
    return Recording(found.instrument, found.trades[:size], found.files[:size])


def live(venue: Venue) -> MarketReplay:
    """A live replay that has played two and a half laps of 100 trades and stood still for 5 s in the third."""
    base = recording(venue)
    replay = MarketReplay(base, DIALECTS[venue], offsets(base, clock=lambda trade: trade.time_ns))
    for lap in range(3):
        replay.anchor(lap, ORIGIN_NS * (lap + 1))
        replay.expose(100 * (lap + 1) - 50 * (lap == 2))
    replay.anchor(2, ORIGIN_NS * 3 + 5_000_000_000)
    return replay


def test_nothing_of_the_future_is_shown() -> None:
    """A replay shows what was exposed, and what is exposed is never taken back."""
    replay = MarketReplay(recording("BINANCE"), binance)
    assert replay.recent(10) == []
    replay.expose(30)
    replay.expose(20)
    first = recording("BINANCE").trades[0].trade_id
    assert [trade.trade_id - first for trade in replay.recent(10)] == list(range(20, 30))
    assert [trade.trade_id - first for trade in RestView(replay).from_id(first + 25, 1_000)] == list(range(25, 30))
    assert RestView(replay).from_id(first + 30, 1_000) == []


def test_ids_go_on_from_lap_to_lap() -> None:
    """On a live replay ids are contiguous over laps, and time does not go back."""
    replay = live("BINANCE")
    trades = [replay.trade(number) for number in range(250)]
    assert [trade.trade_id - trades[0].trade_id for trade in trades] == list(range(250))
    assert [trade.time_ns for trade in trades] == sorted(trade.time_ns for trade in trades)
    assert trades[100].time_ns == ORIGIN_NS * 2


def test_live_trade_keeps_spacing_side_price_and_quantity() -> None:
    """Only the id and the times are new."""
    replay, base = live("BINANCE"), recording("BINANCE").trades
    for index in (0, 7, 99):
        trade: Trade = replay.trade(100 + index)
        assert (trade.price, trade.qty, trade.side) == (base[index].price, base[index].qty, base[index].side)
        assert trade.time_ns - ORIGIN_NS * 2 == base[index].time_ns - base[0].time_ns
        assert binance.parse(f"17 {trade.text}")[1].trade_id == trade.trade_id


def test_time_away_is_left_out_for_what_was_not_yet_played() -> None:
    """After a pause the trades to come are later by it; those already played keep their time."""
    replay = live("KRAKEN")
    base = recording("KRAKEN").trades
    assert replay.trade(249).time_ns == ORIGIN_NS * 3 + base[49].time_ns - base[0].time_ns
    assert replay.trade(250).time_ns == ORIGIN_NS * 3 + 5_000_000_000 + base[50].time_ns - base[0].time_ns


def test_broken_live_trade_stays_broken() -> None:
    """The one broken thing is not mended by making the trade live."""
    replay = live("BINANCE")
    for broken, wrong in [("trade_id_zero", '"t":0,'), ("time_before_venue", '"T":978307200000,')]:
        _, payload = replay.payload(range(120, 121), broken)
        assert wrong in payload


def test_rest_agrees_with_a_live_replay() -> None:
    """Both venues' REST answers carry the ids and the times that the sockets carry."""
    replay = live("KRAKEN")
    rows = json.loads(KrakenRest([replay]).answer("Trades", {"pair": "XBTUSDT"}))["result"]["XBTUSDT"]
    assert [row[6] for row in rows] == [replay.trade(number).trade_id for number in range(250)]
    replay = live("BINANCE")
    first = replay.trade(0).trade_id
    query = {"symbol": replay.instrument.native, "fromId": str(first + 95), "limit": "10"}
    found = json.loads(BinanceRest([replay]).answer("historicalTrades", query).body)
    wanted = [replay.trade(number) for number in range(95, 105)]
    assert [(row["id"], row["time"]) for row in found] == [
        (trade.trade_id, trade.time_ns // 1_000_000) for trade in wanted
    ]
