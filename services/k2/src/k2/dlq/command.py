"""``k2 dlq`` from the command line. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k2.terminal import Column, console, table
from k2_shared.core.errors import ConfigError
from k2_shared.core.stage_names import StageName

if TYPE_CHECKING:
    from k2.dlq.reading import DeadLetters, Selection
    from k2.dlq.replay import Counts, Deliver, Fate, Order
    from k2.dlq.summary import Summary
    from k2_shared.core.settings import RunSettings
    from k2_shared.kafka.topics import Names

_FAULTS = 3

app = typer.Typer(
    help="Refused records: what there is, why, and sending them back.", no_args_is_help=True, add_completion=False
)

OfStage = Annotated[StageName | None, typer.Option("--stage", help="Only letters of this stage.")]
OfReason = Annotated[str | None, typer.Option("--reason", help="Only letters with this reason.", metavar="CODE")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME|AGE", help="Only letters refused since: 2026-11-26T12:00Z, 15m, 2h, 1d.")
]
At = Annotated[list[str] | None, typer.Option(metavar="P:O", help="Only this letter or attempt; may be repeated.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be sent where, and what not and why; send nothing.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_groups(
    stage: OfStage = None,
    reason: OfReason = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many kinds, the most frequent first.")] = 100,
    as_json: Json = False,
) -> None:
    """Count what the dead-letter topic holds now by stage, reason and source topic, and what was replayed of it.

    A replay that is refused again is no other letter: it is one more attempt of the same.
    """
    from k2.dlq.summary import as_table
    from k2.running import run

    found = run(_summed(_selection(stage, reason, since)))
    groups = found.largest(limit)
    if as_json:
        typer.echo(json.dumps([group.shown() for group in groups], indent=2))
    elif groups:
        out = console()
        out.print(as_table(groups, out.width))
        out.print(found.told(), soft_wrap=not out.is_terminal)
    else:
        _say("no such letter")
        run(_tell_reasons(reason))


async def _tell_reasons(reason: str | None) -> None:
    """Where no letter was selected: whether any has that reason, and which there are."""
    if reason and (said := (await _summed(_selection(None, None, None))).told_without(reason)):
        _say(said)


async def _summed(selection: "Selection") -> "Summary":
    from k2.dlq.summary import Summary

    found, dead = Summary(), await _dead_letters()
    async for batch in dead.selected(selection):
        for letter in batch:
            found.add(letter, dead.histories.standing(letter))
    return found


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As 'k2 dlq list' shows it.")],
    as_json: Json = False,
) -> None:
    """Show one letter whole: who refused it and why, where it came from, what it says, and what became of it."""
    from k2.dlq.description import in_words
    from k2.running import run

    said = run(_described(place))
    if as_json:
        typer.echo(json.dumps(said, indent=2, default=str))
        return
    rows = [(name, in_words(value)) for name, value in said.items()]
    out = console()
    if out.is_terminal:
        out.print(table((Column("what"), Column("said")), rows, out.width))
    else:
        typer.echo("\n".join(f"{name:<18} {value}" for name, value in rows))


async def _described(place: str) -> dict[str, Any]:
    from k2.dlq.description import describe
    from k2.dlq.letter import Place

    at, dead = Place.parse(place), await _dead_letters()
    letter = await dead.one(at)
    return describe(letter, dead.histories.id_of(letter), dead.histories.standing(letter))


@app.command()
def replay(
    stage: OfStage = None,
    reason: OfReason = None,
    since: Since = None,
    at: At = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter there is.")] = False,
    transform: Annotated[Path | None, typer.Option(help="Python file that repairs letters.", metavar="FILE")] = None,
    again: Annotated[bool, typer.Option("--again", help="Letters that were replayed before, too.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many at most, by partition and offset.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send letters to the topics they were refused from, each once; safe to repeat.

    Exits 1 when none of them can go anywhere.
    """
    from k2.dlq.replay import Order
    from k2.dlq.transform import Transform
    from k2.running import run

    if not (stage or reason or since or at or everything):
        raise ConfigError("say which letters: --stage, --reason, --since, --at, or --all for every one")
    order = Order(Transform.load(transform) if transform else Transform(), again, limit)
    counts = run(_replayed(_selection(stage, reason, since, at), order, _printed(as_json) if dry_run else None))
    _warn(counts, order)
    if not counts.selected:
        run(_tell_reasons(reason))
    _print_counts(counts, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(counts.all_refused)


async def _replayed(selection: "Selection", order: "Order", printed: "Deliver | None") -> "Counts":
    """Print what would be replayed, or replay it: what became of letters is read once no other replay commits."""
    from k2.dlq.replay import replay as replayed
    from k2.dlq.sending import sending

    if printed:
        dead = await _dead_letters()
        return await replayed(dead.selected(selection), dead.histories, order, printed)
    settings, names = _run()
    async with sending(settings, names, order.transform) as sender:
        dead = await _dead_letters()
        await sender.forget(dead.histories.gone())
        return await replayed(dead.selected(selection), dead.histories, order, sender.deliver)


def _printed(as_json: bool) -> "Deliver":
    """Print of each letter what would become of it, as a line of text or of JSON."""

    async def deliver(fates: "Sequence[Fate]") -> None:
        for fate in fates:
            typer.echo(json.dumps(fate.shown()) if as_json else str(fate))

    return deliver


def _warn(counts: "Counts", order: "Order") -> None:
    """Say which letters went nowhere, and which will probably come back."""
    from k2.dlq.changes import own_version

    for sentence in counts.refusals.values():
        _say(f"not sent: {sentence}")
    if counts.unchanged:
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts.unchanged.most_common())
        how = "as the transform leaves them, " if order.transform.file else ""
        _say(
            f"warning: nothing is known to have changed for {counts.unchanged.total()} letters ({reasons}): {how}they "
            f"go as they were refused, and were refused by version {own_version()}, as this is; unless their stage was "
            "mended without another version, it refuses them again. --transform repairs letters"
        )


def _print_counts(counts: "Counts", *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, **counts.shown()}))
        return
    typer.echo(
        f"{counts.selected} selected, {counts.sent} {'would be sent' if dry_run else 'sent'}, "
        f"{counts.replayed_before} replayed before, {counts.skipped_by_transform} skipped by the transform, "
        f"{counts.refused.total()} refused"
    )


@app.command()
def resume(
    url: Annotated[str, typer.Argument(metavar="URL", help="The agent's web port, e.g. http://127.0.0.1:6066.")],
) -> None:
    """Let an agent that halted go on: on too many refusals, or because another process has its name."""
    from k2.dlq.resume import resume as resumed

    if resumed(url):
        _say(f"the agent at {url} goes on: a batch that halted it goes through, and counting starts anew")
    else:
        _say(f"the agent at {url} was not halted: nothing changed")


def _selection(
    stage: str | None, reason: str | None, since: str | None, at: Sequence[str] | None = None
) -> "Selection":
    """Which letters are meant.

    Raises:
        ConfigError: a time or a place is none.
    """
    from datetime import UTC, datetime

    from k2.dlq.letter import Place
    from k2.dlq.reading import Selection
    from k2.tail.selection import point_in_time

    moment = point_in_time(since, datetime.now(UTC)) if since else None
    if since and moment is None:
        raise ConfigError(f"--since {since!r} is no time (2026-11-26T12:00:00Z) and no age (15m; s, m, h or d)")
    return Selection(stage, reason, tuple(map(Place.parse, at or ())), moment)


def _run() -> tuple["RunSettings", "Names"]:
    """The settings and names of this run."""
    from k2_shared.core.settings import RunSettings
    from k2_shared.kafka.topics import Names

    settings = RunSettings.load()
    return settings, Names(settings.k2_prefix)


async def _dead_letters() -> "DeadLetters":
    from k2.dlq.reading import DeadLetters

    found = await DeadLetters.find(*_run())
    for detail, count in found.unreadable.most_common(_FAULTS):
        _say(f"warning: {count} records of replays cannot be read, their letters may be replayed again: {detail}")
    return found


def _say(line: str) -> None:
    typer.echo(line, err=True)
