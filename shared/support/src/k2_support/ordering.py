"""The order of tests for several workers: each begins with its share of what takes long, so that all end together."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import pytest

LONG = ("demos", "stack", "avro_tools", "toys", "begin", "agents")
"""The fixtures that start servers or agents, those first whose tests take longest."""

Files = dict[Path, list[pytest.Item]]


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Tests in as many parts of one size as there are workers, which xdist gives them one each.

    Files that start servers or agents stand at the beginnings, in turn, and whole: what a file starts once is started
    once. A folder whose files share a stack is one of them.
    """
    files = _files(items)
    ranks = {path: _rank(found) for path, found in files.items()}
    long = sorted((path for path, rank in ranks.items() if rank < len(LONG)), key=ranks.__getitem__)
    shares = [_share(files, long[worker::workers]) for worker in range(workers)]
    short = iter([item for path, found in files.items() if ranks[path] == len(LONG) for item in found])
    ordered: list[pytest.Item] = []
    for worker, share in enumerate(shares):
        size = (len(items) - len(ordered)) // (workers - worker)
        ordered += [*share, *islice(short, max(0, size - len(share)))]
    return [*ordered, *short]


def _files(items: Sequence[pytest.Item]) -> Files:
    sharing = {item.path.parent for item in items if "stack" in _fixtures(item)}
    files: Files = {}
    for item in items:
        files.setdefault(item.path.parent if item.path.parent in sharing else item.path, []).append(item)
    return files


def _share(files: Mapping[Path, list[pytest.Item]], paths: Sequence[Path]) -> list[pytest.Item]:
    return [item for path in paths for item in files[path]]


def _rank(items: Sequence[pytest.Item]) -> int:
    used = {name for item in items for name in _fixtures(item)}
    return next((rank for rank, name in enumerate(LONG) if name in used), len(LONG))


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return list(getattr(item, "fixturenames", ()))
