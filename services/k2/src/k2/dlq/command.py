"""``k2 dlq`` from the command line. Data goes to stdout, chatter to stderr."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from k2.dlq import replay as replaying
from k2.dlq import resume as resuming
from k2.dlq import summary
from k2.dlq.description import describe
from k2.dlq.letter import Place
from k2.dlq.reading import DeadLetters, Selection
from k2.dlq.transform import Transform
from k2.running import run
from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.dlq import StageName
from k2_shared.kafka.topics import Names

app = typer.Typer(help="Refused records: what there is, why, and sending them back.", no_args_is_help=True)

OfStage = Annotated[StageName | None, typer.Option("--stage", help="Only letters of this stage.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only letters with this reason.", metavar="CODE")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_groups(
    stage: OfStage = None,
    reason: OfReason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many kinds, the most frequent first.")] = 100,
    as_json: Json = False,
) -> None:
    """Count what the dead-letter topic holds now by stage, reason and source topic."""
    groups = run(_summed(Selection(stage, reason))).largest(limit)
    if as_json:
        typer.echo(json.dumps([group.shown() for group in groups], indent=2))
    elif groups:
        Console(width=None if sys.stdout.isatty() else 200).print(summary.table(groups))
    else:
        _say("no such letter")


async def _summed(selection: Selection) -> summary.Summary:
    found = summary.Summary()
    async for batch in _letters().selected(selection):
        found.add(batch)
    return found


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As 'k2 dlq list' shows it.")],
    as_json: Json = False,
) -> None:
    """Show one letter whole: who refused it and why, where it came from, and what it says."""
    said = describe(run(_letters().one(Place.parse(place))))
    if as_json:
        typer.echo(json.dumps(said, indent=2, default=str))
        return
    for name, value in said.items():
        typer.echo(f"{name:<18} {json.dumps(value, default=str) if isinstance(value, (dict, list)) else value}")


@app.command()
def replay(
    stage: OfStage = None,
    reason: OfReason = None,
    at: Annotated[list[str] | None, typer.Option(metavar="P:O", help="Only this letter; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter there is.")] = False,
    transform: Annotated[Path | None, typer.Option(help="Python file that repairs letters.", metavar="FILE")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent where; send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send letters to the topics they were refused from; safe to repeat. Exits 1 when none of them can go anywhere."""
    if not (stage or reason or at or everything):
        raise ConfigError("say which letters: --stage, --reason, --at, or --all for every one")
    selection = Selection(stage, reason, tuple(map(Place.parse, at or ())))
    repair = Transform.load(transform) if transform else Transform()
    counts = run(_replayed(selection, repair, _printed(as_json) if dry_run else None))
    for sentence in counts.refusals.values():
        _say(f"not sent: {sentence}")
    _print_counts(counts, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(counts.all_refused)


async def _replayed(selection: Selection, transform: Transform, deliver: replaying.Deliver | None) -> replaying.Counts:
    """Replay; without ``deliver`` to the topics."""
    letters = _letters()
    async with nullcontext(deliver) if deliver else replaying.sending(letters) as to:
        return await replaying.replay(letters.selected(selection), transform, to)


def _printed(as_json: bool) -> replaying.Deliver:
    """Print each letter instead of sending it, as a line of text or of JSON."""

    async def deliver(parcels: Sequence[replaying.Parcel]) -> None:
        for parcel in parcels:
            line = {"at": str(parcel.letter), "to": parcel.to.topic, "partition": parcel.to.partition}
            typer.echo(json.dumps(line) if as_json else f"{parcel.letter} -> {parcel.to.topic}[{parcel.to.partition}]")

    return deliver


def _print_counts(counts: replaying.Counts, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, **counts.shown()}))
        return
    verb = "would be sent" if dry_run else "sent"
    skipped = f"{counts.skipped_by_transform} skipped by the transform"
    typer.echo(f"{counts.selected} selected, {counts.sent} {verb}, {skipped}, {counts.refused.total()} refused")


@app.command()
def resume(
    url: Annotated[str, typer.Argument(metavar="URL", help="The agent's web port, e.g. http://127.0.0.1:6066.")],
) -> None:
    """Let an agent that halted go on: on too many refusals, or because another process has its name."""
    if resuming.resume(url):
        _say(f"the agent at {url} goes on: a batch that halted it goes through, and counting starts anew")
    else:
        _say(f"the agent at {url} was not halted: nothing changed")


def _letters() -> DeadLetters:
    settings = RunSettings.load()
    return DeadLetters(settings, Names(settings.k2_prefix))


def _say(line: str) -> None:
    typer.echo(line, err=True)
