"""What holds for the REST of every venue; ``k2_shared.feed.venue.rest`` is the interface."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from k2_shared.core.trade import Trade
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.protocol import Event, TradesReceived
from k2_shared.feed.venue.rest import VenueRest
from k2_support.conformance.tables import TableTests

WELL, OTHER, ODD = "SOL/USDT", "ETH/USDT", "NEW/USDT"


class RestConformance(TableTests):
    """The tests of a venue's REST that do not depend on the venue; what is declared here, its test class says."""

    tables = ("status", "odd", "nameless", "failure")

    rest: VenueRest
    trade: Trade
    """What ``page`` holds of it."""
    carried: Event
    """What the venue's protocol makes of the same trade's frame."""
    status: Sequence[str]
    """In which a pair is not traded."""
    odd: Sequence[Mapping[str, Any]]
    """Fields of an entry that cannot be read."""
    nameless: Sequence[Any]
    """Entries that name no pair."""
    ten_decimals: Mapping[str, Any]
    """Fields of an entry by which its prices have ten decimals."""
    failure: Sequence[tuple[str, str]]
    """Answers that are neither pairs nor trades, and a pattern of what is said of them."""

    def page(self, *ids: int) -> bytes:
        """An answer with ``trade`` under each of these ids, in this order."""
        raise NotImplementedError

    def entry(self, symbol: str, /, **changes: Any) -> Any:
        """A pair as the venue lists it, with changes."""
        raise NotImplementedError

    def answer(self, entries: Sequence[Any]) -> bytes:
        """An answer that lists these pairs."""
        raise NotImplementedError

    def listed(self, *entries: Any) -> Pairs:
        """What is read of a list of these entries."""
        return self.rest.read_pairs(self.answer(entries))

    def test_a_row_is_the_trade_that_the_socket_carries(self) -> None:
        """In every field but what the venue adds, so that backfill and socket give the same record."""
        (found,) = self.rest.read_trades(self.trade.symbol, self.page(self.trade.trade_id)).trades
        assert found == self.trade
        assert isinstance(self.carried, TradesReceived)
        assert [carried[:7] for carried in self.carried.trades] == [found[:7]]

    def test_rows_come_by_id(self) -> None:
        """Whatever the order of the answer."""
        found = self.rest.read_trades(self.trade.symbol, self.page(3, 1, 2)).trades
        assert [trade.trade_id for trade in found] == [1, 2, 3]

    def test_a_page_without_rows_holds_no_trade(self) -> None:
        """It is an answer like any other."""
        assert list(self.rest.read_trades(self.trade.symbol, self.page()).trades) == []

    def test_a_pair_that_is_halted_is_refused_with_its_status(self, status: str) -> None:
        """It may trade again; its neighbours can be captured."""
        found = self.listed(self.entry(WELL), self.entry(ODD, status=status))
        assert found.refusal(WELL) == ""
        assert f"its status is '{status}'" in found.refusal(ODD)

    def test_an_odd_entry_is_refused_alone(self, odd: Mapping[str, Any]) -> None:
        """When it is asked for, with what is odd of it; whatever part that is."""
        found = self.listed(self.entry(ODD, **odd), self.entry(WELL), self.entry(OTHER))
        assert [found.refusal(symbol) for symbol in (WELL, OTHER)] == ["", ""]
        assert "cannot be read" in found.refusal(ODD)
        assert list(found.nameless) == []

    def test_an_entry_without_a_name_is_left_out_and_counted(self, nameless: Any) -> None:
        """Nobody can ask for it."""
        found = self.listed(nameless, self.entry(WELL), nameless)
        assert list(found.listings) == [WELL]
        assert len(found.nameless) == 2

    def test_a_pair_with_more_decimals_than_the_schema_is_refused(self) -> None:
        """Its prices would have to be rounded."""
        assert "10 decimals" in self.listed(self.entry(ODD, **self.ten_decimals)).refusal(ODD)

    def test_of_two_entries_of_a_symbol_one_that_can_be_captured_counts(self) -> None:
        """A pair that was renamed stays in the list for a while."""
        halted, well = self.entry(WELL, status=self.status[0]), self.entry(WELL)
        assert self.listed(halted, well).refusal(WELL) == self.listed(well, halted).refusal(WELL) == ""

    def test_an_answer_of_another_shape_is_a_value_error(self, failure: tuple[str, str]) -> None:
        """The caller names the URL."""
        text, said = failure
        with pytest.raises(ValueError, match=said):
            self.rest.read_pairs(text.encode())
        with pytest.raises(ValueError, match=said):
            self.rest.read_trades(self.trade.symbol, text.encode())
