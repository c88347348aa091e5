"""A Spark master's Web UI that says what a test wants, in the form that ``deploy/spark/tests`` holds a real one to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from k2_support.answering import answering
from k2_support.ports import HOST


def worker(port: int, state: str = "ALIVE", *, host: str = HOST, cores_used: int = 0) -> dict[str, Any]:
    """What is said of a worker of two cores and 2 GiB."""
    return {
        "id": f"worker-20260101000000-{host}-{port}",
        "host": host,
        "port": port,
        "webuiaddress": f"http://{host}:{port + 1}",
        "cores": 2,
        "coresused": cores_used,
        "memory": 2_048,
        "memoryused": 512 * cores_used,
        "state": state,
    }


def application(name: str = "k2", state: str = "RUNNING") -> dict[str, Any]:
    """What is said of an application that has all cores."""
    return {"id": "app-20260101000000-0000", "name": name, "state": state, "cores": 4, "memoryperexecutor": 1_024}


def said(
    url: str, workers: Sequence[Mapping[str, Any]] = (), running: Sequence[Mapping[str, Any]] = (), state: str = "ALIVE"
) -> dict[str, Any]:
    """What is said of a cluster."""
    return {"url": url, "workers": list(workers), "activeapps": list(running), "status": state}


@contextmanager
def web_ui(answer: object, port: int = 0, status: int = 200) -> Iterator[int]:
    """Serve an answer as JSON to whoever asks; the block is given the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status if self.path == "/json/" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
            """Nothing is logged."""

    with answering(ThreadingHTTPServer((HOST, port), Handler)) as server:
        yield server.server_port
