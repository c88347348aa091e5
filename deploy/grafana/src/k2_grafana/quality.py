"""Is what is in the tables right: what was refused, what came twice, what is known to be missing?"""

from k2_grafana.panels import Dashboard, Row, bars, graph, number
from k2_grafana.promql import age, events, grown, none, per_second

_STAGES = ["services/silver/README.md", "services/gold/README.md"]
_WARM = ["services/warm_sink/README.md"]
_NO_JOB = none("job", "k2_lag_offsets")
_BY_TIMEFRAME = "{{timeframe}}"
_CONFLICTS = 'k2_records_rejected_total{job="gold", reason="conflict"}'
_SILVER = 'k2_partition_records_total{job="silver"}'
_REFUSED = 'k2_partition_records_total{job="silver", outcome="refused"}'
_LATE = 'k2_candle_late_trades_total{timeframe="1h"}'

_AT_A_GLANCE = Row(
    "At a glance",
    _STAGES,
    [
        number(
            "Refused, of all",
            "Share of the last hour's records that silver set aside in the dead-letter topic, whole and with a reason.",
            "percentunit",
            (f"sum(increase({_REFUSED}[1h])) / (sum(increase({_SILVER}[1h])) > 0)", "refused"),
        ),
        number(
            "Conflicts in an hour",
            "The same id with another price, quantity or side: the first stays, the other is in the dead letters.",
            "short",
            (f"sum(increase({_CONFLICTS}[1h])) or vector(0)", "conflicts"),
            limits=[1],
        ),
        number(
            "Repeats in an hour",
            "Trades that gold had already and dropped.",
            "short",
            ('sum(increase(k2_records_duplicates_total{job="gold"}[1h]))', "repeats"),
        ),
        number(
            "Ids that candles lack",
            "Trade ids that are known to be missing: open gaps, given-up ids and dead letters.",
            "short",
            ("max by (exchange) (k2_candle_missing_ids) or vector(0)", "{{exchange}}"),
        ),
        number(
            "Incomplete hours",
            "Candles of an hour that lack trades known to be missing; each row says so itself.",
            "short",
            ('max(k2_candle_incomplete{timeframe="1h"})', "hours"),
        ),
        number(
            "Hours that differ",
            "Of both tiers at the last audit, by the layer that has most.",
            "short",
            ("max(k2_audit_differing_hours) or vector(0)", "hours"),
            alerts=["K2AuditDiffers"],
        ),
    ],
)


_LETTERS = Row(
    "Dead letters",
    _STAGES,
    [
        graph(
            "Into the dead-letter topic",
            "By whom and why; k2 dlq list shows them, k2 dlq replay sends them back.",
            "recps",
            (f"{per_second('k2_records_rejected_total', 'job, reason')} or {_NO_JOB}", "{{job}} {{reason}}"),
        ),
        bars(
            "Dead letters by reason, since the start",
            "Of the processes that run now.",
            "short",
            ("sum by (reason) (k2_records_rejected_total)", "{{reason}}"),
        ),
        graph(
            "Records by what became of them",
            "Forwarded, refused to the dead letters, or dropped as a repeat; counted after the commit.",
            "recps",
            (per_second("k2_partition_records_total", "job, outcome"), "{{job}} {{outcome}}"),
        ),
        graph(
            "Refused, of what was read",
            "In the mean of five minutes, as the alerts have it; of a feed, which reads frames, of what it published.",
            "percentunit",
            ("job:k2_records_rejected:ratio_rate5m", "{{job}}"),
            alerts=["K2DlqShare", "K2DlqShareHigh"],
            width=12,
        ),
        graph(
            "Repeats, of what was read",
            "In the mean of ten minutes; the alert is about more than the limit that is also thrice what was usual.",
            "percentunit",
            ('job:k2_records_duplicates:ratio_rate10m{job="gold"}', "{{job}}"),
            alerts=["K2DuplicatesJump"],
            width=12,
        ),
    ],
)

_REPEATS = Row(
    "Repeats and conflicts",
    ["services/gold/README.md"],
    [
        graph(
            "Repeats that gold dropped",
            "By the exchange's own id; those that were not compared are older than GOLD_COMPARED_IDS.",
            "recps",
            (per_second('k2_records_duplicates_total{job="gold"}', "job"), "dropped"),
            (per_second('k2_records_uncompared_total{job="gold"}', "job"), "of them not compared"),
        ),
        graph(
            "Conflicts in 10 minutes",
            "An id that came again with other facts; the letter names the record that won.",
            "short",
            (events(_CONFLICTS, "job", "10m", "vector(0)"), "conflicts"),
        ),
        graph(
            "Trades that gold remembers",
            "It never forgets one; this is what its memory holds, by partition.",
            "short",
            ("max by (topic, partition) (k2_state_ids)", "{{topic}} {{partition}}"),
        ),
    ],
)

_COMPLETENESS = Row(
    "Completeness of the candles",
    _WARM,
    [
        graph(
            "Incomplete candles",
            "That lack trades which are known to be missing; what a venue never gives stays so until it expires.",
            "short",
            ("max by (timeframe) (k2_candle_incomplete)", _BY_TIMEFRAME),
        ),
        graph(
            "More incomplete hours than three hours ago",
            "A gap is filled within the hour; what stays over it is new.",
            "short",
            (
                'max by (timeframe) (k2_candle_incomplete{timeframe="1h"})'
                ' - (max by (timeframe) (k2_candle_incomplete{timeframe="1h"} offset 3h)'
                ' or max by (timeframe) (0 * k2_candle_incomplete{timeframe="1h"}))',
                _BY_TIMEFRAME,
            ),
            alerts=["K2CandlesIncomplete"],
        ),
        graph(
            "Ids that candles lack, over time",
            "By exchange: it falls when a gap is filled, or a dead letter is replayed.",
            "short",
            ("max by (exchange) (k2_candle_missing_ids) or vector(0)", "{{exchange}}"),
        ),
        graph(
            "Trades that came after their hour, of all in 30 minutes",
            "Their candles are exact all the same; much of it is a backfill, or a lag.",
            "percentunit",
            (
                f"sum(increase({_LATE}[30m])) / (sum(increase("
                'k2_table_rows_total{job="warm_sink", table="gold_trades"}[30m])) > 0)',
                "late",
            ),
            alerts=["K2CandlesLate"],
        ),
        graph(
            "Trades whose candle may have expired, in an hour",
            "They are in gold, and in no candle.",
            "short",
            (grown("k2_candle_refused_trades_total", "timeframe", "1h"), _BY_TIMEFRAME),
            alerts=["K2CandleTradesRefused"],
        ),
        graph(
            "Newest minute with a candle",
            "How long ago it began; a replay's is of long ago.",
            "s",
            (age('k2_candle_newest_timestamp_seconds{timeframe="1m"}', "timeframe"), _BY_TIMEFRAME),
            alerts=["K2CandlesStale"],
        ),
    ],
)

_CONTRACTS = Row(
    "Both tiers, and the topics",
    ["services/maintenance/README.md", "services/offload/README.md"],
    [
        bars(
            "Hours in which both tiers differ, by layer",
            "At the last audit, which the nightly maintenance keeps in audit.consistency.",
            "short",
            ("max by (layer) (k2_audit_differing_hours)", "{{layer}}"),
            alerts=["K2AuditDiffers"],
        ),
        bars(
            "Hours of both tiers, by verdict",
            "After the last offload: equal, open, expiring; to_write and would_shrink are those that differ.",
            "short",
            ("sum by (verdict) (max by (table, verdict) (k2_offload_hours))", "{{verdict}}"),
        ),
        bars(
            "Partitions that nobody reads",
            "Beyond the contract's, by topic: someone added them by hand.",
            "short",
            ("max by (topic) (k2_topic_unread_partitions)", "{{topic}}"),
            limits=[1],
        ),
    ],
)

DASHBOARD = Dashboard(
    "quality",
    "K2: quality",
    "Is what is in the tables right: what was refused, what came twice, what is known to be missing?",
    [_AT_A_GLANCE, _LETTERS, _REPEATS, _COMPLETENESS, _CONTRACTS],
)
