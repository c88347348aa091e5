"""``k2 lineage`` from the command line. Data goes to stdout, chatter to stderr."""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k2.terminal import console, moment, say

if TYPE_CHECKING:
    from k2.lineage.path import Hop, Lineage


def lineage(
    message_id: Annotated[
        str, typer.Argument(metavar="MESSAGE_ID", help="EXCHANGE:BASE/QUOTE:ID, as KRAKEN:BTC/USD:12.")
    ],
    since: Annotated[
        str | None, typer.Option(metavar="OFFSET|TIME", help="Read the topics from there on: 2h, 2026-11-26T12:00Z.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one trade from its frame to its rows, with every repeat and refusal, and when each stage could be read.

    Exits 0 where it is in gold exactly once, else 1.
    """
    from k2.lineage.path import MessageId
    from k2.running import run

    found = run(_found(MessageId.parse(message_id), since))
    if as_json:
        typer.echo(json.dumps(found.shown(), indent=2, default=str))
    else:
        _print(found)
    for line in found.unknown:
        typer.echo(line, err=True)
    raise typer.Exit(not found.is_settled)


async def _found(message_id: Any, since: str | None) -> "Lineage":
    from k2.lineage.path import Lineage
    from k2.lineage.tracing import trace
    from k2.tail.selection import Start
    from k2.topics.broker import Cluster
    from k2_shared.core.settings import RunSettings

    settings = RunSettings.load()
    start = Start.parse(since, datetime.now(UTC)) if since else None
    async with Cluster.connect(settings) as cluster:
        found = await trace(cluster, message_id, start)
        rows, unknown = await asyncio.to_thread(_rows, cluster.names, message_id, found.trade)
    received_us = min((each.received_ns // 1_000 for each in found.origins), default=None)
    return Lineage(message_id, found.trade, received_us, [*found.hops, *rows], unknown)


def _rows(names: Any, message_id: Any, trade: dict[str, Any] | None) -> tuple[list["Hop"], list[str]]:
    """The rows of a trade, or why they are not known."""
    import requests
    from pyiceberg.exceptions import NoSuchTableError, RESTError

    from k2.lineage.rows import rows
    from k2_shared.core.errors import K2Error
    from k2_shared.core.lake_settings import LakeSettings

    if trade is None:
        return [], []
    try:
        return rows(LakeSettings.load(), names, message_id, trade["timestamp"]), []
    except NoSuchTableError as error:
        return [], [f"a table does not exist, 'k2 init' creates it: {' '.join(str(error).split())}"]
    except (K2Error, OSError, requests.RequestException, RESTError) as error:
        return [], [f"the tables could not be asked: {type(error).__name__}: {' '.join(str(error).split())}"]


def _print(found: "Lineage") -> None:
    from k2.lineage.path import in_order

    out = console()
    say(out, f"{found.message_id}: {found.verdict}", style="green" if found.is_settled else "red")
    if found.trade:
        price, quantity, traded = (found.trade[name] for name in ("price", "quantity", "timestamp"))
        say(out, f"traded {moment(traded / 1e3)}: {found.trade['side']} {quantity:f} at {price:f}", 2)
    for hop in in_order(found.hops):
        shown = hop.shown(found.received_us)
        age = f"  +{shown['age_s']:.3f} s" if shown["age_s"] else ""
        when = f"  {moment(hop.at_us / 1e3)}" if hop.at_us is not None else ""
        say(out, f"{hop.stage:<7} {hop.where}{when}{age}", 2)
        for name, said in _details(hop):
            say(out, f"{name}: {said}", 10)


def _details(hop: "Hop") -> list[tuple[str, Any]]:
    """What else there is to say of a hop: its frame, why it was refused, its snapshot."""
    origin = hop.origin or {}
    frame = (
        [("from", f"{origin['source']}, connection {origin['connection']}, frame {origin['frame']}")] if origin else []
    )
    letter = hop.said.get("letter", {})
    refused = [(name.removeprefix("k2-dlq-"), said) for name, said in letter.items()]
    return frame + refused + [(name, said) for name, said in hop.said.items() if name == "snapshot"]
