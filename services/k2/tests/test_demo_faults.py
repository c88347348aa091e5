"""The faults of a demo: which ids are dropped, and what is said of what became of them and of gold."""

import pytest

from k2.demo.faults import FILLED_WITHIN_S, DropOutcome, DroppedIds, Faults, GoldKill, outcome, to_drop
from k2.demo.oracle import Struck
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState

BTC = DroppedIds("KRAKEN", "BTC/USD", 11, 13)
STRUCK = {("KRAKEN", "BTC/USD"): Struck(3, 5_000_000_000)}
WHOLE = DropOutcome(BTC, 3, 5.0, 1.0, 1.4)
BACK = GoldKill(7_912, 3.1)


def gap(state: GapState, first: int, last: int, at_s: float, symbol: str = "BTC/USD") -> GapRecord:
    """A record of the ledger; times in seconds since the epoch."""
    return GapRecord(
        exchange="KRAKEN",
        symbol=symbol,
        state=state,
        first_id=first,
        last_id=last,
        cause=Cause.SILENT_DROP,
        opened_at=5_500_000,
        at=int(at_s * 1e6),
    )


def test_each_venue_drops_three_ids_of_its_busiest_symbol_a_quarter_in() -> None:
    """Between two ids that it sends, so that the gap is exactly those."""
    recorded = {
        "KRAKEN:BTC/USD": dict.fromkeys(range(100, 140), True),
        "KRAKEN:ETH/USD": dict.fromkeys(range(20), True),
        "BINANCE:ETH/USDT": dict.fromkeys(range(1, 9), True),
    }
    assert to_drop(recorded) == [
        DroppedIds("BINANCE", "ETH/USDT", 3, 5),
        DroppedIds("KRAKEN", "BTC/USD", 110, 112),
    ]


@pytest.mark.parametrize(
    ("ids", "dropped"),
    [
        ([1, 2, 3, 4, 5], [(2, 4)]),
        ([1, 2, 3, 4], [(2, 3)]),
        ([1, 5, 6, 7, 9], [(6, 6)]),
        ([1, 3, 5, 7], []),
        ([1, 2], []),
    ],
)
def test_ids_are_dropped_only_in_a_row(ids: list[int], dropped: list[tuple[int, int]]) -> None:
    """Fewer where the recording has holes or an end; none where no id has a neighbour on either side."""
    found = to_drop({"KRAKEN:BTC/USD": dict.fromkeys(ids, True)})
    assert [(each.first_id, each.last_id) for each in found] == dropped


def test_a_trade_that_v3_cannot_hold_is_not_dropped() -> None:
    """It has to be refused at its delivery."""
    ids = {number: number != 3 for number in range(1, 9)}
    assert to_drop({"KRAKEN:BTC/USD": ids}) == [DroppedIds("KRAKEN", "BTC/USD", 5, 7)]


def test_a_gap_is_recorded_and_filled_once_every_id_is() -> None:
    """In pieces, and in a record that is about more ids; counted from the first id that was not sent."""
    ledger = [
        gap(GapState.OPENED, 11, 14, 6.0),
        gap(GapState.FILLED, 11, 12, 6.1),
        gap(GapState.FILLED, 13, 14, 6.44),
        gap(GapState.FILLED, 11, 13, 5.1, "ETH/USD"),
        gap(GapState.OPENED, 20, 21, 5.1),
    ]
    assert outcome(BTC, STRUCK, ledger) == DropOutcome(BTC, 3, 5.0, 1.0, 1.4)
    assert outcome(BTC, STRUCK, ledger[:2]) == DropOutcome(BTC, 3, 5.0, 1.0, None)
    assert outcome(BTC, {}, []) == DropOutcome(BTC)


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (DropOutcome(BTC), "the venue dropped 0 of them"),
        (DropOutcome(BTC, 2, 5.0, 1.0, 2.0), "the venue dropped 2 of them"),
        (DropOutcome(BTC, 3), "no gap was recorded"),
        (DropOutcome(BTC, 3, 5.0, 1.0), "a gap was recorded after 1.0 s and not filled"),
        (outcome(BTC, STRUCK, [gap(GapState.UNFILLABLE, 12, 12, 9.0)]), "gave them up as unfillable, though REST has"),
    ],
)
def test_what_did_not_happen_to_dropped_ids_is_a_problem(drop: DropOutcome, said: str) -> None:
    """It names the ids, and what is lacking."""
    (problem,) = Faults([drop]).problems
    assert problem.startswith("3 ids of BTC/USD that KRAKEN never sent (11 to 13)")
    assert said in problem
    assert list(Faults([drop]).told(0, 0)) == []


@pytest.mark.parametrize(
    ("drop", "failed"),
    [
        (DropOutcome(BTC), False),
        (DropOutcome(BTC, 3, 5.0, 1.0), True),
        (DropOutcome(BTC, 3, 5.0, 1.0, 1.4), False),
        (DropOutcome(BTC, 3, 6.0), False),
        (DropOutcome(BTC, 3, 6.0, given_up=True), True),
    ],
)
def test_ids_that_are_missing_for_too_long_have_failed(drop: DropOutcome, failed: bool) -> None:
    """Counted from the moment at which the venue did not send them; those that were given up at once."""
    assert drop.failed(now_s=5.1 + FILLED_WITHIN_S) is failed


@pytest.mark.parametrize(
    ("kill", "said"),
    [
        (GoldKill(), "gold was not killed"),
        (GoldKill(7_912, None, "it is not ready after 60 s"), "at record 7,912, did not come back: it is not ready"),
        (GoldKill(7_912), "at record 7,912, did not come back"),
    ],
)
def test_a_gold_that_is_not_back_is_a_problem(kill: GoldKill, said: str) -> None:
    """Also one that was never killed."""
    (problem,) = Faults([], kill).problems
    assert said in problem
    assert list(Faults([], kill).told(0, 0)) == []


def test_what_happened_is_told_with_its_seconds() -> None:
    """One line for each fault."""
    assert list(Faults([WHOLE], BACK).told(lost=0, doubled=2)) == [
        "3 ids of BTC/USD that KRAKEN never sent (11 to 13): gap recorded after 1.0 s, filled by REST after 1.4 s",
        "gold killed (-9) at record 7,912, back after 3.1 s, doubled 2, lost 0",
    ]


def test_the_json_has_the_same_keys_in_a_calm_run() -> None:
    """Counts are 0 there, and what was not measured is null."""
    said, calm = Faults([WHOLE], BACK).as_json(), Faults().as_json()
    assert said == {
        "dropped_ids": 3,
        "gaps_recorded": 1,
        "gaps_filled": 1,
        "filled_after_s": 1.4,
        "gold_killed": 1,
        "gold_killed_at_record": 7_912,
        "back_after_s": 3.1,
        "problems": [],
    }
    assert calm == {
        **dict.fromkeys(said, 0),
        **dict.fromkeys(["filled_after_s", "back_after_s"]),
        "gold_killed_at_record": None,
        "problems": [],
    }
