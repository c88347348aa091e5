"""Every metric of the project. A name stands here and nowhere else."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all series, and nobody asks for them

_AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FILLS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class _Family:
    """Metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._add()

    def _add(self) -> None:
        """Add its metrics to the registry."""
        raise NotImplementedError

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, about, labels, buckets=buckets, registry=self.registry)


class Metrics(_Family):
    """One process's metrics; counters count only after success."""

    def __init__(self, service: str, version: str) -> None:
        super().__init__(CollectorRegistry())
        self._gauge("k2_build_info", "what runs", "service", "version").labels(service, version).set(1)

    def _add(self) -> None:
        self._add_records()
        self._add_process()
        self._add_ages()
        self._add_venues()
        self.partitions = PartitionMetrics(self.registry)
        self.feed = FeedMetrics(self.registry)
        self.groups = GroupMetrics(self.registry)
        self.tables = TableMetrics(self.registry)
        self.warm = WarmMetrics(self.registry)
        self.candles = CandleMetrics(self.registry)
        self.offloads = OffloadMetrics(self.registry)
        self.maintenance = MaintenanceMetrics(self.registry)

    def _add_records(self) -> None:
        """Metrics of what was read and written."""
        self.received = self._counter("k2_records_received", "records read", "topic")
        self.sent = self._counter("k2_records_sent", "records written and acknowledged", "topic")
        self.rejected = self._counter("k2_records_rejected", "records sent to the DLQ", "reason")
        self.duplicates = self._counter("k2_records_duplicates", "records dropped as duplicates")
        self.uncompared = self._counter("k2_records_uncompared", "duplicates too old to be compared with the first")
        self.errors = self._counter("k2_errors", "failed attempts", "stage", "error_type")

    def _add_process(self) -> None:
        """Metrics of the process itself: when it started and its memory too, on Linux."""
        self.ready = self._gauge("k2_ready", "1 while /readyz says so")
        self.broker_up = self._gauge("k2_broker_up", "1 while a broker answers this process")
        self.halted = self._gauge("k2_halted", "1 while too much was refused: look, then resume")
        self.unread_partitions = self._gauge(
            "k2_topic_unread_partitions", "partitions beyond the contract's, which nobody reads", "topic"
        )
        ProcessCollector(registry=self.registry)

    def _add_ages(self) -> None:
        """Metrics of how long a batch takes, and how old its records are."""
        self.duration = self._histogram("k2_processing_duration_seconds", "one batch", "stage", buckets=_DURATIONS)
        self.pipeline_age = self._histogram(
            "k2_pipeline_age_seconds",
            "now - receipt of the frame, the oldest record of each batch",
            "stage",
            buckets=_AGES,
        )
        self.event_age = self._histogram(
            "k2_event_age_seconds", "now - exchange time, the newest trade of each batch", "stage", buckets=_AGES
        )

    def _add_venues(self) -> None:
        """Metrics of what comes from a venue."""
        self.last_record = self._gauge(
            "k2_last_record_timestamp_seconds", "exchange time of the newest trade", "exchange", "symbol"
        )
        self.connected = self._gauge("k2_websocket_connected", "1 while subscribed", "exchange")
        self.reconnects = self._counter("k2_websocket_reconnects", "reconnects", "exchange")
        self.frames = self._counter("k2_frames", "frames received by kind", "exchange", "kind")

    def uncaptured(self, exchange: str) -> None:
        """Reset the gauges of a venue while no capture of it runs: no socket, nothing on its way to Kafka."""
        self.connected.labels(exchange).set(0)
        self.feed.unacknowledged.set(0)
        for gauge in (self.feed.sockets, self.feed.stale_symbols, self.feed.unacknowledged_s):
            gauge.labels(exchange).set(0)


class PartitionMetrics(_Family):
    """Metrics of the exactly-once agents, by input partition."""

    def _add(self) -> None:
        labels = ["topic", "partition"]
        self.records = self._counter("k2_partition_records", "records by what became of them", *labels, "outcome")
        self.transactions = self._counter("k2_transactions", "transactions by outcome", *labels, "outcome")
        self.lag = self._gauge("k2_lag_offsets", "offsets behind the partition's end", *labels)
        self.state_ids = self._gauge("k2_state_ids", "trade ids remembered", *labels)
        self.state_bytes = self._gauge("k2_state_bytes", "bytes of the remembered ids", *labels)
        self.checkpoint = self._gauge(
            "k2_checkpoint_timestamp_seconds", "when the state was last checkpointed", *labels
        )


class TableMetrics(_Family):
    """Metrics of the sinks, by table; all but commits and rows are Iceberg's."""

    def _add(self) -> None:
        self.bytes = self._counter("k2_table_bytes", "bytes of the data files that were committed", "table")
        self.files = self._counter("k2_table_files", "data files that were committed", "table")
        self.conflicts = self._counter("k2_table_conflicts", "commits that another owner's was ahead of", "table")
        self.commit_seconds = self._histogram(
            "k2_table_commit_seconds", "from a batch to its snapshot, all attempts in", "table", buckets=_DURATIONS
        )
        self.newest = self._gauge(
            "k2_table_newest_row_timestamp_seconds", "time of the newest record whose row was committed", "table"
        )
        self.commits = self._counter("k2_table_commits", "batches written to a table, by outcome", "table", "outcome")
        self.rows = self._counter("k2_table_rows", "rows written to a table", "table")
        self.snapshots = self._gauge("k2_table_snapshots", "snapshots in an Iceberg table", "table")
        self.expired = self._counter("k2_table_snapshots_expired", "snapshots removed", "table")
        self.expiries = self._counter(
            "k2_table_expiries", "searches for snapshots to expire, by outcome", "table", "outcome"
        )


class WarmMetrics(_Family):
    """Metrics of the warm tier, as ClickHouse tells them to the sink that fills it."""

    def _add(self) -> None:
        self.newest = self._gauge(
            "k2_warm_newest_row_timestamp_seconds", "time of the newest record whose row was inserted", "table"
        )
        self.parts = self._gauge("k2_warm_parts", "active parts of a table", "table")
        self.rows = self._gauge("k2_warm_rows", "rows of a table, those that merges will drop among them", "table")
        self.bytes = self._gauge("k2_warm_bytes", "bytes of a table on disk", "table")
        self.memory = self._gauge("k2_warm_memory_bytes", "memory that the server uses")
        self.memory_limit = self._gauge("k2_warm_memory_limit_bytes", "memory that the server may use")
        self.disk = self._gauge("k2_warm_disk_bytes", "size of a disk of the server's", "disk")
        self.disk_free = self._gauge("k2_warm_disk_free_bytes", "what is free of it", "disk")
        self.measured = self._gauge("k2_warm_measured_timestamp_seconds", "when the server last told")


class CandleMetrics(_Family):
    """Metrics of the candles, by timeframe."""

    def _add(self) -> None:
        labels = ["timeframe"]
        self.late = self._counter(
            "k2_candle_late_trades", "trades of a window older than their symbol's newest", *labels
        )
        self.refused = self._counter("k2_candle_refused_trades", "trades of a candle that may have expired", *labels)
        self.newest = self._gauge(
            "k2_candle_newest_timestamp_seconds", "begin of the newest window with a trade", *labels
        )
        self.incomplete = self._gauge(
            "k2_candle_incomplete", "candles that lack trades that are known to be missing", *labels
        )
        self.missing = self._gauge("k2_candle_missing_ids", "trade ids that are missing", "exchange")


class MaintenanceMetrics(_Family):
    """Metrics of the lake's daily maintenance: of the last run, and of the tables as it left them."""

    def _add(self) -> None:
        self.succeeded = self._gauge(
            "k2_maintenance_last_success_timestamp_seconds",
            "when the last run ended that left nothing undone; the process' start until there is one",
        )
        self.failed = self._gauge("k2_maintenance_failed", "1 where the last run left something undone")
        self.overran = self._gauge("k2_maintenance_overran", "1 where the last run's time was over before its work was")
        self.duration = self._gauge("k2_maintenance_duration_seconds", "how long the last run took")
        self.steps = self._gauge("k2_maintenance_step_seconds", "how long each step took at last", "step", "table")
        self.attempts = self._counter(
            "k2_maintenance_failed_attempts", "attempts that met a conflict or a failure", "step"
        )
        self.files = self._gauge("k2_table_live_files", "data files after the last compaction", "table")
        self.fullest = self._gauge(
            "k2_table_partition_files_max", "data files of the fullest partition after the last compaction", "table"
        )
        self.orphans = self._gauge(
            "k2_table_orphan_files_ratio", "files that no snapshot knew at the last search, of all", "table"
        )
        self.layers = self._gauge(
            "k2_audit_differing_hours", "hours in which both tiers differed at the last audit", "layer"
        )


class OffloadMetrics(_Family):
    """Metrics of the offload of hours from the warm tier to the cold one, by cold table."""

    def _add(self) -> None:
        self.succeeded = self._gauge(
            "k2_offload_last_success_timestamp_seconds",
            "when the last offload ended that left nothing undone; the process' start until there is one",
        )
        self.failed = self._gauge("k2_offload_failed", "1 where the last attempt at an offload failed")
        self.duration = self._gauge("k2_offload_duration_seconds", "how long the last offload took")
        self.complete_to = self._gauge(
            "k2_offload_watermark_timestamp_seconds", "end of the newest hour that was ever offloaded"
        )
        self.hours = self._gauge(
            "k2_offload_hours", "hours of both tiers after the last offload, by what they say of each other", "verdict"
        )

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return super()._gauge(name, about, "table", *labels)


class GroupMetrics(_Family):
    """Metrics of consumer groups, asked of the broker by a process that is a member of none."""

    def _add(self) -> None:
        labels = ["group", "topic", "partition"]
        self.lag = self._gauge("k2_consumer_group_lag", "offsets from the committed one to the end", *labels)
        self.offset = self._gauge("k2_consumer_group_offset", "the committed offset; -1 where there is none", *labels)
        self.measured = self._gauge(
            "k2_consumer_group_measured_timestamp_seconds", "when the broker last told", "group"
        )


class FeedMetrics(_Family):
    """Metrics of the feeds: sockets, gaps, process; the values of every label are a bounded set."""

    def _add(self) -> None:
        self._add_gaps()
        self._add_sockets()
        self._add_process()

    def _add_gaps(self) -> None:
        """Metrics of missing ids; ``state`` is opened, filled or unfillable."""
        self.gaps = self._counter("k2_feed_gaps", "records of the gap ledger", "exchange", "state")
        self.gap_ids = self._counter("k2_feed_gap_ids", "ids in records of the gap ledger", "exchange", "state")
        self.open_gap_ids = self._gauge("k2_feed_open_gap_ids", "ids missing now", "exchange", "symbol")
        self.gap_fill = self._histogram(
            "k2_feed_gap_fill_seconds", "from the opening of a gap to its filling", "exchange", buckets=_FILLS
        )
        self.rest_calls = self._counter("k2_feed_rest_calls", "REST calls by outcome", "exchange", "outcome")
        self.stopped_symbols = self._gauge(
            "k2_feed_stopped_symbols", "symbols that wait for an operator after a reset of their ids", "exchange"
        )

    def _add_sockets(self) -> None:
        """Metrics of the connections to the venue."""
        self.sockets = self._gauge("k2_feed_sockets", "sockets whose subscriptions are confirmed", "exchange")
        self.suppressed = self._counter("k2_feed_suppressed", "copies from another socket not published", "exchange")
        self.stale_symbols = self._gauge(
            "k2_feed_stale_symbols", "symbols of which no socket brings the trades", "exchange"
        )
        self.rotations = self._counter("k2_feed_rotations", "rotations by outcome", "exchange", "outcome")
        self.failovers = self._counter("k2_feed_failovers", "changes to another endpoint of the venue", "exchange")
        self.connect_attempts = self._gauge(
            "k2_feed_connect_attempts", "connection attempts in the venue's window", "exchange"
        )
        self.peer_lost = self._counter("k2_feed_peer_lost", "sockets found dead by reason", "exchange", "reason")
        self.clock_skew = self._gauge("k2_feed_clock_skew_seconds", "exchange time - our time of receipt", "exchange")

    def _add_process(self) -> None:
        """Metrics of the process's memory and of what Kafka has not acknowledged."""
        self.memory = self._gauge("k2_feed_memory_bytes", "resident memory of the process")
        self.memory_limit = self._gauge("k2_feed_memory_limit_bytes", "beyond it the process drains and restarts")
        self.unacknowledged = self._gauge("k2_feed_unacknowledged", "records that Kafka has not acknowledged")
        self.unacknowledged_s = self._gauge(
            "k2_feed_unacknowledged_seconds", "for how long Kafka owes an acknowledgement", "exchange"
        )
        self.congested = self._counter("k2_feed_congested", "times that reading waited for Kafka", "exchange")
