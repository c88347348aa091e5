"""How Spark fails, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from k2_shared.core.errors import Unavailable
from k2_shared.core.retries import reason

SPARK_FAILS = (Py4JError, PySparkException, ConnectionError)
"""A Java that has ended refuses connections."""


def said(error: Exception) -> str:
    """A failure in one line: Java's own words are pages."""
    return reason(error).splitlines()[0]


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Tell failures of Spark in the block as an error of ours.

    Raises:
        Unavailable: Spark failed.
    """
    try:
        yield
    except SPARK_FAILS as error:
        raise Unavailable(f"Spark failed at {what}: {said(error)}") from None
