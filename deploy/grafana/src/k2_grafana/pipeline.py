"""One look: does what the venues send become rows, how fast, and how old is it by then?"""

from k2_grafana.panels import Dashboard, Row, graph, number
from k2_grafana.promql import age, events, grown, none, per_second, quantile

_PARTITION = "topic, partition"
_READS = f"on ({_PARTITION}) ({grown('k2_partition_records_total', _PARTITION, '10m')} > 0)"

_AT_A_GLANCE = Row(
    "At a glance",
    ["deploy/prometheus/README.md"],
    [
        number(
            "Alerts that fire",
            "Rules of Prometheus that are true now; its page /alerts names them.",
            "short",
            ('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts"),
            limits=[1],
        ),
        number(
            "Processes that do not answer",
            "Dead, stuck, or not to be reached.",
            "short",
            ("count(max by (job, instance) (up) == 0) or vector(0)", "processes"),
            alerts=["K2Down"],
            limits=[1],
        ),
        number(
            "Processes that are not ready",
            "They answer and do not work: their /readyz says what is missing.",
            "short",
            ("count(min by (job, instance) (k2_ready) == 0) or vector(0)", "processes"),
            alerts=["K2NotReady"],
            limits=[1],
        ),
        number(
            "Processes that halted",
            "They refused too much, or another has their name; they wait for an operator.",
            "short",
            ("sum(k2_halted)", "processes"),
            alerts=["K2Halted"],
        ),
        number(
            "Largest lag",
            "Offsets by which the group that is furthest behind is behind in one partition.",
            "short",
            ("max(k2_consumer_group_lag)", "offsets"),
            alerts=["K2Lag"],
        ),
        number(
            "Newest trade, warm",
            "How long ago the newest record was written whose row is in ClickHouse's gold_trades.",
            "s",
            (age('k2_warm_newest_row_timestamp_seconds{table="gold_trades"}'), "age"),
            alerts=["K2WarmStale"],
        ),
    ],
)

_RATE = Row(
    "From frames to rows: how many a second",
    ["services/feed_kraken/README.md", "services/feed_binance/README.md"],
    [
        graph(
            "Frames from the venues",
            "What comes over the sockets: trades, heartbeats, answers.",
            "mps",
            (per_second("k2_frames_total", "exchange, kind"), "{{exchange}} {{kind}}"),
        ),
        graph(
            "Records written to Kafka",
            "Acknowledged by the broker, or committed with their transaction.",
            "recps",
            (per_second("k2_records_sent_total", "topic"), "{{topic}}"),
        ),
        graph(
            "Records read by the stages",
            "By silver and gold, and what feeds read of their own ledgers.",
            "recps",
            (per_second("k2_records_received_total", "job, topic"), "{{job}} {{topic}}"),
        ),
        graph(
            "Rows into the warm tier",
            "By table of ClickHouse; a batch that was repeated counts twice.",
            "rowsps",
            (per_second('k2_table_rows_total{job="warm_sink"}', "table"), "{{table}}"),
            width=12,
        ),
        graph(
            "Rows into the lake",
            "By Iceberg table, at their commits.",
            "rowsps",
            (per_second('k2_table_rows_total{job="iceberg_sink"}', "table"), "{{table}}"),
            width=12,
        ),
    ],
)

_AGE = Row(
    "How old it is at each hop",
    ["services/silver/README.md", "services/gold/README.md", "services/warm_sink/README.md"],
    [
        graph(
            "Since the frame came, p50",
            "From the receipt of a frame to the commit of the batch with its trade, the oldest of each batch.",
            "s",
            (quantile(0.5, "k2_pipeline_age_seconds", "stage"), "{{stage}}"),
        ),
        graph(
            "Since the frame came, p99",
            "The same; stages are silver, gold and each table that a sink fills.",
            "s",
            (quantile(0.99, "k2_pipeline_age_seconds", "stage"), "{{stage}}"),
        ),
        graph(
            "Since the trade was made, p50 and p99",
            "From the exchange's own time to the commit, the newest trade of each batch; a replay's are of long ago.",
            "s",
            (quantile(0.5, "k2_event_age_seconds", "stage"), "{{stage}} p50"),
            (quantile(0.99, "k2_event_age_seconds", "stage"), "{{stage}} p99"),
        ),
    ],
)

_LAG = Row(
    "How far each reader is behind, as the broker knows it",
    ["services/lag_exporter/README.md"],
    [
        graph(
            "Lag",
            "Offsets from the committed one to the end, of the partition that is furthest behind.",
            "short",
            ("max by (group, topic) (k2_consumer_group_lag)", "{{group}} {{topic}}"),
            alerts=["K2Lag"],
        ),
        graph(
            "Partitions that stand still",
            "Records wait in them, and their group has committed nothing for two minutes.",
            "short",
            (
                "count by (group) ((max by (group, topic, partition) (k2_consumer_group_lag) > 0)"
                " and on (group, topic, partition)"
                " (max by (group, topic, partition) (changes(k2_consumer_group_offset[2m])) == 0)) or "
                + none("group", "k2_consumer_group_lag"),
                "{{group}}",
            ),
            alerts=["K2GroupStands"],
        ),
        graph(
            "Lag was measured",
            "How long ago the broker last told the offsets of a group; its lag is as old.",
            "s",
            (age("k2_consumer_group_measured_timestamp_seconds", "group"), "{{group}}"),
            alerts=["K2LagUnknown"],
        ),
        graph(
            "A broker answers",
            "1 while one answers this process, each on a connection of its own.",
            "short",
            ("min by (job) (k2_broker_up)", "{{job}}"),
            alerts=["K2BrokerDown"],
        ),
        graph(
            "Offsets that groups get through",
            "In the mean of ten minutes; the limit is for one that is behind, a quiet one has less to do.",
            "cps",
            ("group_topic:k2_consumer_group_offset:rate10m", "{{group}} {{topic}}"),
            alerts=["K2ThroughputLow"],
        ),
        graph(
            "Trades that feeds published in 2 minutes",
            "Acknowledged by Kafka; none for ten minutes is an alert, whatever the sockets say.",
            "short",
            (
                'sum by (job) (increase(k2_records_sent_total{topic=~"market[.]crypto[.]trades[.][a-z]+"}[2m]))',
                "{{job}}",
            ),
            alerts=["K2NoRecords"],
        ),
    ],
)

_STAGES = Row(
    "The exactly-once stages",
    ["services/silver/README.md", "services/gold/README.md"],
    [
        graph(
            "Transactions",
            "Of Kafka, by what became of them.",
            "cps",
            (per_second("k2_transactions_total", "job, outcome"), "{{job}} {{outcome}}"),
        ),
        graph(
            "Transactions that failed in 10 minutes",
            "They are tried again: nothing is lost or doubled by that.",
            "short",
            (
                events('k2_transactions_total{outcome!="committed"}', "job", "10m", none("job", "k2_lag_offsets")),
                "{{job}}",
            ),
            alerts=["K2TransactionsFail"],
        ),
        graph(
            "Attempts that failed in 10 minutes",
            "Of any process at any server, by what it met; each is made again until its limit.",
            "short",
            (
                events("k2_errors_total", "job, error_type", "10m", none("job", "k2_ready")),
                "{{job}} {{error_type}}",
            ),
        ),
        graph(
            "Time of a batch, p50 and p99",
            "From its first record to its commit, by stage and sink.",
            "s",
            (quantile(0.5, "k2_processing_duration_seconds", "stage"), "{{stage}} p50"),
            (quantile(0.99, "k2_processing_duration_seconds", "stage"), "{{stage}} p99"),
        ),
        graph(
            "Lag as the stage sees it",
            "Offsets to the end of the partition that is furthest behind; a stage that is stuck does not tell.",
            "short",
            ("max by (job, topic) (k2_lag_offsets)", "{{job}} {{topic}}"),
        ),
        graph(
            "Gold's state was saved",
            "How long ago each partition had its checkpoint, of those that read anything in ten minutes.",
            "s",
            (f"{age('k2_checkpoint_timestamp_seconds', _PARTITION)} and {_READS}", "{{topic}} {{partition}}"),
            alerts=["K2CheckpointOld"],
        ),
    ],
)

DASHBOARD = Dashboard(
    "pipeline",
    "K2: pipeline",
    "Does what the venues send become rows, how fast, and how old is it by then?",
    [_AT_A_GLANCE, _RATE, _AGE, _LAG, _STAGES],
)
