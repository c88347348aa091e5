"""Scrapes the processes of a feed as Prometheus would, and judges one alert by it while a fault lasts."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from tests.contract.alerts.tools import PROMTOOL
from tests.feeds.rig import PATIENCE_S, Rig, scraped
from tests.feeds.rules import Judge, Labels, Rule, Scrape

from k2_support.waiting import eventually

EVERY_S = 0.5
SHORTENED = 60.0  # a minute of the rule is a second of the test


@dataclass
class Watch:
    """One alert over a rig, with every duration of its rule shortened."""

    rig: Rig
    judge: Judge
    asked: list[tuple[int, bool]] = field(default_factory=list)  # at which scrape it was, and whether it fired

    async def run(self) -> None:
        """Scrape for ever."""
        due = time.monotonic()
        while True:
            self.judge.take(await self._scrape())
            due = max(due + EVERY_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def fires(self, within_s: float = PATIENCE_S) -> None:
        """Wait until it fires."""
        await self._until(True, within_s)

    async def is_quiet(self, within_s: float = PATIENCE_S) -> None:
        """Wait until it does not fire."""
        await self._until(False, within_s)

    async def stays_quiet(self, scrapes: int) -> None:
        """Wait for so many scrapes, at none of which it fires."""
        begun = len(self.judge.fired)
        await eventually(lambda: len(self.judge.fired) >= begun + scrapes, f"{scrapes} scrapes", PATIENCE_S)
        assert not any(self.judge.fired[begun:]), f"{self.judge.rule.alert} fired"
        self.asked.append((len(self.judge.fired) - 1, False))

    async def _until(self, fires: bool, within_s: float) -> None:
        """Wait for two scrapes in a row: growth that Prometheus extrapolates may come one later."""
        begun = len(self.judge.fired)

        def found() -> int:
            pairs = enumerate(pairwise(self.judge.fired[begun:]), begun + 1)
            return next((at for at, pair in pairs if pair == (fires, fires)), 0)

        await eventually(found, f"{self.judge.rule.alert} to {'fire' if fires else 'be quiet'}", within_s)
        self.asked.append((found(), fires))

    async def _scrape(self) -> Scrape:
        """What Prometheus would hold of the feed's processes: of one that does not answer, nothing."""
        found: dict[tuple[str, Labels], float] = {}
        for agent in self.rig.agents:
            target = {("job", agent.service), ("instance", agent.name)}
            for each in await scraped(agent):
                if each.name in self.judge.rule.expr:
                    found[each.name, frozenset({*each.labels.items(), *target})] = each.value
        return found


@asynccontextmanager
async def watching(rig: Rig, alert: str, *, shortened: float = SHORTENED) -> AsyncIterator[Watch]:
    """Watch an alert for the length of a block; afterwards Prometheus must say the same, where promtool is there."""
    watch = Watch(rig, Judge(Rule.read(alert).shortened(shortened), EVERY_S))
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if PROMTOOL.found():
        await asyncio.to_thread(_confirmed, watch, rig.feed.folder)


def _confirmed(watch: Watch, folder: Path) -> None:
    """Hold what was judged against what Prometheus makes of the same samples.

    Raises:
        AssertionError: it says otherwise.
    """
    rules = {"groups": [{"name": "watched", "rules": [watch.judge.rule.written()]}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (folder / "tests.yaml").write_text(yaml.safe_dump(_tested(watch)))
    PROMTOOL.run("test", "rules", "tests.yaml", folder=folder)


def _tested(watch: Watch) -> Mapping[str, Any]:
    """The samples and what was judged, as promtool reads them; it counts how many label sets fire."""
    every = f"{EVERY_S * 1_000:.0f}ms"
    firing = f'count(ALERTS{{alertname="{watch.judge.rule.alert}", alertstate="firing"}} > 0) > bool 0'
    asked = [
        {
            "expr": firing,
            "eval_time": f"{at * EVERY_S * 1_000:.0f}ms",
            "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
        }
        for at, fires in watch.asked
    ]
    series = [{"series": _named(*key), "values": _values(watch.judge, key)} for key in _keys(watch.judge)]
    test = {"interval": every, "input_series": series, "promql_expr_test": asked}
    return {"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": [test]}


def _keys(judge: Judge) -> list[tuple[str, Labels]]:
    return list(dict.fromkeys(key for scrape in judge.scrapes for key in scrape))


def _named(name: str, labels: Labels) -> str:
    said = ", ".join(f'{label}="{value}"' for label, value in sorted(labels))
    return f"{name}{{{said}}}"


def _values(judge: Judge, key: tuple[str, Labels]) -> str:
    """One series; where it is absent Prometheus marks it as ended."""
    return " ".join(str(scrape[key]) if key in scrape else "stale" for scrape in judge.scrapes)
