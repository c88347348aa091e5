"""Checks a broker for ``k2 probe-broker``, also over a restart."""

import sys
import uuid
from pathlib import Path

from k2.interruption import telling
from k2.running import run
from k2.servers import left_running
from k2_local import Stack, StackSettings
from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_support.probe import PromiseVerdict, judge, judged, leave_marks, marks_outlive_a_restart, sandbox


def at(bootstrap: str | None, before: str | None, after: str | None) -> list[PromiseVerdict]:
    """Check the promises of a broker; the names are of marks to leave, and of marks to look for alone. Blocks.

    Raises:
        Unavailable: no broker answers.
    """
    settings = KafkaSettings.load(**({"kafka_bootstrap_servers": bootstrap} if bootstrap else {}))
    return run(_at(settings, before, after))


def with_restart(state: Path) -> list[PromiseVerdict]:
    """Every check, and the marks over a restart of the local stack's broker, which is ended in order. Blocks.

    Raises:
        Unavailable: the stack does not run, or its broker did not restart.
    """
    stack = Stack(StackSettings.load(k2_state_dir=state))
    settings = KafkaSettings.load(kafka_bootstrap_servers=stack.env()["KAFKA_BOOTSTRAP_SERVERS"])
    name, before = uuid.uuid4().hex[:8], _broker(stack)
    verdicts = run(_before(settings, name))
    with telling(lambda: left_running(stack)):
        stack.down(only=["kafka"])
        stack.up()
    if _broker(stack) == before:
        raise Unavailable(f"the broker of {stack.settings.state} was not restarted: it is process {before} as before")
    return [*verdicts, run(_after(settings, name))]


async def _at(settings: KafkaSettings, before: str | None, after: str | None) -> list[PromiseVerdict]:
    if after:
        return [await _after(settings, after)]
    if not before:
        return await judge(settings, _say)
    verdicts = await _before(settings, before)
    sys.stderr.write(f"restart the broker, then: k2 probe-broker --after-restart {before}\n")
    return verdicts


def _broker(stack: Stack) -> int | None:
    return next(part.pid for part in stack.status() if part.part == "kafka")


async def _before(settings: KafkaSettings, name: str) -> list[PromiseVerdict]:
    verdicts = await judge(settings, _say)
    async with sandbox(settings, name, keep=True) as place:
        await leave_marks(place)
    return verdicts


async def _after(settings: KafkaSettings, name: str) -> PromiseVerdict:
    async with sandbox(settings, name) as place:
        verdict = await judged(place, marks_outlive_a_restart)
    _say(verdict)
    return verdict


def _say(verdict: PromiseVerdict) -> None:
    sys.stderr.write(f"{'kept  ' if verdict.kept else 'BROKEN'}  {verdict.promise}")
    sys.stderr.write(f": {verdict.seen}\n" if verdict.seen else "\n")
