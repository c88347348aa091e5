"""Programs that end at once, each by a fork of one process: what they all import is imported once."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_TIMEOUT_S = 240.0
_FORKING = """
import importlib, json, os, runpy, sys, tempfile

shared, asked = map(json.loads, sys.argv[1:])
for module in shared:
    importlib.import_module(module)
for module, flags, environment in asked:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if not (child := os.fork()):
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.environ.update(environment)
            sys.argv = [module, *flags]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            sys.exit()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    print(json.dumps([code, *said]), flush=True)
"""


@dataclass(frozen=True)
class Asked:
    """A program as ``python -m`` starts it, and what its environment has besides."""

    module: str
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def answers(asked: Sequence[Asked], environment: Mapping[str, str], shared: Sequence[str] = ()) -> list[Done]:
    """Run programs one after another, after ``shared`` modules were imported; blocks, four minutes at most.

    Raises:
        subprocess.TimeoutExpired: one of them does not end.
        subprocess.CalledProcessError: a shared module cannot be imported.
    """
    given = [[each.module, each.flags, dict(each.environment)] for each in asked]
    command = [sys.executable, "-c", _FORKING, json.dumps(shared), json.dumps(given)]
    done = subprocess.run(
        command, env={**environment}, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT_S, check=True
    )
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]
