"""Everything on a hardened cluster: every agent and command behind SASL and TLS, catalog and store behind TLS."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.tls.conftest import Environment
from tests.e2e import recordings

from k2.demo import agents
from k2.demo.agents import Fleet, Simulator
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_support.topics import read
from k2_support.waiting import eventually

TRADES = 60
FEEDS = {"feed_kraken": {"KRAKEN_SYMBOLS": "BTC/USD"}, "feed_binance": {"BINANCE_SYMBOLS": "SHIB/USDT"}}


@pytest.fixture
def everything(secure: Environment, lake_tls: Environment, names: Names) -> Environment:
    """What an operator sets on such a cluster."""
    return {**secure, **lake_tls, "K2_PREFIX": names.prefix, "SINK_INTERVAL_S": "1"}


@pytest.mark.long
async def test_trades_reach_the_tables(everything: Environment, names: Names, tmp_path: Path) -> None:
    """From the sockets to the rows of gold, and every command beside them."""
    recordings.kraken(tmp_path / "recorded", "xbtusd", TRADES)
    recordings.binance(tmp_path / "recorded", "shibusdt", TRADES)
    k2("init", everything)
    flags = {"recordings": str(tmp_path / "recorded"), "speed": "10", "expect": "kraken,binance"}
    simulator = Simulator(tmp_path, flags)
    simulator.start()
    fleet = Fleet(tmp_path, {**everything, **simulator.feed_environment()}, FEEDS)
    try:
        fleet.start()
        fleet.wait_ready()
        await eventually(lambda: _arrived(everything, names), "every trade in gold's table", 120)
        for command in ("dlq list", "gaps", "feed list", "probe-broker"):
            k2(command, everything)
    finally:
        agents.stop_all(tmp_path)


async def _arrived(environment: Environment, names: Names) -> bool:
    given = {name.lower(): value for name, value in environment.items()}
    in_topic = len(await read(RunSettings.load(**given), names, GOLD))
    table = iceberg.connect(LakeSettings.load(**given)).load_table((iceberg.namespace(names), "gold_crypto_trades"))
    return in_topic == table.scan().count() == 2 * TRADES


def k2(command: str, environment: Environment) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from k2.main import main; main()", *command.split()],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"k2 {command}: {done.stderr}"
