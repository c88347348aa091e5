"""The oracle's content is by seed and of every kind; its log is bronze, also where replies of the broker were lost."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from tests.faults.apis import PRODUCE
from tests.faults.content import Content, Draft
from tests.faults.deliveries import DeliveryLog, read_log
from tests.faults.observed import BRONZES, ObservedTopics
from tests.faults.oracle import Oracle
from tests.faults.poison import KINDS, LARGEST_VALUE
from tests.faults.proxy import Action, Proxy
from tests.faults.verifier import World, bronze

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import decode
from k2_shared.kafka import clients
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import Names, partition_for
from k2_support.records import SCHEMAS

SCHEMA_ID = 7


def content(seed: int, count: int) -> list[Draft]:
    return list(islice(Content(seed, SCHEMA_ID), count))


def test_the_same_seed_gives_the_same_content() -> None:
    """Another seed gives another."""
    assert content(3, 500) == content(3, 500)
    assert content(3, 500) != content(4, 500)


def test_there_is_something_of_everything() -> None:
    """Every kind of poison, repeats and conflicts of ids that came before, large records, holes in the ids."""
    drafts = content(3, 3_000)
    assert set(Counter(draft.kind for draft in drafts)) == {"new", "duplicate", "conflict", "poison"}
    reasons = {draft.refusal for draft in drafts if draft.refusal}
    assert reasons == {kind.refusal for kind in KINDS}
    assert max(len(draft.value or b"") for draft in drafts) == LARGEST_VALUE
    came: set[str | None] = set()
    for draft in drafts:
        assert draft.kind == "poison" or (draft.message_id in came) == (draft.kind != "new")
        came.add(draft.message_id)


def test_what_is_valid_is_valid() -> None:
    """It decodes, and lies in the partition of its key."""
    for draft in content(5, 1_000):
        if draft.kind != "poison":
            said = decode(draft.value, SCHEMAS)
            assert said["message_id"] == draft.message_id
            assert partition_for(draft.key, 12) == draft.partition
        elif draft.refusal and draft.refusal.reason in ("undecodable", "trailing_bytes", "null_value"):
            with pytest.raises(InvalidRecord, match=draft.refusal.reason):
                decode(draft.value, SCHEMAS)


@pytest.mark.parametrize("action", ["drop", "truncate"])
async def test_its_log_is_bronze_though_replies_were_lost(
    topics: dict[str, int], run_settings: RunSettings, names: Names, proxy: Proxy, tmp_path: Path, action: Action
) -> None:
    """What the broker took without saying so is found there, and not sent again."""
    log = DeliveryLog(tmp_path / "deliveries.jsonl")
    changes = {"kafka_bootstrap_servers": proxy.address, "kafka_request_timeout_ms": 2_000}
    oracle = Oracle(run_settings.model_copy(update=changes), names, iter(()), log, per_second=1)
    await oracle.deliver(content(6, 50))
    injection = proxy.inject(PRODUCE, action)
    await oracle.deliver(content(6, 100)[50:])
    await oracle.pause()
    assert injection.done == 1
    assert list(read_log(tmp_path / "deliveries.jsonl")) == log.deliveries
    assert len(log.deliveries) == 100
    observed = ObservedTopics(run_settings, names, next(iter(topics.values())))
    await observed.read_on()
    assert list(bronze(World(names, log.deliveries, observed.records))) == []
    assert sum(len(observed.records[topic]) for topic in BRONZES) == 100


async def test_what_an_older_producer_sent_is_logged_where_it_arrives_late(
    topics: dict[str, int], run_settings: RunSettings, names: Names, tmp_path: Path
) -> None:
    """A broker may write a request after its sender was given up and has looked: then the record stands there twice."""
    log = DeliveryLog(tmp_path / "deliveries.jsonl")
    oracle = Oracle(run_settings, names, iter(()), log, per_second=1)
    drafts = content(6, 60)
    await oracle.deliver(drafts)
    unsure = drafts[50:]
    oracle.unsure.update((draft.number, draft) for draft in unsure)
    assert await oracle.note_late() == 0
    async with clients.started(clients.producer(run_settings), run_settings) as sender:
        for draft in unsure:
            late = Outgoing(draft.topic, draft.key, draft.value, draft.timestamp, draft.headers)
            await send_all(sender, names, draft.partition, {draft.topic: [late]})
    assert await oracle.note_late() == len(unsure)
    observed = ObservedTopics(run_settings, names, next(iter(topics.values())))
    await observed.read_on()
    assert list(bronze(World(names, log.deliveries, observed.records))) == []
    assert sum(len(observed.records[topic]) for topic in BRONZES) == 60 + len(unsure)
