"""Idle agents while Kafka is gone: what they say, how much, and how they end. Deadlines are judged here."""

import signal
import time

import pytest
from tests.outage.pipeline import AGENTS, Pipeline, names_broker, said, tells_a_broker

from k2_shared.feed.run.feed import CUT
from k2_shared.kafka.broker_watch import BACK, LOST
from k2_support.children import Child
from k2_support.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
KNOWN_S = 10.0
AWAY_S = 60.0
LOG_BYTES = 60_000
GRACE_S = 20.0


def test_an_outage_is_known_within_seconds_told_once_and_over_when_the_broker_is_back(pipeline: Pipeline) -> None:
    """A healthy start logs no error; every agent names the broker that is away, keeps its log small, and is ready
    again, as the same process, when the broker is."""
    errors = {
        name: [line for line in said(child) if line["level"] == "error"] for name, child in pipeline.agents.items()
    }
    assert errors == {name: [] for name in AGENTS}
    sizes = {name: child.log.stat().st_size for name, child in pipeline.agents.items()}
    pipeline.kill_broker()
    began = time.monotonic()
    wait_for(lambda: _blaming(pipeline) == set(AGENTS), 60, "the broker's name from every agent")
    took_s = time.monotonic() - began
    time.sleep(AWAY_S)
    assert _blaming(pipeline) == set(AGENTS)
    assert pipeline.that(lambda child: not tells_a_broker(child)) == set(AGENTS)
    grown = {name: child.log.stat().st_size - sizes[name] for name, child in pipeline.agents.items()}
    pipeline.stack.up()
    wait_for(lambda: pipeline.that(lambda child: not child.missing()) == set(AGENTS), 120, "the readiness of all")
    assert pipeline.that(tells_a_broker) == set(AGENTS)
    for child in pipeline.agents.values():
        told = [line["event"] for line in said(child) if line["event"] in (LOST, BACK)]
        assert told == [LOST, BACK]
    assert max(grown.values()) < LOG_BYTES, grown
    assert took_s < KNOWN_S


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
def test_agents_told_to_stop_while_the_broker_is_away_end_in_order(pipeline: Pipeline, frozen: bool) -> None:
    """Each ends by itself within its grace period, whether connections are refused or never answered; a feed says that
    its last words are not written down."""
    broker = pipeline.broker
    if frozen:
        broker.suspend()
    else:
        pipeline.kill_broker()
    try:
        wait_for(lambda: _blaming(pipeline) == set(AGENTS), 60, "the broker's name from every agent")
        took_s = {}
        for name, child in pipeline.agents.items():
            began = time.monotonic()
            child.signal(signal.SIGTERM)
            wait_for(lambda child=child: child.exit_code is not None, 60, f"the end of {name}")  # type: ignore[misc]
            took_s[name] = round(time.monotonic() - began, 1)
        assert {name: child.exit_code for name, child in pipeline.agents.items()} == dict.fromkeys(AGENTS, 0), took_s
        assert pipeline.that(_was_cut) == {"feed_kraken", "feed_binance"}
        assert max(took_s.values()) < GRACE_S, took_s
    finally:
        if frozen:
            broker.resume()


def _blaming(pipeline: Pipeline) -> set[str]:
    return pipeline.that(lambda child: names_broker(child, pipeline.bootstrap))


def _was_cut(child: Child) -> bool:
    return any(line["event"] == CUT and "Kafka did not take the last" in line["error"] for line in said(child))
