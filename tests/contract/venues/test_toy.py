"""A third venue on the real stack: its registration, contracts and schema are made here, and no code is changed."""

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Schemas, contract_under, decode, readable, schema_ids
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, RAW, SILVER, Names, administration, partition_for
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.records import trade, value, with_exchanges
from k2_support.topics import read, write
from k2_support.waiting import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STAGES = ("silver", "gold")
REGISTRATION = "exchange: TOY\ntitle: Toy\nborn: 2025-01-01\nsocket_path: /toy\n"
EXCHANGES = ("BINANCE", "KRAKEN", "TOY")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A path for PYTHONPATH with the code as it stands and the contracts of three venues."""
    package = tmp_path / "release" / "k2_shared"
    package.mkdir(parents=True)
    for entry in (ROOT / "shared/src/k2_shared").iterdir():
        if entry.name not in {"schemas", "__pycache__"}:
            (package / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "schemas", package / "schemas")
    (package / "schemas/venues/toy.yaml").write_text(REGISTRATION)
    (package / "schemas/trade_v3.avsc").write_text(json.dumps(with_exchanges(*EXCHANGES)))
    return package.parent


class Market:
    """The records of a test, on their way to gold."""

    def __init__(self, settings: RunSettings, names: Names, release: Path) -> None:
        self._settings, self._names, self._release = settings, names, release

    async def before(self, schema_id: int, *trade_ids: int) -> None:
        """Write Kraken's trades as the release of two venues does."""
        made = [trade(trade_id=each) for each in trade_ids]
        records = [Outgoing(BRONZE.format(exchange="kraken"), t.key, value(t, schema_id), 1, ()) for t in made]
        await write(self._settings, self._names, records, partition_for(made[0].key, 12))

    async def after(self, exchange: str, *trade_ids: int) -> int:
        """Write trades by the toy feed, as the release of three venues does; returns the id of its schema."""
        frames = "\n".join(json.dumps([exchange, "BTC/USDT", each, "1.5", "2"]) for each in trade_ids)
        environment = {"PYTHONPATH": str(self._release), "K2_PREFIX": self._settings.k2_prefix}
        feed = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "toy_feed.py"),
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(feed.communicate(frames.encode()), 120)
        assert feed.returncode == 0
        return int(said)

    async def reach_gold(self, count: int) -> None:
        async def there() -> bool:
            return len(await read(self._settings, self._names, GOLD)) >= count

        await eventually(there, f"{count} trades in gold", 90)

    async def gold(self, schemas: Schemas) -> tuple[set[str], Counter[int]]:
        """What gold has: its trades, and how many are written with each schema."""
        found = await read(self._settings, self._names, GOLD)
        ids = Counter(each for record in found for each in schema_ids([record]))
        return {decode(record.value, schemas)["message_id"] for record in found}, ids


def start(agents: Agents, **environment: str) -> list[Child]:
    started = [agents.start(stage, **environment) for stage in STAGES]
    return [child.wait_ready() for child in started]


@pytest.mark.timeout(600)
async def test_a_venue_is_added_beside_the_records_of_the_schema_before(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names, release: Path
) -> None:
    """Agents of two venues read the new schema without a restart, those of three the old one; gold has all of both."""
    (old,) = set(topics.values())
    market = Market(run_settings, names, release)
    running = start(agents)
    await market.before(old, 1, 2)
    new = await market.after("KRAKEN", 3)
    await market.before(old, 4)
    await market.reach_gold(4)
    assert [child.stop() for child in running] == [0, 0]
    start(agents, PYTHONPATH=str(release))
    assert await market.after("TOY", 1, 2, 2) == new != old
    assert await market.after("KRAKEN", 5) == new
    await market.before(old, 6)
    await market.reach_gold(8)
    written_with = {**contract_under(old), new: readable(with_exchanges(*EXCHANGES))}
    kraken, toy = {f"KRAKEN:BTC/USDT:{n}" for n in range(1, 7)}, {f"TOY:BTC/USDT:{n}" for n in (1, 2)}
    assert await market.gold(written_with) == (kraken | toy, Counter({old: 4, new: 4}))
    assert await read(run_settings, names, DLQ) == []
    async with administration(run_settings) as admin:
        await admin.delete_topics([names.topic(each.format(exchange="toy")) for each in (RAW, BRONZE, SILVER)])
