"""The Iceberg catalog, and how what needs it fails where it does not answer."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from pyiceberg.catalog import Catalog

from k2_shared.core.errors import K2Error, Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.retries import RetryBudget, UsedUp, reason
from k2_shared.lake import iceberg
from k2_shared.lake.retries import RETRYABLE

T = TypeVar("T")


@contextmanager
def connected(settings: LakeSettings) -> Iterator[Catalog]:
    """The catalog, for the length of a block; what is used of it afterwards connects anew. Blocks.

    Raises:
        Unavailable: catalog or store do not answer, or no attempt at a table succeeded.
    """
    try:
        with closing(iceberg.connect(settings)) as catalog:
            yield catalog
    except K2Error:
        raise  # who raised it has said of what: not everything in a block is the catalog's
    except (*RETRYABLE, UsedUp) as error:
        raise _failed(settings, error) from None


def answered(settings: LakeSettings, retries: RetryBudget, ask: Callable[[], T]) -> T:
    """What the catalog answers, asked again where it does not, as far as the budget goes. Blocks.

    Raises:
        Unavailable: no attempt succeeded.
    """
    try:
        return retries.spend(ask)
    except UsedUp as error:
        raise _failed(settings, error.last) from None


def _failed(settings: LakeSettings, error: Exception) -> Unavailable:
    uri = settings.iceberg_catalog_uri
    return Unavailable(f"the catalog at {uri} failed ({reason(error)}): check ICEBERG_CATALOG_URI")
