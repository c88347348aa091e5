"""A suite of the lake works on both catalogs side by side, and says what each of them came to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from k2_support.waiting import eventually

ROOT = Path(__file__).parents[2]
_SUITE = """
import sys, time
from tests.on_catalogs import main
from tests.rounds import Round

def work(catalog, plan):
    (plan.state / catalog).touch()
    print("round 1", file=sys.stderr)
    print("a log of some part\\n" * 10_000)
    {}
    return [Round(1, rows=len(catalog))]

sys.exit(main("lake", None, 2, work))
"""
_BOTH = "while len(list(plan.state.iterdir())) < 2: time.sleep(0.01)"


def _begun(state: Path, then: str, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _SUITE.format(then), f"--state={state}", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_both_are_worked_on_at_once(tmp_path: Path) -> None:
    """Each waits until the other has begun; the lines of each name it, and the last one has what both found."""
    running = _begun(tmp_path, _BOTH)
    said, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert sorted(told.splitlines()) == ["postgres round 1", "seaweed  round 1"]
    found = json.loads(said)
    assert (found["seed"], found["seaweed"]["rows"], found["postgres"]["rows"]) == (7, 7, 8)


def test_one_alone_is_worked_on_where_it_is_asked_for(tmp_path: Path) -> None:
    """Nothing is begun on the other."""
    said, _ = _begun(tmp_path, "", "--catalog=postgres").communicate(timeout=60)
    assert set(json.loads(said.splitlines()[-1])) == {"seed", "postgres"}
    assert [each.name for each in tmp_path.iterdir()] == ["postgres"]


@pytest.mark.parametrize("then", ["if catalog == 'postgres': return []", "if catalog == 'seaweed': sys.exit(5)"])
def test_what_does_not_hold_on_one_fails_all(tmp_path: Path, then: str) -> None:
    """Too few rounds on one of them, or an end without a word."""
    running = _begun(tmp_path, then)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 1
    assert ("on seaweed it ended with 5" in told) == ("sys.exit" in then)


async def test_who_ends_it_ends_both(tmp_path: Path) -> None:
    """A signal leaves nobody at work."""
    running = _begun(tmp_path, "time.sleep(600)")
    await eventually(lambda: len(list(tmp_path.iterdir())) == 2, "both at work")
    both = psutil.Process(running.pid).children()
    os.kill(running.pid, signal.SIGTERM)
    running.communicate(timeout=60)
    assert len(both) == 2
    assert not any(each.is_running() for each in both)
