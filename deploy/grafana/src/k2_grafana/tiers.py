"""Do both tiers hold what the topics do, how fresh are they, and are they kept in order?"""

from k2_grafana.cold import COLD, MAINTENANCE
from k2_grafana.panels import Dashboard, Row, bars, graph
from k2_grafana.promql import age, events, grown, mean, none, per_second, quantile

_BY_TABLE = "{{table}}"
_WARM = Row(
    "Warm: ClickHouse",
    ["services/warm_sink/README.md"],
    [
        bars(
            "Newest row of each table, warm",
            "How long ago the newest record was written whose row was inserted; 0 where all that there is was read.",
            "s",
            ("table:k2_warm_newest_row:age_if_behind", _BY_TABLE),
            alerts=["K2WarmStale"],
        ),
        bars(
            "Rows",
            "Those that merges will drop among them.",
            "short",
            ("max by (table) (k2_warm_rows)", _BY_TABLE),
        ),
        bars(
            "On disk",
            "Of active parts, compressed.",
            "bytes",
            ("max by (table) (k2_warm_bytes)", _BY_TABLE),
        ),
        graph(
            "Parts",
            "At a thousand of one partition ClickHouse delays inserts, at three thousand it refuses them.",
            "short",
            ("max by (table) (k2_warm_parts)", _BY_TABLE),
            alerts=["K2WarmParts"],
        ),
        graph(
            "Memory of ClickHouse, of its limit",
            "What it uses of what it may: from there on it refuses queries.",
            "percentunit",
            ("max(k2_warm_memory_bytes) / max(k2_warm_memory_limit_bytes > 0)", "memory"),
            alerts=["K2WarmMemory"],
        ),
        graph(
            "ClickHouse was measured",
            "How long ago it last told parts and memory.",
            "s",
            (age("k2_warm_measured_timestamp_seconds"), "age"),
            alerts=["K2WarmUnmeasured"],
        ),
        graph(
            "Batches into the warm tier",
            "By table and outcome; superseded ones were written by another before.",
            "cps",
            (per_second('k2_table_commits_total{job="warm_sink"}', "table, outcome"), "{{table}} {{outcome}}"),
        ),
        graph(
            "Attempts that failed in 10 minutes, warm",
            "At ClickHouse; nothing is lost, and the sink goes on by itself.",
            "short",
            (
                events('k2_errors_total{stage="warm_sink"}', "job", "10m", none("job", 'k2_ready{job="warm_sink"}')),
                "{{job}}",
            ),
            alerts=["K2WarmInsertsFail"],
        ),
        graph(
            "Since the frame came, p99, warm",
            "See the pipeline's dashboard for every hop.",
            "s",
            (quantile(0.99, "k2_pipeline_age_seconds", "stage", where='{job="warm_sink"}'), "{{stage}}"),
        ),
        graph(
            "Free of ClickHouse's disks",
            "Of each that is the server's own; it refuses rows before one is full.",
            "percentunit",
            ("min by (disk) (k2_warm_disk_free_bytes) / max by (disk) (k2_warm_disk_bytes)", "{{disk}}"),
            alerts=["K2WarmDiskFull", "K2WarmDiskLow"],
        ),
        graph(
            "Bytes that are free on ClickHouse's disks",
            "In compose the lake and Kafka are on the same disk.",
            "bytes",
            ("min by (disk) (k2_warm_disk_free_bytes)", "{{disk}}"),
        ),
        graph(
            "ClickHouse did not answer, in 5 minutes",
            "How often it was asked for parts, memory and disks in vain.",
            "short",
            (
                events('k2_errors_total{stage="warm_measure"}', "job", "5m", none("job", 'k2_ready{job="warm_sink"}')),
                "{{job}}",
            ),
            alerts=["K2WarmDown"],
        ),
    ],
)

_LAKE_JOB = '{job="iceberg_sink"}'
_LAKE = Row(
    "The lake: Iceberg, by the sink",
    ["services/iceberg_sink/README.md"],
    [
        bars(
            "Newest row of each table, lake",
            "How long ago the newest record was written whose row was committed; 0 where all that there is was read.",
            "s",
            ("table:k2_table_newest_row:age_if_behind", _BY_TABLE),
            alerts=["K2LakeStale"],
        ),
        graph(
            "Commits",
            "Rows and offsets in one; a batch that another sink wrote before is superseded.",
            "cps",
            (per_second(f"k2_table_commits_total{_LAKE_JOB}", "table, outcome"), "{{table}} {{outcome}}"),
        ),
        graph(
            "Time of a commit, mean of 10 minutes",
            "From a batch to its snapshot, all attempts in.",
            "s",
            (mean("k2_table_commit_seconds", "table", "10m"), _BY_TABLE),
            alerts=["K2LakeCommitsSlow"],
        ),
        graph(
            "Conflicts in 10 minutes",
            "Commits that met another owner's and were made again on its head.",
            "short",
            (grown("k2_table_conflicts_total", "table", "10m"), _BY_TABLE),
            alerts=["K2LakeConflicts"],
        ),
        graph(
            "Superseded batches in 30 minutes",
            "Two sinks fill the same tables; none of the rows is lost or doubled.",
            "short",
            (
                events(
                    'k2_table_commits_total{job="iceberg_sink", outcome="superseded"}',
                    "job",
                    "30m",
                    none("job", f"k2_ready{_LAKE_JOB}"),
                ),
                "{{job}}",
            ),
            alerts=["K2LakeSuperseded"],
        ),
        graph(
            "Attempts that failed in 10 minutes, lake",
            "At the catalog or the store; nothing is lost, and the sink goes on by itself.",
            "short",
            (
                events('k2_errors_total{stage="iceberg_sink"}', "job", "10m", none("job", f"k2_ready{_LAKE_JOB}")),
                "{{job}}",
            ),
            alerts=["K2LakeCommitsFail"],
        ),
        graph(
            "Attempts that failed in 5 minutes, lake",
            "While none succeeds: the catalog or the store is down.",
            "short",
            (
                events('k2_errors_total{stage="iceberg_sink"}', "job", "5m", none("job", f"k2_ready{_LAKE_JOB}")),
                "{{job}}",
            ),
            alerts=["K2LakeDown"],
            width=24,
        ),
        graph(
            "Snapshots",
            "Every commit rewrites their list; an hour of commits is kept.",
            "short",
            ("max by (table) (k2_table_snapshots)", _BY_TABLE),
            alerts=["K2LakeSnapshots"],
        ),
        graph(
            "Bytes of data files",
            "Committed, by table of the lake and of the cold tier.",
            "Bps",
            (per_second("k2_table_bytes_total", "table"), _BY_TABLE),
        ),
        graph(
            "Data files",
            "Committed, by table; the maintenance makes few of many.",
            "cps",
            (per_second("k2_table_files_total", "table"), _BY_TABLE),
        ),
        graph(
            "Searches for snapshots to expire, in an hour",
            "By outcome; one that met another commit is made again.",
            "short",
            (
                events("k2_table_expiries_total", "outcome", "1h", none("job", f"k2_ready{_LAKE_JOB}")),
                "searches {{outcome}}",
            ),
        ),
        graph(
            "Snapshots that were removed, in an hour",
            "By the sink and the offload, as SINK_SNAPSHOT_AGE_S and OFFLOAD_SNAPSHOT_AGE_S say.",
            "short",
            (events("k2_table_snapshots_expired_total", "table", "1h", none("table", "k2_table_snapshots")), _BY_TABLE),
        ),
        graph(
            "Rows into the cold tier",
            "By the offload, an hour of the warm tier in one commit.",
            "rowsps",
            (per_second('k2_table_rows_total{job="offload"}', "table"), _BY_TABLE),
        ),
    ],
)

DASHBOARD = Dashboard(
    "tiers",
    "K2: warm and cold",
    "Do both tiers hold what the topics do, how fresh are they, and are they kept in order?",
    [_WARM, _LAKE, COLD, MAINTENANCE],
)
