"""The objects of the lake's bucket, copied by the program that ``deploy/README.md`` names."""

import os
import subprocess
import sys
from pathlib import Path

from tests.restores.world import Unequal, World

_PROGRAM = Path(__file__).parents[2] / "deploy" / "copy_bucket.py"
_BUCKET = "lake"


def copied(world: World, way: str, folder: Path) -> str:
    """Copy every object ``out`` to a folder, or ``back``; what the program says. Blocks.

    Raises:
        Unequal: it fails.
    """
    command = [sys.executable, str(_PROGRAM), way, _BUCKET, str(folder)]
    done = subprocess.run(command, env={**os.environ, **world.environment}, capture_output=True, text=True, timeout=240)
    if done.returncode:
        raise Unequal(f"copy_bucket.py {way}: exit {done.returncode}: {done.stderr[-500:]}")
    return done.stdout.strip()
