"""Hours are replaced on the real catalog: each in one snapshot, exactly once, and nothing else changes."""

from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions.visitors import manifest_evaluator
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.update import snapshot

from k2_shared.core.errors import Halt
from k2_shared.lake import replacement
from k2_shared.lake.replacement import Outdated
from k2_support.hourly import CONTRACT, Hourly, compared, hour_at, rows_of, sequences

_MET_S = 10.0
FIRST, SECOND, THIRD = (sequences(number, 10) for number in (0, 1, 2))


def test_an_hour_is_one_snapshot_that_says_what_it_is(hourly: Hourly) -> None:
    """Its rows, and in the same commit its fingerprint and the table's watermark."""
    assert hourly.put(0, FIRST)
    assert hourly.history() == [FIRST]
    summary = hourly.summary()
    said = {name: summary[f"offload.{CONTRACT.name}.{name}"] for name in ("hour", "rows", "fingerprint", "watermark")}
    assert said == {
        "hour": "2026-03-01T00:00Z",
        "rows": "10",
        "fingerprint": compared(0, FIRST, None).fingerprint,
        "watermark": "2026-03-01T00:00Z",
    }
    assert hourly.load().properties[f"offload.{CONTRACT.name}.watermark"] == said["watermark"]
    assert hourly.stored() == hourly.referred()


def test_files_are_sorted_as_the_table_is(hourly: Hourly) -> None:
    """Each slice has its own, a partition each."""
    hourly.put(0, FIRST)
    assert len(hourly.referred()) == 4
    for path in hourly.referred():
        rows = pa.parquet.read_table(hourly.load().io.new_input(path).open()).select(list(CONTRACT.sort_by))
        assert rows.to_pylist() == rows.sort_by([(name, "ascending") for name in CONTRACT.sort_by]).to_pylist()


def test_an_hour_that_is_written_twice_is_there_once(hourly: Hourly) -> None:
    """Whoever compared it before the other's commit writes nothing; who compared it afterwards writes it over."""
    before = hourly.hours().head().snapshot_id
    hourly.put(0, FIRST)
    assert not hourly.hours().replace(compared(0, FIRST, before), _unread())
    assert hourly.put(0, FIRST)
    assert hourly.history() == [FIRST, FIRST]


@pytest.mark.parametrize("hourly", [CONTRACT.partition_by[::-1]], indirect=True)
def test_manifests_are_judged_apart(hourly: Hourly, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library looks by several threads which manifests may have the old files; none is mistaken for another."""
    hourly.put(0, FIRST)
    hourly.put(-1, sequences(-1, 10))
    meant, other = Event(), Event()
    first = hourly.load().snapshots()[0].snapshot_id

    class Looked(list[Any]):
        """Fields of a manifest at which a judge looks one by one, while another manifest is judged."""

        def __getitem__(self, place: Any) -> Any:
            meant.set()
            other.wait(_MET_S)
            return super().__getitem__(place)

    def made(*given: Any) -> Callable[[ManifestFile], bool]:
        judge: Callable[[Any], bool] = manifest_evaluator(*given)

        def judged(manifest: ManifestFile) -> bool:
            if manifest.added_snapshot_id == first:
                return judge(SimpleNamespace(partitions=Looked(manifest.partitions or ())))
            meant.wait(_MET_S)
            found = judge(manifest)
            other.set()
            return found

        return judged

    monkeypatch.setattr(snapshot, "manifest_evaluator", made)
    late = sequences(0, 13)
    assert hourly.put(0, late)
    assert hourly.found() == sequences(-1, 10) + late


def _unread() -> Iterator[pa.Table]:
    raise AssertionError("rows were read that are not needed")
    yield


def test_late_rows_come_into_their_hour_alone(hourly: Hourly) -> None:
    """Whichever snapshot a reader is at, it finds every hour whole: as it was, or as it is to be."""
    late = sequences(1, 13)
    for number, ids in ((0, FIRST), (1, SECOND), (2, THIRD), (1, late)):
        hourly.put(number, ids)
    assert hourly.history() == [FIRST, FIRST + SECOND, FIRST + SECOND + THIRD, FIRST + late + THIRD]
    assert hourly.hours().watermark == hour_at(2)


def test_hours_meet_at_midnight_and_at_the_end_of_a_month(hourly: Hourly) -> None:
    """The last hour of February and the first of March share no row and no file."""
    last = sequences(-1, 10)
    hourly.put(-1, last)
    hourly.put(0, FIRST)
    hourly.put(-1, last[:4])
    assert hourly.found() == last[:4] + FIRST


def test_an_hour_can_become_empty(hourly: Hourly) -> None:
    """Its files go, the others stay; where there is nothing and is to be nothing, nothing is committed."""
    hourly.put(0, FIRST)
    hourly.put(1, SECOND)
    assert hourly.put(0, [])
    assert hourly.found() == SECOND
    assert not hourly.put(0, [])
    assert hourly.put(1, [])
    assert hourly.history() == [FIRST, FIRST + SECOND, SECOND, []]


@pytest.mark.parametrize("hourly", [CONTRACT.partition_by, ()], indirect=True, ids=["by day", "in one partition"])
def test_rows_of_other_hours_stay_where_a_file_has_both(hourly: Hourly, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a compaction: the rest of such a file is written anew, in the same snapshot, in bounded slices."""
    monkeypatch.setattr(replacement, "SLICE_ROWS", 3)
    timeless = rows_of(sequences(50, 4)).set_column(
        2, hourly.load().schema().as_arrow().field("timestamp"), pa.nulls(4, pa.timestamp("us", tz="UTC"))
    )
    hourly.load().append(pa.concat_tables([rows_of(FIRST + SECOND + THIRD), timeless]))
    before = hourly.load().scan().to_arrow()
    replaced = {path for path in hourly.referred() if "timestamp_day=null" not in path}
    assert hourly.put(1, sequences(1, 12))
    assert hourly.history()[1] == sorted(FIRST + sequences(1, 12) + THIRD + sequences(50, 4))
    kept, found = (
        {row["source_sequence"]: row for row in rows.to_pylist()} for rows in (before, hourly.load().scan().to_arrow())
    )
    for each in FIRST + THIRD + sequences(50, 4):
        assert found[each] == kept[each]
    assert not replaced & hourly.referred()


def test_a_file_that_only_touches_the_hour_is_left(hourly: Hourly) -> None:
    """Its statistics say that no row is of the hour."""
    hourly.put(0, FIRST)
    files = hourly.referred()
    hourly.put(1, SECOND)
    assert files < hourly.referred()


@pytest.mark.parametrize("shared", [False, True], ids=["files of an hour", "files of both"])
def test_a_compaction_meanwhile_loses_and_doubles_nothing(hourly: Hourly, wrap_commit: Any, shared: bool) -> None:
    """The commit is refused, what there is now is read, and the same files are committed in the place of its rows."""
    if shared:
        hourly.load().append(rows_of(FIRST + SECOND))
    else:
        hourly.put(0, FIRST)
        hourly.put(1, SECOND)
    owner = hourly.hours()

    def compact(real: Any) -> Any:
        hourly.load().overwrite(hourly.load().scan().to_arrow())
        return real()

    wrap_commit(owner, compact)
    assert hourly.put(1, sequences(1, 12), owner)
    assert hourly.found() == FIRST + sequences(1, 12)
    assert owner.tally().conflicts == 1
    assert hourly.stored() == hourly.referred_ever()


def test_what_is_not_as_it_was_compared_is_not_written(hourly: Hourly) -> None:
    """Fewer rows than were counted, rows of another hour, a source that fails: no snapshot, and no file is left."""
    hourly.put(0, FIRST)
    owner = hourly.hours()
    base = owner.head().snapshot_id
    with pytest.raises(Outdated, match=r"hour 2026-03-01 01:00 of table .*hourly_trades had 10 rows .*, 9 were read"):
        owner.replace(compared(1, SECOND, base), [rows_of(SECOND[1:])])
    with pytest.raises(ValueError, match="are of another hour, or of none"):
        owner.replace(compared(1, SECOND, base), [rows_of(SECOND[1:] + THIRD[:1])])

    def failing() -> Iterator[pa.Table]:
        yield rows_of(SECOND)
        raise ConnectionError("the source is away")

    with pytest.raises(ConnectionError):
        owner.replace(compared(1, SECOND, base), failing())
    assert hourly.history() == [FIRST]
    assert hourly.stored() == hourly.referred()


def test_an_hour_that_another_has_made_something_else_is_outdated(hourly: Hourly, wrap_commit: Any) -> None:
    """Before anything is written, and where the commit meets the other's; the files that were written go."""
    owner, base = hourly.hours(), hourly.hours().head().snapshot_id
    hourly.put(0, FIRST)
    with pytest.raises(Outdated, match="was written by another process since it was compared"):
        owner.replace(compared(0, FIRST[:5], base), _unread())
    wrap_commit(owner, lambda real: (hourly.put(0, FIRST[:7]), real()))
    with pytest.raises(Outdated):
        hourly.put(0, FIRST[:5], owner)
    assert hourly.history() == [FIRST, FIRST[:7]]
    assert len(hourly.stored() - hourly.referred()) == 4  # those that the first snapshot has


def test_a_rolled_back_table_is_compared_anew(hourly: Hourly) -> None:
    """What an hour was compared with is not in its history any more."""
    hourly.put(0, FIRST)
    first = hourly.load().current_snapshot().snapshot_id
    hourly.put(1, SECOND)
    second = hourly.load().current_snapshot().snapshot_id
    hourly.load().manage_snapshots().rollback_to_snapshot(first).commit()
    with pytest.raises(Outdated, match="was rolled back"):
        hourly.hours().replace(compared(1, SECOND[:5], second), _unread())


def test_the_watermark_outlives_the_snapshots_and_never_goes_back(hourly: Hourly) -> None:
    """It is a property of the table, and an older hour that is written again leaves it."""
    hourly.put(2, THIRD)
    hourly.put(0, FIRST)
    hourly.load().maintenance.expire_snapshots().by_id(hourly.load().snapshots()[0].snapshot_id).commit()
    owner = hourly.hours()
    assert owner.head().snapshot_id == hourly.load().current_snapshot().snapshot_id
    assert owner.watermark == hour_at(2)
    assert hourly.found() == sorted(FIRST + THIRD)


def test_manifests_are_merged_and_forget_what_is_deleted(hourly: Hourly) -> None:
    """However often hours are written, there are few."""
    with hourly.load().transaction() as transaction:
        transaction.set_properties({"commit.manifest.min-count-to-merge": "3"})
    for number in range(4):
        for count in (8, 10):
            hourly.put(number, sequences(number, count))
    assert hourly.found() == [each for number in range(4) for each in sequences(number, 10)]
    manifests = hourly.load().current_snapshot().manifests(hourly.load().io)
    assert len(manifests) <= 3
    assert hourly.history()[-2] == [each for number in range(3) for each in sequences(number, 10)] + sequences(3, 8)


def test_an_hour_that_is_written_often_leaves_no_manifests(hourly: Hourly) -> None:
    """But that of its files, and that of those which it has just replaced."""
    for count in range(5, 10):
        hourly.put(0, sequences(0, count))
    assert len(hourly.load().current_snapshot().manifests(hourly.load().io)) == 2


def test_a_recreated_table_halts(hourly: Hourly) -> None:
    """The same name is not the same table."""
    owner = hourly.hours()
    hourly.catalog.drop_table(hourly.identifier)
    with pytest.raises(Halt, match="hourly_trades was dropped under a running offload"):
        owner.head()
    hourly.create()
    with pytest.raises(Halt, match="recreated under a running offload"):
        hourly.put(0, FIRST, owner)
