"""What a command that was interrupted says is left of a stack."""

import os
from pathlib import Path

import psutil

from k2.servers import left_running
from k2_local import Stack, StackSettings
from k2_local.monitoring import Monitoring
from k2_local.processes import Process
from k2_local.prometheus import PROGRAM
from k2_local.stack_state import StackState


def test_a_prometheus_that_still_runs_is_named_beside_the_stack(tmp_path: Path) -> None:
    """As where a start was interrupted; ``down`` stops it."""
    settings = StackSettings.load(k2_state_dir=tmp_path)
    own = Process(os.getpid(), psutil.Process().create_time())
    remembered = StackState(Monitoring(settings).settings.state)
    remembered.remember(PROGRAM, own)
    left = left_running(Stack(settings), Monitoring(settings))
    remembered.forget(PROGRAM)
    assert left == f"{PROGRAM} still run in {tmp_path}: 'k2 stack down --state {tmp_path}' stops them"
    assert left_running(Stack(settings), Monitoring(settings)) == f"nothing runs in {tmp_path}"
