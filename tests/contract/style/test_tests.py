"""How tests are written, over the syntax tree of each: they wait for conditions, and judge what is public."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from k2_support.source import parsed

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("deploy", "services", "shared", "tests")
FOUND = {path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
FILES = sorted(path.as_posix() for path in FOUND if "tests" in path.parts)

PACED = {
    "shared/tests/feed/test_transport.py": 2,  # a server's parts go out apart, at turns of the loop
    "shared/tests/stages/test_membership.py": 1,  # several intervals of the broker's clock pass
    "tests/bench/clickhouse.py": 1,  # an idle server is measured over a time
    "tests/bench/commits.py": 1,  # the pause between two commits is what is compared
    "tests/bench/feeds_plain.py": 1,  # a plain feed's linger, beside which ours is measured
    "tests/bench/generator.py": 1,  # records are written when they are due
    "tests/bench/lake_arrivals.py": 1,  # tables are looked at now and then
    "tests/bench/latency.py": 1,  # load is measured from one time to another
    "tests/bench/recovery.py": 2,  # a process settles before it is killed
    "tests/bench/resources.py": 1,  # a system warms up
    "tests/bench/sink_commits.py": 2,  # an idle sink is measured over a time
    "tests/bench/state.py": 1,  # a process settles before its memory is read
    "tests/bench/under_load.py": 1,  # a system under load is sampled
    "tests/bench/warm_arrivals.py": 3,  # load is measured from one time to another, and looked for now and then
    "tests/faults/offsets.py": 3,  # offsets are sampled; a transaction that is open for a time is one that stays open
    "tests/faults/oracle.py": 2,  # load, and a broker that is asked again
    "tests/faults/owners.py": 1,  # members come and go at random times
    "tests/faults/proxy.py": 1,  # the fault is a delay
    "tests/faults/servers.py": 1,  # the broker is away for a random time
    "tests/cold/faults.py": 2,  # a peer is away for minutes; a process is killed at a random time
    "tests/compose/outside.py": 1,  # servers are looked at now and then, as long as something moves
    "tests/faults/supervisor.py": 2,  # a supervisor looks now and then, and restarts after a while
    "tests/maintenance/faults.py": 2,  # a peer is away for minutes; a run is killed at a random time
    "tests/feeds/kills.py": 1,  # a process lives for a random time
    "tests/feeds/soak.py": 1,  # a soak tells of itself now and then
    "tests/feeds/soak_scenes.py": 4,  # outages of given lengths
    "tests/feeds/soak_strikes.py": 4,  # strikes at a given pace
    "tests/feeds/soak_watch.py": 1,  # memory is sampled
    "tests/feeds/test_broker.py": 1,  # the broker is away for a given time
    "tests/feeds/test_outages.py": 3,  # outages of a given length, through which the feed is looked at
    "tests/feeds/test_restart.py": 2,  # a process is killed at a random time
    "tests/feeds/watch.py": 1,  # an alert's rule is fed with scrapes at its interval
    "tests/lake/limits.py": 2,  # outages of given lengths
    "tests/outage/test_broker_away.py": 1,  # the broker is away for a minute
    "tests/sinks_under_load.py": 1,  # a process is killed at a random time
    "tests/soak/run.py": 2,  # a system warms up, and is disturbed twice
    "tests/warm/limits.py": 1,  # the server is away for minutes
    "tests/warm/load.py": 1,  # records are written at a pace
    "shared/tests/stages/test_table_sink.py": 1,  # a poll without records takes its time
}
"""Tests that make time pass, and how often: the pace of a load, the length of an outage, a sampling."""

NAMED_TUPLE = {"_replace", "_asdict", "_fields", "_make"}
FOREIGN = {
    "deploy/local/tests/test_artifacts.py": {"_core", "_resolver"},  # jgo, which has no other way to be kept offline
    "services/k2/tests/test_look_commands.py": {"_transport"},  # asyncio's, which closes one pipe of a process
    "shared/tests/kafka/test_topic_watch.py": {"_client"},  # aiokafka's, told that its metadata is old
    "shared/tests/stages/test_membership.py": {"_subscription", "_fetch_count", "_coordinator", "_do_heartbeat"},
    "shared/tests/stages/test_ownership.py": {"_coordinator", "_stop_heartbeat_task"},  # a process that falls silent
    "tests/faults/test_partitions.py": {"_fetcher", "_records", "_partition_records"},  # what aiokafka has fetched
}
"""Private names of libraries, where a fault of theirs is made or found and they have no public one."""


@cache
def tree(path: str) -> ast.Module:
    """A file's syntax tree."""
    return parsed(ROOT / path)


def sleeps(path: str) -> int:
    """How often a file lets time pass."""
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    return sum(ast.unparse(call) in {"time.sleep", "asyncio.sleep", "sleep", "anyio.sleep"} for call in calls)


def is_private(name: str) -> bool:
    """Whether a name begins with one underscore and is not a named tuple's."""
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLE


def is_own(node: ast.expr) -> bool:
    """Whether this is the object or class whose method it stands in."""
    return ast.unparse(node) in {"self", "cls", "super()"}


def privates(path: str) -> Iterator[str]:
    """The private names of others that a file reads, sets, imports or patches."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=value, attr=name) if is_private(name) and not is_own(value):
                yield name
            case ast.ImportFrom(names=names):
                yield from (alias.name for alias in names if is_private(alias.name))
            case ast.Call(func=function, args=args) if ast.unparse(function).endswith(
                ("setattr", "getattr", "delattr")
            ):
                texts = [arg.value for arg in args[:2] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                yield from (name for text in texts if is_private(name := text.rpartition(".")[2]))


def test_tests_let_time_pass_only_where_time_is_what_they_make() -> None:
    """Whatever else is waited for has a condition: ``k2_support.waiting`` waits for it, bounded."""
    assert Counter({path: count for path in FILES if (count := sleeps(path))}) == Counter(PACED)


@pytest.mark.parametrize("path", FILES)
def test_a_test_judges_what_is_public(path: str) -> None:
    """No private attribute of another object is read or set: what is private may change with no test failing."""
    assert set(privates(path)) == FOREIGN.get(path, set())
