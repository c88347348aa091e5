"""ccxt, pointed at the simulator by URLs alone, receives every recorded trade of both venues."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from exchange_sim.model import Instrument, Recording, Trade, Venue

Start = Callable[..., dict[str, str]]
Row = tuple[str, Decimal, Decimal, str, int]
VENUES: list[Venue] = ["KRAKEN", "BINANCE"]
DEADLINE_S = 90
LIMIT = 1_000
MARKETS = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
OPTIONS = {"tradesLimit": 10**6, "fetchTradesMethod": "publicGetHistoricalTrades", **MARKETS}


@asynccontextmanager
async def client(venue: Venue, urls: dict[str, str]) -> AsyncIterator[Any]:
    """A ccxt client of the venue; only its URLs differ from production."""
    exchange = (ccxt.pro.kraken if venue == "KRAKEN" else ccxt.pro.binance)({"options": OPTIONS})
    exchange.number = str  # prices and amounts as text: a float would hide a lost digit
    exchange.enableRateLimit = False
    exchange.apiKey = "any"  # ccxt wants one for historicalTrades, the exchange does not
    api = exchange.urls["api"]
    if venue == "KRAKEN":
        api["public"], api["ws"]["publicV2"] = urls["kraken_rest_url"], urls["kraken_ws_url"]
    else:
        api["public"], api["ws"]["spot"] = (
            f"{urls['binance_rest_url']}/api/v3",
            f"{urls['binance_ws_url']}/ws",
        )
    try:
        yield exchange
    finally:
        await exchange.close()


def of(recordings: list[Recording], venue: Venue) -> dict[str, Recording]:
    return {each.instrument.symbol: each for each in recordings if each.instrument.venue == venue}


def recorded(trade: Trade) -> Row:
    time_ms = trade.time_ns // 1_000_000
    return str(trade.trade_id), Decimal(trade.price), Decimal(trade.qty), trade.side, time_ms


def received(trade: Any) -> Row:
    return trade["id"], Decimal(trade["price"]), Decimal(trade["amount"]), trade["side"], trade["timestamp"]


@pytest.mark.parametrize("venue", VENUES)
async def test_markets_load(venue: Venue, start: Start, recordings: list[Recording]) -> None:
    """load_markets finds every recorded symbol as an active spot market."""
    async with client(venue, start()) as exchange:
        markets = await exchange.load_markets()
        for symbol, recording in of(recordings, venue).items():
            assert (markets[symbol]["spot"], markets[symbol]["active"]) == (True, True)
            assert recording.instrument.native in (markets[symbol]["id"], markets[symbol].get("altname"))


@pytest.mark.parametrize("venue", VENUES)
async def test_every_trade_comes_by_socket(venue: Venue, start: Start, recordings: list[Recording]) -> None:
    """Id, price, amount, side and time of each recorded trade come by socket, once each and in order."""
    urls = start("--speed", "fit", "--fit-s", "2", "--expect", venue.lower())
    wanted = of(recordings, venue)
    async with client(venue, urls) as exchange:
        await exchange.load_markets()
        watching = [asyncio.create_task(watch(exchange, symbol)) for symbol in wanted]
        async with asyncio.timeout(DEADLINE_S):
            while any(len(exchange.trades.get(symbol, [])) < len(wanted[symbol].trades) for symbol in wanted):
                await status(exchange, urls)
        for task in watching:
            task.cancel()
        for symbol, recording in wanted.items():
            assert list(map(received, exchange.trades[symbol])) == list(map(recorded, recording.trades))


async def watch(exchange: Any, symbol: str) -> None:
    """Keep ccxt's subscription to a symbol; the trades gather in its cache."""
    while True:
        await exchange.watch_trades(symbol)


async def status(exchange: Any, urls: dict[str, str]) -> Any:
    """The simulator's status, by the client's own HTTP session."""
    async with exchange.session.get(urls["status_url"]) as answer:
        return json.loads(await answer.text())


@pytest.mark.parametrize("venue", VENUES)
async def test_every_trade_comes_by_rest(venue: Venue, start: Start, recordings: list[Recording]) -> None:
    """Paging through the venue's REST by ccxt gives every recorded trade with the same contents."""
    fetch = kraken_pages if venue == "KRAKEN" else binance_pages
    async with client(venue, start("--rest-all")) as exchange:
        for recording in of(recordings, venue).values():
            found = await fetch(exchange, recording.instrument, recording.trades[0])
            assert found == {row[0]: row for row in map(recorded, recording.trades)}


async def binance_pages(exchange: Any, instrument: Instrument, first: Trade) -> dict[str, Row]:
    """All trades from the first on, a page after another by id."""
    found: dict[str, Row] = {}
    following = first.trade_id
    while page := await exchange.fetch_trades(instrument.symbol, None, LIMIT, {"fromId": following}):
        found |= {trade["id"]: received(trade) for trade in page}
        following = int(page[-1]["id"]) + 1
    return found


async def kraken_pages(exchange: Any, instrument: Instrument, first: Trade) -> dict[str, Row]:
    """All trades from the first on, a page after another by `last`, in pages of a hundred."""
    found: dict[str, Row] = {}
    following = ""
    since = str(first.time_ns)
    while following != since:
        since = following or since
        page = await exchange.fetch_trades(instrument.symbol, None, 100, {"since": since})
        found |= {trade["id"]: received(trade) for trade in page}
        following = page[-1]["info"][-1]  # ccxt hangs the answer's `last` on the last row
    return found


@pytest.mark.parametrize(
    ("venue", "query", "reason"),
    [("KRAKEN", {"pair": "NOPE"}, "Unknown asset pair"), ("BINANCE", {"symbol": "NOPE"}, "Invalid symbol")],
)
async def test_unknown_symbol_is_an_error_in_the_client(
    venue: Venue, query: dict[str, str], reason: str, start: Start
) -> None:
    """The client understands the simulator's refusal of a pair as what it is."""
    async with client(venue, start()) as exchange:
        with pytest.raises(ccxt.ExchangeError, match=reason):
            await exchange.publicGetTrades(query)
