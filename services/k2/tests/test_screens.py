"""What every command shows of a pipeline, on narrow and wide terminals and in a pipe, on the real broker."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka.structs import OffsetAndMetadata
from clickhouse_connect.driver.client import Client
from services.k2.tests.candle_rows import WIDTHS, candle, insert_candles, insert_missing
from services.k2.tests.gold_rows import MOST, gold, insert

from k2_local.targets import Targets
from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, EventKind, EventRecord, GapRecord, GapState, SymbolRecord
from k2_shared.kafka import clients
from k2_shared.kafka.lag import groups
from k2_shared.kafka.topics import BRONZE, GOLD, Names, partition_for
from k2_support.pseudo_terminal import on_terminal
from k2_support.records import ORIGIN, trade, value
from k2_support.topics import write

DEADLINE_S = 120.0
OF = trade(exchange="BINANCE", symbol="1000SATS/FDUSD", trade_id=10_218_208_123)
BRONZE_BINANCE = BRONZE.format(exchange="binance")
HOME = partition_for(OF.key, 12)
SYMBOL = "BINANCE:1000SATS/FDUSD"
REASON = "the venue does not trade it; near it: 1000SATS/USDT, 1000SATS/TRY, 1000SATS/FDUSD"
COLOUR = re.compile(r"\x1b\[3[1-7]m")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
ONE_AFTER_ANOTHER = """
import json, os, shlex, sys
from k2.main import main
sys.stderr = open(os.devnull, "w")  # a terminal wraps chatter by itself
for words in sys.argv[1:]:
    sys.argv = ["k2", *shlex.split(words)]
    try:
        main()
    except SystemExit as end:
        print("\\f" + json.dumps([words, end.code or 0]), flush=True)
"""
"""Runs each of its arguments as a command, so that their libraries are imported once; what they say on stdout."""


@dataclass(frozen=True)
class Command:
    """A command, how it ends on this pipeline, what must stand in what it prints, and whether that has a colour."""

    words: str
    whole: Sequence[str]
    code: int = 0
    has_colour: bool = False


def commands(names: Names, folder: Path) -> list[Command]:
    """Every command that shows what there is."""
    bronze, silver = names.topic(BRONZE_BINANCE), names.group("silver")
    place, topics = f"{bronze}[{HOME}]@0", [names.topic(name) for name in contracts.topics()]
    return [
        Command("topics", topics, has_colour=True),
        Command(f"topics {BRONZE_BINANCE}", [bronze, silver], has_colour=True),
        Command("lag", [silver, bronze]),
        Command(f"tail {BRONZE_BINANCE}", [place, SYMBOL, OF.message_id, "connection 5, frame 1"]),
        Command(f"lineage {OF.message_id}", [OF.message_id, place, "connection 5, frame 1"], 1, has_colour=True),
        Command("gaps", [SYMBOL, "open", "filled", "10218208100", "10218208109", "10218208110"], has_colour=True),
        Command("feed list", [SYMBOL, "yes", "rejected", *REASON.split()], has_colour=True),
        Command(f"status --targets {folder}", [*groups(names), *contracts.tables()], 1, has_colour=True),
        Command(f"trades {SYMBOL}", ["2026-11-26T22:57:06.061001+00:00", "9999999999.99999999", "0.00000001"]),
        Command(
            f"ohlcv {SYMBOL} 1m", ["2026-11-26 22:58", "9999999999.99999999", "5 missing", "complete"], has_colour=True
        ),
        Command(
            f"ohlcv {SYMBOL} 1d --chart", [SYMBOL, "╵2026-11-26", "9999999999.99999999", "┃ rises"], has_colour=True
        ),
        Command(
            "sql 'SELECT timestamp, exchange, symbol, price, quantity FROM gold_trades'",
            ["BINANCE", OF.symbol, "9999999999.99999999", "0.00000001"],
        ),
        Command("stack status", ["kafka", "registry", "seaweed", "down"], 1),
    ]


@pytest.fixture
async def shown(
    topics: dict[str, int], run_settings: RunSettings, names: Names, warm: Client, tmp_path: Path
) -> tuple[list[Command], Mapping[str, str]]:
    """A pipeline with names as long as they come, the commands, and their environment."""
    await write(run_settings, names, [bronze(topics[names.subject(names.topic(GOLD))])], HOME)
    await write(run_settings, names, [*ledger(), *words()])
    async with clients.started(clients.consumer(run_settings, group=names.group("silver")), run_settings) as reader:
        at = names.partitions(BRONZE_BINANCE)[HOME]
        reader.assign([at])
        await reader.commit({at: OffsetAndMetadata(0, "")})
    insert(warm, [gold(1, "BINANCE", OF.symbol, price=MOST)])
    insert_candles(warm, [candle(number, "BINANCE", OF.symbol, each, MOST) for each in WIDTHS for number in range(3)])
    insert_missing(warm, 3, 7, "BINANCE", OF.symbol)
    Targets(settings={"K2_PREFIX": names.prefix}).write(tmp_path)
    return commands(names, tmp_path), {**os.environ, "K2_PREFIX": names.prefix, "K2_STATE_DIR": str(tmp_path)}


def bronze(schema_id: int) -> Outgoing:
    """A trade of bronze, with the frame that it came from."""
    return Outgoing(BRONZE_BINANCE, OF.key, value(OF, schema_id), 1_000, (("k2-origin", ORIGIN.pack()),))


def ledger() -> list[Outgoing]:
    """A gap that is half filled."""

    def of(state: GapState, last_id: int) -> Outgoing:
        gap = GapRecord(
            exchange="BINANCE",
            symbol=OF.symbol,
            state=state,
            first_id=10_218_208_100,
            last_id=last_id,
            cause=Cause.SILENT_DROP,
            opened_at=1,
            at=2_000_000,
        )
        return feed_records.gaps.outgoing(gap)

    return [of(GapState.OPENED, 10_218_208_119), of(GapState.FILLED, 10_218_208_109)]


def words() -> list[Outgoing]:
    """An order, and its refusal."""
    order = SymbolRecord(exchange="BINANCE", symbol=OF.symbol, captured=True, at=3)
    refusal = EventRecord(
        exchange="BINANCE", kind=EventKind.REJECTED, service="feed_binance", at=4, symbol=OF.symbol, detail=REASON
    )
    return [feed_records.symbols.outgoing(order), feed_records.events.outgoing(refusal)]


def by_command(said: str) -> dict[str, tuple[int, str]]:
    """How each command ended, and what it had printed."""
    *parts, _rest = re.split(r"\f(.*)\n", said)
    ends = [json.loads(end) for end in parts[1::2]]
    return {words: (code, text) for (words, code), text in zip(ends, parts[::2], strict=True)}


def run(wanted: Sequence[Command], environment: Mapping[str, str], columns: int, *before: str) -> str:
    """All of them on a terminal of so many columns, or in a pipe."""
    command = [*before, sys.executable, "-c", ONE_AFTER_ANOTHER, *(each.words for each in wanted)]
    if columns:
        return on_terminal(command, columns, environment, DEADLINE_S)
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S, check=True
    )
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("columns", "before"),
    [
        (80, ()),
        pytest.param(200, ("env", "NO_COLOR=1"), marks=pytest.mark.long),
        pytest.param(0, (), marks=pytest.mark.long),
    ],
)
async def test_names_are_whole_and_colours_are_for_terminals(
    shown: tuple[list[Command], Mapping[str, str]], columns: int, before: Sequence[str]
) -> None:
    """No line is wider than the terminal; there are colours where they mean something, and none in a pipe or where
    NO_COLOR is set."""
    wanted, environment = shown
    found = by_command(await asyncio.to_thread(run, wanted, environment, columns, *before))
    for each in wanted:
        code, text = found[each.words]
        plain = ESCAPES.sub("", text)
        assert code == each.code, text
        assert [name for name in each.whole if name not in plain] == [], plain
        assert "…" not in plain
        assert not columns or max(map(len, plain.splitlines())) <= columns, plain
        assert bool(COLOUR.search(text)) is (each.has_colour and columns == 80), text
        assert columns or plain == text
