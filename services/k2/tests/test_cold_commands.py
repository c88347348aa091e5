"""``k2 offload`` and ``k2 consistency`` as a person uses them, on the real ClickHouse, catalog and store."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from services.k2.tests.gold_rows import k2 as run_k2
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_support.cold_tiers import HOUR, ColdTiers, cold_tiers
from k2_support.plugin import Agents
from k2_support.waiting import wait_for
from k2_support.warm_tables import warm_tables

LAYERS = ["raw", "bronze", "silver", "gold 1m", "gold 5m", "gold 15m", "gold 30m", "gold 1h", "gold 1d"]


class Tiers(ColdTiers):
    """Both tiers of this test's prefix, and the commands at them."""

    def k2(self, words: str, **environment: str) -> Result:
        """The command, with these words."""
        return CliRunner().invoke(app, words.split(), env={"K2_PREFIX": self.names.prefix, **environment})

    def k2_alone(self, words: str) -> str:
        """What the command prints in a process of its own, where it owns stdout."""
        return run_k2(self.names, *words.split()).stdout

    def rows(self, words: str = "") -> dict[str, Any]:
        """What ``k2 consistency`` says by layer, in the order in which it does."""
        found = json.loads(self.k2(f"consistency --json {words}").stdout)
        assert found["equal"] == all(each["equal"] for each in found["rows"])
        return {each["layer"]: each for each in found["rows"]}

    def progress(self) -> dict[str, Any]:
        """What ``k2 offload status`` says by table."""
        return {each["table"]: each for each in json.loads(self.k2("offload status --json").stdout)}


@pytest.fixture
def tiers(names: Names) -> Iterator[Tiers]:
    """Nothing is offloaded yet."""
    with cold_tiers(names) as made:
        yield Tiers(names, made.warm, made.catalog)


def test_an_offload_makes_both_tiers_equal(tiers: Tiers) -> None:
    """In all nine layers; a second one finds nothing to write."""
    done = tiers.k2("offload run --json")
    assert done.exit_code == 0, done.stderr
    written = {each["table"]: each["written"] for each in json.loads(done.stdout)}
    assert [sum(hours.values()) for hours in written.values()][:2] == [
        tiers.cold("raw_trades"),
        tiers.cold("bronze_trades"),
    ]
    assert written["silver_trades"] == {HOUR: tiers.cold("silver_trades")}
    found = tiers.rows()
    assert list(found) == LAYERS
    for name in LAYERS[:4]:
        assert found[name]["warm"] == found[name]["cold"] > 0
        assert (found[name]["equal"], found[name]["hours"]) == (True, 1)
    assert tiers.cold("bronze_trades") == 400, "what cannot be decoded has no time of the exchange, and is there too"
    again = json.loads(tiers.k2("offload run --json").stdout)
    assert [each["written"] for each in again] == [{}] * 9


def test_a_dry_run_says_what_an_offload_would_write_and_writes_nothing(tiers: Tiers) -> None:
    """By hour on stderr; both tiers differ as before, which is exit 1."""
    done = tiers.k2("offload run --dry-run --table silver_trades")
    assert done.exit_code == 0
    assert f"silver_trades {HOUR}: 400 rows would be written (--dry-run)" in done.stderr
    assert tiers.cold("silver_trades") == 0
    differs = tiers.k2("consistency --layer silver_trades")
    assert differs.exit_code == 1
    assert f"silver {HOUR} differs (to write): warm rows=400" in differs.stdout
    assert "cold nothing" in differs.stdout


def test_late_rows_are_found_and_repaired(tiers: Tiers) -> None:
    """A row that came after the offload: its hour is written again."""
    tiers.k2("offload run --table silver_trades")
    tiers.add("9000 AS kafka_offset")
    assert (late := tiers.rows()["silver"])["equal"] is False
    assert (late["warm"], late["cold"]) == (401, 400)
    assert tiers.k2("consistency --layer silver_trades --repair").exit_code == 0
    assert tiers.cold("silver_trades") == 401


def test_cold_does_not_shrink(tiers: Tiers) -> None:
    """Rows that warm has lost stay in cold, the hour is named, and the exit is 3, until a person gives them up."""
    tiers.k2("offload run")
    tiers.lose("kafka_offset IN (5, 6, 9)")
    refused = tiers.k2("offload run")
    assert refused.exit_code == 3
    assert f"in silver_trades {HOUR}: not written" in refused.stderr
    assert tiers.cold("silver_trades") == 400
    assert tiers.k2("consistency").exit_code == 1
    assert tiers.k2("offload run --allow-shrink").exit_code == 0
    assert tiers.cold("silver_trades") == 397
    assert tiers.rows()["silver"]["equal"] is True


def test_the_first_keys_that_differ_are_named(tiers: Tiers) -> None:
    """One that warm alone has, one that cold alone has, one of which they say another thing; an equal one is not."""
    tiers.k2("offload run --table silver_trades")
    tiers.add("9000 AS kafka_offset, 0 AS kafka_partition")
    tiers.lose("kafka_offset = 12")
    tiers.warm.command(
        "INSERT INTO silver_trades SELECT * REPLACE('other' AS currency) FROM silver_trades WHERE kafka_offset = 24"
    )
    (hour,) = tiers.rows("--layer silver_trades")["silver"]["differing"]
    assert [(each["key"]["kafka_offset"], each["warm"], each["cold"]) for each in hour["keys"]] == [
        (12, 0, 1),
        (24, 1, 1),
        (9000, 1, 0),
    ]
    said = tiers.k2("consistency --layer silver_trades").stdout
    assert "  kafka_topic topic, kafka_partition 0, kafka_offset 9000: 1 in warm, 0 in cold\n" in said


def test_of_candles_the_key_is_their_window(tiers: Tiers) -> None:
    """As a time, not as a number."""
    tiers.k2("offload run --table gold_ohlcv_1m")
    tiers.warm.command(
        "INSERT INTO candles SELECT * REPLACE(last_offset + 1 AS last_offset, trade_count + 1 AS trade_count) "
        "FROM candles WHERE symbol = '7'"
    )
    (hour,) = tiers.rows("--layer gold_ohlcv_1m")["gold 1m"]["differing"]
    assert hour["keys"] == [
        {
            "key": {"exchange": "KRAKEN", "symbol": "7", "window_start": "2026-02-28T23:07:00+00:00"},
            "warm": 1,
            "cold": 1,
        }
    ]


def test_status_says_how_far_each_table_is(tiers: Tiers) -> None:
    """Before and after an offload, and what the agent alone knows where none answers: nothing."""
    before = tiers.progress()["silver_trades"]
    assert (before["watermark"], before["newest"], before["outstanding"]) == (None, None, 1)
    tiers.k2("offload run")
    tiers.add("9000 AS kafka_offset")
    found = tiers.progress()
    assert list(found)[:4] == ["raw_trades", "bronze_trades", "silver_trades", "gold_ohlcv_1m"]
    silver, minutes = found["silver_trades"], found["gold_ohlcv_1m"]
    assert silver["watermark"] == minutes["watermark"] == "2026-03-01T00:00:00.000+00:00"
    assert (silver["newest"]["hour"], silver["newest"]["rows"]) == ("2026-02-28T23:00:00.000+00:00", 400)
    assert silver["newest"]["bytes"] > 0
    assert (silver["outstanding"], minutes["outstanding"]) == (1, 0)
    assert (minutes["hours"]["equal"], minutes["last_success"], minutes["took_s"]) == (1, None, None)
    said = tiers.k2("offload status --table silver_trades")
    assert "2026-03-01T00:00:00.000+00:00" in said.stdout
    assert "no offload agent answers" in said.stderr


@pytest.mark.skipif(not find_spec("offload"), reason="needs the offload beside the command line: make test")
def test_status_says_what_the_agent_tells(tiers: Tiers, agents: Agents, tmp_path: Path) -> None:
    """When it left nothing undone, and how long that took."""
    child = agents.start("offload").wait_ready()
    wait_for(lambda: tiers.cold("silver_trades") > 0, 120, "silver's offload")
    agent = {"name": "offload", "url": f"http://127.0.0.1:{child.web_port}"}
    (tmp_path / "targets.json").write_text(json.dumps({"agents": [agent]}))
    done = tiers.k2("offload status --json --table silver_trades", K2_TARGETS=str(tmp_path))
    (found,) = json.loads(done.stdout)
    assert found["last_success"] > "2026-11"
    assert found["took_s"] > 0


def test_an_hour_that_expires_is_named_and_left(tiers: Tiers) -> None:
    """One row that is about to leave the warm tier is enough: what is missing of the hour nobody knows."""
    tiers.k2("offload run --table silver_trades")
    old = "subtractHours(now64(6, 'UTC'), 29 * 24 + 1) AS ingestion_timestamp, 9000 AS kafka_offset"
    tiers.add(old)
    assert (found := tiers.rows()["silver"])["expiring"] == [HOUR]
    assert (found["hours"], found["equal"]) == (0, True)
    assert f"silver: not compared, rows leave the warm tier: {HOUR}" in tiers.k2("consistency").stdout
    assert json.loads(tiers.k2("offload run --table silver_trades --json").stdout)[0]["expiring"] == [HOUR]
    assert tiers.cold("silver_trades") == 400


def test_what_has_left_the_warm_tier_is_read_from_cold(tiers: Tiers) -> None:
    """Trades and candles, by a time or the last, digit by digit as they were; a symbol that cold alone has is known."""
    tiers.warm.command("INSERT INTO candles SELECT * REPLACE('BTC/USD' AS symbol) FROM candles WHERE trade_count < 100")
    tiers.k2("offload run")
    reads = [
        "trades BTC/USD --from 2026-02-28 --json",
        "trades KRAKEN:BTC/USD --from 2026-02-28 --to 2026-03-01 -n 5 --csv",
        "trades BTC/USD -n 7 --json",
        "ohlcv BTC/USD 1m --from 2026-02-28 --json",
        "ohlcv BTC/USD 1m -n 3 --csv",
        "ohlcv BTC/USD 1m --from 2026-02-28",
    ]
    before = {words: tiers.k2_alone(words) for words in reads}
    assert [words for words, said in before.items() if len(said.splitlines()) < 3] == []
    tiers.warm.command("TRUNCATE TABLE silver_trades")
    tiers.warm.command("TRUNCATE TABLE candles")
    assert tiers.k2("offload run").exit_code == 0
    assert {words: tiers.k2_alone(words) for words in reads} == before


def test_a_delivery_again_is_no_other_trade(tiers: Tiers) -> None:
    """Of those that cold has, the first is told."""
    before = tiers.k2_alone("trades BTC/USD --from 2026-02-28 --json")
    tiers.add("kafka_offset + 9000 AS kafka_offset, price + 1 AS price")
    assert before
    assert tiers.k2_alone("trades BTC/USD --from 2026-02-28 --json") == before


def test_hours_are_chosen_by_time(tiers: Tiers) -> None:
    """One, or those between two times."""
    for words, hours in [
        ("--hour 2026-02-28T23:10Z", [HOUR]),
        ("--from 2026-02-28T23:00Z --to 2026-03-01T00:00Z", [HOUR]),
        ("--from 2026-03-01T00:00Z", []),
        ("--to 2026-02-28T23:00Z", []),
    ]:
        done = tiers.k2(f"offload run --table silver_trades --dry-run --json {words}")
        assert list(json.loads(done.stdout)[0]["written"]) == hours, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "offload run --table gold",
            "'gold' is no cold table: they are raw_trades, bronze_trades, silver_trades, gold_ohlcv_1m",
        ),
        ("offload run --hour soon", "--hour soon is no time: pass one as 2026-11-26T12:00Z"),
        ("offload run --hour 2h --from 3h", "pass one of both"),
        ("consistency --from 2h --to 3h", "--to 3h is not after --from 2h"),
        ("consistency --layer silver", "'silver' is no cold table"),
    ],
)
def test_what_cannot_be_meant_is_misuse(words: str, said: str) -> None:
    """Nothing is asked of any server."""
    done = CliRunner().invoke(app, words.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_tables_the_command_that_creates_them_is_named(names: Names) -> None:
    """Of the first one that lacks."""
    with warm_tables(ClickHouseSettings.load(), names):
        done = CliRunner().invoke(app, ["offload", "run"], env={"K2_PREFIX": names.prefix})
    assert done.exit_code == 2
    assert "_cold.raw_trades does not exist: run 'k2 init'" in done.stderr
