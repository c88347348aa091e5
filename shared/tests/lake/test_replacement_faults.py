"""What catalog, store, other writers and kill -9 do to an hour that is replaced: it is as it was, or as it is to be."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from k2_shared.core.errors import Unavailable
from k2_shared.core.retries import Interrupted
from k2_shared.lake.replacement import HourlyTable, Outdated
from k2_shared.lake.retries import at_table
from k2_support.gates import Gates
from k2_support.hourly import Hourly, compared, rows_of, sequences
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.lake_requests import commit, data_file, manifest, manifest_list, read_table

pytestmark = pytest.mark.long
FIRST, SECOND = sequences(0, 10), sequences(1, 10)
LATE = sequences(0, 13)

FAULTS: dict[str, Callable[[Gates], AbstractContextManager[ProxyRule]]] = {
    "the store refuses rows by 503": lambda gates: gates.store.refusing(503, data_file()),
    "the store refuses manifests by 503": lambda gates: gates.store.refusing(503, manifest()),
    "the store refuses lists of manifests by 403": lambda gates: gates.store.refusing(403, manifest_list()),
    "the store is cut": lambda gates: gates.store.cut(),
    "the catalog is cut": lambda gates: gates.catalog.cut(),
    "the catalog refuses to be read by 503": lambda gates: gates.catalog.refusing(503, read_table()),
    "the catalog refuses a commit by 500": lambda gates: gates.catalog.refusing(500, commit()),
    "the catalog refuses a commit by 504": lambda gates: gates.catalog.refusing(504, commit()),
    "the catalog's replies to commits are lost": lambda gates: gates.catalog.cut(commit(), after=True),
}


@pytest.fixture
def owner(hourly: Hourly, gates: Gates) -> HourlyTable:
    """An owner behind gates, with 30 attempts, of a table that has two hours."""
    made = hourly.hours(retries=at_table(30, gates.hear))
    hourly.put(0, FIRST, made)
    hourly.put(1, SECOND, made)
    return made


@pytest.mark.parametrize("name", FAULTS)
def test_a_replacement_outlives_the_fault(owner: HourlyTable, gates: Gates, hourly: Hourly, name: str) -> None:
    """Each kind of failure, twice in a row where it can be, costs attempts: one snapshot, no file is left over."""
    if "lost" in name:
        gates.lift_after = 1  # the one commit that was done is found
    base = owner.head().snapshot_id
    rule = gates.suffer(FAULTS[name](gates))
    assert owner.replace(compared(0, LATE, base), [rows_of(LATE[::2]), rows_of(LATE[1::2])])
    assert rule.done >= gates.lift_after == len(gates.errors)
    assert hourly.history() == [FIRST, FIRST + SECOND, LATE + SECOND]
    assert hourly.stored() == hourly.referred_ever()


@pytest.mark.parametrize(
    ("fault", "doing", "peer"),
    [
        ("the store refuses rows by 503", "written in 2 .*writing rows to the object store", "object store at http"),
        ("the catalog refuses a commit by 500", "committed in 2 .*committing", "catalog at http://127"),
        ("the catalog is cut", "read in 2 .*reading the table from the catalog", "catalog at http://127"),
    ],
)
def test_attempts_that_are_used_up_say_what_failed(
    owner: HourlyTable, gates: Gates, hourly: Hourly, fault: str, doing: str, peer: str
) -> None:
    """The table is as it was; a next run does what this one did not."""
    owner.retries.attempts, gates.lift_after = 2, 99
    base = owner.head().snapshot_id
    with FAULTS[fault](gates), pytest.raises(Unavailable, match=f"hourly_trades could not be {doing}.*{peer}"):
        owner.replace(compared(0, LATE, base), [rows_of(LATE)])
    assert hourly.found() == FIRST + SECOND
    assert owner.replace(compared(0, LATE, base), [rows_of(LATE)])
    assert hourly.found() == LATE + SECOND


def test_a_stop_ends_attempts_that_fail(owner: HourlyTable, gates: Gates, hourly: Hourly) -> None:
    """There is no other one."""
    base, gates.lift_after = owner.head().snapshot_id, 99
    owner.retries.interrupt()
    with FAULTS["the store refuses rows by 503"](gates), pytest.raises(Interrupted):
        owner.replace(compared(0, LATE, base), [rows_of(LATE)])
    assert len(gates.errors) == 1
    assert hourly.found() == FIRST + SECOND


def test_a_lost_reply_behind_another_hours_commit_keeps_its_files(
    owner: HourlyTable, hourly: Hourly, wrap_commit: Any
) -> None:
    """The head is the other's by then; the hour is in the history, and its files must stay."""

    def lose(real: Any) -> None:
        real()
        hourly.put(1, SECOND[:5])
        raise ConnectionError("reset")

    wrap_commit(owner, lose)
    assert hourly.put(0, LATE, owner)
    assert hourly.history()[-2:] == [LATE + SECOND, LATE + SECOND[:5]]
    assert hourly.stored() == hourly.referred_ever()


def test_a_lost_reply_behind_a_commit_of_the_same_hour_keeps_its_files(
    owner: HourlyTable, hourly: Hourly, wrap_commit: Any
) -> None:
    """The other came after it, so this one was written; the snapshot in between has its files."""

    def lose(real: Any) -> None:
        real()
        hourly.put(0, FIRST[:5])
        raise ConnectionError("reset")

    wrap_commit(owner, lose)
    assert hourly.put(0, LATE, owner)
    assert hourly.history()[-2:] == [LATE + SECOND, FIRST[:5] + SECOND]


def test_of_two_writers_of_an_hour_one_writes(hourly: Hourly, wrap_commit: Any) -> None:
    """Both compared it with the same snapshot and meet at the commit, round after round; nothing is doubled or left."""
    wanted = list[int]()
    for round_ in range(8):
        wanted = sequences(0, 8 + round_)
        assert sorted(_meet(hourly, wrap_commit, [(0, wanted), (0, wanted)])) == [False, True]
        assert hourly.found() == wanted
    assert len(hourly.history()) == 8
    assert hourly.stored() == hourly.referred_ever()


def test_writers_of_other_hours_contend_and_lose_nothing(hourly: Hourly, wrap_commit: Any) -> None:
    """Every conflict is resolved by reading what the table has now."""
    for round_ in range(6):
        first, second = sequences(0, 8 + round_), sequences(1, 9 + round_)
        assert _meet(hourly, wrap_commit, [(0, first), (1, second)]) == [True, True]
        assert hourly.found() == first + second
    assert all(_is_whole(found) for found in hourly.history())
    assert hourly.stored() == hourly.referred_ever()


def test_of_two_writers_who_disagree_the_second_compares_anew(hourly: Hourly, wrap_commit: Any) -> None:
    """The hour is the first's, whole, and nothing of the other's."""
    for round_ in range(4):
        some, more = sequences(0, 20 + round_), sequences(0, 40 + round_)
        outcomes = _meet(hourly, wrap_commit, [(0, some), (0, more)])
        assert [isinstance(each, Outdated) for each in outcomes].count(True) == 1
        assert hourly.found() == (some if outcomes[0] is True else more)
    assert hourly.stored() == hourly.referred_ever()


def _is_whole(found: list[int]) -> bool:
    """Whether of each hour all or none of the rows are there that some round wrote."""
    counts = [len([each for each in found if each // 1_000 == 100 + number]) for number in (0, 1)]
    return found == sequences(0, counts[0]) + sequences(1, counts[1]) and not set(counts) & set(range(1, 8))


def _meet(hourly: Hourly, wrap_commit: Any, wanted: list[tuple[int, list[int]]]) -> list[Any]:
    """Replace hours at once, by writers who compared them with the same snapshot and whose first commits meet."""
    together = threading.Barrier(len(wanted))

    def meet(real: Any) -> Any:
        together.wait(60)
        return real()

    owners = [hourly.hours() for _ in wanted]
    for owner in owners:
        wrap_commit(owner, meet)
    base = owners[0].head().snapshot_id

    def run(owner: HourlyTable, number: int, ids: list[int]) -> Any:
        try:
            return owner.replace(compared(number, ids, base), [rows_of(ids)])
        except Outdated as outdated:
            return outdated

    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(lambda each: run(each[0], *each[1]), zip(owners, wanted, strict=True)))


CHILD = """
import sys
from k2_shared.core.retries import RetryBudget
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake.replacement import HourlyTable
from k2_support.hourly import CONTRACT, compared, rows_of, sequences

table = iceberg.find(iceberg.connect(LakeSettings.load()), Names(sys.argv[1]), CONTRACT)
owner = HourlyTable(table, CONTRACT.name, "timestamp", RetryBudget(1))
wanted = sequences(0, 13)
owner.replace(compared(0, wanted, owner.head().snapshot_id), [rows_of(wanted[::2]), rows_of(wanted[1::2])])
"""


KILLS: dict[str, Callable[[Gates], tuple[HttpProxy, ProxyRule]]] = {
    "at a file": lambda gates: (gates.store, ProxyRule(data_file(), None)),
    "at a manifest": lambda gates: (gates.store, ProxyRule(manifest(), None)),
    "at the commit": lambda gates: (gates.catalog, ProxyRule(commit(), None)),
    "at the reply": lambda gates: (gates.catalog, ProxyRule(commit(), None, after=True)),
}


@pytest.mark.parametrize("at", KILLS)
def test_a_writer_that_is_killed_leaves_the_hour_whole(hourly: Hourly, gates: Gates, at: str) -> None:
    """As it was until the commit is in the catalog, then as it is to be; whoever runs next ends the work."""
    hourly.put(0, FIRST)
    hourly.put(1, SECOND)
    proxy, rule = KILLS[at](gates)
    child = subprocess.Popen([sys.executable, "-c", CHILD, hourly.names.prefix])
    rule.meanwhile = child.kill
    with proxy.ruled(rule):
        assert child.wait(120) == -signal.SIGKILL
    is_done = at == "at the reply"
    assert hourly.found() == (LATE if is_done else FIRST) + SECOND
    assert hourly.put(0, LATE)
    assert hourly.history() == [FIRST, FIRST + SECOND, *[LATE + SECOND] * (2 if is_done else 1)]
    assert is_done == (hourly.stored() == hourly.referred_ever()) or at == "at a file"
