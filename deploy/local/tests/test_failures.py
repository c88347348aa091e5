"""A start that fails says why and leaves nothing running."""

from pathlib import Path

import pytest

from k2_local import Stack, StackSettings
from k2_local.identity import identity_of
from k2_local.stack_state import StackState
from k2_local.status import whole
from k2_shared.core.errors import ConfigError, Halt, Unavailable


def _is_down(settings: StackSettings) -> bool:
    stack, state = Stack(settings), StackState(settings.state)
    return whole(stack.status()) == "down" and not any(map(state.process, stack.names))


def _write_storage(settings: StackSettings, cluster_id: str, node: int) -> None:
    storage = settings.state / "kafka" / "data" / "meta.properties"
    storage.parent.mkdir(parents=True)
    storage.write_text(f"version=1\ncluster.id={cluster_id}\nnode.id={node}\n")


def test_part_that_ends_early_stops_the_others_and_shows_its_log(settings: StackSettings) -> None:
    """A broker that cannot read its storage is noticed at once; what was started with it is stopped."""
    _write_storage(settings, identity_of(settings.state).cluster_id, node=99)
    with pytest.raises(Unavailable, match=r"(?s)kafka ended while it was starting; the end of .*node") as caught:
        Stack(settings).up()
    assert caught.value.exit_code == 4
    assert _is_down(settings)


def test_storage_of_another_cluster_is_not_used(settings: StackSettings) -> None:
    """A broker is not started on a log that is not the stack's own, and the rest is stopped."""
    _write_storage(settings, "another", node=1)
    with pytest.raises(Halt, match=r"belongs to another cluster"):
        Stack(settings).up()
    assert _is_down(settings)


def test_part_that_is_not_ready_in_time_is_named(settings: StackSettings) -> None:
    """The error says which part was waited for, which limit was reached and what the part lacked."""
    hasty = settings.model_copy(update={"k2_work_timeout_s": 0.01, "k2_start_timeout_s": 60.0})
    with pytest.raises(
        Unavailable,
        match=r"(?s)(registry|seaweed|clickhouse) was not ready within K2_WORK_TIMEOUT_S=0\.01.* does not|"
        r"kafka: its storage was not formatted within K2_WORK_TIMEOUT_S=0\.01",
    ):
        Stack(hasty).up()
    assert _is_down(settings)


def test_failed_download_starts_nothing(settings: StackSettings, tmp_path: Path) -> None:
    """Where the cache cannot be used, no process is started."""
    (tmp_path / "file").touch()
    without = settings.model_copy(update={"k2_cache_dir": tmp_path / "file" / "cache"})
    with pytest.raises(ConfigError, match="K2_CACHE_DIR"):
        Stack(without).up()
    assert _is_down(without)


def test_state_folder_that_cannot_be_written_is_one_line(settings: StackSettings, tmp_path: Path) -> None:
    """The line names the folder and its variable."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot use the folder .*K2_STATE_DIR"):
        Stack(settings.model_copy(update={"k2_state_dir": tmp_path / "file" / "state"})).up()


def test_damaged_record_is_named(settings: StackSettings) -> None:
    """A file of the state folder that is not JSON is an error with exit code 2, not a traceback."""
    settings.state.mkdir(parents=True)
    (settings.state / "ports.json").write_text("{")
    with pytest.raises(ConfigError, match=r"ports\.json is damaged"):
        Stack(settings).up()
