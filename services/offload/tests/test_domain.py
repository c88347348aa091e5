"""The account of a table's offload: each hour once, by how it stands afterwards."""

from decimal import Decimal

from k2_shared.cold.fingerprint import Fingerprint
from k2_shared.cold.hours import Hour, TierHour, Verdict
from k2_shared.cold.offload import HourComparison
from offload.domain import Account, named

TIER = TierHour(Fingerprint(7, {"price": Decimal(1)}, 1), None)


def hour(verdict: Verdict, number: int = 0, cold: TierHour | None = TIER) -> HourComparison:
    return HourComparison(Hour(number), verdict, TIER, cold, 1)


def test_hours_are_counted_as_they_stand() -> None:
    """One that was written as it was found then; one that cannot be is still to be written."""
    account = Account("silver_trades")
    account.left(hour(Verdict.OPEN, 1))
    account.left(hour(Verdict.WOULD_SHRINK, 2))
    account.wrote(hour(Verdict.EQUAL, 3))
    account.wrote(hour(Verdict.EQUAL, 4, cold=None))
    account.refused(hour(Verdict.TO_WRITE, 5), "it does not fit")
    assert account.labels == {"open": 1, "expiring": 0, "equal": 2, "to_write": 1, "would_shrink": 1}
    assert (account.written, account.rows) == (2, 7)
    assert (account.shrinking, account.refusals) == (["1970-01-01T02:00Z"], ["it does not fit"])


def test_hours_are_named_as_far_as_a_line_goes() -> None:
    """And how many more there are."""
    assert named(["a", "b"]) == "a, b"
    assert named(list("abcdefg")) == "a, b, c, d, e and 2 more"
