"""Is everything captured that the venues have, and where not, is it being filled?"""

from k2_grafana.panels import Dashboard, Row, graph, number
from k2_grafana.promql import age, events, none, per_second, quantile

_READMES = ["services/feed_kraken/README.md", "services/feed_binance/README.md"]
_NONE = none("exchange", "k2_feed_sockets")
_BY_EXCHANGE = "{{exchange}}"

_AT_A_GLANCE = Row(
    "At a glance",
    _READMES,
    [
        number(
            "Sockets",
            "Those whose subscriptions the venue has confirmed; without one nothing is captured.",
            "short",
            ("max by (exchange) (k2_feed_sockets)", _BY_EXCHANGE),
            alerts=["K2FeedNoSocket"],
        ),
        number(
            "Ids that are missing",
            "Trade ids that the venue assigned and that are not in Kafka; they are asked for by REST.",
            "short",
            (f"sum by (exchange) (k2_feed_open_gap_ids) or {_NONE}", _BY_EXCHANGE),
            alerts=["K2FeedGapOpen"],
        ),
        number(
            "Stale symbols",
            "The venue has trades of them that no socket brings.",
            "short",
            ("max by (exchange) (k2_feed_stale_symbols)", _BY_EXCHANGE),
            alerts=["K2FeedStale"],
        ),
        number(
            "Stopped symbols",
            "Their ids went back: they wait for an operator's decision.",
            "short",
            ("max by (exchange) (k2_feed_stopped_symbols)", _BY_EXCHANGE),
            alerts=["K2FeedIdReset"],
        ),
        number(
            "Clock skew",
            "By how much the venue's clock and ours differ, either way.",
            "s",
            ("max by (exchange) (abs(k2_feed_clock_skew_seconds))", _BY_EXCHANGE),
            alerts=["K2FeedClockSkew"],
        ),
        number(
            "Kafka owes an acknowledgement",
            "For how long the oldest record that was sent is not acknowledged.",
            "s",
            ("max by (exchange) (k2_feed_unacknowledged_seconds)", _BY_EXCHANGE),
            alerts=["K2FeedKafkaStalled"],
        ),
    ],
)

_SOCKETS = Row(
    "Sockets",
    _READMES,
    [
        graph(
            "Sockets that were confirmed",
            "Redundant ones bring the same trades; the copies are dropped below.",
            "short",
            ("max by (exchange) (k2_feed_sockets)", _BY_EXCHANGE),
            alerts=["K2FeedNoSocket"],
        ),
        graph(
            "Reconnects in 10 minutes",
            "Sockets that ended for whatever reason and were opened again.",
            "short",
            (events("k2_websocket_reconnects_total", "exchange", "10m", _NONE), _BY_EXCHANGE),
            alerts=["K2FeedReconnects"],
        ),
        graph(
            "Sockets found dead in 30 minutes",
            "By reason; ping and silence are those that ended without a close, which the alert counts.",
            "short",
            (
                events("k2_feed_peer_lost_total", "exchange, reason", "30m", _NONE),
                "{{exchange}} {{reason}}",
            ),
            alerts=["K2FeedPeerLost"],
        ),
        graph(
            "Connection attempts",
            "In the venue's own window; the limits are 80% of the budget: 96 of 120 at Kraken, 192 of 240 at Binance.",
            "short",
            ("max by (exchange) (k2_feed_connect_attempts)", _BY_EXCHANGE),
            alerts=["K2FeedConnectBudget"],
            limits=[96, 192],
        ),
        graph(
            "Changes to another endpoint in 10 minutes",
            "An endpoint of the venue failed, and another took its place.",
            "short",
            (events("k2_feed_failovers_total", "exchange", "10m", _NONE), _BY_EXCHANGE),
            alerts=["K2FeedFailover"],
        ),
        graph(
            "Copies from another socket",
            "Dropped before Kafka, since the first copy was published.",
            "recps",
            (per_second("k2_feed_suppressed_total", "exchange"), _BY_EXCHANGE),
        ),
        graph(
            "Rotations in an hour",
            "Sockets that were replaced before the venue would end them, by outcome.",
            "short",
            (
                events("k2_feed_rotations_total", "exchange, outcome", "1h", _NONE),
                "{{exchange}} {{outcome}}",
            ),
        ),
        graph(
            "Rotations that failed in an hour",
            "The successor did not deliver in time; what was missed is filled.",
            "short",
            (events('k2_feed_rotations_total{outcome!="delivered"}', "exchange", "1h", _NONE), _BY_EXCHANGE),
            alerts=["K2FeedRotationFailed"],
        ),
        graph(
            "Newest trade of each symbol",
            "How long ago it was made by the exchange's clock; a quiet symbol's is old, a replay's of long ago.",
            "s",
            (age("k2_last_record_timestamp_seconds", "exchange, symbol"), "{{exchange}}:{{symbol}}"),
        ),
    ],
)

_GAPS = Row(
    "Gaps",
    _READMES,
    [
        graph(
            "Ids in gaps in an hour",
            "By fate: opened when they were found missing, filled by REST, or given up as unfillable.",
            "short",
            (events("k2_feed_gap_ids_total", "exchange, state", "1h", _NONE), "{{exchange}} {{state}}"),
        ),
        graph(
            "Records of the gap ledger in an hour",
            "A gap is one record when it opens, and one or more when its parts are settled.",
            "short",
            (events("k2_feed_gaps_total", "exchange, state", "1h", _NONE), "{{exchange}} {{state}}"),
        ),
        graph(
            "Ids that were given up in an hour",
            "REST answered without them for FEED_GAP_PATIENCE_S, or with ids on either side.",
            "short",
            (events('k2_feed_gap_ids_total{state="unfillable"}', "exchange", "1h", _NONE), _BY_EXCHANGE),
            alerts=["K2FeedGapUnfillable"],
        ),
        graph(
            "Ids that are missing now",
            "By symbol, as long as any is.",
            "short",
            (f"sum by (exchange, symbol) (k2_feed_open_gap_ids) or {_NONE}", "{{exchange}}:{{symbol}}"),
            alerts=["K2FeedGapOpen"],
        ),
        graph(
            "From a gap's opening to its filling, p50 and p99",
            "Of the last hour's gaps.",
            "s",
            (quantile(0.5, "k2_feed_gap_fill_seconds", "exchange", "1h"), "{{exchange}} p50"),
            (quantile(0.99, "k2_feed_gap_fill_seconds", "exchange", "1h"), "{{exchange}} p99"),
        ),
        graph(
            "REST calls",
            "By outcome; a venue's own limits are kept by budgets.",
            "cps",
            (per_second("k2_feed_rest_calls_total", "exchange, outcome"), "{{exchange}} {{outcome}}"),
        ),
    ],
)

_KAFKA = Row(
    "To Kafka",
    _READMES,
    [
        graph(
            "Records that are not acknowledged",
            "Sent, or waiting to be; each feed has room for FEED_MAX_IN_FLIGHT.",
            "short",
            ('max by (job) (k2_feed_unacknowledged{job=~"feed_.+"})', "{{job}}"),
        ),
        graph(
            "Reading waited for Kafka, in 10 minutes",
            "There was no room, and after FEED_STALL_S sockets were let go; the gap is filled afterwards.",
            "short",
            (events("k2_feed_congested_total", "exchange", "10m", _NONE), _BY_EXCHANGE),
            alerts=["K2FeedCongested"],
        ),
        graph(
            "Memory of its limit",
            "At FEED_MEMORY_LIMIT_MB a feed drains and starts again in order.",
            "percentunit",
            ("k2_feed_memory_bytes / (k2_feed_memory_limit_bytes > 0)", "{{job}}"),
            alerts=["K2FeedMemory"],
        ),
    ],
)

DASHBOARD = Dashboard(
    "feeds",
    "K2: feeds",
    "Is everything captured that the venues have, and where not, is it being filled?",
    [_AT_A_GLANCE, _SOCKETS, _GAPS, _KAFKA],
)
