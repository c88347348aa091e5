"""What is tried again at a table: the ways in which catalog and object store fail."""

from collections.abc import Callable

from pydantic import ValidationError
from pyiceberg.exceptions import CommitFailedException, RESTError
from requests.exceptions import RequestException

from k2_shared.core import failures
from k2_shared.core.retries import RetryBudget, untold

RETRYABLE = (*failures.RETRYABLE, RESTError, ValidationError, NotImplementedError)
"""What is retried at a table besides: the catalog refused, or gave an answer that is none.

What ``requests`` raises is an ``OSError``; the library takes an answer 501 for a ``NotImplementedError``.
"""


def at_table(attempts: int, failed: Callable[[Exception], None] = untold) -> RetryBudget:
    """A budget for work at a table; another owner's commit in between is a conflict."""
    return RetryBudget(attempts, failed, RETRYABLE, (CommitFailedException,))


def is_store(error: Exception) -> bool:
    """Whether a failure came from the object store; the catalog is spoken to by ``requests``."""
    return isinstance(error, OSError) and not isinstance(error, RequestException)
