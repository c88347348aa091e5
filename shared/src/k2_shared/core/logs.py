"""The logs of a process: JSON lines on stdout."""

import logging
import sys

import structlog
from aiokafka.errors import KafkaConnectionError
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from k2_shared.core.errors import K2Error
from k2_shared.core.log_rate_limit import HELD_BACK, LogRateLimit

_CLIENTS = ("aiokafka", "faust.transport")


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
