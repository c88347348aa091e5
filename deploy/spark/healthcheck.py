"""Exit 0 if a Spark master is alive, and the worker that is named is one that it gives work; standard library only.

python healthcheck.py http://spark-master:8080 [WORKER'S HOST]
"""

import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

ALIVE = "ALIVE"
TIMEOUT_S = 4.0


def alive(web_ui: str, workers: Sequence[str]) -> bool:
    """Whether the master, and each worker by its host, is alive as the master's Web UI says."""
    try:
        said = _said(web_ui)
        hosts = {worker["host"] for worker in said["workers"] if worker["state"] == ALIVE}
        return said["status"] == ALIVE and hosts.issuperset(workers)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False


def _said(web_ui: str) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(web_ui).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/json/")
        said: Mapping[str, Any] = json.loads(connection.getresponse().read())
        return said
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not alive(sys.argv[1], sys.argv[2:]))
