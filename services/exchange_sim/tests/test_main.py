"""The process: how it starts, what it says, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange_sim.main import main
from exchange_sim.settings import SimSettings, from_command_line
from k2_shared.core.errors import ConfigError

DEADLINE_S = 90
Cut = Callable[[Mapping[str, int]], Path]


@contextmanager
def started(*flags: str, **environ: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """A simulator process and what it announced."""
    command = [sys.executable, "-m", "exchange_sim", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_it_announces_its_urls_in_one_line_and_ends_at_sigterm() -> None:
    """The one line on stdout is JSON and says where each venue is; SIGTERM ends it with 0."""
    with started(SIM_PORT="0") as (process, urls):
        assert urls["kraken_ws_url"].endswith("/v2")
        with urllib.request.urlopen(urls["binance_rest_url"] + "/api/v3/ping") as answer:  # noqa: S310
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


async def test_it_serves_the_pages_that_its_help_names() -> None:
    """Each is known, also where it wants a POST."""
    with started(SIM_PORT="0") as (_, urls):
        async with aiohttp.ClientSession(urls["url"]) as session:
            found = [(await session.get(page)).status for page in SimSettings.pages]
    assert HTTPStatus.NOT_FOUND not in found


async def test_log_is_whole_after_sigterm(cut: Cut, tmp_path: Path) -> None:
    """What a client received before the signal is in the log, and the client is told that the server goes."""
    folder, log = cut({"binance_btcusdt": 5_000}), tmp_path / "log.jsonl"
    flags = [
        "--port",
        "0",
        "--recordings",
        str(folder),
        "--expect",
        "binance",
        "--log",
        str(log),
        "--speed",
        "10",
    ]
    with started(*flags) as (process, urls):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(urls["binance_ws_url"] + "/stream?streams=btcusdt@trade") as reading,
        ):
            received = [await reading.receive_json(timeout=DEADLINE_S) for _ in range(50)]
            process.send_signal(signal.SIGTERM)
            while (message := await reading.receive(timeout=DEADLINE_S)).type is aiohttp.WSMsgType.TEXT:
                received.append(json.loads(message.data))
            assert reading.close_code == aiohttp.WSCloseCode.GOING_AWAY
        assert process.wait(DEADLINE_S) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["trade_id"] for line in lines] == [frame["data"]["t"] for frame in received]


def test_busy_port_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use ends the process with code 2 and a sentence that names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as exit_:
            main(["--port", str(port)])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"cannot listen on 127.0.0.1:{port}" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "SIM_PORT is not set"),
        (["--port", "x"], "SIM_PORT='x' is not allowed"),
        (["--port", "0", "--sped", "2"], "unrecognized arguments: --sped 2: --help says what there is"),
        (["--port", "0", "--speed", "fast"], "SIM_SPEED='fast' is not allowed"),
        (["--port", "0", "--speed", "0"], "SIM_SPEED='0' is not allowed"),
        (["--port", "0", "--invalid", "1.5"], "SIM_INVALID='1.5' is not allowed"),
        (["--port", "0", "--expect", "bitfinex"], "SIM_EXPECT='bitfinex' is not allowed"),
        (["--port", "0", "--as-live", "--rest-all"], "exclude each other"),
        (["--port", "0", "--storm", "-1"], "SIM_STORM='-1' is not allowed"),
        (["--port", "0", "--listed", "SHIB/USD"], "SIM_LISTED='SHIB/USD' is not allowed"),
        (["--port", "0", "--listed", "KRAKEN:A/B:1,KRAKEN:AB:1"], "'AB' is no symbol"),
        (["--port", "0", "--listed", "KRAKEN:A/B:1:x:y"], "'KRAKEN:A/B:1:x:y' is not VENUE:BASE/QUOTE"),
        (["--port", "0", "--listed", "OKX:A/B:1"], "'OKX:A/B:1' is not VENUE:BASE/QUOTE"),
        (["--port", "0", "--faults-script", "absent"], "the faults script absent cannot be read"),
        (["--port", "0", "--recordings", "absent"], "absent is not a folder"),
        (["--port", "0", "--log", "absent/log"], "the log absent/log cannot be written"),
    ],
)
def test_wrong_setting_is_refused_in_one_line(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong value ends the process with code 2 and a line that names it."""
    with pytest.raises(SystemExit) as exit_:
        main(flags)
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_flags_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag is an environment variable too; the flag wins."""
    monkeypatch.setenv("SIM_SPEED", "fit")
    monkeypatch.setenv("SIM_SEED", "3")
    settings = from_command_line(["--port", "0", "--seed", "4", "--expect", "Kraken", "--as-live"])
    assert (settings.sim_speed, settings.sim_seed, settings.sim_as_live) == ("fit", 4, True)
    assert settings.expected == ("KRAKEN",)


def test_config_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """--print-config shows every setting and ends."""
    with pytest.raises(SystemExit) as exit_:
        from_command_line(["--port", "0", "--print-config"])
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    names = [line.split("=")[0] for line in shown.splitlines() if not line.startswith("#")]
    assert names == sorted(name.upper() for name in SimSettings.model_fields)
    assert "(from a flag)\nSIM_PORT=0\n" in shown


def test_unknown_symbol_of_a_file_is_a_config_error(tmp_path: Path) -> None:
    """Recordings that cannot be read are told as a ConfigError before anything listens."""
    (tmp_path / "kraken_nonsense_x_trades.jsonl.gz").write_bytes(b"")
    with pytest.raises(SystemExit) as exit_:
        main(["--port", "0", "--recordings", str(tmp_path)])
    assert exit_.value.code == ConfigError.exit_code
