"""The main job, as a newcomer meets it."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.e2e.demos import Demos, RunningDemo, alive
from tests.e2e.recordings import binance, kraken

from k2_support.waiting import wait_for

pytestmark = pytest.mark.timeout(900)  # as the waits in it add up
RATES = ("--duplicates", "0.05", "--invalid", "0.02", "--speed", "10", "--json")
STAGES = ("raw", "bronze", "silver")
KILLED = ("silver", "gold", "iceberg_sink", "warm_sink")


@pytest.mark.long
def test_other_recordings_reconcile(demos: Demos, tmp_path: Path) -> None:
    """Of other symbols and days; ids that a venue never sent are fetched, and gold comes back after kill -9."""
    binance(tmp_path / "recorded", "shibusdt", 900, unfit=3)
    kraken(tmp_path / "recorded", "xbtusd", 300)
    demo = demos.start("--recordings", str(tmp_path / "recorded"), *RATES)

    code, found = demo.result()

    assert (code, found["reconciled"]) == (0, True), demo.said
    assert found["recorded"] == {"BINANCE:SHIB/USDT": 900, "KRAKEN:BTC/USD": 300}
    assert found["stages"]["gold"] == found["tables"]["gold_crypto_trades"] == 1_197
    assert _warm_as_stages(found)
    assert found["warm"]["gaps"] >= 4
    assert found["age_ms"]["warm"]["p50"] > 0
    assert found["tables"]["silver_dlq_trades"] == found["stages"]["dlq"] > 3
    assert found["stages"]["silver"] > found["stages"]["gold"]
    assert list(found["candles"]) == ["1m", "5m", "15m", "30m", "1h", "1d"]
    assert all(each["rows"] and not each["mismatches"] for each in found["candles"].values())
    assert [row["cold"] for row in found["consistency"]["rows"][:3]] == [found["stages"][name] for name in STAGES]
    assert len(found["consistency"]["rows"]) == 9
    assert all(row["equal"] and row["cold"] == row["warm"] > 0 for row in found["consistency"]["rows"])
    faults = found["faults"]
    assert (faults["dropped_ids"], faults["gaps_filled"], faults["gold_killed"], faults["problems"]) == (6, 2, 1, [])
    assert faults["back_after_s"] > 0
    assert list((demo.cwd / ".k2").iterdir()) == []


@pytest.mark.long
def test_demos_run_side_by_side(demos: Demos, tmp_path: Path) -> None:
    """Two at once, each end reconciled with exactly their own trades."""
    kraken(tmp_path / "one", "xbtusd", 300)
    kraken(tmp_path / "other", "ethusdt", 600)
    started = [demos.start("--recordings", str(tmp_path / each), *RATES) for each in ("one", "other")]

    (code, found), (other_code, other_found) = (demo.result() for demo in started)

    assert (code, other_code) == (0, 0)
    assert found["recorded"] == {"KRAKEN:BTC/USD": 300}
    assert other_found["recorded"] == {"KRAKEN:ETH/USDT": 600}
    assert other_found["stages"]["gold"] == other_found["tables"]["gold_crypto_trades"] == 600
    assert [(f["faults"]["dropped_ids"], f["faults"]["gaps_filled"]) for f in (found, other_found)] == [(3, 1), (3, 1)]
    assert [list((demo.cwd / ".k2").iterdir()) for demo in started] == [[], []]


def _warm_as_stages(found: dict[str, Any]) -> bool:
    """Whether each table of the warm tier has as many rows as its stage has records."""
    stages = {"raw": "raw_trades", "bronze": "bronze_trades", "silver": "silver_trades", "gold": "gold_trades"}
    return all(
        found["warm"][table] == found["stages"][stage] for stage, table in {**stages, "dlq": "dead_letters"}.items()
    )


@pytest.mark.long
def test_agents_that_are_killed_and_restarted_by_hand_lose_and_double_nothing(demos: Demos) -> None:
    """kill -9 of silver, gold and both sinks in the middle, each started again by its script: it reconciles."""
    demo = demos.start("--json", "--calm")
    restarted = []
    for number, agent in enumerate(KILLED):
        demo.wait_for(0.15 * (number + 1))
        _kill(demo, agent)
        restarted.append(subprocess.Popen([demo.folder / agent], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        assert demo.played() < 1.0, "the kill was not in the middle"

    code, found = demo.result()

    assert code == 0
    assert found["reconciled"] is True
    assert found["stages"]["gold"] == sum(found["recorded"].values()) == 16_463
    assert _warm_as_stages(found)
    assert [process.wait(timeout=120) for process in restarted] == [0, 0, 0, 0]
    assert found["faults"]["dropped_ids"] == found["faults"]["gold_killed"] == 0


@pytest.mark.long
def test_a_gap_that_is_not_recorded_fails_the_demo(demos: Demos, tmp_path: Path) -> None:
    """A feed that is told to leave gaps alone for minutes: exit 1, the ids are named, and the logs are kept."""
    kraken(tmp_path / "recorded", "xbtusd", 300)
    demo = demos.start(
        "--recordings", str(tmp_path / "recorded"), "--speed", "10", "--json", environment={"FEED_GAP_GRACE_S": "60"}
    )
    code, found = demo.result()
    assert (code, found["reconciled"]) == (1, False)
    assert found["faults"]["problems"] == [
        "3 ids of BTC/USD that KRAKEN never sent (152 to 154): no gap was recorded",
    ]
    assert list(demo.folder.glob("feed_kraken.log"))


def _kill(demo: RunningDemo, agent: str) -> None:
    victim = psutil.Process(demo.pid(agent))
    victim.send_signal(signal.SIGKILL)
    wait_for(lambda: not alive(victim), 60, f"the end of {agent}")


@pytest.mark.long
def test_ctrl_c_stops_everything(demos: Demos) -> None:
    """Ctrl-C in the middle ends the demo with 130 and leaves no process behind."""
    demo = demos.start()
    demo.wait_for(0.05)
    _end(demo, signal.SIGINT, at_least=6 + len(KILLED))  # the stack's parts, the simulator, two feeds


def test_ctrl_c_during_the_start_stops_everything(demos: Demos) -> None:
    """Ctrl-C while topics and tables are being created is not swallowed."""
    demo = demos.start()
    _read_until_up(demo, parts=3)
    _end(demo, signal.SIGINT, at_least=3)


def test_in_the_background_of_a_script_it_says_how_to_end_it(demos: Demos) -> None:
    """Where SIGINT is ignored it does nothing, and SIGTERM ends the demo in order; the first line says so."""
    demo = demos.start(ignores_sigint=True)
    assert demo.process.stderr is not None
    assert f"'kill {demo.process.pid}' ends it in order" in demo.process.stderr.readline()
    demo.process.send_signal(signal.SIGINT)
    _read_until_up(demo, parts=1)
    _end(demo, signal.SIGTERM, at_least=3)


def _read_until_up(demo: RunningDemo, parts: int) -> None:
    assert demo.process.stderr is not None
    while parts:
        line = demo.process.stderr.readline()
        assert line, "the demo ended early"
        parts -= " is up on port " in line


def _end(demo: RunningDemo, number: signal.Signals, at_least: int) -> None:
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(children) >= at_least
    demo.process.send_signal(number)
    _, said = demo.process.communicate(timeout=120)
    assert demo.process.returncode == 128 + number
    left = [str(folder.relative_to(demo.cwd)) for folder in demo.cwd.glob(".k2/demo-*")]
    told = f"stopped early: nothing runs; the logs and data are in {left[0]} " if left else "stopped: nothing runs, and"
    assert told in said
    assert [child for child in children if alive(child)] == []


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        (["--speed", "banana"], {}, "--speed 'banana' is not allowed: a number above 0"),
        (["--recordings", "nowhere"], {}, "--recordings nowhere: no file"),
        ([], {"K2_KAFKA_HEAP_MB": "lots"}, "K2_KAFKA_HEAP_MB='lots' is not allowed"),
        ([], {"HTTPS_PROXY": "http://127.0.0.1:9", "K2_CACHE_DIR": "cold"}, "check the network"),
        ([], {"K2_CACHE_DIR": "/dev/full"}, "K2_CACHE_DIR"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    demos: Demos, flags: list[str], environment: dict[str, str], said: str
) -> None:
    """Wrong flags and settings, no network, no cache: exit code 2, one line, nothing left behind."""
    demo = demos.start(*flags, environment=environment)
    out, err = demo.process.communicate(timeout=120)
    assert demo.process.returncode == 2
    assert said in err.splitlines()[-1]
    assert out == ""
    assert not list(demo.cwd.glob(".k2/*"))


def test_a_busy_port_that_was_chosen_is_an_error(demos: Demos) -> None:
    """A port set by hand that something listens on is named, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        demo = demos.start(environment={"K2_KAFKA_PORT": port})
        _, err = demo.process.communicate(timeout=120)
    assert demo.process.returncode == 2
    assert "K2_KAFKA_PORT" in err.splitlines()[-1]
    assert port in err.splitlines()[-1]
    assert not list(demo.cwd.glob(".k2/*"))
