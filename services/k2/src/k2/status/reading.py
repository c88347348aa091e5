"""Asking everything of a pipeline at once."""

import asyncio
import time
from dataclasses import replace

import aiohttp

from k2.status import agents, servers
from k2.status.broker import Broker
from k2.status.facts import Lags, Part, Status, Table
from k2.status.pages import LAG_EXPORTER, WARM_SINK, exported_lags, told_gaps, warm_tables
from k2.status.settings import Pipeline
from k2_shared.kafka.lag import groups
from k2_shared.kafka.topics import Names


class Reader:
    """Reads one pipeline's status, again and again; a peer that is dead costs three seconds, however many are."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._names = Names(pipeline.settings.k2_prefix)
        self._broker = Broker(pipeline.settings, self._names)

    async def read(self) -> Status:
        """Ask everything now; raises nothing that a peer can cause."""
        settings = self._pipeline.settings
        async with aiohttp.ClientSession() as session:
            asked = (agents.ask(session, target) for target in self._pipeline.targets.agents)
            kafka, registry, (catalog, tables), store, warm, answers = await asyncio.gather(
                self._broker.ask(),
                servers.registry(settings),
                servers.lake(settings, self._names),
                servers.store(settings),
                servers.warm(settings),
                asyncio.gather(*asked),
            )
        gaps = kafka.gaps
        if gaps.fault:
            gaps = told_gaps([answer.page for answer in answers if answer.page], gaps.fault)
        return Status(
            parts=[self._startable(part) for part in (kafka.part, registry, catalog, store, warm)],
            agents=[answer.agent for answer in answers],
            lags=self._exported(answers) or kafka.lags,
            gaps=gaps,
            letters=kafka.letters,
            tables=[*tables, *self._warm_tables(answers)],
        )

    def _startable(self, part: Part) -> Part:
        """A server that does not answer is started by the command of the targets, where they name one."""
        start = self._pipeline.targets.start
        return part if part.answers or not start else replace(part, do=f"start it with '{start}'")

    def _warm_tables(self, answers: list[agents.Answer]) -> list[Table]:
        """Those of the warm tier, where a sink that fills them runs."""
        pages = [answer.page for answer in answers if answer.agent.service == WARM_SINK and answer.page]
        return warm_tables(pages[0], time.time()) if pages else []

    def _exported(self, answers: list[agents.Answer]) -> Lags | None:
        """The lag as a lag exporter tells, where one runs."""
        pages = [answer.page for answer in answers if answer.agent.service == LAG_EXPORTER]
        known = (exported_lags(page, groups(self._names), time.time()) for page in pages if page)
        return next(filter(None, known), None)
