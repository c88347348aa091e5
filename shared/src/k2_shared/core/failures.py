"""Which failures are retried: one answer for every loop that starts over after one."""

from aiokafka.errors import KafkaError, ProducerFenced

from k2_shared.core.errors import Unavailable


def is_retryable(error: BaseException) -> bool:
    """Whether the same work may succeed when it is done again: a peer, or the way to it, failed.

    ``OSError`` covers connections and timeouts. Fatal is everything else: ``Halt`` and ``ConfigError`` need a person,
    ``ProducerFenced`` says that another owner works, and any other error is a bug. A table's peers fail in more ways:
    ``k2_shared.lake.retries`` adds them.
    """
    return isinstance(error, KafkaError | OSError | Unavailable) and not isinstance(error, ProducerFenced)
