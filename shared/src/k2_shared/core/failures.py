"""Which failures are retried: one answer for every loop that starts over after one."""

from aiokafka.errors import KafkaError

from k2_shared.core.errors import Unavailable

RETRYABLE = (KafkaError, OSError, Unavailable)
"""A peer, or the way to it, failed: the same work may succeed when it is done again.

``OSError`` covers connections and timeouts. Fatal is everything else: ``Halt`` and ``ConfigError`` need a person, and
any other error is a bug. ``ProducerFenced``, a ``KafkaError``, says that another owner works: whoever owns a
transaction catches it before these. A table's peers fail in more ways: ``k2_shared.lake.retries`` adds them.
"""
