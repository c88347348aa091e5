"""A variable that is called almost like one of ours is told; one of other software is left alone."""

import pytest

from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError
from k2_shared.core.misspellings import misspellings
from k2_shared.core.settings import AgentSettings, RunSettings
from k2_shared.feed.venue.settings import FeedSettings

SECRET = "hunter2-correct-horse"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("FEED_SOKETS", "FEED_SOCKETS"),
        ("feed_sokets", "FEED_SOCKETS"),
        ("FEED_SOCKET", "FEED_SOCKETS"),
        ("FEED_CONECT_ATEMPTS", "FEED_CONNECT_ATTEMPTS"),
        ("SILVER_MAX_CLOCK_SKEW", "SILVER_MAX_CLOCK_SKEW_S"),
        ("SINK_INTERVAL_MS", "SINK_INTERVAL_S"),
        ("GOLD_COMPARE_IDS", "GOLD_COMPARED_IDS"),
        ("K2_PREFIXES", "K2_PREFIX"),
        ("KRAKEN_SYMBOL", "KRAKEN_SYMBOLS"),
        ("SIM_SEEDS", "SIM_SEED"),
    ],
)
def test_below_a_word_that_is_ours_alone_a_near_miss_is_clear(given: str, meant: str) -> None:
    """One or two wrong characters, a plural, a unit: nobody else has such a variable."""
    (found,) = misspellings([given])
    assert found.is_clear
    assert meant in found.meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("FEED_SOCKET_COUNT", "FEED_SOCKETS"),
        ("SINK_INTERVAL_SECONDS", "SINK_INTERVAL_S"),
        ("SINK_DI", "SINK_ID"),
        ("FED_SOCKETS", "FEED_SOCKETS"),
        ("SLIVER_MAX_CLOCK_SKEW_S", "SILVER_MAX_CLOCK_SKEW_S"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAKFA_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        ("SCHEMA_REGISTRY_USER", "SCHEMA_REGISTRY_USERNAME"),
        ("ICEBERG_CATALOG_URL", "ICEBERG_CATALOG_URI"),
        ("KRAKEN_URL", "KRAKEN_WS_URL"),
    ],
)
def test_what_may_be_another_variable_is_told_and_nothing_more(given: str, meant: str) -> None:
    """Farther from ours, or below a word that other software has too."""
    (found,) = misspellings([given])
    assert not found.is_clear
    assert meant in found.meant


@pytest.mark.parametrize(
    "names",
    [
        "KAFKA_OPTS KAFKA_HEAP_OPTS KAFKA_NODE_ID KAFKA_LISTENERS KAFKA_LOG_DIRS KAFKA_BROKERS KAFKA_CLIENT_PASSWORDS",
        "KAFKA_DEFAULT_REPLICATION_FACTOR KAFKA_SASL_ENABLED_MECHANISMS KAFKA_SECURITY_INTER_BROKER_PROTOCOL",
        "SCHEMA_REGISTRY_HOST_NAME SCHEMA_REGISTRY_LISTENERS SCHEMA_REGISTRY_HEAP_OPTS SCHEMA_REGISTRY_OPTS",
        "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION S3_BUCKET S3_SECRET_KEY PYICEBERG_MAX_WORKERS",
        "LOGLEVEL LOG_FORMAT LOG_DIR WEB_CONCURRENCY PORT HOST PATH HOME SERVICE DEBUG JAVA_OPTS PYTHONPATH",
        "KRAKEN_API_KEY KRAKEN_PRIVATE_KEY BINANCE_API_KEY BINANCE_API_SECRET BINANCE_TESTNET",
        "GOLD_API_KEY FEED_URL SIM_MODE SINK_URL",
        "FEED_KRAKEN_SERVICE_HOST FEED_KRAKEN_SERVICE_PORT LAG_EXPORTER_SERVICE_PORT_WEB SILVER_PORT_6066_TCP_ADDR",
    ],
)
def test_other_softwares_variables_are_none_of_ours(names: str) -> None:
    """Those of the servers, of their clients, of a trader's own scripts, and what Kubernetes sets for each service."""
    assert misspellings(names.split()) == []


def test_what_any_of_ours_reads_is_spelt_right_for_all_of_them() -> None:
    """One file of variables serves every service, docker-compose.yml and the tests."""
    assert misspellings(contracts.variables().names) == []


def test_a_clear_misspelling_of_its_own_is_refused_beside_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run shows all that is to be corrected: what was given, what may be meant, what to do."""
    monkeypatch.setenv("FEED_SOKETS", SECRET)
    monkeypatch.setenv("WEB_PORT", "0")
    said = "FEED_SOKETS is read by nothing: FEED_SOCKETS may be meant: rename it, or remove it"
    with pytest.raises(ConfigError, match=r"WEB_PORT='0' is not allowed.*; FEED_SOKETS is read by nothing") as refused:
        FeedSettings.load()
    assert refused.value.exit_code == 2
    assert SECRET not in str(refused.value)
    monkeypatch.delenv("WEB_PORT")
    with pytest.raises(ConfigError, match=f"^{said}$"):
        FeedSettings.load()


def test_a_misspelling_of_anothers_setting_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that reads no such setting works as it was told; it says what it saw."""
    for name in ("FEED_SOKETS", "SINK_MAX_ROW", "KAFKA_BOOTSTRAP_SERVER"):
        monkeypatch.setenv(name, "4")
    assert AgentSettings.load().web_port == 6066
    given = {each.given for each in misspellings()}
    assert given >= {"FEED_SOKETS", "SINK_MAX_ROW", "KAFKA_BOOTSTRAP_SERVER"}


def test_a_misspelling_beside_the_right_name_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set both would not know which one counts."""
    monkeypatch.setenv("K2_PREFIX", "a.")
    monkeypatch.setenv("K2_PREFIXX", "b.")
    with pytest.raises(ConfigError, match="K2_PREFIXX is read by nothing: K2_PREFIX may be meant"):
        RunSettings.load()
