"""``k2 tail`` from the command line. Data goes to stdout, chatter to stderr."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k2.terminal import console, say

if TYPE_CHECKING:
    from rich.console import Console

_LAST = 10


@dataclass(frozen=True)
class Asked:
    """What one call of the command asks for."""

    topic: str
    count: int | None
    following: bool
    partition: int | None
    start: str | None
    key: str | None
    symbol: str | None
    where: str | None


def tail(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="A name, a part that only one has, or a pattern like '*silver*'.")
    ],
    count: Annotated[
        int | None, typer.Option("-n", min=1, help=f"So many records: the last {_LAST}, or from --from on all.")
    ] = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on as records come, until Ctrl-C.")] = False,
    key: Annotated[str | None, typer.Option(help="Only records with this key.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only of this symbol.", metavar="[EXCHANGE:]BASE/QUOTE")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only of this partition.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="OFFSET|TIME", help="From there on: 1200, 15m or 2026-11-26T12:00Z.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="Only of such values: \"price > 100 and side == 'BUY'\".")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a record a line.")] = False,
) -> None:
    """Print records, decoded: committed ones, with place, time, key, headers and value."""
    from k2.running import run

    asked = Asked(topic, count, following, partition, start, key, symbol, where)
    run(_print(asked, as_json=as_json))


async def _print(asked: Asked, *, as_json: bool) -> None:
    printed, most = 0, asked.count if asked.start else None
    show = _print_json if as_json else partial(_print_lines, console())
    async with aclosing(_rows(asked)) as rows:
        async for row in rows:
            show(row)
            printed += 1
            if printed == most:
                break
    if not printed:
        typer.echo("no such record", err=True)


def _print_json(row: dict[str, Any]) -> None:
    typer.echo(json.dumps(row, ensure_ascii=False))


def _print_lines(out: "Console", row: dict[str, Any]) -> None:
    """A record for people: its place, then its headers, then its value."""
    say(out, f"{row['topic']}[{row['partition']}]@{row['offset']}  {row['time']}  {row['key'] or 'no key'}")
    for name, said in row["headers"].items():
        say(out, f"{name}: {_words(said)}", 2)
    say(out, _words(row["value"]), 2)


async def _rows(asked: Asked) -> AsyncGenerator[dict[str, Any]]:
    from k2.feed.exchange_symbol import SymbolFilter
    from k2.tail.reading import follow, last, since
    from k2.tail.selection import Selection, Start
    from k2.tail.where import condition
    from k2.topics.broker import Cluster
    from k2_shared.core.settings import RunSettings

    settings = RunSettings.load()
    SymbolFilter.parse(asked.symbol)  # refuses what is no symbol: no record would ever have it
    selection = Selection(asked.key, asked.symbol, condition(asked.where) if asked.where else None)
    start = Start.parse(asked.start, datetime.now(UTC)) if asked.start else None
    async with Cluster.connect(settings) as cluster:
        ranges = await _ranges(cluster, asked)
        _check_where(asked.where, {at.topic.removeprefix(cluster.names.prefix) for at in ranges})
        show = shown(cluster, selection)
        if start is None:
            for row in await last(cluster.reader, ranges, asked.count or _LAST, show):
                yield row
        else:
            async with aclosing(since(cluster.reader, ranges, start, show)) as rows:
                async for row in rows:
                    yield row
        if asked.following:
            async with aclosing(follow(cluster.reader, {at: span.stop for at, span in ranges.items()}, show)) as rows:
                async for row in rows:
                    yield row


async def _ranges(cluster: Any, asked: Asked) -> dict[Any, range]:
    """The partitions that are meant.

    Raises:
        ConfigError: there is no such topic or partition.
    """
    from k2.topics.choice import choose
    from k2_shared.core.errors import ConfigError

    there = {topic: partitions for topic, partitions in (await cluster.topics()).items() if partitions}
    chosen = choose(asked.topic, there, cluster.names.prefix)
    found = await cluster.partitions({topic: there[topic] for topic in chosen})
    ranges = {
        each.at: each.span for of in found.values() for each in of if asked.partition in (None, each.at.partition)
    }
    if not ranges:
        has = ", ".join(f"{topic} has 0 to {len(of) - 1}" for topic, of in found.items())
        raise ConfigError(f"there is no partition {asked.partition}: {has}")
    return ranges


def _check_where(expression: str | None, topics: set[str]) -> None:
    """Where nothing but trades is looked at, their fields are known; raises ConfigError for another."""
    from k2.tail.where import check_fields
    from k2_shared.core import contracts

    known = contracts.topics()
    if expression and all(topic in known and known[topic].value_format == "avro" for topic in topics):
        check_fields(expression, [field["name"] for field in contracts.trade_schema()["fields"]])


def shown(cluster: Any, selection: Any) -> Any:
    """How a record is shown: decoded as its topic's contract says, or not at all where it is not meant."""
    from k2.tail.decoding import described
    from k2_shared.core import contracts

    known = contracts.topics()

    def show(record: Any) -> dict[str, Any] | None:
        if not selection.takes_record(record):
            return None
        contract = known.get(record.topic.removeprefix(cluster.names.prefix))
        row = described(record, contract.value_format if contract else "raw")
        return row if selection.takes_value(row["value"]) else None

    return show


def _words(found: Any) -> str:
    if isinstance(found, dict):
        return ", ".join(f"{name} {_words(said)}" for name, said in found.items() if said is not None)
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
