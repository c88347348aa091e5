"""What holds for every venue's protocol on valid frames that were broken: no trade is lost in silence or made up."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from k2_shared.core.trade import Trade
from k2_shared.feed.venue.protocol import Event, TradesReceived, Unreadable, VenueProtocol
from k2_support.conformance.mutation import mutated, spaced

SEED = 7
Fact = tuple[str, int, Decimal, Decimal, str]
"""Symbol, trade id, price, quantity and side of a trade."""


class MutationConformance:
    """Tests by mutation; what is declared here, a venue's test class says, and reads its rows by other means."""

    trade_id_key: str
    """The name of the field that each trade has, and nothing else."""
    mutable: Sequence[str]
    """Valid frames of trades."""

    def protocol(self) -> VenueProtocol:
        """One that is subscribed to what ``mutable`` speaks of."""
        raise NotImplementedError

    def fact(self, row: Mapping[str, Any]) -> Fact:
        """The trade of a row of the venue's JSON."""
        raise NotImplementedError

    def says_trade(self, said: Mapping[str, Any]) -> bool:
        """Whether an object of a frame says of a trade."""
        raise NotImplementedError

    def frames(self) -> list[bytes]:
        """The valid frames, with white space and without."""
        frames = [text.encode() for text in self.mutable]
        return [*frames, *map(spaced, frames)]

    def test_valid_frames_are_read(self) -> None:
        """Whole, with white space or without: the mutations begin from what works."""
        for frame in self.frames():
            event = self.protocol().receive(frame)
            assert isinstance(event, TradesReceived), event
            self.check(frame, event)

    def test_mutated_frames_are_read_exactly_or_refused(self) -> None:
        """None raises, none becomes a notice, none becomes another trade than it says."""
        self.run(3_000)

    @pytest.mark.long
    def test_a_hundred_thousand_mutated_frames_are_read_exactly_or_refused(self) -> None:
        """The same for many more."""
        self.run(100_000)

    def run(self, count: int) -> None:
        """Mutate, read and check so many frames."""
        frames, protocol, read = self.frames(), self.protocol(), 0
        random = Random(f"{protocol.exchange}/{SEED}")  # noqa: S311  # the same frames at every run
        for number in range(count):
            frame = mutated(random.choice(frames), random)
            with ExitStack() as failed:
                failed.callback(print, f"seed {SEED}, frame {number}: {frame[:400]!r}")
                event = protocol.receive(frame)
                self.check(frame, event)
                failed.pop_all()
            read += isinstance(event, TradesReceived)
        assert 0.02 < read / count < 0.6, "most mutations must break a frame, and some must not"

    def check(self, frame: bytes, event: Event) -> None:
        """What is given for trades is what stands there; what is taken for anything else says of no trade."""
        found = objects(frame)
        rows = [each for each in found or () if self.trade_id_key in each]
        if isinstance(event, TradesReceived):
            assert found is not None, "trades of a frame that is no JSON"
            assert [_fact(trade) for trade in event.trades] == [self.fact(row) for row in rows]
            assert all(trade.price.is_finite() and trade.quantity.is_finite() for trade in event.trades)
        elif not isinstance(event, Unreadable):
            assert found is not None, "a broken frame is taken for something that it is not"
            assert not rows, "a trade is lost in silence"
            assert not [each for each in found if self.says_trade(each)], "a trade is lost in silence"


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


def _fact(trade: Trade) -> Fact:
    return trade.symbol, trade.trade_id, trade.price, trade.quantity, trade.side
