"""Kraken's frames and replies."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_sim import kraken
from exchange_sim.kraken import Dialog
from exchange_sim.model import Instrument, Recording

BTC = Instrument("KRAKEN", "BTC/USDT", "XBTUSDT")
NOW_NS = 1_700_000_000_123_456_789
ROW = '["105410.10000","0.00005000",1762795457.8467374,"b","m","",10218209]'


def ask(dialog: Dialog, request: object) -> list[Any]:
    text = request if isinstance(request, str) else json.dumps(request)
    return [json.loads(reply.text) for reply in dialog.receive(text, NOW_NS)]


def subscription(*symbols: str, method: str = "subscribe", **params: object) -> dict[str, object]:
    return {"method": method, "params": {"channel": "trade", "symbol": symbols, **params}, "req_id": 7}


def test_numbers_keep_the_digits_of_the_recorded_text() -> None:
    """Price and quantity are JSON numbers with the digits of the row; the time is cut to microseconds."""
    _, trade = kraken.parse(ROW)
    assert kraken.frame(BTC, [trade]) == (
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USDT","side":"buy","price":105410.10000,'
        '"qty":0.00005000,"ord_type":"market","trade_id":10218209,"timestamp":"2025-11-10T17:24:17.846737Z"}]}'
    )


@given(
    st.decimals(min_value="1e-10", max_value="1e11", places=10),
    st.integers(min_value=0, max_value=4_000_000_000),
    st.integers(min_value=0, max_value=999_999_999),
)
def test_no_digit_is_lost(price: Decimal, seconds: int, ns: int) -> None:
    """Whatever the row says, the frame says the same price, and a time truncated to microseconds."""
    _, trade = kraken.parse(f'["{price:f}","1",{seconds}.{ns:09d},"s","l","",1]')
    (entry,) = json.loads(kraken.frame(BTC, [trade]), parse_float=str)["data"]
    assert entry["price"] == f"{price:f}"
    assert entry["timestamp"].endswith(f".{ns // 1_000:06d}Z")


def test_trades_of_equal_time_share_one_frame(recordings: list[Recording]) -> None:
    """Each trade is in exactly one frame, and a new frame begins where the microsecond changes."""
    for recording in recordings:
        groups = list(kraken.group(recording.trades))
        assert [index for group in groups for index in group] == list(range(len(recording.trades)))
        times = [{recording.trades[index].time_ns // 1_000 for index in group} for group in groups]
        assert all(len(time) == 1 for time in times)
        assert all(before != after for before, after in pairwise(times))


def test_rewritten_row_is_the_recorded_row(recordings: list[Recording]) -> None:
    """A trade that was not changed gets its own text again."""
    trades = [trade for each in recordings if each.instrument.venue == "KRAKEN" for trade in each.trades]
    assert trades
    assert [kraken.rewrite(trade) for trade in trades] == trades


def test_rewritten_whole_second_stays_a_decimal() -> None:
    """A time without a fraction is written with one decimal, as a float is."""
    _, trade = kraken.parse('["1.5","2",1762795457,"b","m","",1]')
    assert kraken.rewrite(trade).text == '["1.5","2",1762795457.0,"b","m","",1]'


def test_greeting_says_that_the_system_is_online() -> None:
    """The first message is a status update."""
    (greeting,) = Dialog(["BTC/USDT"]).greet(5)
    status = json.loads(greeting.text)
    assert (status["channel"], status["type"], status["data"][0]["system"]) == ("status", "update", "online")


@pytest.mark.parametrize("snapshot", [True, False])
def test_subscription_is_acknowledged_with_the_echo_of_snapshot(snapshot: bool) -> None:
    """The ack names symbol, channel and snapshot, and carries the request's id."""
    (ack,) = ask(Dialog(["BTC/USDT"]), subscription("BTC/USDT", snapshot=snapshot))
    assert ack == {
        "method": "subscribe",
        "result": {"channel": "trade", "snapshot": snapshot, "symbol": "BTC/USDT"},
        "success": True,
        "time_in": "2023-11-14T22:13:20.123456Z",
        "time_out": "2023-11-14T22:13:20.123456Z",
        "req_id": 7,
    }


def test_each_symbol_is_answered_by_itself() -> None:
    """One request gets an ack for the known pair and an error for the unknown one."""
    known, unknown = ask(Dialog(["BTC/USDT"]), subscription("BTC/USDT", "XBT/EUR"))
    assert known["success"] is True
    assert {key: unknown[key] for key in ("error", "method", "success", "symbol", "req_id")} == {
        "error": "Currency pair not supported XBT/EUR",
        "method": "subscribe",
        "success": False,
        "symbol": "XBT/EUR",
        "req_id": 7,
    }


def test_second_subscription_is_refused_and_unsubscribing_undoes_the_first() -> None:
    """A pair is subscribed once; after an unsubscription it can be subscribed again."""
    dialog = Dialog(["BTC/USDT"])
    ask(dialog, subscription("BTC/USDT"))
    assert ask(dialog, subscription("BTC/USDT"))[0]["error"] == "Already subscribed"
    (gone,) = ask(dialog, subscription("BTC/USDT", method="unsubscribe"))
    assert (gone["success"], gone["result"]) == (True, {"channel": "trade", "symbol": "BTC/USDT"})
    assert ask(dialog, subscription("BTC/USDT", method="unsubscribe"))[0]["error"] == "Subscription Not Found"
    assert ask(dialog, subscription("BTC/USDT"))[0]["success"] is True


def test_ping_is_answered_with_its_id() -> None:
    """A ping gets a pong with the same req_id, or none."""
    with_id, without = (ask(Dialog([]), ping)[0] for ping in ({"method": "ping", "req_id": 101}, {"method": "ping"}))
    assert (with_id["method"], with_id["req_id"]) == ("pong", 101)
    assert "req_id" not in without


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("{", "Malformed request"),
        ([1], "Malformed request"),
        ({"method": "subscribe", "params": []}, "Malformed request"),
        ({"method": "dance"}, "Unsupported method"),
        (
            {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USDT"]}},
            "Channel not supported",
        ),
        ({"method": "subscribe", "params": {"channel": "trade", "symbol": []}}, "Symbol(s) not found"),
        ({"method": "subscribe"}, "Channel not supported"),
    ],
)
def test_bad_request_is_refused(request_: object, error: str) -> None:
    """What cannot be done is answered with success false and a reason."""
    (answer,) = ask(Dialog(["BTC/USDT"]), request_)
    assert (answer["error"], answer["success"]) == (error, False)
