"""Every metric of the project, and its logs. A name stands here and nowhere else."""

import logging
import sys

import structlog
from aiokafka.errors import KafkaConnectionError
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from k2_shared.core.errors import K2Error
from k2_shared.core.log_rate_limit import HELD_BACK, LogRateLimit

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all series, and nobody asks for them

_AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CLIENTS = ("aiokafka", "faust.transport")
_FILLS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """One process's metrics; counters count only after success."""

    def __init__(self, service: str, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        self.received = Counter("k2_records_received", "records read", ["topic"], registry=registry)
        self.sent = Counter("k2_records_sent", "records written and acknowledged", ["topic"], registry=registry)
        self.rejected = Counter("k2_records_rejected", "records sent to the DLQ", ["reason"], registry=registry)
        self.duplicates = Counter("k2_records_duplicates", "records dropped as duplicates", registry=registry)
        self.errors = Counter("k2_errors", "failed attempts", ["stage", "error_type"], registry=registry)
        self.uncompared = Counter(
            "k2_records_uncompared", "duplicates too old to be compared with the first", registry=registry
        )
        self.ready = Gauge("k2_ready", "1 while /readyz says so", registry=registry)
        self.broker_up = Gauge("k2_broker_up", "1 while a broker answers this process", registry=registry)
        self.halted = Gauge("k2_halted", "1 while too much was refused: look, then resume", registry=registry)
        self.unread_partitions = Gauge(
            "k2_topic_unread_partitions",
            "partitions beyond the contract's, which nobody reads",
            ["topic"],
            registry=registry,
        )
        self.duration = Histogram(
            "k2_processing_duration_seconds", "one batch", ["stage"], buckets=_DURATIONS, registry=registry
        )
        self.pipeline_age = Histogram(
            "k2_pipeline_age_seconds",
            "now - receipt of the frame, the oldest record of each batch",
            ["stage"],
            buckets=_AGES,
            registry=registry,
        )
        self.event_age = Histogram(
            "k2_event_age_seconds",
            "now - exchange time, the newest trade of each batch",
            ["stage"],
            buckets=_AGES,
            registry=registry,
        )
        self.partitions = PartitionMetrics(registry)
        self.feed = FeedMetrics(registry)
        self.groups = GroupMetrics(registry)
        self.last_record = Gauge(
            "k2_last_record_timestamp_seconds",
            "exchange time of the newest trade",
            ["exchange", "symbol"],
            registry=registry,
        )
        self.connected = Gauge("k2_websocket_connected", "1 while subscribed", ["exchange"], registry=registry)
        self.reconnects = Counter("k2_websocket_reconnects", "reconnects", ["exchange"], registry=registry)
        self.frames = Counter("k2_frames", "frames received by kind", ["exchange", "kind"], registry=registry)
        self.tables = TableMetrics(registry)
        self.warm = WarmMetrics(registry)
        self.candles = CandleMetrics(registry)
        self.offloads = OffloadMetrics(registry)
        self.maintenance = MaintenanceMetrics(registry)
        ProcessCollector(registry=registry)  # when the process started, its memory; on Linux
        build = Gauge("k2_build_info", "what runs", ["service", "version"], registry=registry)
        build.labels(service, version).set(1)

    def uncaptured(self, exchange: str) -> None:
        """Reset the gauges of a venue while no capture of it runs: no socket, nothing on its way to Kafka."""
        self.connected.labels(exchange).set(0)
        self.feed.unacknowledged.set(0)
        for gauge in (self.feed.sockets, self.feed.stale_symbols, self.feed.unacknowledged_s):
            gauge.labels(exchange).set(0)


class PartitionMetrics:
    """Metrics of the exactly-once agents, by input partition."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["topic", "partition"]
        self.records = Counter(
            "k2_partition_records", "records by what became of them", [*labels, "outcome"], registry=registry
        )
        self.transactions = Counter(
            "k2_transactions", "transactions by outcome", [*labels, "outcome"], registry=registry
        )
        self.lag = Gauge("k2_lag_offsets", "offsets behind the partition's end", labels, registry=registry)
        self.state_ids = Gauge("k2_state_ids", "trade ids remembered", labels, registry=registry)
        self.state_bytes = Gauge("k2_state_bytes", "bytes of the remembered ids", labels, registry=registry)
        self.checkpoint = Gauge(
            "k2_checkpoint_timestamp_seconds", "when the state was last checkpointed", labels, registry=registry
        )


class TableMetrics:
    """Metrics of the sinks, by table; all but commits and rows are Iceberg's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bytes = Counter(
            "k2_table_bytes", "bytes of the data files that were committed", ["table"], registry=registry
        )
        self.files = Counter("k2_table_files", "data files that were committed", ["table"], registry=registry)
        self.conflicts = Counter(
            "k2_table_conflicts", "commits that another owner's was ahead of", ["table"], registry=registry
        )
        self.commit_seconds = Histogram(
            "k2_table_commit_seconds",
            "from a batch to its snapshot, all attempts in",
            ["table"],
            buckets=_DURATIONS,
            registry=registry,
        )
        self.newest = Gauge(
            "k2_table_newest_row_timestamp_seconds",
            "time of the newest record whose row was committed",
            ["table"],
            registry=registry,
        )
        self.commits = Counter(
            "k2_table_commits", "batches written to a table, by outcome", ["table", "outcome"], registry=registry
        )
        self.rows = Counter("k2_table_rows", "rows written to a table", ["table"], registry=registry)
        self.snapshots = Gauge("k2_table_snapshots", "snapshots in an Iceberg table", ["table"], registry=registry)
        self.expired = Counter("k2_table_snapshots_expired", "snapshots removed", ["table"], registry=registry)
        self.expiries = Counter(
            "k2_table_expiries", "searches for snapshots to expire, by outcome", ["table", "outcome"], registry=registry
        )


class WarmMetrics:
    """Metrics of the warm tier, as ClickHouse tells them to the sink that fills it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
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

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self._registry)


class CandleMetrics:
    """Metrics of the candles, by timeframe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["timeframe"]
        self.late = Counter(
            "k2_candle_late_trades", "trades of a window older than their symbol's newest", labels, registry=registry
        )
        self.refused = Counter(
            "k2_candle_refused_trades", "trades of a candle that may have expired", labels, registry=registry
        )
        self.newest = Gauge(
            "k2_candle_newest_timestamp_seconds", "begin of the newest window with a trade", labels, registry=registry
        )
        self.incomplete = Gauge(
            "k2_candle_incomplete", "candles that lack trades that are known to be missing", labels, registry=registry
        )
        self.missing = Gauge("k2_candle_missing_ids", "trade ids that are missing", ["exchange"], registry=registry)


class MaintenanceMetrics:
    """Metrics of the lake's daily maintenance: of the last run, and of the tables as it left them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.succeeded = self._gauge(
            "k2_maintenance_last_success_timestamp_seconds",
            "when the last run ended that left nothing undone; the process' start until there is one",
        )
        self.failed = self._gauge("k2_maintenance_failed", "1 where the last run left something undone")
        self.overran = self._gauge("k2_maintenance_overran", "1 where the last run's time was over before its work was")
        self.duration = self._gauge("k2_maintenance_duration_seconds", "how long the last run took")
        self.steps = self._gauge("k2_maintenance_step_seconds", "how long each step took at last", "step", "table")
        self.attempts = Counter(
            "k2_maintenance_failed_attempts", "attempts that met a conflict or a failure", ["step"], registry=registry
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

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self._registry)


class OffloadMetrics:
    """Metrics of the offload of hours from the warm tier to the cold one, by cold table."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
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
        return Gauge(name, about, ["table", *labels], registry=self._registry)


class GroupMetrics:
    """Metrics of consumer groups, asked of the broker by a process that is a member of none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["group", "topic", "partition"]
        self.lag = Gauge(
            "k2_consumer_group_lag", "offsets from the committed one to the end", labels, registry=registry
        )
        self.offset = Gauge(
            "k2_consumer_group_offset", "the committed offset; -1 where there is none", labels, registry=registry
        )
        self.measured = Gauge(
            "k2_consumer_group_measured_timestamp_seconds", "when the broker last told", ["group"], registry=registry
        )


class FeedMetrics:
    """Metrics of the feeds: sockets, gaps, process; the values of every label are a bounded set."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._add_gaps()
        self._add_sockets()
        self._add_process()

    def _add_gaps(self) -> None:
        """Metrics of missing ids; ``state`` is opened, filled or unfillable."""
        self.gaps = self._counter("k2_feed_gaps", "records of the gap ledger", "exchange", "state")
        self.gap_ids = self._counter("k2_feed_gap_ids", "ids in records of the gap ledger", "exchange", "state")
        self.open_gap_ids = self._gauge("k2_feed_open_gap_ids", "ids missing now", "exchange", "symbol")
        self.gap_fill = Histogram(
            "k2_feed_gap_fill_seconds",
            "from the opening of a gap to its filling",
            ["exchange"],
            buckets=_FILLS,
            registry=self._registry,
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

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self._registry)


def configure_logs(service: str, level: str) -> None:
    """Log JSON lines to stdout; libraries' own logs too, from WARNING up, a few lines a minute of each logger."""
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(),
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=[HELD_BACK]),
                *processors,
                _retried,
            ],
        )
    )
    handler.addFilter(_not_ours)
    handler.addFilter(LogRateLimit())
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler], force=True)


def _not_ours(record: logging.LogRecord) -> bool:
    """Drop Faust's traceback of an error that is said in one line at the end."""
    return not (record.exc_info and isinstance(record.exc_info[1], (K2Error, OSError, KafkaConnectionError)))


def _retried(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An error after which a Kafka client tries again is a warning; what it gives up comes to us, and is said by us."""
    if event.get("level") == "error" and str(event.get("logger")).startswith(_CLIENTS):
        event["level"] = "warning"
    return event


def logger() -> FilteringBoundLogger:
    """The project's logger; event names are constants of the module that logs them."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound
