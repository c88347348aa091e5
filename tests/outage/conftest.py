"""Every agent of a pipeline, idle, on servers that may be ended."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.outage.pipeline import AGENTS, Pipeline
from tests.own_stack import servers

from k2 import init
from k2.demo.agents import Simulator, stop_all
from k2.init import InitSettings
from k2_local import Stack
from k2_support.children import Child


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that nobody else uses."""
    with servers(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def pipeline(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """Both feeds, silver, gold and the sink, ready and with nothing to do."""
    stack.up()
    own = {**stack.env(), "K2_PREFIX": f"o{uuid.uuid4().hex[:8]}."}
    init.apply(InitSettings.load(**{name.lower(): value for name, value in own.items()}))
    simulator = Simulator(tmp_path, {})  # it plays nothing while a symbol of its recordings is not asked for
    simulator.start()
    feeds = {"KRAKEN_SYMBOLS": "BTC/USDT", "BINANCE_SYMBOLS": "BTC/USDT", **simulator.feed_environment()}
    children = {name: Child.agent(name, {**own, **feeds}, tmp_path) for name in AGENTS}
    try:
        for child in children.values():
            child.start()
        for child in children.values():
            child.wait_ready(120)
        yield Pipeline(stack, children, own["KAFKA_BOOTSTRAP_SERVERS"], own["K2_PREFIX"])
    finally:
        for child in children.values():
            child.kill()
        stop_all(tmp_path)
