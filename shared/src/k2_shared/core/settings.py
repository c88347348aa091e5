"""Settings: flat environment variables, read once, refused with a sentence that helps."""

import os
import ssl
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from k2_shared.core.errors import ConfigError
from k2_shared.core.misspellings import clear_misspellings
from k2_shared.core.setting_fields import SettingField, is_secret, setting_field

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def _authorities(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except OSError as error:  # of which an SSLError is one
        raise ValueError(f"it is no PEM file of certificates ({error})") from None
    return path


CaFile = Annotated[Path, AfterValidator(_authorities)]
"""A PEM file of the authorities to trust; they take the place of the system's."""


class Settings(BaseSettings):
    """Base of every settings class; a field ``kafka_bootstrap_servers`` is read from its upper-case name."""

    pages: ClassVar[Mapping[str, str]] = {}
    """What a program with these settings serves by HTTP, for ``--help``."""
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment.

        Raises:
            ConfigError: a value is missing or wrong, or a variable clearly misspelt; names each, and what is allowed.
        """
        misspelt = list(map(str, clear_misspellings({name.upper() for name in cls.model_fields})))
        try:
            loaded = cls(**overrides)
        except ValidationError as error:
            raise ConfigError("; ".join([*_wrong(cls, overrides, error), *misspelt])) from None
        if misspelt:
            raise ConfigError("; ".join(misspelt))
        return loaded


def _wrong(cls: type[BaseSettings], overrides: Mapping[str, Any], error: ValidationError) -> list[str]:
    """A sentence for each field that is wrong, and for each rule that spans several."""
    found: dict[str, list[ErrorDetails]] = {}
    for each in error.errors():
        found.setdefault(str(each["loc"][0]) if each["loc"] else "", []).append(each)
    return [_explain(cls, field, overrides, details) for field, details in found.items()]


def _explain(cls: type[BaseSettings], field: str, overrides: Mapping[str, Any], details: Sequence[ErrorDetails]) -> str:
    either = " or " if len(details[0]["loc"]) > 1 and isinstance(details[0]["loc"][1], str) else ", "
    said = either.join(each["msg"].removeprefix("Value error, ") for each in details)
    if field not in cls.model_fields:
        return said
    about, name = setting_field(cls, field), field.upper()
    if details[0]["type"] == "missing":
        return f"{name} is not set{_hint(about)}"
    given = overrides.get(field, os.environ.get(name, details[0]["input"]))
    shown = "***" if is_secret(cls.model_fields[field]) else repr(given)
    return f"{name}={shown} is not allowed: {said}{_hint(about)}"


def _hint(about: SettingField) -> str:
    """What the setting is for, and which numbers it may be: of a text or a choice, pydantic says what it may be."""
    limits = "" if about.kind in {"choice", "text"} else about.allowed
    hint = ": ".join(each for each in (about.description, limits) if each)
    return f" ({hint})" if hint else ""


class KafkaSettings(Settings):
    """How to reach the broker; every Kafka client of the project is made from this."""

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="brokers to begin with, host:port[,host:port]")
    kafka_security_protocol: SecurityProtocol = Field("PLAINTEXT", description="TLS where it says SSL, a user for SASL")
    kafka_sasl_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="how the password is proven; with SASL")
    kafka_sasl_username: str | None = Field(None, description="user of the broker; with SASL")
    kafka_sasl_password: SecretStr | None = Field(None, description="the user's password; with SASL")
    kafka_ssl_cafile: CaFile | None = Field(
        None, description="PEM file of the authorities to trust in place of the system's; with SSL"
    )
    kafka_request_timeout_ms: int = Field(
        30_000, ge=1_000, le=300_000, description="for one answer of the broker, in milliseconds"
    )

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        """SASL is a user and a password: without them a client would fail somewhere in its library."""
        given = {"KAFKA_SASL_USERNAME": self.kafka_sasl_username, "KAFKA_SASL_PASSWORD": self.kafka_sasl_password}
        absent = [name for name, value in given.items() if not value]
        if self.kafka_security_protocol.startswith("SASL") and absent:
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs {' and '.join(given)}: "
                f"{' and '.join(absent)} not set"
            )
        return self

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or None where the protocol has no TLS."""
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        return ssl.create_default_context(cafile=str(self.kafka_ssl_cafile) if self.kafka_ssl_cafile else None)

    def client(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client takes."""
        secret = self.kafka_sasl_password
        return {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "request_timeout_ms": self.kafka_request_timeout_ms,
            "security_protocol": self.kafka_security_protocol,
            "ssl_context": self.ssl_context,
            "sasl_mechanism": self.kafka_sasl_mechanism if "SASL" in self.kafka_security_protocol else "PLAIN",
            "sasl_plain_username": self.kafka_sasl_username,
            "sasl_plain_password": secret.get_secret_value() if secret else None,
        }


class RegistrySettings(Settings):
    """How to reach the schema registry (Confluent's API)."""

    schema_registry_url: str = Field("http://127.0.0.1:8081", pattern=r"^https?://", description="base URL")
    schema_registry_username: str | None = Field(None, description="user of the registry, if it asks for one")
    schema_registry_password: SecretStr | None = Field(None, description="that user's password")
    schema_registry_cafile: CaFile | None = Field(
        None, description="PEM file of the authorities to trust in place of the system's"
    )
    schema_registry_timeout_s: float = Field(10.0, gt=0, le=120, description="for one answer, in seconds")


class ClickHouseSettings(Settings):
    """How to reach ClickHouse (HTTP), and which database holds the warm tier."""

    login: ClassVar[str] = "CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
    """The variables that its user and password are of."""

    clickhouse_url: str = Field(
        "http://127.0.0.1:8123", pattern=r"^https?://[^/?#@]+/?$", description="scheme://host:port"
    )
    clickhouse_user: str = Field("default", min_length=1, description="user that may change the warm tier")
    clickhouse_password: SecretStr | None = Field(None, description="that user's password")
    clickhouse_database: str = Field(
        "k2", pattern=r"^[a-z][a-z0-9_]{0,40}$", description="database of the warm tier's tables"
    )
    clickhouse_timeout_s: float = Field(60.0, ge=1, le=600, description="for one query, in seconds")
    clickhouse_cafile: CaFile | None = Field(None, description="PEM file of the authorities to trust")


class ClickHouseReaderSettings(ClickHouseSettings):
    """How to read the warm tier without being able to change it."""

    login: ClassVar[str] = "CLICKHOUSE_READER_USER and CLICKHOUSE_READER_PASSWORD"
    clickhouse_reader_user: str = Field("reader", min_length=1, description="user that may read and nothing else")
    clickhouse_reader_password: SecretStr | None = Field(None, description="that user's password")

    def as_reader(self) -> ClickHouseSettings:
        """The same server, as the user who reads."""
        reader = {
            "clickhouse_user": self.clickhouse_reader_user,
            "clickhouse_password": self.clickhouse_reader_password,
        }
        return self.model_copy(update=reader)


class PrefixSettings(Settings):
    """A run's place among others on the same servers."""

    k2_prefix: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9-]{0,30}\.)?$",
        description="put before topics, groups, transactional ids, namespaces and databases; ends in a dot",
    )


class RunSettings(KafkaSettings, RegistrySettings, PrefixSettings):
    """The broker and registry of a run, and the run's place among others on them."""


class AgentSettings(RunSettings):
    """What every agent has besides: its web port, its logs and how long it may take to stop."""

    pages: ClassVar[Mapping[str, str]] = {
        "/metrics": "what it counts and measures, for Prometheus",
        "/healthz": "200 while it is alive",
        "/readyz": "200 when it is ready, else 503 and what is missing",
        "/resume": "POST: go on after a halt",
    }

    web_host: str = Field(
        "0.0.0.0",  # noqa: S104  # a container's port is reached from outside
        description="address of the pages",
    )
    web_port: int = Field(6066, ge=1, le=65_535, description="port of the pages")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of the JSON lines on stdout")
    shutdown_grace_s: float = Field(20.0, gt=0, le=300, description="from SIGTERM to exit, in seconds")
