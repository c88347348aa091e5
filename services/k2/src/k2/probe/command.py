"""``k2 probe-broker`` from the command line."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from k2.probe.bench import BrokerFailed, bench
from k2.probe.checks import CHECKS
from k2_shared.settings import KafkaSettings


@dataclass(frozen=True)
class Verdict:
    """One promise: kept, or what was seen instead."""

    promise: str
    kept: bool
    seen: str = ""


def probe_broker(
    bootstrap: Annotated[str | None, typer.Option(help="host:port; default: KAFKA_BOOTSTRAP_SERVERS.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check on a real broker every promise that exactly-once rests on; exits 1 when one is broken."""
    settings = KafkaSettings.load(**({"kafka_bootstrap_servers": bootstrap} if bootstrap else {}))
    verdicts = asyncio.run(judge(settings))
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts]))
    raise typer.Exit(not all(verdict.kept for verdict in verdicts))


async def judge(settings: KafkaSettings) -> list[Verdict]:
    """Run every check; what a broker breaks is a verdict, not an error."""
    verdicts = []
    async with bench(settings) as place:
        for name, check in CHECKS.items():
            promise = name.replace("_", " ")
            try:
                await check(place)
            except BrokerFailed as broken:
                verdicts.append(Verdict(promise, kept=False, seen=str(broken)))
            else:
                verdicts.append(Verdict(promise, kept=True))
            _say(verdicts[-1])
    return verdicts


def _say(verdict: Verdict) -> None:
    sys.stderr.write(f"{'kept  ' if verdict.kept else 'BROKEN'}  {verdict.promise}")
    sys.stderr.write(f": {verdict.seen}\n" if verdict.seen else "\n")
