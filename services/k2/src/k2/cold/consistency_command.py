"""``k2 consistency``. Data goes to stdout, chatter to stderr; heavy parts are imported when used."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from k2.cold.offload_command import ATTEMPTS, AsJson
from k2.interruption import telling
from k2.sql.options import End, Start

if TYPE_CHECKING:
    from k2_shared.cold.layers import Layer

_DIFFERS = 1
OfLayer = Annotated[list[str] | None, typer.Option("--layer", help="A cold table, again for more; all by default.")]
Repair = Annotated[bool, typer.Option("--repair", help="Offload the hours that differ again, and compare once more.")]


def consistency(
    layer: OfLayer = None, start: Start = None, end: End = None, repair: Repair = False, as_json: AsJson = False
) -> None:
    """Compare the warm and the cold tier, hour by hour, to the last digit.

    By rows, exact sums and a checksum over every column. Exits 1 where an hour differs.
    """
    from k2.cold.offloading import Mode, compared, offloaded
    from k2.cold.wanted import HourRange, wanted
    from k2_shared.cold.layers import Layer
    from k2_shared.cold.offload import ColdOffload
    from k2_shared.cold.tables import opened
    from k2_shared.core.lake_settings import ColdSettings
    from k2_shared.lake.retries import at_table

    now = datetime.now(UTC)
    hours, tables = HourRange.parse(None, start, end, now), wanted(layer or ())
    with (
        telling(lambda: "nothing was found out; 'k2 consistency' again compares all"),
        opened(ColdOffload, ColdSettings.load(), tables, lambda _: at_table(ATTEMPTS)) as offloads,
    ):
        if repair:
            for name, each in offloads.items():
                offloaded(name, each, hours, Mode(dry_run=False, allow_shrink=False), now)
        layers = [Layer.of(name, each, list(compared(name, each, hours, now))) for name, each in offloads.items()]
    _print_json(layers) if as_json else _print(layers)
    if not all(each.is_equal for each in layers):
        raise typer.Exit(_DIFFERS)


def _print_json(layers: "list[Layer]") -> None:
    equal = all(each.is_equal for each in layers)
    sys.stdout.write(json.dumps({"rows": [each.to_json() for each in layers], "equal": equal}) + "\n")


def _print(layers: "list[Layer]") -> None:
    from k2.terminal import Column, console, print_table, say

    rows = [
        [each.name, f"{each.warm:,}", f"{each.cold:,}", "yes" if each.is_equal else "NO", *_counts(each)]
        for each in layers
    ]
    numbers = ("hours", "open", "expiring")
    right = [Column(title, justify="right") for title in ("warm", "cold")]
    print_table([Column("layer"), *right, Column("equal"), *(Column(each, justify="right") for each in numbers)], rows)
    screen = console()
    for each in layers:
        for line in _details(each):
            say(screen, line)


def _counts(layer: "Layer") -> list[str]:
    found = layer.to_json()
    return [f"{found['hours']:,}", *(f"{len(found[kind]):,}" for kind in ("open", "expiring"))]


def _details(layer: "Layer") -> Iterator[str]:
    """The hours that differ, and those that were passed over because their rows leave the warm tier."""
    from k2_shared.cold.layers import NAMED_HOURS

    found = layer.to_json()
    for each in found["differing"][:NAMED_HOURS]:
        yield f"{layer.name} {each['hour']} differs ({each['verdict']}): warm {each['warm']}; cold {each['cold']}"
        for key in each["keys"]:
            named = ", ".join(f"{name} {value}" for name, value in key["key"].items())
            yield f"  {named}: {key['warm']} in warm, {key['cold']} in cold"
    if more := found["differing"][NAMED_HOURS:]:
        yield f"{layer.name}: {len(more):,} more hours differ; --json names all"
    if passed := found["expiring"]:
        named = ", ".join(passed[:NAMED_HOURS]) + (
            f" and {len(passed) - NAMED_HOURS:,} more" if passed[NAMED_HOURS:] else ""
        )
        yield f"{layer.name}: not compared, rows leave the warm tier: {named}"
