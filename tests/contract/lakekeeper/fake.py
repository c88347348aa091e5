"""Lakekeeper's management interface as far as ``deploy/lakekeeper/prepare.py`` talks to it, as its 0.13 answers.

A second warehouse of a name at the same place is refused for the place, which Lakekeeper looks at before the name.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from k2_support.answering import answering
from k2_support.ports import HOST

Answer = tuple[int, object]
KEYS = ("k2local", "a-very-secret-key")


class Lakekeeper:
    """What one has, and everything that it was told.

    ``meanwhile`` is done before a request is answered, as by another client; what it returns is answered in its place.
    """

    def __init__(self) -> None:
        self.bootstrapped = False
        self.warehouses: list[dict[str, Any]] = []
        self.inactive: list[str] = []
        self.keys: dict[str, tuple[str, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.meanwhile: Callable[[str, str], Answer | None] = lambda _method, _path: None

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        """Status and content for a request."""
        self.asked.append((method, path))
        if said := self.meanwhile(method, path):
            return said
        match method, path.removeprefix("/management/v1/").split("/"):
            case "GET", ["info"]:
                return 200, {"version": "0.13.3", "bootstrapped": self.bootstrapped, "server-id": str(uuid.UUID(int=0))}
            case "POST", ["bootstrap"]:
                return self._bootstrap(body)
            case "GET", ["warehouse"]:
                return 200, {"warehouses": [each for each in self.warehouses if each["id"] not in self.inactive]}
            case "POST", ["warehouse"]:
                return self._make(body)
            case "POST", ["warehouse", number, "storage-credential"]:
                return self._take_keys(number, body["new-storage-credential"])
        return refused(404, "NotFound", path)

    def made(self, name: str, bucket: str, folder: str, **more: Any) -> str:
        """A warehouse that stands; its id."""
        number = str(uuid.uuid4())
        profile = {**more, "bucket": bucket, "key-prefix": folder}
        self.warehouses.append({"id": number, "warehouse-id": number, "name": name, "storage-profile": profile})
        return number

    def _bootstrap(self, body: dict[str, Any]) -> Answer:
        if not body.get("accept-terms-of-use"):
            return refused(400, "TermsOfUseNotAccepted", "You must accept the terms of use to bootstrap the catalog.")
        if self.bootstrapped:
            return refused(400, "CatalogAlreadyBootstrapped", "Catalog is not open for bootstrap")
        self.bootstrapped = True
        return 204, None

    def _make(self, body: dict[str, Any]) -> Answer:
        if not self.bootstrapped:
            return refused(404, "ProjectNotFound", "Project not found")
        profile, name = body["storage-profile"], body["warehouse-name"]
        if refusal := self._without_access(body["storage-credential"]):
            return refusal
        for each in self.warehouses:
            if all(each["storage-profile"][part] == profile[part] for part in ("bucket", "key-prefix")):
                kind = "CreateWarehouseStorageProfileOverlap"
                return refused(400, kind, f"Storage profile overlaps with existing warehouse {each['name']}")
        if name.lower() in {each["name"].lower() for each in self.warehouses}:
            return refused(409, "WarehouseAlreadyExists", f"Warehouse '{name}' already exists in project")
        more = {part: value for part, value in profile.items() if part not in {"bucket", "key-prefix"}}
        self._take_keys(self.made(name, profile["bucket"], profile["key-prefix"], **more), body["storage-credential"])
        return 201, self.warehouses[-1]

    def _take_keys(self, number: str, credential: dict[str, Any]) -> Answer:
        if refusal := self._without_access(credential):
            return refusal
        self.keys[number] = (credential["access-key-id"], credential["secret-access-key"])
        return 200, {}

    def _without_access(self, credential: dict[str, Any]) -> Answer | None:
        """It tries the store before it takes keys; here it tells what it was given, as a chatty store would."""
        if (credential["type"], credential["credential-type"]) != ("s3", "access-key"):
            return refused(422, "UnprocessableEntity", f"unknown credential {credential}")
        if credential["access-key-id"] != KEYS[0]:
            return refused(400, "StorageIOError", f"Forbidden: SignatureDoesNotMatch for {credential}")
        return None


def refused(status: int, kind: str, message: str) -> Answer:
    """An error as Lakekeeper writes one."""
    return status, {"error": {"message": message, "type": kind, "code": status, "stack": []}}


@contextmanager
def serving(lakekeeper: Lakekeeper) -> Iterator[str]:
    """Serve it for the length of the block, which is given its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(*lakekeeper.answer("GET", self.path, {}))

        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._reply(*lakekeeper.answer("POST", self.path, told))

        def _reply(self, status: int, content: object) -> None:
            text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
            """Nothing is logged."""

    with answering(ThreadingHTTPServer((HOST, 0), Handler)) as server:
        yield f"http://{HOST}:{server.server_port}"
