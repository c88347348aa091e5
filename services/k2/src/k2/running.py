"""Running a command's work on the broker, and how it fails."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from aiokafka.errors import KafkaError

from k2_shared.core.errors import Unavailable

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work. Blocks until it is done.

    Raises:
        Unavailable: the broker failed.
    """
    try:
        with silence():
            return asyncio.run(work)
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"the broker failed: {error!r}") from error


@contextmanager
def silence() -> Iterator[None]:
    """Keep our clients' log lines, which go to stdout, from what is printed there, for the length of a block."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
