"""A step of the installation tells of itself while it runs, whatever it runs."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from k2_support.pseudo_terminal import on_terminal
from k2_support.waiting import wait_for

STEP = Path(__file__).resolve().parents[1] / "step.py"
PRINTS = "print('Downloading a-wheel (1.5MiB)'); print('Downloading another.whl (20.5 MB)', flush=True)"
WAITS = f"{PRINTS}; import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)"


@pytest.fixture
def step() -> dict[str, Any]:
    """The script's names; it beats at once, and what it says is kept."""
    found = runpy.run_path(str(STEP))
    run: Callable[..., int] = found["run"]
    said: list[str] = []
    run.__globals__.update(EVERY_S=0.01, LIVE_S=0.01, say=said.append)
    return {"run": run, "said": said}


@pytest.mark.parametrize("live", [False, True])
def test_it_says_that_it_goes_on_and_what_was_downloaded(step: dict[str, Any], tmp_path: Path, *, live: bool) -> None:
    """The first word comes before the command does anything; sizes are added up as pip and uv tell them."""
    command, done = [sys.executable, "-c", WAITS, str(tmp_path / "end")], []
    running = Thread(target=lambda: done.append(step["run"]("installing", command, live=live)))
    running.start()
    beat = "\r\x1b[Kinstalling, " if live else "still installing, "
    wait_for(lambda: any(line.startswith(beat) and "22 MB" in line for line in step["said"]), 60, "a beat")
    assert step["said"][0].startswith("installing")
    (tmp_path / "end").touch()
    running.join(30)
    assert done == [0]
    assert step["said"][-1].startswith("installing: done in ")


def test_what_fails_shows_its_words_and_keeps_its_exit_code() -> None:
    """They are the reason, and come after what we say."""
    fails = "import sys; print('no such package', file=sys.stderr); sys.exit(7)"
    done = called("installing", sys.executable, "-c", fails)
    assert done.returncode == 7
    begun, failed, reason = done.stderr.splitlines()
    assert begun == "installing"
    assert failed.startswith("installing: failed after ")
    assert reason == "no such package"


def test_what_ends_well_keeps_its_words_to_itself() -> None:
    """Two lines are enough, and stdout stays for data."""
    done = called("installing", sys.executable, "-c", PRINTS)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (0, "", 2)


def test_on_a_terminal_one_line_is_left() -> None:
    """What was live is wiped away."""
    said = on_terminal([sys.executable, str(STEP), "installing", sys.executable, "-c", PRINTS], 80, {})
    assert said.split("\r\x1b[K")[-1].startswith("installing: done in 0 s, 22 MB")


def called(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(STEP), *words], capture_output=True, text=True, timeout=120, check=False)
