"""What becomes of the warm tier's hours, and how the lake is kept small."""

from k2_grafana.panels import Row, bars, graph, number
from k2_grafana.promql import age, events, none

_BY_TABLE = "{{table}}"
_DIFFERS = 'k2_offload_hours{verdict=~"to_write|would_shrink"}'

COLD = Row(
    "Cold: the offload",
    ["services/offload/README.md"],
    [
        graph(
            "Last offload that left nothing undone",
            "How long ago, by cold table; each has its minute of every hour.",
            "s",
            (age("k2_offload_last_success_timestamp_seconds", "table"), _BY_TABLE),
            alerts=["K2OffloadLate", "K2OffloadOverdue"],
        ),
        graph(
            "Tables whose last attempt failed",
            "It is made again every OFFLOAD_RETRY_S.",
            "short",
            ("max by (table) (k2_offload_failed)", _BY_TABLE),
            alerts=["K2OffloadFails"],
        ),
        graph(
            "Time of an offload",
            "Of one table; nine of them have to fit into the hour.",
            "s",
            ("max by (table) (k2_offload_duration_seconds)", _BY_TABLE),
            alerts=["K2OffloadSlow"],
        ),
        graph(
            "Newest hour in cold",
            "How long ago it ended, by table; that of days ends once a day. A replay's is of long ago.",
            "s",
            (age('k2_offload_watermark_timestamp_seconds{table!="gold_ohlcv_1d"}', "table"), _BY_TABLE),
            alerts=["K2ColdStale"],
        ),
        bars(
            "Hours that differ, by table",
            "After the last offload: not written, or cold has rows that warm lacks.",
            "short",
            (f"sum by (table) (max by (table, verdict) ({_DIFFERS}))", _BY_TABLE),
            alerts=["K2ColdDiffers"],
        ),
        bars(
            "Hours by verdict",
            "Equal in both tiers, still open, about to expire in the warm one, or different.",
            "short",
            ("sum by (verdict) (max by (table, verdict) (k2_offload_hours))", "{{verdict}}"),
        ),
    ],
)

MAINTENANCE = Row(
    "The nightly maintenance",
    ["services/maintenance/README.md"],
    [
        number(
            "Last run that left nothing undone",
            "How long ago; it works once a night.",
            "s",
            (age('k2_maintenance_last_success_timestamp_seconds{job="maintenance"}'), "age"),
            alerts=["K2MaintenanceMissed"],
            width=6,
        ),
        number(
            "Left something undone",
            "1 where the last run did; it is tried again within the hour.",
            "short",
            ("max(k2_maintenance_failed)", "failed"),
            alerts=["K2MaintenanceFailed"],
            width=6,
        ),
        number(
            "Had too little time",
            "1 where the last run's MAINTENANCE_LIMIT_S was over before its work was.",
            "short",
            ("max(k2_maintenance_overran)", "overran"),
            alerts=["K2MaintenanceOverran"],
            width=6,
        ),
        number(
            "Time of the last run",
            "All steps of all tables.",
            "s",
            ("max(k2_maintenance_duration_seconds)", "duration"),
            width=6,
        ),
        bars(
            "Time of each step",
            "Of the last run, all tables together.",
            "s",
            ("sum by (step) (max by (step, table) (k2_maintenance_step_seconds))", "{{step}}"),
        ),
        bars(
            "Data files after the compaction",
            "Of each table; open partitions keep their small ones.",
            "short",
            ("max by (table) (k2_table_live_files)", _BY_TABLE),
        ),
        bars(
            "Files of the fullest partition",
            "After the compaction; an open hour of gold has 720 where the sink commits every five seconds.",
            "short",
            ("max by (table) (k2_table_partition_files_max)", _BY_TABLE),
            alerts=["K2TableManyFiles"],
        ),
        bars(
            "Files that no snapshot knew",
            "At the last search, of all: what killed writers leave; they are deleted when three days old.",
            "percentunit",
            ("max by (table) (k2_table_orphan_files_ratio)", _BY_TABLE),
            alerts=["K2TableOrphans"],
        ),
        graph(
            "Attempts that failed in an hour",
            "By step; a conflict with a sink or an offload is one, and is tried again.",
            "short",
            (
                events(
                    "k2_maintenance_failed_attempts_total",
                    "step",
                    "1h",
                    none("step", "k2_maintenance_step_seconds"),
                ),
                "{{step}}",
            ),
        ),
        bars(
            "Hours that the audit found different",
            "By layer; the audit is one of the steps.",
            "short",
            ("max by (layer) (k2_audit_differing_hours)", "{{layer}}"),
            alerts=["K2AuditDiffers"],
        ),
    ],
)
