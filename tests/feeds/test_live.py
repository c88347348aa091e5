"""The real venues: what they say today is what the feeds understand. Skips where the network has no way to them."""

import asyncio
import time

import aiohttp
import pytest

import feed_binance.main
import feed_kraken.main
from feed_binance.settings import BinanceSettings
from feed_kraken.settings import KrakenSettings
from k2_shared.core.errors import Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.core.trade import Trade
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.transport.transport import TRANSPORTS, Disconnected, Socket, SocketLimits, TransportName
from k2_shared.feed.venue.budget import RestBudget
from k2_shared.feed.venue.protocol import Subscribed, TradesReceived
from k2_shared.feed.venue.rest import RestClient
from k2_shared.feed.venue.venue import Venue
from k2_support.waiting import came_true

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

VENUES = [feed_kraken.main.venue(KrakenSettings.load()), feed_binance.main.venue(BinanceSettings.load())]
_REACH_S, _TRADES_S = 10.0, 120.0


@pytest.fixture(params=VENUES, ids=lambda venue: venue.exchange)
async def venue(request: pytest.FixtureRequest) -> Venue:
    """A venue that can be reached."""
    found: Venue = request.param
    try:
        async with (
            asyncio.timeout(_REACH_S),
            aiohttp.ClientSession() as session,
            session.get(found.rest_url + found.rest.pairs()[0].path) as answer,
        ):
            answer.raise_for_status()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        pytest.skip(f"{found.exchange} cannot be reached at {found.rest_url}: {error!r}")
    return found


async def _trades(venue: Venue, socket: Socket, names: dict[str, str]) -> tuple[set[str], list[Trade]]:
    """Subscribe, and read until every symbol is confirmed and a trade has come."""
    protocol, confirmed, trades = venue.protocol(names), set[str](), list[Trade]()
    for message in protocol.subscribe(list(names)):
        await socket.send(message)
    async with asyncio.timeout(_TRADES_S):
        while not (trades and confirmed == set(names)):
            for event in [protocol.receive(frame) for frame in await socket.frames()]:
                if isinstance(event, Subscribed):
                    confirmed |= event.symbols
                elif isinstance(event, TradesReceived):
                    trades += event.trades
    return confirmed, trades


@pytest.mark.parametrize("transport", list(TRANSPORTS))
async def test_the_socket_and_rest_tell_of_the_same_trades(venue: Venue, transport: TransportName) -> None:
    """What the socket brings is in REST under the same id, with the same price, quantity and side."""
    async with aiohttp.ClientSession() as session:
        budget = RestBudget(venue.rest_capacity, venue.rest_per_s, time.monotonic)
        client = RestClient(session, venue.rest_url, venue.exchange, budget, Metrics(venue.service, "0").feed)
        names = dict.fromkeys(venue.symbols, "")
        history = RestHistory(client, venue, names)
        pairs = await history.pairs()
        names |= {symbol: pairs.name(symbol) for symbol in venue.symbols}
        try:
            socket = await TRANSPORTS[transport].connect(venue.ws_urls[0], SocketLimits())
        except Disconnected as error:
            pytest.skip(f"{venue.exchange} cannot be reached at {venue.ws_urls[0]}: {error}")
        _, trades = await _trades(venue, socket, names)
        await socket.close()
        await _shown(history, trades[-1])


async def _shown(history: RestHistory, trade: Trade) -> None:
    """Wait until REST shows a trade, which may lag a little, and compare."""
    found: list[Trade] = []

    async def shown() -> bool:
        page, _ = await history.page(trade.symbol, trade.trade_id, trade.timestamp, "")
        found.extend(each for each in page.trades if each.trade_id == trade.trade_id)
        return bool(found)

    if not await came_true(shown, timeout_s=30.0, poll_s=1.0):
        raise Unavailable(f"REST does not show {trade.message_id}")
    assert (found[0].price, found[0].quantity, found[0].side) == (trade.price, trade.quantity, trade.side)
