"""Running a command's work on the broker, and how it fails."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from k2_shared.core.errors import Unavailable

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work. Blocks until it is done.

    Raises:
        Unavailable: the broker failed.
    """
    try:
        return asyncio.run(work)
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"the broker failed: {error!r}") from error
