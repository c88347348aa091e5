"""How commands end: without a broker, on a pipe that nobody reads, and when they are interrupted."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests.candle_rows import candle, insert_candles
from services.k2.tests.gold_rows import gold, insert
from typer.testing import CliRunner

from k2.main import COMMANDS, app
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import EventKind, EventRecord
from k2_shared.kafka.topics import EVENTS, Names
from k2_support.ports import free_port
from k2_support.records import trade
from k2_support.signals import sigint
from k2_support.topics import write

K2 = [sys.executable, "-m", "k2"]
DEADLINE_S = 120.0
NEED_THE_BROKER = (
    "topics",
    "lag",
    "lag --watch",
    "tail gold",
    "tail gold --follow",
    "lineage KRAKEN:BTC/USD:1",
    "gaps",
    "feed list",
    "feed add KRAKEN:BTC/USD",
    "feed add KRAKEN:BTC/USD --no-wait",
    "feed remove KRAKEN:BTC/USD",
    "feed resume KRAKEN:BTC/USD --accept",
    "dlq list",
    "dlq show 0:0",
    "dlq replay --reason bad_magic",
    "maintenance run",
    "warm restore --dry-run",
    "probe-broker",
    "probe-broker --after-restart marks",
    "init",
)
NEED_THE_CATALOG = (
    "sink status",
    "sink resolve gold_crypto_trades --dry-run",
    "lake reset --dry-run",
    "offload run",
    "offload status",
    "consistency",
    "warm restore",
)
NEED_CLICKHOUSE = (
    "sql SELECT(1)",
    "trades BTC/USD",
    "ohlcv BTC/USD 1m",
    "ohlcv BTC/USD 1m --chart --follow",
    "candles rebuild --yes",
    "validate-ohlcv",
    "schema plan",
    "schema apply --yes",
    "migrate plan",
    "migrate apply",
    "migrate status",
)
PRINT = (
    "",
    "--version",
    "--help",
    "feed --help",
    "stack status",
    "stack status --json",
    "spark status",
    "spark status --json",
    "resources --seconds 0.1 --pid init=1",
    "topics",
    "lag --json",
    "tail events",
    f"lineage {trade().message_id}",
    "gaps --json",
    "feed list",
    "feed add KRAKEN:BTC/USD --dry-run",
    "dlq list --json",
    "migrate status",
    "sql SELECT(1)",
    "trades BTC/USD",
    "sink status",
    "lake reset --dry-run",
    "ohlcv BTC/USD 1m",
    "ohlcv BTC/USD 1m --chart",
    "ohlcv BTC/USD 1m --csv --follow",
    "status",
)
"""Commands that have something to say on stdout, first those that start soon."""

ON_A_CLOSED_PIPE = """
import gc, json, os, sys
from k2.main import main

for words in sys.argv[1:]:
    if words == "topics":
        import k2.sql.output, k2.status.reading, k2.topics.broker  # once for all that need them
        gc.freeze()
    (reads, nobody), (said, says) = os.pipe(), os.pipe()
    os.close(reads)
    if not (child := os.fork()):
        os.dup2(nobody, 1)
        os.dup2(says, 2)
        sys.argv = ["k2", *words.split()]
        main()
    os.close(says)
    with open(said) as stderr:
        text = stderr.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([words, code, text]), flush=True)
"""
"""Runs each of its arguments as a command whose stdout nobody reads; prints how it ended, and what it said."""


def test_no_command_is_left_out() -> None:
    """Each is here, but k2 status and resources, which have tests of their own, and those that start servers."""
    needing = {words.split()[0] for words in (*NEED_THE_BROKER, *NEED_THE_CATALOG, *NEED_CLICKHOUSE)}
    assert needing == COMMANDS.keys() - {"status", "resources", "stack", "spark", "demo"}


@pytest.mark.parametrize("words", NEED_CLICKHOUSE)
def test_without_clickhouse_one_line_says_what_to_do(words: str) -> None:
    """Exit code 4, and nothing of the library's."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, words.split(), env={"CLICKHOUSE_URL": nowhere})
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert f"ClickHouse at {nowhere} did not answer" in done.stderr


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("words", NEED_THE_CATALOG)
def test_without_the_catalog_one_line_says_what_to_do(words: str, names: Names) -> None:
    """Exit code 4, and nothing of the library's."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, words.split(), env={"ICEBERG_CATALOG_URI": nowhere, "K2_PREFIX": names.prefix})
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert nowhere in done.stderr


@pytest.mark.parametrize("words", NEED_THE_BROKER)
def test_without_a_broker_one_line_says_what_to_do(words: str) -> None:
    """Exit code 4, and nothing of the library's."""
    nowhere = f"127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, words.split(), env={"KAFKA_BOOTSTRAP_SERVERS": nowhere})
    assert (done.exit_code, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"k2: no Kafka broker answered at {nowhere}: start it, or check KAFKA_BOOTSTRAP_SERVERS")


async def test_where_nobody_reads_on_a_command_ends_without_a_word(
    topics: dict[str, int], run_settings: RunSettings, names: Names, warm: Client, tmp_path: Path
) -> None:
    """Exit code 141, as of a program that SIGPIPE ends; no traceback, neither at its end nor at the interpreter's."""
    said = EventRecord(exchange="KRAKEN", kind=EventKind.CONNECTED, service="feed_kraken", at=1)
    await write(run_settings, names, [feed_records.events.outgoing(said)])
    insert(warm, [gold(1)])
    insert_candles(warm, [candle(1)])
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", ON_A_CLOSED_PIPE, *PRINT],
        env={**os.environ, "K2_PREFIX": names.prefix, "K2_STATE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert [words for words, *_ in ends] == [*PRINT]
    assert [end for end in ends if end[1] != 141 or end[2] not in ("", "nothing is written\n")] == []


@contextmanager
def started(*words: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A command that hears Ctrl-C; it is killed in the end, if it lives."""
    with sigint(ignored=False):
        running = subprocess.Popen(
            [*K2, *words],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def interrupted(running: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code after Ctrl-C, and what it says last."""
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=DEADLINE_S)
    return running.returncode, said


@pytest.mark.parametrize("words", ["lag --watch", "tail events --follow"])
async def test_what_goes_on_until_ctrl_c_has_nothing_left_to_say(
    topics: dict[str, int], run_settings: RunSettings, names: Names, words: str
) -> None:
    """It ends with 130."""
    await write(run_settings, names, [Outgoing(EVENTS, b"KRAKEN", b"{}", 1, ())])
    with started(*words.split(), K2_PREFIX=names.prefix) as running:
        assert running.stdout
        assert await asyncio.to_thread(running.stdout.readline)
        assert interrupted(running) == (130, "")


INTERRUPTED_AT_ONCE = """
import asyncio

from k2.main import main

def interrupted(*_):
    raise KeyboardInterrupt

{interrupted} = interrupted
main()
"""
"""Runs a command that is interrupted while something is made."""
HALF_MADE = ["asyncio.run", "asyncio.BaseEventLoop.__init__"]


@pytest.mark.parametrize("half_made", HALF_MADE)
@pytest.mark.parametrize("words", ["topics", "status", "gaps"])
def test_interrupted_before_its_work_began_a_command_says_nothing(words: str, half_made: str) -> None:
    """Neither does the interpreter, of the work that was not begun or of the loop that was not finished."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_ONCE.format(interrupted=half_made), words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("form", ["", "--chart", "--json"])
def test_candles_are_followed_until_ctrl_c(names: Names, warm: Client, form: str) -> None:
    """It ends with 130, and has said what there was."""
    insert_candles(warm, [candle(1)])
    with started("ohlcv", "BTC/USD", "1m", "--follow", *form.split(), K2_PREFIX=names.prefix) as running:
        assert running.stdout
        assert running.stdout.readline()
        assert interrupted(running) == (130, "")


@pytest.mark.usefixtures("topics")
def test_an_order_that_nobody_waits_for_any_longer_stands(names: Names) -> None:
    """The line says so, and which command tells what came of it."""
    with started("feed", "add", "KRAKEN:BTC/USD", K2_PREFIX=names.prefix) as running:
        assert running.stderr
        assert running.stderr.readline() == "ordered; waiting for feed_kraken, 30 s at most\n"
        code, said = interrupted(running)
    assert code == 130
    assert said.startswith("k2: interrupted: the order stands, and feed_kraken does it when it runs: 'k2 feed list ")


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("feed add KRAKEN:BTC/USD", "the order may not be written: 'k2 feed list --symbol KRAKEN:BTC/USD' says"),
        (
            "feed add KRAKEN:BTC/USD --no-wait",
            "the order may not be written: 'k2 feed list --symbol KRAKEN:BTC/USD' says",
        ),
        ("init", "what is created stays, and 'k2 init' creates the rest"),
    ],
)
def test_interrupted_while_the_broker_is_silent_what_may_be_left_is_said(words: str, left: str) -> None:
    """In one line, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with started(*words.split(), KAFKA_BOOTSTRAP_SERVERS=address) as running:
            connection, _ = deaf.accept()  # which stays open: one that is closed is an answer
            with connection:
                code, said = interrupted(running)
    assert code == 130
    (line,) = said.splitlines()
    assert line.startswith(f"k2: interrupted: {left}")
