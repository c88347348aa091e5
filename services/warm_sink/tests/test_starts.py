"""The sink in the test's process: a start among records that come meanwhile."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topic_watch import TopicWatch
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables
from warm_sink.main import WarmSink
from warm_sink.settings import WarmSinkSettings


async def test_what_comes_while_a_start_asks_where_to_begin_has_its_row(
    feeder: Feeder, tables: WarmTables, run_settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first records of empty topics come when it has asked which of them are not expired."""
    asked, once, came = AIOKafkaConsumer.offsets_for_times, asyncio.Lock(), asyncio.Event()

    async def then_come(reader: AIOKafkaConsumer, times: Any) -> Any:
        found = await asked(reader, times)
        async with once:
            if not came.is_set():
                await feeder.everything(5)
                came.set()
        return found

    monkeypatch.setattr(AIOKafkaConsumer, "offsets_for_times", then_come)
    metrics = Metrics("warm_sink", "0")
    settings = WarmSinkSettings.load(k2_prefix=run_settings.k2_prefix, warm_interval_s=0.1)
    sink = WarmSink(settings, metrics, TopicWatch(metrics.unread_partitions))
    await sink.start()
    await asyncio.wait_for(came.wait(), timeout=120)
    await feeder.arrive(tables)
    await sink.stop()
