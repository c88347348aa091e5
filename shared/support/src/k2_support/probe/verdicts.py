"""Checks a broker's promises: one verdict each, or an error where one is broken."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from k2_shared.core.errors import K2Error
from k2_shared.core.settings import KafkaSettings
from k2_support.probe.checks import CHECKS
from k2_support.probe.sandbox import BrokerFailed, Sandbox, sandbox

Check = Callable[[Sandbox], Awaitable[None]]
Report = Callable[["PromiseVerdict"], None]

CHECK_S = 180.0


class BrokenPromise(K2Error):
    """A broker does not keep a promise that exactly-once rests on."""


@dataclass(frozen=True)
class PromiseVerdict:
    """One promise: kept, or what was seen instead."""

    promise: str
    kept: bool
    seen: str = ""


async def judged(place: Sandbox, check: Check, limit_s: float = CHECK_S) -> PromiseVerdict:
    """One check as a verdict; a broker that refuses the check's requests, or does not end them, has broken it too."""
    promise = check.__name__.replace("_", " ")
    try:
        async with asyncio.timeout(limit_s):
            await check(place)
    except BrokerFailed as broken:
        return PromiseVerdict(promise, kept=False, seen=str(broken))
    except KafkaError as error:
        return PromiseVerdict(promise, kept=False, seen=f"the broker refused: {error!r}")
    except TimeoutError:
        return PromiseVerdict(promise, kept=False, seen=f"nothing came of it within {limit_s:.0f} s")
    return PromiseVerdict(promise, kept=True)


async def judge(
    settings: KafkaSettings, report: Report = lambda _: None, checks: Mapping[str, Check] = CHECKS
) -> list[PromiseVerdict]:
    """Run every check, all at once; each verdict is reported when it is known.

    Raises:
        Unavailable: no broker answers.
    """

    async def reported(check: Check) -> PromiseVerdict:
        verdict = await judged(place, check)
        report(verdict)
        return verdict

    async with sandbox(settings) as place:
        return list(await asyncio.gather(*(reported(check) for check in checks.values())))


async def demand(settings: KafkaSettings) -> None:
    """Require that a broker keeps every promise; blocks until all are checked, 180 s at most.

    Raises:
        BrokenPromise: it breaks one; the text is one line.
        Unavailable: no broker answers.
    """
    broken = [f"{verdict.promise} ({verdict.seen})" for verdict in await judge(settings) if not verdict.kept]
    if broken:
        raise BrokenPromise(
            f"the broker at {settings.kafka_bootstrap_servers} breaks promises on which exactly-once rests, see "
            f"'k2 probe-broker': {'; '.join(broken)}"
        )
