"""What a demo writes of its pipeline, for those that look at it while it runs or is kept."""

import json
from pathlib import Path

import yaml

from k2.demo.agents import Fleet
from k2.demo.run import tell
from k2_local import scraped
from k2_local.prometheus import RULES
from k2_local.targets import Targets


def test_a_demo_tells_k2_and_a_prometheus_of_the_same_agents(tmp_path: Path) -> None:
    """Each under the name of its job, so that the alerts' rules are about it; the folder of the stack has both."""
    feeds = {"feed_kraken": {"KRAKEN_SYMBOLS": "BTC/USD"}, "feed_binance": {"BINANCE_SYMBOLS": "ETH/USDT"}}
    (tmp_path / "stack").mkdir()
    tell(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, Fleet(tmp_path, {}, feeds))
    targets = Targets.read(tmp_path)
    assert targets.stack == tmp_path / "stack"
    assert targets.settings == {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "K2_PREFIX": ""}
    asked = {
        each["labels"]["job"]: f"http://{target}"
        for each in json.loads((targets.stack / scraped.FILE).read_text())
        for target in each["targets"]
    }
    assert asked == {agent.name: agent.url for agent in targets.agents}
    assert {*feeds, "silver", "gold", "iceberg_sink", "warm_sink"} == asked.keys()
    jobs = yaml.safe_load((RULES / "prometheus.yaml").read_text())["scrape_configs"]
    assert asked.keys() <= {job["job_name"] for job in jobs}
