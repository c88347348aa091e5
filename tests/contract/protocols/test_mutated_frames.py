"""Both venues' protocols on valid frames that were broken: no trade is lost in silence, and none is made up."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from tests.contract.protocols.mutation import mutated, spaced

from feed_binance.protocol import BinanceProtocol
from feed_kraken.protocol import KrakenProtocol
from k2_shared.core.trade import Trade
from k2_shared.feed.venue.protocol import Event, TradesReceived, Unreadable, VenueProtocol

SEED = 7
Fact = tuple[str, int, Decimal, Decimal, str]


@dataclass(frozen=True)
class Case:
    """A venue's protocol, its frames, and how their trades are read by other means; ``marks`` says a trade is said."""

    protocol: Callable[[], VenueProtocol]
    frames: tuple[bytes, ...]
    fact: Callable[[Mapping[str, Any]], Fact]
    trade_id: str
    marks: Callable[[Mapping[str, Any]], bool]


def binance() -> VenueProtocol:
    """One that is subscribed."""
    protocol = BinanceProtocol({"BTC/USDT": "BTCUSDT", "币安人生/USDT": "币安人生USDT"})
    protocol.subscribe(["BTC/USDT", "币安人生/USDT"])
    return protocol


BINANCE_ROW = (
    '{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"61000.10","q":"0.5",'
    '"T":1672515782136,"m":true,"M":true}'
)
KRAKEN_ROW = (
    '{"symbol":"BTC/USD","side":"buy","price":118832.9,"qty":0.00409283,"ord_type":"market","trade_id":9622656,'
    '"timestamp":"2025-07-23T04:41:46.919844Z"}'
)
XSTOCK_ROW = KRAKEN_ROW.replace("BTC/USD", "AAPLx/USD").replace("9622656", "7")
CASES = {
    "BINANCE": Case(
        binance,
        (
            f'{{"stream":"btcusdt@trade","data":{BINANCE_ROW}}}'.encode(),
            BINANCE_ROW.encode(),
            f'{{"stream":"币安人生usdt@trade","data":{BINANCE_ROW.replace("BTC", "币安人生")}}}'.encode(),
        ),
        lambda row: (
            {"BTCUSDT": "BTC/USDT", "币安人生USDT": "币安人生/USDT"}[row["s"]],
            row["t"],
            Decimal(row["p"]),
            Decimal(row["q"]),
            "SELL" if row["m"] else "BUY",
        ),
        "t",
        lambda said: said.get("e") == "trade" or str(said.get("stream")).endswith("@trade"),
    ),
    "KRAKEN": Case(
        KrakenProtocol,
        (
            f'{{"channel":"trade","type":"update","data":[{KRAKEN_ROW}]}}'.encode(),
            f'{{"channel":"trade","type":"snapshot","data":[{KRAKEN_ROW},{XSTOCK_ROW}]}}'.encode(),
        ),
        lambda row: (
            row["symbol"],
            row["trade_id"],
            Decimal(row["price"]),
            Decimal(row["qty"]),
            row["side"].upper(),
        ),
        "trade_id",
        lambda said: said.get("channel") == "trade" and "data" in said and said["data"] != [],
    ),
}


def objects(frame: bytes) -> list[dict[str, Any]] | None:
    """Every object of a frame at any depth, the outermost last, by Python's own parser; None where it has none."""
    found: list[dict[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(dict(pairs))
        return found[-1]

    try:
        json.loads(frame.decode(errors="replace"), object_pairs_hook=note, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    return found


def _number(text: str) -> Decimal | None:
    """A number of JSON; None where no decimal holds it."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def check(case: Case, frame: bytes, event: Event) -> None:
    """What is given for trades is what stands there; what is taken for anything else says of no trade."""
    found = objects(frame)
    if isinstance(event, TradesReceived):
        assert found is not None, "trades of a frame that is no JSON"
        rows = [each for each in found if case.trade_id in each]
        assert [_fact(trade) for trade in event.trades] == [case.fact(row) for row in rows]
        assert all(trade.price.is_finite() and trade.quantity.is_finite() for trade in event.trades)
    elif not isinstance(event, Unreadable):
        assert found is not None, "a broken frame is taken for something that it is not"
        assert not [each for each in found if case.trade_id in each or case.marks(each)], "a trade is lost in silence"


def _fact(trade: Trade) -> Fact:
    return trade.symbol, trade.trade_id, trade.price, trade.quantity, trade.side


def run(venue: str, count: int) -> None:
    """Mutate, read and check so many frames."""
    case, random = CASES[venue], Random(f"{venue}/{SEED}")
    protocol, read = case.protocol(), 0
    frames = [*case.frames, *map(spaced, case.frames)]
    for number in range(count):
        frame = mutated(random.choice(frames), random)
        try:
            event = protocol.receive(frame)
            check(case, frame, event)
        except Exception as error:
            raise AssertionError(f"{venue}, seed {SEED}, frame {number}: {frame[:400]!r}: {error!r}") from error
        read += isinstance(event, TradesReceived)
    assert 0.02 < read / count < 0.6, "most mutations must break a frame, and some must not"


@pytest.mark.parametrize("venue", CASES)
def test_valid_frames_are_read(venue: str) -> None:
    """Whole, with white space or without: the mutations begin from what works."""
    case = CASES[venue]
    for frame in [*case.frames, *map(spaced, case.frames)]:
        event = case.protocol().receive(frame)
        assert isinstance(event, TradesReceived), event
        check(case, frame, event)


@pytest.mark.parametrize("venue", CASES)
def test_mutated_frames_are_read_exactly_or_refused(venue: str) -> None:
    """None raises, none becomes a notice, none becomes another trade than it says."""
    run(venue, 3_000)


@pytest.mark.long
@pytest.mark.parametrize("venue", CASES)
def test_a_hundred_thousand_mutated_frames_are_read_exactly_or_refused(venue: str) -> None:
    """The same for many more."""
    run(venue, 100_000)
