"""A part that never was up begins anew; one that was keeps what it has."""

import sys

import pytest

from k2_local import StackSettings
from k2_local.artifacts import Downloads
from k2_local.identity import identity_of
from k2_local.parts import Launch, Part, Site
from k2_local.ports import PortClaims, choose
from k2_local.stack_state import StackState
from k2_local.startup import Startup
from k2_shared.core.errors import ConfigError, Unavailable

LISTEN = "import socket, signal; server = socket.create_server(('127.0.0.1', {port})); signal.pause()"
FAIL = "raise SystemExit('a start that failed')"
NOTHING = Downloads()


class Toy(Part):
    """A part that leaves a file at each start, and listens or ends as it is told."""

    name = "toy"
    answers_at = "toy"
    works = True

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / str(len(self.left()))).touch()
        script = LISTEN.format(port=self.port) if self.works else FAIL
        return Launch([sys.executable, "-c", script], {})

    def check(self) -> None:
        """It works as soon as it listens."""

    def left(self) -> list[str]:
        """The files of its starts."""
        return sorted(file.name for file in self.folder.glob("*"))


class Starter:
    """Starts the toy in one state folder."""

    def __init__(self, settings: StackSettings) -> None:
        self.state = StackState(settings.state)
        self.said: list[str] = []
        with PortClaims() as claims:
            self.toy = Toy(Site(settings, identity_of(settings.state), {"toy": choose("toy", (), claims)}))

    def start(self, *, works: bool = True) -> list[str]:
        """Start and stop it; returns the files that it has then."""
        self.toy.works = works
        with PortClaims() as claims:
            try:
                Startup(self.state, claims, self.said.append).run([self.toy], NOTHING)
            finally:
                process = self.state.process("toy")
                assert process is not None
                process.stop(self.toy.site.settings.stopping)
                self.state.forget("toy")
        return self.toy.left()


@pytest.fixture
def starter(settings: StackSettings) -> Starter:
    return Starter(settings)


def test_what_a_first_start_left_is_removed(starter: Starter) -> None:
    """Half-written files of a start that failed are in nobody's way."""
    for _ in range(2):
        with pytest.raises(Unavailable, match="toy ended while it was starting"):
            starter.start(works=False)
        assert starter.toy.left() == ["0"]
    assert starter.start() == ["0"]
    assert any("toy has never been up here" in line for line in starter.said)


def test_what_a_part_that_was_up_has_is_kept(starter: Starter) -> None:
    """Whatever fails later."""
    assert starter.start() == ["0"]
    with pytest.raises(Unavailable):
        starter.start(works=False)
    assert starter.start() == ["0", "1", "2"]


def test_a_folder_of_before_is_kept(starter: Starter) -> None:
    """Of which nobody knows whether it was up."""
    starter.toy.folder.mkdir(parents=True)
    (starter.toy.folder / "data").touch()
    with pytest.raises(Unavailable):
        starter.start(works=False)
    assert "data" in starter.start()


def test_a_disk_that_is_full_is_named(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of what it does to the part."""
    monkeypatch.setattr("k2_local.disk.SPARE_BYTES", 2**62)
    with pytest.raises(ConfigError, match=r"no space left on the disk of .*K2_STATE_DIR"):
        starter.start(works=False)


def test_a_part_that_does_nothing_is_named(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the log's end and what it lacks."""
    hasty = starter.toy.site.settings.model_copy(update={"k2_start_timeout_s": 0.5})
    object.__setattr__(starter.toy.site, "settings", hasty)
    monkeypatch.setattr(f"{__name__}.LISTEN", "import signal; signal.pause()")
    with pytest.raises(
        Unavailable, match=r"toy was not ready and showed no sign of work .*: process \d+ does not listen"
    ):
        starter.start()
