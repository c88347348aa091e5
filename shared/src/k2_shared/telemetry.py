"""Every metric of the project, and its logs. A name stands here and nowhere else."""

import logging
import sys

import structlog
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.typing import FilteringBoundLogger, Processor

from k2_shared.errors import K2Error

_AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


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
        self.halted = Gauge("k2_halted", "1 while too much was refused: look, then resume", registry=registry)
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
        self.last_record = Gauge(
            "k2_last_record_timestamp_seconds",
            "exchange time of the newest trade",
            ["exchange", "symbol"],
            registry=registry,
        )
        self.connected = Gauge("k2_websocket_connected", "1 while subscribed", ["exchange"], registry=registry)
        self.reconnects = Counter("k2_websocket_reconnects", "reconnects", ["exchange"], registry=registry)
        self.frames = Counter("k2_frames", "frames received by kind", ["exchange", "kind"], registry=registry)
        self.commits = Counter(
            "k2_table_commits", "Iceberg commits by outcome", ["table", "outcome"], registry=registry
        )
        self.rows = Counter("k2_table_rows", "rows committed to Iceberg", ["table"], registry=registry)
        build = Gauge("k2_build_info", "what runs", ["service", "version"], registry=registry)
        build.labels(service, version).set(1)


class PartitionMetrics:
    """What the exactly-once agents say of each input partition."""

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


def configure_logs(service: str, level: str) -> None:
    """Log JSON lines to stdout; libraries' own logs too, from WARNING up."""
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
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
        )
    )
    handler.addFilter(_not_ours)
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelName(level)), handlers=[handler], force=True)


def _not_ours(record: logging.LogRecord) -> bool:
    """Drop Faust's traceback of an error that is said in one line at the end."""
    return not (record.exc_info and isinstance(record.exc_info[1], (K2Error, OSError, KafkaConnectionError)))


def logger() -> FilteringBoundLogger:
    """The project's logger; event names are constants of the module that logs them."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound
