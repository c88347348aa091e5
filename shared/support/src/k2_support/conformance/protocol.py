"""What holds for the protocol of every venue; ``k2_shared.feed.venue.protocol`` is the interface."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core import contracts
from k2_shared.core.trade import Trade, decode
from k2_shared.feed.venue.protocol import (
    OTHER,
    PONG,
    Event,
    Notice,
    Refused,
    Subscribed,
    TradesReceived,
    Unreadable,
    VenueProtocol,
)
from k2_support.conformance.tables import TableTests
from k2_support.records import SCHEMAS, example, value

EXACT = ["1e-05", "1E-5", "0.00000001", "9.2e10", "92233720368.54775807", "46116860414.00", "0", "-1.5"]
NO_NUMBERS = ["1_000", "\uff11\uff12\uff13", "+5", "sNaN", "NaN", "Infinity", "1e", ".", "0x1", "much", ""]
MOST_WORDS = 200  # characters of the venue's that are repeated

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def any_of(usual: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields, each with what is usual there or with any JSON."""
    return st.fixed_dictionaries({}, optional={name: values | Json for name, values in usual.items()})


class ProtocolConformance(TableTests):
    """The tests of a venue's protocol that do not depend on the venue; what is declared here, its test class says."""

    tables = ("documented", "unreadable", "confirmed", "refused", "noticed", "exact", "no_number")
    exact, no_number = EXACT, NO_NUMBERS

    symbols: tuple[str, ...]
    """What ``protocol`` is subscribed to, canonical; ``frame`` is of the first."""
    documented: Sequence[tuple[str, Sequence[Trade]]]
    """Frames of every documented shape with the trades that they hold."""
    unreadable: Sequence[tuple[str, str]]
    """Frames that break the protocol with a part of what is said of them."""
    confirmed: Sequence[tuple[str, set[str]]]
    """Answers to a subscription with the symbols that they confirm."""
    refused: Sequence[tuple[str, Refused]]
    noticed: Sequence[tuple[str, Notice]]
    pong: str | None
    """The venue's answer to the application's ping; None where it has no such ping."""
    subscribing: Sequence[Mapping[str, Any]]
    """The messages that ask for ``symbols``."""
    unsubscribing: Sequence[Mapping[str, Any]]
    """The messages that end them."""
    messages: st.SearchStrategy[dict[str, Any]]
    """Objects with the fields of the venue's frames: ``any_of`` makes them."""

    def protocol(self) -> VenueProtocol:
        """One that has subscribed to ``symbols``."""
        raise NotImplementedError

    def amount(self, text: str) -> str:
        """The JSON by which the venue writes a decimal."""
        raise NotImplementedError

    def frame(self, price: str | None = None, quantity: str | None = None) -> str:
        """A frame of one trade, with other JSON for its price or quantity."""
        raise NotImplementedError

    def refusal(self, words: str) -> str:
        """A frame that refuses a subscription in these words."""
        raise NotImplementedError

    def receive(self, frame: str | bytes) -> Event:
        """What a new connection makes of a frame."""
        return self.protocol().receive(frame.encode() if isinstance(frame, str) else frame)

    def received(self, frame: str | bytes) -> Trade:
        """The only trade of a frame."""
        event = self.receive(frame)
        assert isinstance(event, TradesReceived), event
        (trade,) = event.trades
        return trade

    def test_documented_frames_hold_their_trades(self, documented: tuple[str, Sequence[Trade]]) -> None:
        """All of them, in order, with every field."""
        text, trades = documented
        assert self.receive(text) == TradesReceived(tuple(trades))

    def test_the_example_frame_holds_the_example_trade(self) -> None:
        """What the contracts show is what the feed makes of it; only the time of ingestion is its own."""
        venue = self.protocol().exchange.lower()
        event = self.receive((contracts.ROOT / f"examples/valid/{venue}_frame.json").read_bytes())
        assert isinstance(event, TradesReceived)
        record = example(f"valid/{venue}_trade.json")
        shown, made = decode(record.value or b"", SCHEMAS), decode(value(event.trades[0]), SCHEMAS)
        assert made == shown | {"ingestion_timestamp": made["ingestion_timestamp"]}
        assert event.trades[0].key == record.key

    @given(whole=st.integers(0, 10**12), fraction=st.integers(0, 10**10 - 1), digits=st.integers(1, 10))
    def test_an_amount_is_the_exact_decimal_of_its_text(self, whole: int, fraction: int, digits: int) -> None:
        """No float in between: every digit of the text is in the number."""
        text = f"{whole}.{str(fraction).zfill(10)[:digits]}"
        trade = self.received(self.frame(price=self.amount(text), quantity=self.amount(text)))
        assert str(trade.price) == str(trade.quantity) == str(Decimal(text))

    def test_exponents_and_huge_amounts_are_read_exactly(self, exact: str) -> None:
        """Also beyond decimal(18,8), as SHIB and BTTC are traded; whether it fits is decided later."""
        trade = self.received(self.frame(price=self.amount(exact), quantity=self.amount(exact)))
        assert trade.price == trade.quantity == Decimal(exact)

    def test_what_no_venue_writes_is_no_number(self, no_number: str) -> None:
        """Python's Decimal would take most of these."""
        assert isinstance(self.receive(self.frame(price=self.amount(no_number))), Unreadable)
        assert isinstance(self.receive(self.frame(quantity=self.amount(no_number))), Unreadable)

    @pytest.mark.parametrize("json_text", ["null", "true", "{}", "[]", "[1]"])
    def test_an_amount_of_another_type_is_no_number(self, json_text: str) -> None:
        """Nothing is converted."""
        assert isinstance(self.receive(self.frame(price=json_text)), Unreadable)
        assert isinstance(self.receive(self.frame(quantity=json_text)), Unreadable)

    def test_a_frame_that_breaks_the_protocol_is_unreadable(self, unreadable: tuple[str, str]) -> None:
        """It says what is wrong; the frame goes whole to raw and to the dead letters, and none of it to bronze."""
        text, said = unreadable
        event = self.receive(text)
        assert isinstance(event, Unreadable), event
        assert said in event.detail

    @pytest.mark.parametrize(
        ("text", "said"),
        [("", "truncated"), ("[1,2]", "Expected `object`"), ('{"data":' + "[" * 100_000, "RecursionError")],
        ids=["empty", "list", "nested"],
    )
    def test_what_is_no_object_is_unreadable(self, text: str, said: str) -> None:
        """However deep it is nested."""
        event = self.receive(text)
        assert isinstance(event, Unreadable)
        assert said in event.detail

    def test_half_a_frame_is_unreadable(self) -> None:
        """Wherever it was cut."""
        whole = self.frame()
        assert {type(self.receive(whole[:end])) for end in range(len(whole))} == {Unreadable}

    def test_a_frame_that_is_no_utf8_is_unreadable_or_holds_the_same_trade(self) -> None:
        """Wherever the byte stands; it may stand where nothing is read."""
        whole, trade = self.frame().encode(), self.received(self.frame())
        for at in range(len(whole)):
            event = self.receive(whole[:at] + b"\xff" + whole[at + 1 :])
            if not isinstance(event, Unreadable):
                assert isinstance(event, TradesReceived), at
                assert [found[:7] for found in event.trades] == [trade[:7]], at  # all but what the venue adds

    @given(st.binary(max_size=300))
    def test_arbitrary_bytes_never_raise(self, data: bytes) -> None:
        """And none is a trade."""
        assert isinstance(self.receive(data), Unreadable | Notice | Refused)

    @given(st.data())
    def test_any_json_object_never_raises(self, data: st.DataObject) -> None:
        """Fields of the right names and any values are an event too."""
        assert isinstance(self.receive(json.dumps(data.draw(self.messages))), Event)

    def test_what_the_venue_confirms_is_subscribed(self, confirmed: tuple[str, set[str]]) -> None:
        """By its canonical symbol, and nothing else."""
        text, symbols = confirmed
        assert self.receive(text) == Subscribed(frozenset(symbols))

    def test_a_refusal_is_in_the_venues_words(self, refused: tuple[str, Refused]) -> None:
        """With the symbol and whether it may pass, where the venue says so."""
        text, event = refused
        assert self.receive(text) == event

    def test_a_refusal_has_a_bounded_length(self) -> None:
        """Whatever the venue writes."""
        event = self.receive(self.refusal("x" * 5_000))
        assert isinstance(event, Refused)
        assert len(event.message) == MOST_WORDS

    def test_a_frame_without_trades_is_a_notice(self, noticed: tuple[str, Notice]) -> None:
        """Of one of a few kinds: a metric's label does not grow with what the venue says."""
        text, event = noticed
        assert self.receive(text) == event

    @pytest.mark.parametrize("text", ["{}", '{"unknown":"field"}'])
    def test_an_object_of_no_known_kind_is_another_notice(self, text: str) -> None:
        """It is counted as such."""
        assert self.receive(text) == Notice(OTHER)

    def test_subscriptions_are_asked_for_in_the_venues_words(self) -> None:
        """Of all symbols at once."""
        assert [json.loads(message) for message in self.protocol().subscribe(self.symbols)] == list(self.subscribing)

    def test_subscriptions_are_ended_in_the_venues_words(self) -> None:
        """Of all symbols at once."""
        assert [json.loads(message) for message in self.protocol().unsubscribe(self.symbols)] == list(
            self.unsubscribing
        )

    def test_trades_of_a_symbol_that_was_left_can_still_be_read(self) -> None:
        """They were on their way when it was unsubscribed."""
        protocol = self.protocol()
        protocol.unsubscribe(self.symbols)
        assert protocol.receive(self.frame().encode()) == self.receive(self.frame())
        assert self.received(self.frame()).symbol == self.symbols[0]

    def test_the_applications_ping_is_answered_by_a_pong(self) -> None:
        """Where the venue has one; the protocol's own ping is not its matter."""
        ping = self.protocol().ping()
        if self.pong is None:
            assert ping is None
        else:
            assert isinstance(json.loads(ping or ""), dict)
            assert self.receive(self.pong) == Notice(PONG)
