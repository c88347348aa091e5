"""``k2 dlq`` as an operator uses it, on the real broker."""

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
from services.k2.tests.dead_letters import (
    HOME,
    KEY,
    KRAKEN,
    damaged,
    frame_letter,
    holds,
    k2,
    letters,
)

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.identities import identify
from k2_shared.kafka.topics import DLQ, RAW, REPLAYS, Names, administration
from k2_support.plugin import Agents
from k2_support.ports import free_port
from k2_support.pseudo_terminal import on_terminal
from k2_support.records import RECEIVED_NS, FakeRecord, trade, value
from k2_support.topics import read, topics_of, write
from k2_support.waiting import eventually

pytestmark = pytest.mark.topics(*topics_of("silver"), REPLAYS)
COMMAND = [sys.executable, "-m", "k2", "dlq"]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
needs_silver = pytest.mark.skipif(not find_spec("silver"), reason="needs silver beside the command line: make test")


@pytest.mark.usefixtures("topics")
async def test_list_counts_and_show_describes_what_is_there(run_settings: RunSettings, names: Names) -> None:
    """From any partition, by kind; a place that holds no letter is refused with the offsets there are."""
    assert (await k2(names, "list", "--json")).stdout == "[]\n"
    await write(run_settings, names, letters(names, 3), partition=3)
    await write(run_settings, names, [frame_letter()], partition=7)
    found = json.loads((await k2(names, "list", "--json")).stdout)
    assert [(kind["stage"], kind["reason"], kind["topic"], kind["letters"], kind["example"]) for kind in found] == [
        ("silver", "price_not_positive", KRAKEN, 3, "3:0"),
        ("feed", "unreadable_frame", RAW.format(exchange="kraken"), 1, "7:0"),
    ]
    assert [(kind["attempts"], kind["waiting"], kind["last_replay"]) for kind in found] == [(3, 3, None), (1, 1, None)]
    assert "price_not_positive" not in (await k2(names, "list", "--stage", "feed")).stdout
    for words in (["list"], ["replay", "--dry-run"]):
        assert (await k2(names, *words, "--reason", "price_not_positiv")).stderr.endswith(
            "no letter has the reason 'price_not_positiv': there are price_not_positive 3, unreadable_frame 1\n"
        )
    assert (await k2(names, "list", "--reason", "unreadable_frame", "--stage", "silver")).stderr == "no such letter\n"
    shown = json.loads((await k2(names, "show", "3:1", "--json")).stdout)
    assert (shown["trade"]["trade_id"], shown["dlq.reason"]) == ("2", "price_not_positive")
    assert (shown["letter"], shown["state"], shown["attempts"], shown["last_replay"]) == ("3:1", "waiting", 1, None)
    assert '{"frame": 1}' in (await k2(names, "show", "7:0")).stdout
    assert "partition 3 has offsets 0 to 2" in (await k2(names, "show", "3:9", code=2)).stderr
    assert "partition 0 is empty" in (await k2(names, "show", "0:0", code=2)).stderr
    assert "has partitions 0 to 11" in (await k2(names, "show", "12:0", code=2)).stderr


@pytest.mark.usefixtures("topics")
async def test_a_dry_run_says_what_a_replay_does_and_sends_nothing(run_settings: RunSettings, names: Names) -> None:
    """What is not meant stays; a frame can only be sent by a transform, and where nothing else was meant it is 1."""
    await write(run_settings, names, [*letters(names, 3), frame_letter()], partition=3)
    assert "say which letters" in (await k2(names, "replay", code=2)).stderr
    *lines, counts = map(json.loads, (await k2(names, "replay", "--all", "--dry-run", "--json")).stdout.splitlines())
    assert lines[:3] == [{"at": f"3:{n}", "to": KRAKEN, "partition": HOME, "attempt": 2} for n in range(3)]
    assert (lines[3]["at"], lines[3]["skipped"]) == ("3:3", "topic_not_read")
    assert counts == {
        "dry_run": True,
        "selected": 4,
        "sent": 3,
        "replayed_before": 0,
        "skipped_by_transform": 0,
        "refused": {"topic_not_read": 1},
        "unchanged": {"price_not_positive": 3},
    }
    assert await read(run_settings, names, KRAKEN) == await read(run_settings, names, REPLAYS) == []
    assert "letter 3:3: no stage reads" in (await k2(names, "replay", "--stage", "feed", code=1)).stderr


@pytest.mark.usefixtures("topics")
async def test_a_letter_goes_untouched_with_its_name_and_a_record_that_it_went(
    run_settings: RunSettings, names: Names
) -> None:
    """A plain replay warns; the next one leaves it, unless that is ordered again."""
    await write(run_settings, names, letters(names, 3), partition=3)
    done = await k2(names, "replay", "--at", "3:2", "--at", "3:0")
    assert "2 selected, 2 sent" in done.stdout
    assert "nothing is known to have changed for 2 letters (price_not_positive 2)" in done.stderr
    async with administration(run_settings) as admin:
        topic_id = (await identify(admin, [names.topic(DLQ)])).topic_ids[names.topic(DLQ)]
    sent = await holds(run_settings, KRAKEN, 2)
    own = FakeRecord(None, None).headers
    assert [(r.partition, r.key, r.value, r.timestamp, r.headers) for r in sent] == [
        (
            HOME,
            KEY,
            value(trade(trade_id=n + 1)),
            RECEIVED_NS // 1_000_000,
            (*own, ("k2-dlq-letter", f"3:{n}@{topic_id}".encode()), ("k2-dlq-attempt", b"1")),
        )
        for n in (0, 2)
    ]
    kept = await holds(run_settings, REPLAYS, 2)
    assert [(r.partition, r.key) for r in kept] == [(3, f"3:{n}@{topic_id}".encode()) for n in (0, 2)]
    assert json.loads(kept[0].value)["attempt"] == 2
    assert "3 selected, 1 would be sent, 2 replayed before" in (await k2(names, "replay", "--all", "--dry-run")).stdout
    assert "3:0 is skipped: replayed " in (await k2(names, "replay", "--at", "3:0", "--dry-run")).stdout
    again = json.loads((await k2(names, "replay", "--all", "--again", "--json")).stdout)
    assert (again["sent"], again["replayed_before"]) == (3, 0)
    assert len(await holds(run_settings, KRAKEN, 5)) == 5


@pytest.mark.usefixtures("topics")
async def test_letters_are_meant_by_when_they_were_refused_and_sent_up_to_a_limit(
    run_settings: RunSettings, names: Names
) -> None:
    """A limit counts what is sent, so that again and again it is the next ones; a time or an age."""
    await write(run_settings, names, letters(names, 5), partition=3)
    for sent in (2, 2, 1, 0):
        counts = json.loads((await k2(names, "replay", "--all", "--limit", "2", "--json")).stdout)
        assert counts["sent"] == sent
    assert json.loads((await k2(names, "list", "--since", "1h", "--json")).stdout)[0]["letters"] == 5
    later = "2999-01-01T00:00Z"
    assert (await k2(names, "list", "--since", later, "--json")).stdout == "[]\n"
    assert "0 selected" in (await k2(names, "replay", "--since", later, "--again")).stdout
    assert "--since 'soon' is no time" in (await k2(names, "list", "--since", "soon", code=2)).stderr


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.usefixtures("topics")
async def test_on_a_terminal_names_are_whole(run_settings: RunSettings, names: Names, columns: int) -> None:
    """No line is wider than it, no identifier is shortened, and where there is room each number is said."""
    await write(run_settings, names, letters(names, 3), partition=3)
    await k2(names, "replay", "--at", "3:0")
    environment = {**os.environ, "K2_PREFIX": names.prefix}
    said = await asyncio.to_thread(on_terminal, [*COMMAND, "list"], columns, environment)
    assert all(word in said for word in ("price_not_positive", KRAKEN, "letters"))
    assert ("example" in said) == (columns == 200)
    assert "3 letters, 4 attempts: 2 waiting, 1 replayed, 0 refused again" in " ".join(said.split())
    shown = await asyncio.to_thread(on_terminal, [*COMMAND, "show", "3:0"], columns, environment)
    assert value(trade(trade_id=1)).hex() in "".join(shown.split())
    assert KRAKEN in shown
    for text in (said, shown):
        assert max(map(len, ESCAPES.sub("", text).splitlines())) <= columns
        assert "…" not in text
        assert "\x1b[3" not in text  # no colour, whether NO_COLOR is set or not


@pytest.mark.parametrize("words", ["list", "list --json", "show 3:0", "replay --all --dry-run", "replay --all --json"])
@pytest.mark.usefixtures("topics")
async def test_a_reader_that_goes_away_ends_the_command_without_a_word(
    run_settings: RunSettings, names: Names, words: str
) -> None:
    """With 141, as of a program that SIGPIPE ends; whoever reads all of it gets 0."""
    await write(run_settings, names, letters(names, 50), partition=3)
    ours, theirs = os.pipe()
    os.close(ours)
    done = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, *words.split()],
        env={**os.environ, "K2_PREFIX": names.prefix},
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(theirs)
    spoken = [line for line in done.stderr.splitlines() if not line.startswith("warning: nothing is known")]
    assert (done.returncode, spoken) == (141, [])


@needs_silver
async def test_resume_lets_a_halted_agent_go_on(
    topics: dict[str, int], agents: Agents, run_settings: RunSettings, names: Names
) -> None:
    """Halted on a flood of broken records silver refuses nothing; told to, it refuses them and is ready again."""
    silver = agents.start("silver", BREAKER_RECORDS="100").wait_ready()
    url = f"http://127.0.0.1:{silver.web_port}"
    await write(run_settings, names, [replace(damaged(0, 1)[0], value=b"?")] * 400, HOME)
    await eventually(lambda: any(said.startswith("halted:") for said in silver.missing()), "the halt")
    assert await read(run_settings, names, DLQ) == []
    assert "goes on" in (await k2(names, "resume", url)).stderr
    assert len(await holds(run_settings, DLQ, 400)) == 400
    await eventually(lambda: not silver.missing(), "readiness")
    assert "was not halted" in (await k2(names, "resume", url)).stderr


async def test_resume_says_where_nothing_answers_and_what_is_no_url(names: Names) -> None:
    """A port that nothing listens on is 4, what cannot be an agent's URL is 2."""
    url = f"http://127.0.0.1:{free_port()}"
    assert "no agent answered at" in (await k2(names, "resume", url, code=4)).stderr
    for text in ("127.0.0.1:6066", "file:///etc/passwd", "http://[", "http://127.0.0.1:99999"):
        assert "is not the URL" in (await k2(names, "resume", text, code=2)).stderr
