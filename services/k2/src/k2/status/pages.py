"""What the metrics of agents say, from the text of their pages; pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from k2.status.facts import Gaps, Lags, Table
from k2_shared.core import contracts

LAG_EXPORTER = "lag_exporter"
WARM_SINK = "warm_sink"
FRESH_S = 120.0  # as the alert K2LagUnknown
_FRAMES = "k2_frames_total"
_RECEIVED = "k2_records_received_total"
_SENT = ("k2_records_sent_total", "k2_table_rows_total")
_AGE = "k2_pipeline_age_seconds"


class Page:
    """The samples of one page of metrics."""

    def __init__(self, text: str) -> None:
        self._samples: defaultdict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name].append((sample.labels, sample.value))

    def total(self, *names: str) -> float | None:
        """The sum of all series of these names, None where there is none."""
        found = [value for name in names for _, value in self._samples[name]]
        return sum(found) if found else None

    def series(self, name: str) -> Iterable[tuple[Mapping[str, str], float]]:
        """Every series of a name, by its labels."""
        return self._samples[name]


def described(page: Page, now: float) -> dict[str, Any]:
    """What one page tells of its process, by the names of an ``Agent``'s fields; ``now`` in seconds."""
    build = next((labels for labels, _ in page.series("k2_build_info")), {})
    started = page.total("process_start_time_seconds")
    return {
        "service": build.get("service"),
        "version": build.get("version"),
        "up_s": None if started is None else max(0.0, now - started),
        "halted": page.total("k2_halted") == 1,
        "stopped_symbols": int(page.total("k2_feed_stopped_symbols") or 0),
    }


def measured(before: Page, after: Page, seconds: float) -> dict[str, Any]:
    """Rates and age between two pages of one process, by the names of an ``Agent``'s fields.

    What comes in are records; at a feed, which reads records only to be told something, frames.
    """
    came = _FRAMES if after.total(_FRAMES) is not None else _RECEIVED
    batches = _grown(before, after, f"{_AGE}_count")
    age_sum = _grown(before, after, f"{_AGE}_sum")
    return {
        "in_per_s": _per_second(_grown(before, after, came), seconds),
        "out_per_s": _per_second(_grown(before, after, *_SENT), seconds),
        "age_s": age_sum / batches if batches and age_sum is not None else None,
    }


def _grown(before: Page, after: Page, *names: str) -> float | None:
    """By how much counters have grown; None where there are none, or where the process was started anew."""
    now = after.total(*names)
    if now is None:
        return None
    grown = now - (before.total(*names) or 0.0)
    return grown if grown >= 0 else None


def _per_second(count: float | None, seconds: float) -> float | None:
    return None if count is None else count / seconds


def exported_lags(page: Page, groups: Collection[str], now: float) -> Lags | None:
    """The lag of these groups as a lag exporter tells; None where it does not know each of them freshly."""
    at = {labels["group"]: stamp for labels, stamp in page.series("k2_consumer_group_measured_timestamp_seconds")}
    if any(now - at.get(group, 0.0) > FRESH_S for group in groups):
        return None
    found = dict.fromkeys(groups, 0)
    for labels, lag in page.series("k2_consumer_group_lag"):
        if labels["group"] in found:
            found[labels["group"]] += int(lag)
    return Lags(dict(found), LAG_EXPORTER)


def told_gaps(pages: Collection[Page], fault: str) -> Gaps:
    """The ids that feeds say are missing, for where the ledger could not be read; ``fault`` says why it could not."""
    ids = [page.total("k2_feed_open_gap_ids") for page in pages]
    known = [int(each) for each in ids if each is not None]
    return Gaps(ids=sum(known), source="metrics", fault=fault) if known else Gaps(fault=fault)


def warm_tables(page: Page, now: float) -> list[Table]:
    """The tables of the warm tier as their sink tells; ``now`` in seconds."""
    rows = {labels["table"]: int(count) for labels, count in page.series("k2_warm_rows")}
    newest = {labels["table"]: stamp for labels, stamp in page.series("k2_warm_newest_row_timestamp_seconds")}
    ages = {name: max(0.0, now - stamp) for name, stamp in newest.items()}
    return [Table(name, rows.get(name), commit_age_s=ages.get(name)) for name in contracts.warm_tables()]
