"""``k2 probe-broker`` from the command line."""

import asyncio
import json
import re
import sys
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from k2_local import Stack, StackSettings
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_support.probe import PromiseVerdict, judge, judged, leave_marks, marks_outlive_a_restart, sandbox

_NAME = "[A-Za-z0-9-]{1,40}"


def probe_broker(
    bootstrap: Annotated[str | None, typer.Option(help="host:port; default: KAFKA_BOOTSTRAP_SERVERS.")] = None,
    before_restart: Annotated[
        str | None, typer.Option(metavar="NAME", help="Leave marks under this name; then restart the broker.")
    ] = None,
    after_restart: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look only for the marks left under this name, and delete them.")
    ] = None,
    restart_stack: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Probe the local stack in this folder, and restart its broker.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check on a real broker every promise that exactly-once rests on; exits 1 when one is broken."""
    _one_way(bootstrap, before_restart, after_restart, restart_stack)
    if restart_stack:
        verdicts = _with_restart(Stack(StackSettings.load(k2_state_dir=restart_stack)))
    else:
        settings = KafkaSettings.load(**({"kafka_bootstrap_servers": bootstrap} if bootstrap else {}))
        verdicts = asyncio.run(_at(settings, before_restart, after_restart))
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts]))
    raise typer.Exit(not all(verdict.kept for verdict in verdicts))


def _one_way(bootstrap: str | None, before: str | None, after: str | None, stack: Path | None) -> None:
    if sum(way is not None for way in (before, after, stack)) > 1:
        raise ConfigError("--before-restart, --after-restart and --restart-stack exclude each other: give one of them")
    if bootstrap is not None and stack is not None:
        raise ConfigError("--restart-stack knows its broker: leave --bootstrap away")
    for name in (before, after):
        if name is not None and not re.fullmatch(_NAME, name):
            raise ConfigError(f"the name {name!r} is not 1 to 40 letters, digits or hyphens")


async def _at(settings: KafkaSettings, before: str | None, after: str | None) -> list[PromiseVerdict]:
    if after:
        return [await _after(settings, after)]
    if not before:
        return await judge(settings, _say)
    verdicts = await _before(settings, before)
    sys.stderr.write(f"restart the broker, then: k2 probe-broker --after-restart {before}\n")
    return verdicts


def _with_restart(stack: Stack) -> list[PromiseVerdict]:
    """Every check, and the marks over a restart of the stack's broker, which is ended in order."""
    settings = KafkaSettings.load(kafka_bootstrap_servers=stack.env()["KAFKA_BOOTSTRAP_SERVERS"])
    name, before = uuid.uuid4().hex[:8], _broker(stack)
    verdicts = asyncio.run(_before(settings, name))
    stack.down(only=["kafka"])
    stack.up()
    if _broker(stack) == before:
        raise Unavailable(f"the broker of {stack.settings.state} was not restarted: it is process {before} as before")
    return [*verdicts, asyncio.run(_after(settings, name))]


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
