"""A demo that is kept and does not reconcile: it says so, stays up, and is stopped by its folder."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from tests.e2e.demos import PATIENCE_S, Demos, RunningDemo, alive
from tests.e2e.recordings import kraken

from k2_local.stack import KINDS
from k2_local.targets import Targets
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import encode, wire_prefix
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import GOLD, Names, partition_for
from k2_support.records import trade
from k2_support.topics import write
from k2_support.waiting import wait_for

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]  # its waits add up, and it is a stack and six agents more
AGENTS = {"exchange_sim", "feed_kraken", "silver", "gold", "iceberg_sink", "warm_sink"}
PROGRAM = re.compile(r"^(?P<title>\w+)[^\n]*:\n(?P<program>\S+ - <<'EOF'\n.*?\nEOF\n)", re.MULTILINE | re.DOTALL)
PAGE = re.compile(r"^  (\w+) +(http://\S+)/metrics$", re.MULTILINE)
MADE_UP = trade(symbol="BTC/USD", trade_id=999_999_999)


async def test_a_difference_is_exit_1_and_what_is_kept_stays_until_it_is_stopped(demos: Demos, tmp_path: Path) -> None:
    """A trade that no exchange sent is named; everything is up till --stop, which leaves data and logs.

    What is printed to look around with runs as it is copied.
    """
    kraken(tmp_path / "recorded", "xbtusd", 600)
    demo = demos.start("--recordings", str(tmp_path / "recorded"), "--speed", "10", "--keep", "--json")
    demo.wait_for(0.05)
    await _make_up_a_trade(demo)

    out, err = demo.process.communicate(timeout=PATIENCE_S)

    found = json.loads(out)
    assert (demo.process.returncode, found["reconciled"]) == (1, False)
    assert [line for line in err.splitlines() if "differs: gold: " in line and MADE_UP.message_id in line], err
    assert f"k2 demo --stop {demo.folder.relative_to(demo.cwd)}" in err
    assert k2(demo, "stack", "status").returncode == 0
    wait_for(lambda: k2(demo, "status").returncode == 0, PATIENCE_S, "a status that is ok")
    _look_around(demo, err, found["tables"]["gold_crypto_trades"])
    _start_again(demo, "gold")
    told = json.loads(k2(demo, "status", "--json").stdout)
    assert {agent["name"] for agent in told["agents"]} == AGENTS - {"exchange_sim"}
    targets = Targets.read(demo.folder)
    assert targets.start == f"k2 stack up --state {demo.folder / 'stack'}"
    assert targets.stack == demo.folder / "stack"
    processes = [psutil.Process(demo.pid(agent)) for agent in AGENTS]
    processes += [
        psutil.Process(part["pid"]) for part in json.loads(k2(demo, "stack", "status", "--json").stdout)["parts"]
    ]
    assert len(processes) == len(AGENTS) + len(KINDS["seaweed"])

    for _ in range(2):  # the second time there is nothing left to stop
        assert k2(demo, "demo", "--stop", str(demo.folder)).returncode == 0

    assert [process for process in processes if alive(process)] == []
    assert k2(demo, "stack", "status").returncode == 1
    assert {path.stem for path in demo.folder.glob("*.log")} == AGENTS


def _look_around(demo: RunningDemo, printed: str, trades: int) -> None:
    """Run what was printed: every program counts the trades of gold, pages answer, k2 finds the stack."""
    programs = {found["title"]: found["program"] for found in PROGRAM.finditer(printed)}
    assert set(programs) == {"DuckDB", "pyiceberg", "Polars", "ClickHouse"}
    for title, program in programs.items():
        assert _pasted(program, demo.cwd).splitlines()[0] == f"{trades} trades in gold", title
    pages = dict(PAGE.findall(printed))
    assert set(pages) == AGENTS - {"exchange_sim"}
    for url in pages.values():
        with urlopen(f"{url}/metrics", timeout=60) as answer:  # noqa: S310  # of this machine
            assert b"k2_ready" in answer.read()
    _status, commands = printed.split("Look around:\n")[1].split("\n\n")[0].split("\n", 1)
    assert "KRAKEN:BTC/USD" in _pasted(commands, demo.cwd)


def _start_again(demo: RunningDemo, agent: str) -> None:
    """Kill an agent and do what the status says: the shell is free at once, and the agent's log goes on."""
    psutil.Process(demo.pid(agent)).kill()
    found = json.loads(k2(demo, "status", "--json").stdout)
    (problem,) = (each for each in found["problems"] if each["what"].startswith(agent))
    logged = (demo.folder / f"{agent}.log").stat().st_size
    _pasted(problem["do"].removeprefix("start it with "), demo.cwd)
    wait_for(lambda: k2(demo, "status").returncode == 0, PATIENCE_S, f"{agent} after its script has started it")
    assert (demo.folder / f"{agent}.log").stat().st_size > logged


def _pasted(text: str, cwd: Path) -> str:
    """What a text prints that is pasted into a shell without the stack of these tests; it ends well.

    Its user has no files, so that what DuckDB would install at run time is noticed.
    """
    prefixes = ("KAFKA_", "SCHEMA_", "ICEBERG_", "S3_", "CLICKHOUSE_", "K2_")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    done = subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=cwd,
        env={**outside, "HOME": str(cwd)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


async def _make_up_a_trade(demo: RunningDemo) -> None:
    environment = json.loads(k2(demo, "stack", "env", "--json").stdout)
    settings = RunSettings.load(**{name.lower(): value for name, value in environment.items()}, k2_prefix="")
    names = Names()
    contract = names.contract(GOLD)
    async with SchemaRegistry.connect(settings) as registry:
        prefix = wire_prefix(await registry.schema_id(contract, names.subject(GOLD)))
    now = time.time_ns()
    record = Outgoing(GOLD, MADE_UP.key, encode(MADE_UP, now // 1_000, prefix), now // 1_000_000, ())
    await write(settings, names, [record], partition_for(MADE_UP.key, contract.partitions))


def k2(demo: RunningDemo, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command about a demo, in the folder where that was started."""
    about = {"stack": ("--state", str(demo.folder / "stack")), "status": ("--targets", str(demo.folder))}
    return subprocess.run(
        [sys.executable, "-c", "from k2.main import main; main()", *words, *about.get(words[0], ())],
        cwd=demo.cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
