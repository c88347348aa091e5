"""Gates before a table's catalog and store, for tests of whoever works at the table."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import pytest

from k2_shared.core.lake_settings import LakeSettings
from k2_support.http_proxy import HttpProxy, ProxyRule


@dataclass
class Gates:
    """Proxies before catalog and store, and a fault that ends after some failed attempts; each of those is kept."""

    catalog: HttpProxy
    store: HttpProxy
    errors: list[Exception] = field(default_factory=list)
    lifting: ExitStack = field(default_factory=ExitStack)
    lift_after: int = 2

    def hear(self, error: Exception) -> None:
        """Note a failed attempt; after some the fault is over."""
        self.errors.append(error)
        if len(self.errors) == self.lift_after:
            self.lifting.close()

    def suffer(self, fault: AbstractContextManager[ProxyRule]) -> ProxyRule:
        """Let a fault last for two failed attempts."""
        return self.lifting.enter_context(fault)


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    """Gates that the settings lead through, once a table is there."""
    settings = LakeSettings.load()
    with (
        HttpProxy(settings.iceberg_catalog_uri).listening() as catalog,
        HttpProxy(settings.s3_endpoint).listening() as store,
    ):
        monkeypatch.setenv("ICEBERG_CATALOG_URI", catalog.url)
        monkeypatch.setenv("ICEBERG_OAUTH2_SERVER_URI", f"{catalog.url}/v1/oauth/tokens")
        monkeypatch.setenv("S3_ENDPOINT", store.url)
        yield Gates(catalog, store)
