"""The venues' REST answers."""

import json
from typing import Any

import pytest

from exchange_sim import binance, kraken
from exchange_sim.binance_rest import BinanceRest
from exchange_sim.kraken_rest import KrakenRest, asset, pair
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Dialect, Recording, Venue
from exchange_sim.recordings import PACKAGED, load
from exchange_sim.symbols import instrument

DIALECTS: dict[Venue, Dialect] = {"KRAKEN": kraken, "BINANCE": binance}


def played(recordings: list[Recording]) -> list[MarketReplay]:
    """Replays that have been played to their end."""
    replays = [MarketReplay(each, DIALECTS[each.instrument.venue]) for each in recordings]
    for replay in replays:
        replay.expose(replay.lap_length)
    return replays


@pytest.fixture(scope="module")
def replays(recordings: list[Recording]) -> list[MarketReplay]:
    return played(recordings)


@pytest.fixture(scope="module")
def packaged() -> list[MarketReplay]:
    return played(load(PACKAGED))


def of(replays: list[MarketReplay], venue: Venue) -> MarketReplay:
    return next(replay for replay in replays if replay.instrument.venue == venue)


@pytest.mark.parametrize("count", ["50", "1000"])
def test_kraken_pages_that_follow_last_hold_every_row(replays: list[MarketReplay], count: str) -> None:
    """Paging from the start by `last` gives every recorded row; each page begins where the one before ended."""
    replay = of(replays, "KRAKEN")
    rest, name = KrakenRest([replay]), pair(replay.instrument)
    ids: list[int] = []
    since, last = "", "0"
    while last != since:
        since = last
        query = {"pair": name, "since": since, "count": count}
        found = json.loads(rest.answer("Trades", query))["result"]
        page, last = [row[6] for row in found[name]], found["last"]
        assert len(page) <= int(count)
        assert not ids or page[0] <= ids[-1]
        ids += [trade_id for trade_id in page if not ids or trade_id > ids[-1]]
    assert ids == [trade.trade_id for trade in replay.recent(replay.lap_length)]


def test_kraken_page_begins_with_since_itself(replays: list[MarketReplay]) -> None:
    """A trade at exactly `since` is on the page; seconds are understood as well as nanoseconds."""
    replay = of(replays, "KRAKEN")
    trade = replay.trade(1)
    for since in (str(trade.time_ns), f"{trade.time_ns // 10**9}"):
        answer = json.loads(
            KrakenRest([replay]).answer("Trades", {"pair": replay.instrument.native, "since": since, "count": "1"})
        )
        assert answer["result"][pair(replay.instrument)][0][6] == trade.trade_id


def test_kraken_rows_are_the_recorded_ones(replays: list[MarketReplay]) -> None:
    """Rows go out byte for byte, the latest without `since`."""
    replay = of(replays, "KRAKEN")
    body = KrakenRest([replay]).answer("Trades", {"pair": replay.instrument.native, "count": "3"})
    assert ",".join(trade.text for trade in replay.recent(3)) in body


@pytest.mark.parametrize(
    ("call", "query", "error"),
    [
        ("Trades", {}, "EGeneral:Invalid arguments"),
        ("Trades", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("Trades", {"pair": "XBTUSDT", "since": "soon"}, "EGeneral:Invalid arguments"),
        ("Trades", {"pair": "XBTUSDT", "count": "1001"}, "EGeneral:Invalid arguments:count"),
        ("AssetPairs", {"pair": "XBTUSDT,NOPE"}, "EQuery:Unknown asset pair"),
        ("Dance", {}, "EGeneral:Unknown method"),
    ],
)
def test_kraken_errors_are_in_the_body(
    call: str, query: dict[str, str], error: str, packaged: list[MarketReplay]
) -> None:
    """An error is a list with one code, and no result."""
    assert json.loads(KrakenRest([of(packaged, "KRAKEN")]).answer(call, query)) == {"error": [error]}


@pytest.mark.parametrize(
    ("native", "key", "base", "quote"),
    [
        ("XBTUSD", "XXBTZUSD", "XXBT", "ZUSD"),
        ("XBTUSDT", "XBTUSDT", "XXBT", "USDT"),
        ("SOLEUR", "SOLEUR", "SOL", "ZEUR"),
    ],
)
def test_kraken_pairs_have_their_old_names(native: str, key: str, base: str, quote: str) -> None:
    """REST keys and assets carry the X and Z of the old currencies."""
    which = instrument("KRAKEN", native)
    assert (pair(which), asset(which.base), asset(which.quote)) == (key, base, quote)


def test_kraken_describes_its_pairs(packaged: list[MarketReplay]) -> None:
    """AssetPairs, Assets, Time and SystemStatus answer in Kraken's shape."""
    rest = KrakenRest([of(packaged, "KRAKEN")], now=lambda: 1_700_000_000.5)
    found = json.loads(rest.answer("AssetPairs", {"pair": "XBT/USDT"}))["result"]["XBTUSDT"]
    assert (found["altname"], found["wsname"], found["base"]) == ("XBTUSDT", "XBT/USDT", "XXBT")
    assert (found["pair_decimals"], found["lot_decimals"], found["tick_size"]) == (1, 8, "0.1")
    assert json.loads(rest.answer("Assets", {}))["result"]["XXBT"]["altname"] == "XBT"
    assert json.loads(rest.answer("Time", {}))["result"]["unixtime"] == 1_700_000_000
    status = json.loads(rest.answer("SystemStatus", {}))["result"]
    assert status == {"status": "online", "timestamp": "2023-11-14T22:13:20Z"}


def ask(replay: MarketReplay, call: str, **query: str) -> tuple[int, Any]:
    answer = BinanceRest([replay], now=lambda: 1_700_000_000.5).answer(call, query)
    return answer.status, json.loads(answer.body)


def test_binance_pages_by_id_hold_every_trade(replays: list[MarketReplay]) -> None:
    """historicalTrades from the first id, a thousand at a time, gives every recorded trade once."""
    replay = of(replays, "BINANCE")
    found: list[int] = []
    following = replay.trade(0).trade_id
    while True:
        _, page = ask(replay, "historicalTrades", symbol=replay.instrument.native, fromId=str(following), limit="1000")
        if not page:
            break
        found += [row["id"] for row in page]
        following = found[-1] + 1
    assert found == [replay.trade(number).trade_id for number in range(replay.lap_length)]


def test_binance_gives_the_latest_without_an_id(replays: list[MarketReplay]) -> None:
    """trades and historicalTrades give the latest 500, a limit above 1,000 counts as 1,000."""
    replay = of(replays, "BINANCE")
    last = replay.trade(replay.lap_length - 1).trade_id
    for call in ("trades", "historicalTrades"):
        for query, size in [({}, 500), ({"limit": "5000"}, 1_000), ({"limit": "1"}, 1)]:
            _, page = ask(replay, call, symbol=replay.instrument.native, **query)
            assert (len(page), page[-1]["id"]) == (size, last)


def test_binance_row_says_what_the_trade_says(replays: list[MarketReplay]) -> None:
    """Prices are the recorded text; the quote quantity is their product in eight decimals."""
    replay = of(replays, "BINANCE")
    trade = replay.trade(0)
    _, (row,) = ask(replay, "historicalTrades", symbol=replay.instrument.native, fromId=str(trade.trade_id), limit="1")
    assert row == {
        "id": trade.trade_id,
        "price": trade.price,
        "qty": trade.qty,
        "quoteQty": row["quoteQty"],
        "time": trade.time_ns // 1_000_000,
        "isBuyerMaker": trade.side == "sell",
        "isBestMatch": True,
    }
    assert float(row["quoteQty"]) == pytest.approx(float(trade.price) * float(trade.qty), abs=1e-8)


@pytest.mark.parametrize(
    ("call", "query", "status", "code"),
    [
        ("trades", {}, 400, -1102),
        ("trades", {"symbol": "NOPE"}, 400, -1121),
        ("trades", {"symbol": "btcusdt"}, 400, -1121),
        ("historicalTrades", {"symbol": "BTCUSDT", "fromId": "x"}, 400, -1100),
        ("historicalTrades", {"symbol": "BTCUSDT", "limit": "-1"}, 400, -1100),
        ("historicalTrades", {"symbol": "BTCUSDT", "limit": "0"}, 400, -1128),
        ("exchangeInfo", {"symbols": "["}, 400, -1102),
        ("exchangeInfo", {"symbols": '["NOPE"]'}, 400, -1121),
        ("dance", {}, 404, None),
    ],
)
def test_binance_errors_have_code_and_msg(
    call: str, query: dict[str, str], status: int, code: int | None, packaged: list[MarketReplay]
) -> None:
    """An error is an HTTP status with Binance's code."""
    found, body = ask(of(packaged, "BINANCE"), call, **query)
    assert (found, body.get("code")) == (status, code)


def test_binance_describes_its_symbols(replays: list[MarketReplay]) -> None:
    """exchangeInfo names base and quote; time and ping answer."""
    replay = of(replays, "BINANCE")
    for query in ({}, {"symbol": replay.instrument.native}, {"symbols": json.dumps([replay.instrument.native])}):
        (found,) = ask(replay, "exchangeInfo", **query)[1]["symbols"]
        assert f"{found['baseAsset']}/{found['quoteAsset']}" == replay.instrument.symbol
    assert ask(replay, "time") == (200, {"serverTime": 1_700_000_000_500})
    assert ask(replay, "ping") == (200, {})
