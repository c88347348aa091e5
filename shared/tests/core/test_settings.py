"""Settings: refused with a sentence that helps, secrets never shown."""

import json
import ssl
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from k2_shared.core.errors import ConfigError
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.print_config import print_config
from k2_shared.core.setting_fields import HIDDEN
from k2_shared.core.settings import AgentSettings, KafkaSettings, RegistrySettings, Settings
from k2_shared.feed.venue.settings import FeedSettings, Symbols
from k2_shared.stages.settings import ProcessorSettings

SECRET = "hunter2-correct-horse"


class SymbolSettings(FeedSettings):
    """A venue's settings."""

    venue_symbols: Symbols = ("BTC/USD",)


class PaceSettings(Settings):
    """A number or a word."""

    pace: Annotated[float, Field(gt=0, le=9)] | Literal["fit"] = 1.0


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
        (AgentSettings, "SHUTDOWN_GRACE_S", "0", "from SIGTERM to exit, in seconds: above 0 to 300"),
        (AgentSettings, "SHUTDOWN_GRACE_S", "nan", "finite number"),
        (KafkaSettings, "KAFKA_SECURITY_PROTOCOL", "TLS", "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
        (RegistrySettings, "SCHEMA_REGISTRY_URL", "localhost:8081", "base URL"),
        (LakeSettings, "ICEBERG_TIMEOUT_S", "-1", "greater than 0"),
        (SymbolSettings, "VENUE_SYMBOLS", "BTC/USD,ETHUSD", "'ETHUSD' is no symbol: it is BASE/QUOTE"),
        (SymbolSettings, "VENUE_SYMBOLS", "BTC/USD,X/" + "Y" * 39, "more than 40 characters"),
        (SymbolSettings, "VENUE_SYMBOLS", " , ", "at least 1 item"),
        (SymbolSettings, "FEED_MAX_FRAME_BYTES", "2000000", "fits one raw record: 1000 to 1000000"),
        (SymbolSettings, "VENUE_SYMBOLS", "BTC,ETH", "commas and colons, 'ETH' is no symbol"),
        (PaceSettings, "PACE", "0", "greater than 0 or Input should be 'fit' (above 0 to 9 or fit)"),
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


def test_what_was_given_wins_over_the_environment_also_where_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value that is told is the one that was read."""
    monkeypatch.setenv("WEB_PORT", "7000")
    with pytest.raises(ConfigError, match="WEB_PORT='x' is not allowed"):
        AgentSettings.load(web_port="x")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("name", ["kafka_sasl_password", "schema_registry_password"])
def test_print_config_hides_secrets(name: str, as_json: bool) -> None:
    """Stars, for people and for programs; what is not set is empty."""
    shown = print_config(AgentSettings.load(**{name: SECRET}), as_json=as_json)
    assert HIDDEN in shown
    assert SECRET not in shown
    assert HIDDEN not in print_config(AgentSettings.load(), as_json=as_json)


def test_print_config_says_of_each_setting_what_it_is_and_where_its_value_is_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A comment, then the value as the variable has it; what is empty is not set."""
    monkeypatch.setenv("WEB_PORT", "7000")
    monkeypatch.setenv("LOG_LEVEL", "")
    shown = print_config(AgentSettings.load(kafka_bootstrap_servers="a:1"), flags={"kafka_bootstrap_servers"})
    for lines in (
        "# port of the pages (from the environment, default 6066)\nWEB_PORT=7000\n",
        "# of the JSON lines on stdout (by default)\nLOG_LEVEL=INFO\n",
        "(from a flag, default 127.0.0.1:9092)\nKAFKA_BOOTSTRAP_SERVERS=a:1\n",
    ):
        assert lines in shown


def test_print_config_as_json_is_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same facts, by name."""
    monkeypatch.setenv("VENUE_SYMBOLS", "BTC/USD, ETH/USD")
    (found,) = (
        each
        for each in json.loads(print_config(SymbolSettings.load(), as_json=True))
        if each["variable"] == "VENUE_SYMBOLS"
    )
    assert found == {
        "variable": "VENUE_SYMBOLS",
        "value": "BTC/USD,ETH/USD",
        "source": "environment",
        "default": "BTC/USD",
        "kind": "list",
        "allowed": "1 to 1024 of them, comma-separated",
        "description": "",
    }


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
