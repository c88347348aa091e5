"""What keeps the sink small: turns, and heaps that are given back."""

import subprocess
import sys
import threading
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFileIO

from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg
from k2_shared.lake.memory import Turns, give_back

BOUNDED = """
import os
from k2_shared.lake.memory import keep_small
keep_small()
import pyarrow as pa
from pyiceberg.utils.concurrent import ExecutorFactory
print(pa.default_memory_pool().backend_name, pa.cpu_count(), pa.io_thread_count(), ExecutorFactory.max_workers())
"""


def test_one_has_the_turn() -> None:
    """The next goes on when it is over."""
    turns, order = Turns(), list[str]()
    inside = threading.Event()

    def second() -> None:
        inside.wait(30)
        with turns.mine():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with turns.mine():
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_who_has_waited_long_enough_goes_on() -> None:
    """One that hangs delays the others, and does not hold them up; the turn is still its own."""
    turns = Turns(wait_s=0.05)
    with turns.mine() as first:
        with turns.mine() as second:
            pass
        with turns.mine() as third:
            pass
    with turns.mine() as last:
        pass
    assert (first, second, third, last) == (True, False, False, True)


def test_the_process_is_bounded() -> None:
    """Few threads, and the pool whose memory can be given back."""
    found = subprocess.run([sys.executable, "-c", BOUNDED], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["system", "2", "2", "2"]
    give_back()


def test_tables_share_a_client_of_their_store(table: Any) -> None:
    """Loaded again it is the same one, also when the properties have changed meanwhile; another store has its own."""
    first = table.load()
    with table.load().transaction() as transaction:
        transaction.set_properties({"sink.k2.offsets": "{}"})
    again = table.load()
    assert first.io is again.io
    assert isinstance(first.io, PyArrowFileIO)
    other = iceberg.connect(LakeSettings.load(s3_endpoint="http://127.0.0.1:1")).load_table(table.identifier)
    assert other.io is not first.io
    assert other.io.properties["s3.endpoint"] == "http://127.0.0.1:1"
