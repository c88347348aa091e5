"""A server of the Prometheus project's for the length of a block: Prometheus itself, or Alertmanager."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from k2_support.children import wait_until
from k2_support.ports import HOST, free_port

_ANSWER_S, _READY_S, _STOP_S = 30.0, 60.0, 30.0


@contextmanager
def served(name: str, command: Sequence[str | Path], folder: Path) -> Iterator[str]:
    """Run it on a free port, in a folder, to which its log goes; yields its URL once it is ready.

    Raises:
        Unavailable: it did not start in time.
    """
    address = f"{HOST}:{free_port()}"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: _is_ready(address), _READY_S, f"{name}, whose log is {log.name},")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(_STOP_S)


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/-/ready", timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
