"""``k2 status`` as an operator uses it, on the real stack, with real agents."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from k2 import init
from k2.init import InitSettings
from k2.status.reading import Reader
from k2.status.settings import Pipeline, StatusSettings
from k2_local.targets import Agent, Targets
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.kafka.lag import groups
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, Names, partition_for
from k2_support.children import Child
from k2_support.plugin import Agents
from k2_support.ports import free_port
from k2_support.pseudo_terminal import on_terminal
from k2_support.records import trade, value
from k2_support.signals import sigint
from k2_support.topics import read, write
from k2_support.waiting import eventually

K2 = [sys.executable, "-m", "k2", "status"]
DEADLINE_S = 120.0
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
TRADES = 3
BRONZE_KRAKEN = BRONZE.format(exchange="kraken")
SERVERS = ("broker", "registry", "catalog", "object store", "clickhouse")
needs_agents = pytest.mark.skipif(
    not all(map(find_spec, ("silver", "gold"))),
    reason="needs the agents beside the command line: make test",
)


@dataclass(frozen=True)
class Said:
    """What the command printed, and how it ended."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """Its one line of JSON."""
        (line,) = self.out.splitlines()
        return json.loads(line)


async def status(folder: Path, *flags: str, **environment: str) -> Said:
    """Run it from another folder, with its output in a pipe."""
    done = await asyncio.to_thread(
        subprocess.run,
        [*K2, "--targets", str(folder), *flags],
        cwd="/",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


async def shown(folder: Path, columns: int, *before: str) -> Said:
    """Run it on a terminal of so many columns, after words that change its environment."""
    command = [*before, *K2, "--targets", str(folder)]
    try:
        return Said(0, await asyncio.to_thread(on_terminal, command, columns, os.environ, DEADLINE_S))
    except subprocess.CalledProcessError as error:
        return Said(error.returncode, error.output.decode().replace("\r\n", "\n"))


def targets(folder: Path, children: dict[str, Child], **settings: str) -> Path:
    """A file of targets for agents that were started; returns its folder."""
    found = tuple(Agent(name=name, url=f"http://127.0.0.1:{child.web_port}") for name, child in children.items())
    Targets(agents=found, settings=settings).write(folder)
    return folder


@pytest.fixture
def created(run_settings: RunSettings) -> InitSettings:
    """Every topic, subject and table of this test."""
    settings = InitSettings.load(k2_prefix=run_settings.k2_prefix)
    init.apply(settings)
    return settings


async def send(settings: InitSettings, names: Names, count: int, *, broken: int) -> None:
    """Bronze trades of now, of which some are broken."""
    async with SchemaRegistry.connect(settings) as registry:
        contract = names.contract(BRONZE_KRAKEN)
        schema_id = await registry.schema_id(contract, names.subject(names.topic(BRONZE_KRAKEN)))
    now_ms, key = time.time_ns() // 1_000_000, trade().key
    sound = [value(trade(trade_id=n), schema_id) for n in range(1, count + 1)]
    records = [Outgoing(BRONZE_KRAKEN, key, each, now_ms, ()) for each in [*sound, *[b"?"] * broken]]
    await write(settings, names, records, partition_for(key, contract.partitions))


@needs_agents
async def test_a_pipeline_that_works_is_ok_and_what_breaks_is_named(
    created: InitSettings, agents: Agents, names: Names, tmp_path: Path
) -> None:
    """From any folder: 0 while all is well; then 1, with each that is dead or halted, and what to do."""
    prefix = names.prefix
    running = {name: agents.start(name, BREAKER_RECORDS="100") for name in ("silver", "gold")}
    for child in running.values():
        await asyncio.to_thread(child.wait_ready, DEADLINE_S)
    await send(created, names, TRADES, broken=1)

    async def through() -> bool:
        return len(await read(created, names, GOLD)) == TRADES

    await eventually(through, "gold", DEADLINE_S)
    replay = [sys.executable, "-m", "k2", "dlq", "replay", "--all"]
    await asyncio.to_thread(subprocess.run, replay, env={**os.environ, "K2_PREFIX": prefix}, check=True)

    async def came_back() -> bool:
        return len(await read(created, names, DLQ)) == 2

    await eventually(came_back, "the same letter", DEADLINE_S)
    folder = targets(tmp_path, running, K2_PREFIX=prefix)

    async def is_settled() -> bool:
        lags = (await status(folder, "--json")).json["groups"]
        return all(lags[names.group(stage)]["lag"] == 0 for stage in running)

    await eventually(is_settled, "the offsets of both stages", DEADLINE_S)
    fine = await status(folder, "--json")
    assert (fine.code, fine.err) == (0, ""), fine
    assert_all_is_said(fine.json, names)

    await eventually_halted(created, names, running["silver"])
    await asyncio.to_thread(running["gold"].kill)
    bad = await status(folder, "--json")
    found = bad.json
    assert (bad.code, bad.err, found["ok"]) == (1, "", False)
    by_name = {agent["name"]: agent for agent in found["agents"]}
    assert [(name, each["alive"], each["ready"]) for name, each in by_name.items()] == [
        ("silver", True, False),
        ("gold", False, False),
    ]
    assert by_name["gold"]["fault"] == "Connection refused"
    assert (by_name["gold"]["in_per_s"], by_name["gold"]["version"]) == (None, None)
    assert by_name["silver"]["missing"][0].startswith("halted: ")
    assert "400 of the last 400 records were refused" in found["verdict"]
    whose = [problem["what"].split()[0] for problem in found["problems"]]
    assert whose == ["gold", "silver"], found["problems"]
    assert f"then 'k2 dlq resume http://127.0.0.1:{running['silver'].web_port}'" in found["verdict"]
    await assert_no_name_is_shortened(folder, names, by_name)


async def eventually_halted(settings: InitSettings, names: Names, silver: Child) -> None:
    """Have silver halt on a flood of broken records."""
    await send(settings, names, 0, broken=400)
    await eventually(lambda: any(said.startswith("halted:") for said in silver.missing()), "the halt", DEADLINE_S)


def assert_all_is_said(found: dict[str, Any], names: Names) -> None:
    """The shape of the JSON, and the numbers that are known of this pipeline."""
    assert (found["ok"], found["verdict"], found["problems"]) == (True, "ok", [])
    assert [(part["name"], part["fault"]) for part in found["parts"]] == [(name, "") for name in SERVERS]
    for agent in found["agents"]:
        assert (agent["alive"], agent["ready"], agent["service"]) == (True, True, agent["name"])
        assert agent["version"]
        assert agent["up_s"] > 0
        assert agent["in_per_s"] is not None
    assert set(found["groups"]) == set(groups(names))
    table_lag = found["groups"][names.table_group("gold_crypto_trades")]
    assert table_lag["lag"] >= TRADES  # nobody fills the tables here
    assert table_lag["source"] == "broker"
    assert (found["gaps"]["open"], found["gaps"]["ids"], found["gaps"]["source"]) == (0, 0, "ledger")
    assert [(kind["stage"], kind["reason"], kind["letters"]) for kind in found["dead_letters"]] == [
        ("silver", "bad_magic", 1)
    ]
    assert [(table["name"], table["rows"], table["commit_age_s"]) for table in found["tables"]] == [
        (name, 0, None) for name in contracts.tables()
    ]


async def assert_no_name_is_shortened(folder: Path, names: Names, of: dict[str, Any]) -> None:
    """Neither on a narrow terminal, nor on a wide one, nor in a pipe; colours are for terminals that want them."""
    said = {
        80: await shown(folder, 80),
        200: await shown(folder, 200, "env", "NO_COLOR=1"),
        0: await status(folder),
    }
    whole = {*of, *groups(names), *contracts.tables(), "bad_magic", BRONZE_KRAKEN, *SERVERS}
    for columns, each in said.items():
        assert each.code == 1, each
        assert [name for name in whole if name not in each.out] == [], (columns, each.out)
        assert "…" not in each.out
        assert ("\x1b[31m" in each.out) == (columns == 80)
    assert max(len(ESCAPES.sub("", line)) for line in said[80].out.splitlines()) <= 80
    assert of["silver"]["url"] in said[200].out  # there is room for it
    assert "does not answer (Connection refused)" in said[0].out.splitlines()[-1]  # the verdict, in one line


@contextmanager
def deaf() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def test_peers_that_fall_silent_cost_three_seconds_in_all() -> None:
    """However many they are; each is said, and so is all that is not known by it."""
    with deaf() as address:
        url = f"http://{address}"
        settings = StatusSettings.load(
            kafka_bootstrap_servers=address,
            schema_registry_url=url,
            iceberg_catalog_uri=url,
            iceberg_oauth2_server_uri=url,
            s3_endpoint=url,
            clickhouse_url=url,
        )
        found_agents = tuple(Agent(name=f"agent-{n}", url=url) for n in range(5))
        one_after_the_other_s = 3.0 * len(SERVERS) + 2.0 * len(found_agents)
        reader = Reader(Pipeline(settings, Targets(agents=found_agents)))
        began = time.monotonic()
        found = await reader.read()
        took = time.monotonic() - began
    assert took < one_after_the_other_s / 2
    assert found.silent
    assert [part.fault for part in found.parts] == ["no answer in 3 s"] * len(SERVERS)
    assert {agent.fault for agent in found.agents} == {"no answer in 2 s"}
    assert set(found.lags.groups.values()) == {None}
    assert (found.gaps.open, found.letters.groups) == (None, None)
    assert {table.rows for table in found.tables} == {None}


async def test_where_nothing_answers_it_exits_4(tmp_path: Path) -> None:
    """Each server and each agent is named once, with the command that starts it where the targets say one."""
    nowhere = f"127.0.0.1:{free_port()}"
    url = f"http://{nowhere}"
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": nowhere,
        "SCHEMA_REGISTRY_URL": url,
        "S3_ENDPOINT": url,
        "CLICKHOUSE_URL": url,
    }
    catalog = {"ICEBERG_CATALOG_URI": url, "ICEBERG_OAUTH2_SERVER_URI": url}
    found = Targets(agents=(Agent(name="gold", url=url),), settings={**settings, **catalog})
    found.write(tmp_path)
    said = await status(tmp_path, "--json")
    assert (said.code, said.err) == (4, "")
    assert [problem["what"].split(" at ")[0] for problem in said.json["problems"]] == [*SERVERS, "gold"]
    assert said.json["dead_letters"] is None
    assert all("refused" in problem["what"] or "broker" in problem["what"] for problem in said.json["problems"])
    assert said.json["verdict"].count("whether it speaks KAFKA_SECURITY_PROTOCOL=PLAINTEXT") == 1
    assert said.json["problems"][0]["do"].startswith("start it, or check KAFKA_BOOTSTRAP_SERVERS")
    found.model_copy(update={"start": "k2 stack up --state /x"}).write(tmp_path)
    told = [problem["do"] for problem in (await status(tmp_path, "--json")).json["problems"]]
    assert told[:-1] == ["start it with 'k2 stack up --state /x'"] * len(SERVERS)


async def test_a_broker_that_is_dead_leaves_the_rest_known(created: InitSettings, names: Names, tmp_path: Path) -> None:
    """Its lag, gaps and dead letters are unknown in words, on a narrow terminal too."""
    nowhere = f"127.0.0.1:{free_port()}"
    Targets(settings={"KAFKA_BOOTSTRAP_SERVERS": nowhere, "K2_PREFIX": names.prefix}).write(tmp_path)
    said = await shown(tmp_path, 80)
    assert said.code == 1
    text = ESCAPES.sub("", said.out)
    assert "open gaps: unknown (the broker cannot be asked)" in text
    assert "dead letters: unknown (the broker cannot be asked)" in text
    assert [name for name in groups(names) if name not in text] == []
    found = (await status(tmp_path, "--json")).json
    assert [bool(part["fault"]) for part in found["parts"]] == [True, False, False, False, False]
    assert [table["rows"] for table in found["tables"]] == [0] * len(contracts.tables())
    assert "no agent is known" in found["verdict"]


async def test_open_gaps_are_counted_and_an_old_one_is_not_ok(
    created: InitSettings, names: Names, tmp_path: Path
) -> None:
    """By the ledger, less what was filled since."""
    now = feed_records.now_us()
    common: dict[str, Any] = {"exchange": "KRAKEN", "symbol": "BTC/USD", "cause": Cause.RECONNECT}
    opened = GapRecord(**common, state=GapState.OPENED, first_id=10, last_id=29, opened_at=now - 700_000_000, at=now)
    filled = GapRecord(**common, state=GapState.FILLED, first_id=10, last_id=19, opened_at=now - 700_000_000, at=now)
    await write(created, names, map(feed_records.gaps.outgoing, [opened, filled]))
    Targets(settings={"K2_PREFIX": names.prefix}).write(tmp_path)
    found = (await status(tmp_path, "--json")).json
    assert (found["gaps"]["open"], found["gaps"]["ids"]) == (1, 10)
    assert found["gaps"]["oldest_s"] >= 700
    assert found["problems"][0]["what"].startswith("10 trades in 1 gaps are missing")


@pytest.mark.skipif(not find_spec("lag_exporter"), reason="needs the lag exporter beside the command line: make test")
async def test_where_a_lag_exporter_runs_the_lag_is_as_it_tells(
    created: InitSettings, agents: Agents, names: Names, tmp_path: Path
) -> None:
    """It is known then also where the broker cannot be asked from here."""
    await send(created, names, TRADES, broken=0)
    exporter = agents.start("lag_exporter", LAG_INTERVAL_S="0.5")
    await asyncio.to_thread(exporter.wait_ready, DEADLINE_S)
    nowhere = f"127.0.0.1:{free_port()}"
    folder = targets(tmp_path, {"lags": exporter}, K2_PREFIX=names.prefix, KAFKA_BOOTSTRAP_SERVERS=nowhere)
    found = (await status(folder, "--json")).json
    assert found["groups"].keys() == set(groups(names))
    assert found["groups"][names.group("silver")] == {"lag": TRADES, "source": "lag_exporter"}
    assert [problem["what"].split()[0] for problem in found["problems"]] == ["broker"]


async def test_without_topics_and_tables_the_command_that_creates_them_is_named(names: Names, tmp_path: Path) -> None:
    """The servers answer, so it is no 4."""
    Targets(settings={"K2_PREFIX": names.prefix}).write(tmp_path)
    said = await status(tmp_path, "--json")
    assert said.code == 1
    assert said.json["problems"][0]["do"] == "'k2 init' creates them"
    assert {table["fault"] for table in said.json["tables"]} == {"does not exist"}


@contextmanager
def watching(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A watch whose lines are read."""
    with sigint(ignored=False):
        running = subprocess.Popen(
            [*K2, "--targets", str(folder), "--watch", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def test_a_watch_goes_on_until_it_is_interrupted_or_nobody_reads(names: Names, tmp_path: Path) -> None:
    """It ends without a word: 130 after Ctrl-C, 141 on a pipe that was closed."""
    Targets(settings={"K2_PREFIX": names.prefix}).write(tmp_path)
    with watching(tmp_path) as running:
        assert running.stdout
        assert [json.loads(running.stdout.readline())["ok"] for _ in range(2)] == [False, False]
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=DEADLINE_S)
        assert (running.returncode, err) == (130, "")
    with watching(tmp_path) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.readline()
        running.stdout.close()
        assert (running.wait(DEADLINE_S), running.stderr.read()) == (141, "")


def test_targets_are_found_by_option_variable_or_the_local_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this order; the stack of the folder only where the environment names no broker. What a file says wins."""
    places = {name: tmp_path / name for name in ("option", "variable", "stack")}
    for name, folder in places.items():
        folder.mkdir()
        Targets(settings={"KAFKA_BOOTSTRAP_SERVERS": f"{name}:1"}).write(folder)

    def found(given: Path | None = None) -> str:
        return Pipeline.find(given).settings.kafka_bootstrap_servers

    monkeypatch.setenv("K2_STATE_DIR", str(places["stack"]))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "environment:1")
    assert found() == "environment:1"
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    assert found() == "stack:1"
    monkeypatch.setenv("K2_TARGETS", str(places["variable"] / "targets.json"))
    assert found() == "variable:1"
    assert found(places["option"]) == "option:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no file of targets at"),
        ("{", "is no file of targets"),
        ('{"agents": [{"name": "gold"}]}', r"agents\.0\.url"),
        ('{"agents": [{"name": "gold", "url": "gold:6066"}]}', r"agents\.0\.url"),
        ('{"settings": {"KAFKA_BOOTSTRAP": "a:1"}}', "sets KAFKA_BOOTSTRAP: of the servers there are"),
    ],
)
def test_a_file_that_cannot_be_is_misuse(tmp_path: Path, text: str | None, said: str) -> None:
    """One line says what is wrong with it."""
    path = tmp_path / "file.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        Pipeline.find(path)
