"""``k2 tail`` shows what Kafka's own console consumer shows."""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.contract.jars import fetch

from k2_local import StackSettings
from k2_local.artifacts import Artifact, Cache
from k2_local.parts import java
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import EVENTS, Names
from k2_support.topics import write

TOOLS = Artifact(
    "8a6939f310a61119cedaffc144119e9b2a374e32a7ec18f78e49ce5aeb71d6b0",
    615_926,
    "org.apache.kafka:kafka-tools:4.1.1:jar",
)
LINE = re.compile(r"CreateTime:(\d+)\tPartition:(\d+)\tOffset:(\d+)\t(?:(NO_HEADERS|\S+))\t(.*?)\t(.*)")
COUNT = 40
HEADERS = (("who", b"us"),)


def console(settings: RunSettings, topic: str) -> list[tuple[int, int, int, str, str, str]]:
    """Time, partition, offset, headers, key and value of every committed record of a topic."""
    cache = StackSettings.load().cache
    jars = [*Cache(cache, print).fetch().kafka_classpath, fetch(TOOLS, cache / "kafka-tools")]
    shown = ("timestamp", "partition", "offset", "headers", "key", "value")
    command = java(128, "-cp", os.pathsep.join(map(str, jars)), "org.apache.kafka.tools.consumer.ConsoleConsumer")
    command += ["--bootstrap-server", settings.kafka_bootstrap_servers, "--topic", topic, "--from-beginning"]
    command += ["--isolation-level", "read_committed", "--timeout-ms", "5000"]
    for each in shown:
        command += ["--property", f"print.{each}=true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    return [(int(m[1]), int(m[2]), int(m[3]), m[4], m[5], m[6]) for m in lines if m]


def ours(names: Names, folder: Path) -> list[dict[str, Any]]:
    """What ``k2 tail`` shows of the same topic."""
    command = [sys.executable, "-m", "k2", "tail", names.topic(EVENTS), "-n", str(COUNT), "--json"]
    environment = {**os.environ, "K2_PREFIX": names.prefix}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True, cwd=folder)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("topics")
async def test_tail_shows_what_the_console_consumer_shows(
    run_settings: RunSettings, names: Names, tmp_path: Path
) -> None:
    """The same places, times, headers, keys and values; nothing of a transaction that was aborted."""
    said = [
        Outgoing(EVENTS, f"K:{n % 3}".encode(), json.dumps({"n": n}).encode(), 1_000 + n, HEADERS if n % 2 else ())
        for n in range(COUNT)
    ]
    await write(run_settings, names, said[:10])
    sender = clients.producer(run_settings, transactional_id=f"{names.prefix}tail")
    async with clients.started(sender, run_settings):
        for commits, part in ((False, said[10:20]), (True, said[20:])):
            await sender.begin_transaction()
            await send_all(sender, names, 0, {EVENTS: part})
            await (sender.commit_transaction() if commits else sender.abort_transaction())
    shown = await asyncio.to_thread(ours, names, tmp_path)
    found = await asyncio.to_thread(console, run_settings, names.topic(EVENTS))
    assert len(found) == COUNT - 10
    assert [(row["partition"], row["offset"], row["key"], row["value"]) for row in shown] == [
        (partition, offset, key, json.loads(value)) for _, partition, offset, _, key, value in found
    ]
    assert [datetime.fromisoformat(row["time"]).timestamp() for row in shown] == [time / 1e3 for time, *_ in found]
    assert [row["headers"] for row in shown] == [
        {} if headers == "NO_HEADERS" else {"who": headers.partition(":")[2]} for _, _, _, headers, *_ in found
    ]
