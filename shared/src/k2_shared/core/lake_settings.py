"""Settings of the lake: its catalog, of whatever kind, and its object store."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from k2_shared.core.aws_credentials import StoreKeys, keys_in
from k2_shared.core.catalog_properties import passed_on
from k2_shared.core.settings import CaFile, ClickHouseSettings, PrefixSettings, Settings


def _has_keys(path: Path) -> Path:
    try:
        keys_in(path)
    except OSError as error:
        raise ValueError(f"it is no file of keys ({error})") from None
    return path


def _are_passed_on(given: str) -> str:
    passed_on(given)
    return given


class LakeSettings(Settings):
    """How to reach the Iceberg catalog, which is a REST server or a PostgreSQL, and its object store."""

    iceberg_catalog_uri: str = Field(
        "http://127.0.0.1:8181",
        pattern=r"^(https?|postgresql)://[^@]+$",
        description="the REST catalog; or the database of a SQL catalog, postgresql://host:port/database",
    )
    iceberg_catalog_name: str = Field(
        "k2",
        pattern=r"^[A-Za-z0-9_-]{1,60}$",
        description="a SQL catalog's name in its database; a REST catalog has none",
    )
    iceberg_warehouse: str = Field(
        "s3://warehouse", description="which of a REST catalog's warehouses; where a SQL catalog's tables lie"
    )
    iceberg_credential: SecretStr | None = Field(
        None, description="key:secret for the catalog's OAuth2; user:password of a SQL catalog's database"
    )
    iceberg_token: SecretStr | None = Field(None, description="bearer token for the catalog, in place of a credential")
    iceberg_oauth2_server_uri: str | None = Field(
        None, pattern=r"^https?://", description="where the catalog's tokens come from"
    )
    iceberg_properties: Annotated[str, AfterValidator(_are_passed_on)] = Field(
        "", description="passed on to the catalog's client, name=value,…: rest.sigv4-enabled, scope, header.NAME, …"
    )
    iceberg_timeout_s: float = Field(30.0, gt=0, le=300, description="for one answer of the catalog, in seconds")
    iceberg_cafile: CaFile | None = Field(None, description="PEM file of the authorities to trust, for the catalog")
    s3_endpoint: str = Field(
        "http://127.0.0.1:8333",
        pattern=r"^https?://",
        description="the object store; where it is set, what the catalog says of it counts for nothing",
    )
    s3_access_key_id: str | None = Field(None, description="key of the object store")
    s3_secret_access_key: SecretStr | None = Field(None, description="that key's secret")
    s3_session_token: SecretStr | None = Field(None, description="session token, of keys that end")
    s3_credentials_file: Annotated[Path, AfterValidator(_has_keys)] | None = Field(
        None, description="AWS' file of keys, profile default, read again as it changes; in place of the keys above"
    )
    s3_region: str = Field("us-east-1", description="region that requests are signed for")
    s3_cafile: CaFile | None = Field(None, description="PEM file of the authorities to trust, for the object store")

    @model_validator(mode="after")
    def _has_whole_keys(self) -> Self:
        """Half a login would be taken for none, and the machine's own looked for."""
        if bool(self.s3_access_key_id) != bool(self.s3_secret_access_key):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY belong together: set both or none")
        return self

    @property
    def has_sql_catalog(self) -> bool:
        """Whether the catalog is a database."""
        return self.iceberg_catalog_uri.startswith("postgresql:")

    @property
    def store_keys(self) -> StoreKeys:
        """The keys of the object store as they are now, of the file where there is one; empty where none are set.

        Raises:
            OSError: the file cannot be read, or does not have them.
        """
        if self.s3_credentials_file:
            return StoreKeys(*keys_in(self.s3_credentials_file).values())
        secrets = (self.s3_secret_access_key, self.s3_session_token)
        return StoreKeys(self.s3_access_key_id or "", *(each.get_secret_value() if each else "" for each in secrets))


class SinkIdSettings(LakeSettings):
    """The lake, and which sink's state in its tables is meant."""

    sink_id: str = Field(
        "k2",
        pattern=r"^[a-z0-9-]{1,40}$",
        description="names the sink's state in the tables; another id starts from nothing and doubles every row",
    )


class SnapshotSettings(Settings):
    """How long snapshots of the sink's tables are kept, by whoever expires them."""

    sink_snapshot_age_s: float = Field(3_600.0, ge=0, le=31_536_000, description="older snapshots are expired")


class ColdSettings(LakeSettings, ClickHouseSettings, PrefixSettings):
    """Where both the warm and the cold tier are."""
