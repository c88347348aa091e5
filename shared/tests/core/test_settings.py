"""Settings: refused with a sentence that helps, secrets never shown."""

import ssl
from pathlib import Path

import pytest

from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import (
    AgentSettings,
    KafkaSettings,
    LakeSettings,
    RegistrySettings,
    Settings,
    print_config,
)
from k2_shared.feed.venue.settings import FeedSettings, Symbols
from k2_shared.stages.settings import ProcessorSettings

SECRET = "hunter2-correct-horse"


class SymbolSettings(FeedSettings):
    """A venue's settings."""

    venue_symbols: Symbols = ("BTC/USD",)


class Required(Settings):
    """A setting without default."""

    needed: str


@pytest.mark.parametrize(
    ("settings", "name", "given", "said"),
    [
        (AgentSettings, "WEB_PORT", "70000", "less than or equal to 65535"),
        (AgentSettings, "WEB_PORT", "http", "valid integer"),
        (AgentSettings, "LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        (AgentSettings, "K2_PREFIX", "No_Dot", "ends in a dot"),
        (AgentSettings, "SHUTDOWN_GRACE_S", "0", "from SIGTERM to exit"),
        (KafkaSettings, "KAFKA_SECURITY_PROTOCOL", "TLS", "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
        (RegistrySettings, "SCHEMA_REGISTRY_URL", "localhost:8081", "base URL"),
        (LakeSettings, "ICEBERG_TIMEOUT_S", "-1", "greater than 0"),
        (SymbolSettings, "VENUE_SYMBOLS", "BTC/USD,ETHUSD", "'ETHUSD' is no symbol: it is BASE/QUOTE"),
        (SymbolSettings, "VENUE_SYMBOLS", "BTC/USD,X/" + "Y" * 39, "more than 40 characters"),
        (SymbolSettings, "VENUE_SYMBOLS", " , ", "at least 1 item"),
        (SymbolSettings, "FEED_MAX_FRAME_BYTES", "2000000", "fits one raw record"),
    ],
)
def test_a_wrong_value_names_the_variable_what_was_given_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, settings: type[Settings], name: str, given: str, said: str
) -> None:
    """The sentence is enough to correct it."""
    monkeypatch.setenv(name, given)
    with pytest.raises(ConfigError) as refused:
        settings.load()
    assert f"{name}={given!r} is not allowed" in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run shows all that is to be corrected."""
    monkeypatch.setenv("WEB_PORT", "0")
    monkeypatch.setenv("LOG_LEVEL", "")  # empty is unset
    monkeypatch.setenv("SCHEMA_REGISTRY_TIMEOUT_S", "soon")
    with pytest.raises(ConfigError, match=r"SCHEMA_REGISTRY_TIMEOUT_S='soon'.*; WEB_PORT='0'"):
        AgentSettings.load()


def test_a_missing_value_is_named() -> None:
    """A setting without default says so."""
    with pytest.raises(ConfigError, match="NEEDED is not set"):
        Required.load()


def test_symbols_are_split_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas separate, blanks do not matter."""
    monkeypatch.setenv("VENUE_SYMBOLS", " BTC/USD, ETH/USD,")
    assert SymbolSettings.load().venue_symbols == ("BTC/USD", "ETH/USD")


@pytest.mark.parametrize("name", ["kafka_sasl_password", "schema_registry_password"])
def test_print_config_hides_secrets(name: str) -> None:
    """Every setting is a line under its variable's name; a secret is stars."""
    shown = print_config(AgentSettings.load(**{name: SECRET}))
    assert f"{name.upper()}=**********" in shown.splitlines()
    assert "WEB_PORT=6066" in shown.splitlines()
    assert SECRET not in shown


def test_an_error_message_hides_secrets() -> None:
    """A secret of a wrong type is not quoted."""
    with pytest.raises(ConfigError, match=r"KAFKA_SASL_PASSWORD=\*\*\* is not allowed") as refused:
        KafkaSettings.load(kafka_sasl_password=[SECRET])
    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigError, match="S3_SECRET_ACCESS_KEY") as refused:
        LakeSettings.load(s3_secret_access_key={SECRET: 1})
    assert SECRET not in str(refused.value)
    with pytest.raises(ConfigError, match="ICEBERG_CREDENTIAL") as refused:
        LakeSettings.load(iceberg_credential=[SECRET])
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("protocol", "tls", "mechanism"),
    [
        ("PLAINTEXT", False, "PLAIN"),
        ("SSL", True, "PLAIN"),
        ("SASL_PLAINTEXT", False, "SCRAM-SHA-256"),
        ("SASL_SSL", True, "SCRAM-SHA-256"),
    ],
)
def test_every_client_gets_the_credentials_of_the_protocol(protocol: str, tls: bool, mechanism: str) -> None:
    """TLS where the protocol says SSL, the mechanism where it says SASL."""
    client = KafkaSettings.load(
        kafka_bootstrap_servers="a:1,b:2",
        kafka_security_protocol=protocol,
        kafka_sasl_mechanism="SCRAM-SHA-256",
        kafka_sasl_username="k2",
        kafka_sasl_password=SECRET,
    ).client()
    assert client["bootstrap_servers"] == "a:1,b:2"
    assert (client["security_protocol"], client["sasl_mechanism"]) == (protocol, mechanism)
    assert (client["sasl_plain_username"], client["sasl_plain_password"]) == ("k2", SECRET)
    assert isinstance(client["ssl_context"], ssl.SSLContext) is tls


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KafkaSettings, "kafka_ssl_cafile"),
        (RegistrySettings, "schema_registry_cafile"),
        (LakeSettings, "iceberg_cafile"),
        (LakeSettings, "s3_cafile"),
    ],
)
def test_own_authorities_are_some(tmp_path: Path, kind: type[Settings], name: str) -> None:
    """A file that takes the place of the system's authorities holds some, or is refused at the start."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    for path in ("ca.pem", "none.pem"):
        with pytest.raises(ConfigError, match=rf"{name.upper()}=.*{path}.* is not allowed: it is no PEM file"):
            kind.load(**{name: tmp_path / path})


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl_needs_a_user_and_a_password(protocol: str) -> None:
    """Which of them is missing is said before any client is made; the other protocols need none."""
    with pytest.raises(ConfigError, match=f"KAFKA_SECURITY_PROTOCOL={protocol} needs .*: KAFKA_SASL_PASSWORD not set"):
        KafkaSettings.load(kafka_security_protocol=protocol, kafka_sasl_username="k2")
    with pytest.raises(ConfigError, match="KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD not set"):
        KafkaSettings.load(kafka_security_protocol=protocol)


@pytest.mark.parametrize("given", ["", "before_send", "after_commit:stop", "during_checkpoint:kill:12"])
def test_a_failpoint_is_named_with_what_it_does_and_when(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """A place, then what happens there, then at which passing."""
    monkeypatch.setenv("K2_FAILPOINT", given)
    assert ProcessorSettings.load().k2_failpoint == given


@pytest.mark.parametrize("given", ["nowhere", "after_send:", "after_send:pause", "after_send:kill:0", "after_send:3"])
def test_a_failpoint_that_is_not_one_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """A test that meant to kill must not pass because it did not."""
    monkeypatch.setenv("K2_FAILPOINT", given)
    with pytest.raises(ConfigError, match="K2_FAILPOINT"):
        ProcessorSettings.load()
