"""Both tiers beside each other, as an operator sees it."""

import json

from tests.restores.world import Unequal, World

from k2_shared.cold.tables import cold_tables


def nine_layers(world: World) -> None:
    """See that every layer was compared, and is equal.

    Raises:
        Unequal: one is not, or has no hour to compare.
    """
    rows = json.loads(world.k2("consistency", "--json"))["rows"]
    if len(rows) != len(cold_tables()) or not all(row["equal"] and row["hours"] for row in rows):
        raise Unequal(f"k2 consistency: {rows}")
