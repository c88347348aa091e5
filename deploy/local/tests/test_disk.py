"""A stack on a disk that fills up says so, and goes on when there is space again; a small disk of its own, by root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from k2_local import Stack, StackSettings
from k2_local.stack import NAMES
from k2_local.stack_state import StackState
from k2_local.status import whole
from k2_shared.core.errors import ConfigError, K2Error
from k2_support.waiting import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SIZE_MB = 400
FULL = r"no space left on the disk of .*K2_STATE_DIR"


class Disk:
    """A disk, and a file that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Take all that is left, also what others give back meanwhile."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1_048_576, 4_096, 1):
                while _written(file.fileno(), size):
                    pass

    @contextmanager
    def kept_full(self) -> Iterator[None]:
        """Full for the length of a block, and free afterwards."""
        over = Event()

        def fill() -> None:
            while not over.wait(0.05):
                self.fill()

        self.fill()
        writer = Thread(target=fill)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()
            self.free()

    def free(self) -> None:
        self._filler.unlink()


def _written(file: int, size: int) -> bool:
    try:
        return os.write(file, bytes(size)) == size
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", os.fspath(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", os.fspath(folder)], check=True)


@pytest.fixture
def small(disk: Disk) -> Iterator[Stack]:
    """A stack on the small disk."""
    stack = Stack(StackSettings.load(k2_state_dir=disk.folder / "state"))
    yield stack
    stack.down()


def test_a_first_start_that_met_a_full_disk_is_no_obstacle(small: Stack, disk: Disk) -> None:
    """The disk fills up while the parts make their files; what they left is removed by the next start."""
    failures: list[K2Error] = []

    def start() -> None:
        try:
            small.up()
        except K2Error as error:
            failures.append(error)

    starting = Thread(target=start)
    starting.start()
    state = StackState(small.settings.state)
    wait_for(lambda: any(map(state.is_begun, NAMES)), 120, "the first part to begin")
    with disk.kept_full():
        starting.join()
        assert [type(error) for error in failures] == [ConfigError]
        with pytest.raises(ConfigError, match=FULL):
            small.up()
    assert whole(small.status()) == "down"
    said: list[str] = []
    small.up(said.append)
    assert any("has never been up here" in line for line in said)
    assert whole(small.status()) == "up"


async def test_a_stack_that_met_a_full_disk_goes_on_with_what_it_had(small: Stack, disk: Disk) -> None:
    """Its broker ends on the full disk; with space again it starts, and what it acknowledged is there."""
    bootstrap = small.up()["KAFKA_BOOTSTRAP_SERVERS"]
    admin, producer = AIOKafkaAdminClient(bootstrap_servers=bootstrap), AIOKafkaProducer(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with producer:
        await producer.send_and_wait("kept", b"before")
    with disk.kept_full():
        small.down(only=["kafka"])
        with pytest.raises(ConfigError, match=FULL):
            small.up()
    bootstrap = small.up()["KAFKA_BOOTSTRAP_SERVERS"]
    assert whole(small.status()) == "up"
    async with AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"before"
