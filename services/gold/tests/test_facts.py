"""What gold keeps of a symbol's newest trades."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gold.facts import ENTRY, SEGMENT, Recent, entries, find, fingerprints

LONGS = st.integers(0, 2**63 - 1)


def longs(values: Any) -> Any:
    return np.array(values, np.int64)


def test_a_fingerprint_is_the_same_for_ever() -> None:
    """Checkpoints hold it, so its values are a format."""
    found = fingerprints(longs([1, 2]), longs([2, 1]), longs([0, 1]))
    assert [f"{value:016x}" for value in found.tolist()] == ["e68e6fc01df08360", "c4b72f8ce414b6da"]


@given(st.lists(st.tuples(LONGS, LONGS, st.integers(0, 1)), unique=True, max_size=50))
def test_other_facts_have_another_fingerprint(facts: list[tuple[int, int, int]]) -> None:
    """Price, quantity and side each count, and so does which is which."""
    columns = [longs(column) for column in zip(*facts, strict=True)] or [longs([])] * 3
    assert len(set(fingerprints(*columns).tolist())) == len(facts)


@given(st.sets(LONGS, max_size=30), st.lists(LONGS, max_size=30))
def test_finding_says_where_or_minus_one(known: set[int], others: list[int]) -> None:
    """Wanted ids may repeat and come in any order."""
    held, wanted = list(known), [*known, *others]
    assert find(longs(held), longs(wanted)).tolist() == [held.index(w) if w in known else -1 for w in wanted]


def test_where_nothing_is_known_nothing_is_found() -> None:
    """Not even a place to look."""
    assert find(longs([]), longs([3, 1])).tolist() == find(longs([2]), longs([3, 1])).tolist() == [-1, -1]


@given(st.lists(st.integers(0, 700), max_size=8), st.integers(1, 600))
def test_what_is_kept_depends_on_how_many_there_were_alone(counts: list[int], keep: int) -> None:
    """At least ``keep`` of the newest, at most a segment more, in whole segments, however they came."""
    total, recent = sum(counts), Recent(keep)
    everything = entries(longs(range(total)), longs(range(total)).astype(np.uint64), longs(range(total)))
    start = 0
    for count in counts:
        recent.extend(everything[start : start + count])
        start += count
    once = Recent(keep)
    once.extend(everything)
    assert (recent.first, recent.kept.tobytes()) == (once.first, once.kept.tobytes())
    assert min(total, keep) <= len(recent.kept) < keep + SEGMENT
    assert recent.first % SEGMENT == 0
    assert recent.kept["trade_id"].tolist() == list(range(recent.first, total))
    assert ENTRY.itemsize == 24
