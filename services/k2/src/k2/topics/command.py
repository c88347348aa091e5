"""``k2 topics`` and ``k2 lag`` from the command line. Data goes to stdout, chatter to stderr."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k2.terminal import Column, console, moment, say, size, span, table
from k2.watching import EVERY_S, repeated

if TYPE_CHECKING:
    from k2.topics.facts import Lag, PartitionFacts, TopicFacts

_LIMIT = 1_000_000
_TOPIC = (
    Column("topic"),
    Column("parts", 4, "right"),
    Column("records", 0, "right"),
    Column("bytes", 3, "right"),
    Column("rate/s", 3, "right"),
    Column("first record", 8),
    Column("last record", 5),
    Column("retention", 6, "right"),
    Column("cleanup", 7),
    Column("schema", 7, "right"),
    Column("lag", 2),
    Column("contract", 1),
)
_PARTITION = (
    Column("partition", 0, "right"),
    Column("start", 4, "right"),
    Column("end", 3, "right"),
    Column("records", 0, "right"),
    Column("bytes", 5, "right"),
    Column("rate/s", 5, "right"),
    Column("first record", 7),
    Column("last record", 6),
    Column("lag", 1),
)
_LAG = (Column("group"), Column("topic"), Column("lag", 0, "right"), Column("oldest unread", 1, "right"))

Name = Annotated[
    str | None, typer.Argument(metavar="TOPIC", help="A name, a part that only one has, or a pattern like '*silver*'.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[
    int, typer.Option("--count-limit", min=1, help="Topics with more offsets are estimated by them, and marked.")
]


def topics(topic: Name = None, as_json: Json = False, count_limit: Limit = _LIMIT) -> None:
    """Show what each topic holds, who has read it how far, and what differs from its contract.

    Records are committed ones, counted; one topic is shown by partition.
    """
    found = _found(topic, count_limit)
    single = topic is not None and len(found) == 1
    if as_json:
        typer.echo(json.dumps([row(each, with_partitions=single) for each in found], indent=2))
        return
    out = console()
    out.print(table(_TOPIC, [_topic(each) for each in found], out.width))
    if single:
        out.print(table(_PARTITION, [_partition(each) for each in found[0].partitions], out.width))
    for each in found:
        if each.differences:
            say(out, f"{each.topic} differs from its contract: {each.contract}", style="red")


def lag(
    topic: Name = None,
    watching: Annotated[bool, typer.Option("--watch", help=f"Draw it anew every {EVERY_S:g} s, until Ctrl-C.")] = False,
    as_json: Json = False,
    count_limit: Limit = _LIMIT,
) -> None:
    """Show how many committed records each consumer group has not read, and how old the oldest is."""
    repeated(lambda: _show_lag(_found(topic, count_limit), as_json=as_json, redraws=watching), watching=watching)


def _show_lag(found: Sequence["TopicFacts"], *, as_json: bool, redraws: bool) -> None:
    lines = [(group, each.topic, lag) for each in found for group, lag in sorted(each.groups.items())]
    if as_json:
        typer.echo(json.dumps([{"group": group, "topic": of, **lag.shown()} for group, of, lag in lines]))
        return
    out = console()
    if redraws:
        out.clear()
    out.print(table(_LAG, [(group, of, _records(lag), span(lag.seconds)) for group, of, lag in lines], out.width))


def row(topic: "TopicFacts", *, with_partitions: bool) -> dict[str, Any]:
    """A topic for JSON."""
    found = {
        "topic": topic.topic,
        "partitions": len(topic.partitions),
        **_held(topic),
        "retention_ms": topic.retention_ms,
        "cleanup": topic.cleanup,
        "subject": topic.subject,
        "schema_id": topic.schema_id,
        "groups": _groups(topic.groups),
        "contract": topic.contract,
    }
    return found | ({"by_partition": [_partition_row(each) for each in topic.partitions]} if with_partitions else {})


def _partition_row(of: "PartitionFacts") -> dict[str, Any]:
    return {
        "partition": of.partition,
        "start": of.start,
        "end": of.end,
        **_held(of),
        "groups": _groups(of.groups),
    }


def _held(of: "TopicFacts | PartitionFacts") -> dict[str, Any]:
    """What a topic or a partition holds, for JSON."""
    return {
        "records": of.records,
        "estimated": of.estimated,
        "bytes": of.bytes,
        "per_second": round(of.per_second, 1),
        "first": moment(of.first_ms) or None,
        "last": moment(of.last_ms) or None,
    }


def _groups(groups: Mapping[str, "Lag"]) -> dict[str, Any]:
    return {group: lag.shown() for group, lag in sorted(groups.items())}


def _found(topic: str | None, limit: int) -> Sequence["TopicFacts"]:
    from k2.running import run

    found, unknown = run(_ask(topic, limit))
    if unknown:
        typer.echo(f"schema ids are not known: {unknown}", err=True)
    return found


async def _ask(topic: str | None, limit: int) -> tuple[Sequence["TopicFacts"], str]:
    from k2.topics.broker import Cluster, facts, schema_ids
    from k2.topics.choice import choose
    from k2_shared.core.settings import RunSettings

    settings = RunSettings.load()
    async with Cluster.connect(settings, limit) as cluster:
        there = await cluster.topics()
        chosen = choose(topic, there, settings.k2_prefix) if topic else sorted(there)
        ids, unknown = await schema_ids(settings, cluster.names, chosen)
        return await facts(cluster, chosen, ids), unknown


def _topic(of: "TopicFacts") -> list[str]:
    return [
        of.topic,
        str(len(of.partitions)),
        *_cells(of),
        "for ever" if of.retention_ms == -1 else span(of.retention_ms and of.retention_ms / 1e3),
        of.cleanup or "",
        str(of.schema_id or ""),
        _lags(of.groups),
        "differs" if of.differences else of.contract,
    ]


def _partition(of: "PartitionFacts") -> list[str]:
    return [
        str(of.partition),
        f"{of.start:,}",
        f"{of.end:,}",
        *_cells(of),
        _lags(of.groups),
    ]


def _cells(of: "TopicFacts | PartitionFacts") -> list[str]:
    """What a topic or a partition holds, for people."""
    return [_records(of), size(of.bytes), f"{of.per_second:,.1f}", moment(of.first_ms), moment(of.last_ms)]


def _lags(groups: Mapping[str, "Lag"]) -> str:
    return "\n".join(f"{group}: {_records(lag)}{_age(lag)}" for group, lag in sorted(groups.items()))


def _records(of: "TopicFacts | PartitionFacts | Lag") -> str:
    """A number of records, marked where offsets were counted."""
    return f"{'~' if of.estimated else ''}{of.records:,}"


def _age(lag: "Lag") -> str:
    return f" ({span(lag.seconds)})" if lag.seconds is not None else ""
