"""Binance's frames and replies."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exchange_sim import binance
from exchange_sim.binance import Dialog
from exchange_sim.model import Instrument, Recording

BTC = Instrument("BINANCE", "BTC/USDT", "BTCUSDT")
ETH = Instrument("BINANCE", "ETH/USDT", "ETHUSDT")
DATA = (
    '{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000",'
    '"T":1723161255342,"m":true,"M":true}'
)
FRAME = f'{{"stream":"btcusdt@trade","data":{DATA}}}'


def dialog(*, combined: bool = True, micros: bool = False) -> Dialog:
    return Dialog([BTC, ETH], combined=combined, micros=micros)


def ask(to: Dialog, request: object) -> Any:
    text = request if isinstance(request, str) else json.dumps(request)
    (reply,) = to.receive(text, 0)
    return json.loads(reply.text)


def test_frames_are_verbatim(recordings: list[Recording]) -> None:
    """Every recorded frame goes out byte for byte; a trade that was not changed is rewritten to itself."""
    trades = [trade for each in recordings if each.instrument.venue == "BINANCE" for trade in each.trades]
    texts = [trade.text for trade in trades]
    assert texts
    assert [binance.frame(BTC, [trade]) for trade in trades] == texts
    assert [binance.rewrite(trade).text for trade in trades] == texts
    assert [dialog().render(text) for text in texts] == texts


def test_rewritten_trade_differs_in_what_was_changed_alone() -> None:
    """A new id, price, quantity or time stands where the old one stood."""
    _, trade = binance.parse(f"17 {FRAME}")
    changed = replace(trade, trade_id=0, price="-1.0", time_ns=978_307_200_000_000_000)
    expected = FRAME.replace("3735683259", "0").replace("61837.63000000", "-1.0")
    assert binance.rewrite(changed).text == expected.replace("1723161255342", "978307200000")


def test_raw_stream_is_the_frame_without_its_envelope() -> None:
    """A raw stream carries the recorded payload."""
    assert dialog(combined=False).render(FRAME) == DATA


def test_microseconds_are_given_to_those_who_ask() -> None:
    """With timeUnit=MICROSECOND the times, and only they, have three more digits, and back."""
    micros = FRAME.replace("1723161255343", "1723161255343000").replace("1723161255342", "1723161255342000")
    assert dialog(micros=True).render(FRAME) == micros
    assert dialog(micros=True).render(micros) == micros
    assert dialog().render(micros) == FRAME
    assert binance.parse(f"17 {micros}")[1].time_ns == binance.parse(f"17 {FRAME}")[1].time_ns


def test_buyer_as_maker_means_that_the_taker_sold() -> None:
    """The side is the taker's."""
    assert binance.parse(f"17 {FRAME}")[1].side == "sell"
    assert binance.parse(f"17 {FRAME.replace('true', 'false', 1)}")[1].side == "buy"


def test_streams_come_and_go_live() -> None:
    """SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS agree; unknown streams are taken in silence."""
    to = dialog()
    assert to.open(["btcusdt@trade", ""]).joins == ("BTC/USDT",)
    both = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@trade", "nope@trade"], "id": 1}
    (reply,) = to.receive(json.dumps(both), 0)
    assert (json.loads(reply.text), reply.joins) == ({"result": None, "id": 1}, ("ETH/USDT",))
    (reply,) = to.receive('{"method":"UNSUBSCRIBE","params":["btcusdt@trade","other@trade"],"id":2}', 0)
    assert (json.loads(reply.text), reply.leaves) == ({"result": None, "id": 2}, ("BTC/USDT",))
    listed = ask(to, {"method": "LIST_SUBSCRIPTIONS", "id": 3})
    assert listed == {"result": ["ethusdt@trade", "nope@trade"], "id": 3}


def test_upper_case_stream_is_silent() -> None:
    """Stream names are in lower case; any other gets no trades."""
    assert dialog().open(["BTCUSDT@trade"]).joins == ()


def test_envelope_is_a_property_of_the_connection() -> None:
    """SET_PROPERTY switches the envelope on and off."""
    to = dialog(combined=False)
    assert ask(to, {"method": "GET_PROPERTY", "params": ["combined"], "id": 1}) == {"result": False, "id": 1}
    assert ask(to, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 2}) == {
        "result": None,
        "id": 2,
    }
    assert to.render(FRAME) == FRAME


@pytest.mark.parametrize(
    ("request_", "code", "msg"),
    [
        ("{", 3, "Invalid JSON"),
        ({"id": 1}, 2, "missing field `method`"),
        ({"method": "DANCE", "id": 1}, 2, "unknown variant `DANCE`"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2, "Invalid request"),
        (
            {"method": "SUBSCRIBE", "params": [f"s{n}@trade" for n in range(1_025)], "id": 1},
            2,
            "too many parameters",
        ),
        ({"method": "GET_PROPERTY", "params": ["x"], "id": 1}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": ["combined", "x"], "id": 1}, 1, "expected Boolean"),
    ],
)
def test_bad_request_gets_an_error(request_: object, code: int, msg: str) -> None:
    """What cannot be done is answered with Binance's code and message."""
    error = ask(dialog(), request_)["error"]
    assert error["code"] == code
    assert msg in error["msg"]
