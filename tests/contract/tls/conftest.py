"""A hardened broker, and TLS before the stack's catalog and store."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.contract.tls.authority import Authority
from tests.contract.tls.broker import PASSWORD, USER, secure_broker
from tests.contract.tls.tunnel import tunnel

Environment = dict[str, str]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of certificates and of the broker."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="session")
def authority(folder: Path) -> Authority:
    """Whom the settings trust."""
    return Authority(folder)


@pytest.fixture(scope="session")
def stranger(folder: Path) -> Authority:
    """Another one, whom nothing is signed by."""
    return Authority(folder, "stranger")


@pytest.fixture(scope="session")
def broker(folder: Path, authority: Authority) -> Iterator[Mapping[str, str]]:
    """The address of each protocol's listener."""
    with secure_broker(folder / "broker", authority) as addresses:
        yield addresses


@pytest.fixture
def secure(broker: Mapping[str, str], authority: Authority) -> Environment:
    """What an operator sets for SASL over TLS."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker["SASL_SSL"],
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CAFILE": str(authority.cafile),
    }


@pytest.fixture
def lake_tls(authority: Authority) -> Iterator[Environment]:
    """What an operator sets for a catalog and a store behind TLS."""
    catalog, store = (urlsplit(os.environ[name]).port or 0 for name in ("ICEBERG_CATALOG_URI", "S3_ENDPOINT"))
    with tunnel(catalog, authority.server()) as catalog_url, tunnel(store, authority.server()) as store_url:
        yield {
            "ICEBERG_CATALOG_URI": catalog_url,
            "ICEBERG_OAUTH2_SERVER_URI": f"{catalog_url}/v1/oauth/tokens",
            "ICEBERG_CAFILE": str(authority.cafile),
            "S3_ENDPOINT": store_url,
            "S3_CAFILE": str(authority.cafile),
        }
