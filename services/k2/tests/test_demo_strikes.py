"""The faults of a demo while it runs: when gold is killed, when it is back, and when it is not."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from k2.demo.faults import FILLED_WITHIN_S, DroppedIds
from k2.demo.observer import StageCount
from k2.demo.strikes import Strikes
from k2_shared.core.errors import Unavailable
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_support.waiting import eventually

BTC = DroppedIds("KRAKEN", "BTC/USD", 11, 13)
TRADES = 100


@dataclass
class FakeSimulator:
    """A simulator that has played a share, was asked so often for it, and was told what to drop."""

    log: Path
    share: float = 0.0
    asked: int = 0
    dropped: list[DroppedIds] = field(default_factory=list)

    @property
    def played(self) -> float:
        self.asked += 1
        return self.share

    def drop(self, dropped: DroppedIds) -> None:
        self.dropped.append(dropped)


@dataclass
class FakeFleet:
    """A fleet whose gold lacks what it is told to lack."""

    lacking: Callable[[], list[str]] = list
    killed: list[str] = field(default_factory=list)
    asked: int = 0

    def kill(self, name: str) -> int:
        self.killed.append(name)
        return 4_711

    def lacks(self, name: str) -> list[str]:
        assert name == "gold"
        self.asked += 1
        return self.lacking()


@dataclass
class FakeObserver:
    """What the topics hold."""

    stages: dict[str, StageCount] = field(default_factory=lambda: {"gold": StageCount()})
    ledger: list[GapRecord] = field(default_factory=list)


class Scene:
    """Strikes on fakes, and what they said."""

    def __init__(self, folder: Path, drops: list[DroppedIds], *, calm: bool = False) -> None:
        self.simulator, self.fleet, self.observer = FakeSimulator(folder / "log"), FakeFleet(), FakeObserver()
        self.simulator.log.touch()
        self.said: list[str] = []
        self.strikes = Strikes(
            self.simulator,  # type: ignore[arg-type]
            self.fleet,  # type: ignore[arg-type]
            self.observer,  # type: ignore[arg-type]
            drops,
            TRADES,
            self.said.append,
            calm=calm,
        )

    def drop_now(self, ago_s: float = 0.0) -> float:
        """The ids are dropped, so many seconds ago; returns when, in seconds since the epoch."""
        at_ns = time.time_ns() - int(ago_s * 1e9)
        entry = {"fault": "drop_ids", "venue": "KRAKEN", "symbol": "BTC/USD", "struck": 3, "time_ns": at_ns}
        self.simulator.log.write_text(json.dumps(entry) + "\n")
        return at_ns / 1e9

    def write(self, records: int) -> None:
        """Gold has written so many records."""
        self.observer.stages["gold"].records = records

    def wrote_one_more(self) -> bool:
        """Gold has written one record more, which is always true."""
        self.observer.stages["gold"].records += 1
        return True


def a_gap(state: GapState, at_s: float) -> GapRecord:
    return GapRecord(
        exchange="KRAKEN",
        symbol="BTC/USD",
        state=state,
        first_id=11,
        last_id=13,
        cause=Cause.SILENT_DROP,
        opened_at=0,
        at=int(at_s * 1e6),
    )


async def test_gold_is_killed_in_the_middle_and_back_once_it_has_written_on(tmp_path: Path) -> None:
    """Not before the first record, nor before two fifths are played; readiness alone is no return."""
    scene = Scene(tmp_path, [])
    scene.simulator.share = 0.39
    running = asyncio.create_task(scene.strikes.run())
    scene.write(7)
    await eventually(lambda: scene.simulator.asked > 1, "two looks at what was played")
    assert scene.fleet.killed == []
    scene.simulator.share = 0.4
    await eventually(lambda: scene.fleet.killed == ["gold"], "the kill")
    await eventually(lambda: bool(scene.said), "word of it")
    await eventually(lambda: scene.fleet.asked > 0, "a look whether it is ready")
    assert not running.done()
    await eventually(lambda: scene.wrote_one_more() and running.done(), "its return")
    await running
    kill = scene.strikes.faults.kill
    assert kill is not None
    assert (kill.at_record, kill.problem) == (7, None)
    assert scene.said[0] == "kill -9 4711: gold dies at record 7, and is started again"
    assert scene.said[1].startswith("gold is back after ")


async def test_a_gold_that_had_written_all_is_back_when_it_is_ready(tmp_path: Path) -> None:
    """No record will tell of it."""
    scene = Scene(tmp_path, [])
    scene.simulator.share = 1.0
    scene.write(TRADES)
    await asyncio.wait_for(scene.strikes.run(), 60)
    assert scene.strikes.faults.problems == []


async def test_a_gold_that_ends_again_has_failed_at_once(tmp_path: Path) -> None:
    """Its last words are the problem's."""

    def ended() -> list[str]:
        raise Unavailable("gold ended with exit code 3: Halt")

    scene = Scene(tmp_path, [])
    scene.fleet.lacking = ended
    scene.simulator.share = 0.5
    scene.write(7)
    await asyncio.wait_for(scene.strikes.run(), 60)
    assert scene.strikes.failed
    (problem,) = scene.strikes.faults.problems
    assert problem.endswith("did not come back: gold ended with exit code 3: Halt")


async def test_what_becomes_of_dropped_ids_is_told_once_when_it_happens(tmp_path: Path) -> None:
    """By the simulator's log and the ledger."""
    scene = Scene(tmp_path, [BTC])
    scene.strikes.arm()
    assert scene.simulator.dropped == [BTC]
    running = asyncio.create_task(scene.strikes.run())
    began_s = scene.drop_now()
    scene.observer.ledger.append(a_gap(GapState.OPENED, began_s + 1.5))
    await eventually(lambda: scene.said == [f"{BTC}: gap recorded after 1.5 s"], "word of the gap")
    scene.observer.ledger.append(a_gap(GapState.FILLED, began_s + 2.0))
    await eventually(lambda: scene.said[1:] == [f"{BTC}: filled by REST after 2.0 s"], "word of its filling")
    scene.simulator.share = 1.0
    scene.write(TRADES)
    await asyncio.wait_for(running, 60)
    assert scene.strikes.faults.problems == []


async def test_ids_that_stay_missing_are_not_waited_for_any_longer(tmp_path: Path) -> None:
    """The ledger says nothing of them, and their time is over."""
    scene = Scene(tmp_path, [BTC])
    scene.drop_now(ago_s=FILLED_WITHIN_S + 1)
    running = asyncio.create_task(scene.strikes.run())
    await eventually(lambda: scene.strikes.failed, "the failure")
    assert f"{BTC}: no gap was recorded" in scene.strikes.faults.problems
    running.cancel()


@pytest.mark.parametrize("played", [0.0, 1.0])
async def test_in_a_calm_run_nothing_is_struck(tmp_path: Path, played: float) -> None:
    """And nothing is wrong with that."""
    scene = Scene(tmp_path, [], calm=True)
    scene.simulator.share = played
    scene.write(7)
    await scene.strikes.run()
    assert (scene.fleet.killed, scene.said, scene.strikes.faults.problems) == ([], [], [])
