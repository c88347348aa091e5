"""``k2 probe-broker`` as an operator and as a session of tests use it, also on a broker that is not to be trusted."""

import asyncio
import functools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.faults.apis import FETCH, LIST_OFFSETS
from typer.testing import CliRunner, Result

from k2.main import app
from k2_local import Stack, StackSettings
from k2_shared.core.errors import ConfigError
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_support.probe import Sandbox, judge, judged, leave_marks, sandbox
from k2_support.probe.checks import CHECKS

K2 = Callable[..., Awaitable[Result]]
SESSION = """
def test_an_agent(run_settings):
    assert True
"""


@pytest.fixture
def k2(run_settings: RunSettings) -> K2:
    """Run ``k2 probe-broker`` on the shared stack."""

    async def invoke(*arguments: str, code: int = 0) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["probe-broker", *arguments])
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return invoke


@pytest.fixture
def name(run_settings: RunSettings) -> str:
    """A name for marks that no other test has."""
    return run_settings.k2_prefix.rstrip(".")


async def test_every_promise_is_told_and_kept(k2: K2) -> None:
    """Exit 0; each promise is a line for people and an object for programs."""
    result = await k2("--json")
    assert json.loads(result.stdout) == [
        {"promise": check.replace("_", " "), "kept": True, "seen": ""} for check in CHECKS
    ]
    assert sorted(result.stderr.splitlines()) == sorted(f"kept    {check.replace('_', ' ')}" for check in CHECKS)


async def test_marks_are_looked_for_under_their_name_once(k2: K2, run_settings: RunSettings, name: str) -> None:
    """Exit 0 where all of them are there, and they are deleted; without them exit 1, which says what is missing."""
    async with sandbox(run_settings, name, keep=True) as place:
        await leave_marks(place)
        with pytest.raises(ConfigError, match=f"k2-probe-{name} has left its marks before"):
            await leave_marks(place)
    assert "kept    marks outlive a restart" in (await k2("--after-restart", name)).stderr
    missing = await k2("--after-restart", name, code=1)
    assert f"BROKEN  marks outlive a restart: the topic k2-probe-{name}.kept is there" in missing.stderr


async def test_a_mark_that_is_lost_or_one_too_many_is_found(run_settings: RunSettings, name: str, k2: K2) -> None:
    """A record that was not committed before is no mark, and a broker that shows one has lost its order."""
    async with sandbox(run_settings, name, keep=True) as place:
        await leave_marks(place)
        async with place.writer() as stranger:
            await stranger.send_and_wait(f"{place.run}.kept", b"stranger", partition=0)
    result = await k2("--after-restart", name, code=1)
    assert "the 101 committed records and no other are readable, found 102" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--before-restart", "a", "--after-restart", "a"], "exclude each other"),
        (["--restart-stack", "x", "--bootstrap", "127.0.0.1:1"], "leave --bootstrap away"),
        (["--after-restart", "a/b"], "the name 'a/b' is not 1 to 40 letters, digits or hyphens"),
    ],
)
async def test_what_cannot_be_asked_is_exit_2(k2: K2, arguments: list[str], told: str) -> None:
    """One line names it, and no broker is touched."""
    assert told in (await k2(*arguments, code=2)).stderr


async def test_a_broker_that_does_not_answer_is_exit_4(k2: K2) -> None:
    """Nothing is said of its promises."""
    result = await k2("--bootstrap", "127.0.0.1:1", code=4)
    assert "127.0.0.1:1" in result.stderr
    assert "kept" not in result.stderr


@pytest.mark.parametrize(
    ("dishonest", "check"),
    [(FETCH, "aborted_records_are_hidden"), (LIST_OFFSETS, "the_last_stable_offset_is_honoured")],
    indirect=["dishonest"],
)
async def test_a_broken_promise_is_told_with_what_was_seen(dishonest: KafkaSettings, check: str) -> None:
    """A broker that forgets the isolation level once breaks the promise of that one."""
    (verdict,) = await judge(dishonest, checks={check: CHECKS[check]})
    assert not verdict.kept
    assert "found 10" in verdict.seen or "stable offset 0" in verdict.seen


async def test_a_check_that_does_not_end_is_a_broken_promise(run_settings: RunSettings) -> None:
    """A broker that never answers what it is asked keeps nothing."""

    async def an_answer_comes(_: Sandbox) -> None:
        await asyncio.Event().wait()

    async with sandbox(run_settings) as place:
        verdict = await judged(place, an_answer_comes, limit_s=0.1)
    assert (verdict.promise, verdict.kept, verdict.seen[:15]) == ("an answer comes", False, "nothing came of")


@pytest.mark.parametrize("dishonest", [FETCH], indirect=True)
async def test_no_session_of_tests_runs_on_a_broker_that_breaks_a_promise(
    dishonest: KafkaSettings, tmp_path: Path
) -> None:
    """It ends before its first test, in one line that names the broker, the promise and what was seen."""
    (tmp_path / "test_session.py").write_text(SESSION)
    command = [sys.executable, "-m", "pytest", "-o", "asyncio_mode=auto", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": dishonest.kafka_bootstrap_servers}
    run = functools.partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    done = await asyncio.to_thread(run, command)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    told = [line for line in said.splitlines() if "breaks promises" in line]
    assert len(told) == 1
    assert dishonest.kafka_bootstrap_servers in told[0]
    assert "aborted records are hidden (read_committed sees none of an aborted transaction, found 10)" in told[0]
    assert "passed" not in said


@pytest.mark.long
async def test_a_local_stack_is_restarted_and_keeps_what_was_committed(tmp_path: Path, k2: K2) -> None:
    """Every promise, and the marks over the restart, in one call."""
    stack = Stack(StackSettings.load(k2_state_dir=tmp_path))
    try:
        stack.up()
        result = await k2("--restart-stack", str(tmp_path), "--json")
        assert json.loads(result.stdout)[-1] == {"promise": "marks outlive a restart", "kept": True, "seen": ""}
    finally:
        stack.down()
