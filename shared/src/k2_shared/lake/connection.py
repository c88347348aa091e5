"""The Iceberg catalog, and how what needs it fails where it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.catalog import Catalog

from k2_shared.core.errors import Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.retries import UsedUp, reason
from k2_shared.lake import iceberg
from k2_shared.lake.retries import RETRYABLE


@contextmanager
def connected(settings: LakeSettings) -> Iterator[Catalog]:
    """The catalog, for the length of a block. Blocks.

    Raises:
        Unavailable: catalog or store do not answer, or no attempt at a table succeeded.
    """
    try:
        yield iceberg.connect(settings)
    except (*RETRYABLE, UsedUp) as error:
        uri = settings.iceberg_catalog_uri
        raise Unavailable(f"the catalog at {uri} failed ({reason(error)}): check ICEBERG_CATALOG_URI") from None
