"""The memory of a process that writes tables: few heaps, memory that is given back, and one write at a time."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa

_M_ARENA_MAX = -8  # mallopt(3)
_ARENAS, _THREADS, _WRITERS = 2, 2, 2


def keep_small() -> None:
    """Bound the heaps and threads of this process; to be called before any of them are made."""
    if mallopt := _libc("mallopt"):
        mallopt(_M_ARENA_MAX, _ARENAS)
    pa.set_memory_pool(pa.system_memory_pool())  # what it frees, give_back() returns to the machine
    pa.set_cpu_count(_THREADS)
    pa.set_io_thread_count(_THREADS)
    os.environ.setdefault("PYICEBERG_MAX_WORKERS", str(_WRITERS))


def give_back() -> None:
    """Return memory that is free in this process to the machine; takes a few milliseconds."""
    if trim := _libc("malloc_trim"):
        trim(0)


def _libc(name: str) -> Callable[..., int] | None:
    """A function of the C library, where it has it: glibc does."""
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return found


class Turns:
    """A lock for work that takes memory, such as writing Parquet; who has waited ``wait_s`` seconds goes on without it.

    A table whose store hangs may so delay the others, and not hold them up.
    """

    def __init__(self, wait_s: float = 10.0) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()

    @contextmanager
    def mine(self) -> Iterator[bool]:
        """Have the turn for the length of the block; False where it was waited for in vain. Blocks until then."""
        had = self._lock.acquire(timeout=self._wait_s)
        try:
            yield had
        finally:
            if had:
                self._lock.release()
