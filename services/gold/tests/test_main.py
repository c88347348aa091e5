"""Gold as a process on the real stack."""

import pytest

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, message_id
from k2_shared.kafka.topics import DLQ, EXCHANGES, GOLD, SILVER, Names, partition_for
from k2_support.plugin import Agents
from k2_support.records import trade, value
from k2_support.topics import read, topics_of, write
from k2_support.waiting import eventually

pytestmark = pytest.mark.topics(*topics_of("gold"))


def written(exchange: Exchange, trade_id: int, schema_id: int) -> Outgoing:
    of = trade(exchange=exchange, trade_id=trade_id)
    return Outgoing(SILVER.format(exchange=exchange.lower()), of.key, value(of, schema_id), 1_762_795_434_000, ())


async def test_it_drops_duplicates_across_its_own_restart(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Stopped by SIGTERM it exits 0 having committed; killed, it leaves nothing half; a new one knows every trade."""
    schema_id = topics[names.subject(names.topic(GOLD))]
    sent: list[Outgoing] = []

    async def more(*trade_ids: int) -> None:
        for exchange in EXCHANGES:
            batch = [written(exchange, n, schema_id) for n in trade_ids]
            await write(run_settings, names, batch, partition_for(batch[0].key or b"", 12))
            sent.extend(batch)

    async def ids() -> list[str]:
        return [message_id(record.value) for record in await read(run_settings, names, GOLD)]

    async def holds(count: int) -> None:
        async def there() -> bool:
            return len(await ids()) >= count

        await eventually(there, f"{count} trades in gold", 60)

    await more(1, 2, 1)
    child = agents.start("gold").wait_ready()
    await holds(4)
    assert child.stop() == 0
    await more(2, 3, 3)
    child = agents.start("gold").wait_ready()
    await holds(6)
    child.kill()
    await more(1, 3, 4)
    child = agents.start("gold").wait_ready()
    await holds(8)
    await write(run_settings, names, [Outgoing(SILVER.format(exchange="kraken"), b"k", b"\x00\x00", 1, ())], 2)

    async def refused() -> bool:
        return bool(await read(run_settings, names, DLQ))

    await eventually(refused, "the dead letter")
    assert child.stop() == 0
    found = await read(run_settings, names, GOLD)
    assert sorted(message_id(record.value) for record in found) == sorted({message_id(r.value) for r in sent})
    assert all(record.partition == partition_for(record.key, 12) for record in found)
    assert {record.value for record in found} == {record.value for record in sent}
    (letter,) = await read(run_settings, names, DLQ)
    assert dict(letter.headers)["k2-dlq-stage"] == b"gold"
