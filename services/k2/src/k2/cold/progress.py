"""How far the cold tables are, by themselves and by the agent that fills them."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from k2.cold.offloading import compared
from k2.cold.wanted import EVERY_HOUR
from k2.status import agents
from k2.status.pages import Page
from k2.status.settings import Pipeline
from k2.terminal import moment, size, span
from k2_shared.cold.hours import Verdict
from k2_shared.cold.offload import ColdOffload
from k2_shared.lake.replacement import WrittenHour

_AGENT = "offload"


@dataclass(frozen=True, slots=True)
class TableProgress:
    """A cold table: up to when it has hours, the one written last, all hours by what is to be done about them.

    What the agent tells is None where none runs: when it left nothing undone, and how long it took.
    """

    table: str
    complete_to: datetime | None
    newest: WrittenHour | None
    hours: Counter[Verdict]
    last_success: datetime | None
    took_s: float | None

    @property
    def outstanding(self) -> int:
        """How many hours are to be written, or would shrink."""
        return self.hours[Verdict.TO_WRITE] + self.hours[Verdict.WOULD_SHRINK]

    def to_row(self) -> list[str]:
        """It as a row of the table; empty where nothing is known."""
        newest = self.newest
        return [
            self.table,
            _said(self.complete_to),
            f"{self.outstanding:,}",
            f"{newest.rows:,}" if newest else "",
            size(newest.bytes) if newest else "",
            _said(newest.at) if newest else "",
            _said(self.last_success),
            span(self.took_s),
        ]

    def to_json(self) -> dict[str, Any]:
        """It as ``--json`` prints it."""
        newest = self.newest
        return {
            "table": self.table,
            "watermark": _said(self.complete_to) or None,
            "newest": newest
            and {"hour": _said(newest.start), "written": _said(newest.at), "rows": newest.rows, "bytes": newest.bytes},
            "outstanding": self.outstanding,
            "hours": {verdict.name.lower(): self.hours[verdict] for verdict in Verdict},
            "last_success": _said(self.last_success) or None,
            "took_s": self.took_s,
        }


def read(name: str, offload: ColdOffload, now: datetime, page: Page | None) -> TableProgress:
    """Compare a table and ask how far it is. Blocks."""
    hours = Counter(found.verdict for found in compared(name, offload, EVERY_HOUR, now))
    offload.table.head()
    success = _told(page, "k2_offload_last_success_timestamp_seconds", name)
    return TableProgress(
        name,
        offload.complete_to,
        offload.table.newest,
        hours,
        None if success is None else datetime.fromtimestamp(success, UTC),
        _told(page, "k2_offload_duration_seconds", name),
    )


def agents_page() -> Page | None:
    """The page of the agent that offloads, by the pipeline's targets; None where none answers.

    Raises:
        ConfigError: the file of targets cannot be used.
    """
    return asyncio.run(_page(Pipeline.find(None)))


async def _page(pipeline: Pipeline) -> Page | None:
    async with aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(agents.ask(session, target) for target in pipeline.targets.agents))
    return next((each.page for each in answers if each.agent.service == _AGENT), None)


def _told(page: Page | None, metric: str, table: str) -> float | None:
    found = page.series(metric) if page else ()
    return next((value for labels, value in found if labels["table"] == table), None)


def _said(at: datetime | None) -> str:
    return moment(at.timestamp() * 1_000) if at else ""
