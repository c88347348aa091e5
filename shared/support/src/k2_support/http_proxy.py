"""An HTTP proxy before a server, for tests: it passes requests on until it is told to refuse or to cut some."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_TIMEOUT_S = 30.0
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Which = Callable[[str, str], bool]
"""Whether a request is meant, by its method and its path with the query."""
Change = Callable[[bytes], bytes]
"""What of a body is passed on; it may block, as long as the request is to wait."""


def _unchanged(body: bytes) -> bytes:
    return body


def _nothing() -> None:
    """Do nothing."""


@dataclass
class ProxyRule:
    """What is done to the requests it applies to: a status and nothing else, or a broken connection.

    ``after`` passes them on first, changed, and withholds the server's reply, unless it is ``answered``: then its body
    is what ``reply`` makes of it. ``meanwhile`` is done before the connection breaks. ``said`` is what comes with a
    status. It applies to a request whose body has ``containing``; ``done`` counts those that were met, of which there
    are ``times`` at most.
    """

    which: Which
    status: int | None
    after: bool = False
    change: Change = _unchanged
    reply: Change = _unchanged
    meanwhile: Callable[[], None] = _nothing
    answered: bool = False
    said: bytes = b"refused by the gate"
    containing: bytes = b""
    times: float = float("inf")
    done: int = 0


@dataclass
class HttpProxy:
    """A proxy in front of one server, with rules for requests. The host that a client signed is passed on as it is."""

    server: str
    rules: list[ProxyRule] = field(default_factory=list)
    port: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def url(self) -> str:
        """What a client is given as the server's address."""
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def listening(self) -> Iterator["HttpProxy"]:
        """Serve for the length of the block, on a thread a connection."""
        handler = type("Handler", (_Handler,), {"proxy": self})
        listener = _Listener((HOST, self.port), handler)
        self.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()

    @contextmanager
    def refusing(self, status: int, which: Which) -> Iterator[ProxyRule]:
        """Answer some requests with a status for the length of the block, without asking the server."""
        with self.ruled(ProxyRule(which, status)) as rule:
            yield rule

    @contextmanager
    def cut(self, which: Which = lambda _method, _path: True, *, after: bool = False) -> Iterator[ProxyRule]:
        """Break the connections of some requests; with ``after``, once the server has handled them."""
        with self.ruled(ProxyRule(which, None, after)) as rule:
            yield rule

    @contextmanager
    def slow(self, seconds: float, which: Which = lambda _method, _path: True) -> Iterator[ProxyRule]:
        """Have some requests wait before they are passed on and answered."""

        def late(body: bytes) -> bytes:
            time.sleep(seconds)
            return body

        with self.ruled(ProxyRule(which, None, after=True, change=late, answered=True)) as rule:
            yield rule

    @contextmanager
    def ruled(self, rule: ProxyRule) -> Iterator[ProxyRule]:
        """Apply a rule for the length of the block."""
        self.rules.append(rule)
        try:
            yield rule
        finally:
            self.rules.remove(rule)

    def rule_for(self, method: str, path: str, body: bytes = b"") -> ProxyRule | None:
        """The rule that a request meets, if any; it is counted."""
        with self._counting:
            left = (rule for rule in self.rules if rule.done < rule.times and rule.containing in body)
            found = next((rule for rule in left if rule.which(method, path)), None)
            if found:
                found.done += 1
            return found


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away; what else fails is a fault of the proxy, and told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """One connection; its requests one after the other."""

    protocol_version = "HTTP/1.1"
    proxy: HttpProxy

    def pass_on(self) -> None:
        body = self._body()
        rule = self.proxy.rule_for(self.command, self.path, body)
        if rule and rule.status:
            self._answer(rule.status, {"Content-Type": "text/plain"}, rule.said)
            return
        if rule and not rule.after:
            self._hang_up(rule)
            return
        try:
            status, headers, reply = self._ask(rule.change(body) if rule else body)
        except (OSError, HTTPException):
            self._hang_up(rule)  # the server is away: so is the proxy
            return
        if rule and not rule.answered:
            self._hang_up(rule)
        else:
            self._answer(status, headers, rule.reply(reply) if rule else reply)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815  # names of the standard library

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(self.proxy.server)
        server = HTTPConnection(address.hostname or HOST, address.port, timeout=_TIMEOUT_S)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    server.putheader(name, value)
            server.putheader("Content-Length", str(len(body)))
            server.endheaders(body)
            reply = server.getresponse()
            return reply.status, dict(reply.headers.items()), reply.read()
        finally:
            server.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        # What a HEAD would have is told, and not sent.
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self, rule: ProxyRule | None) -> None:
        if rule:
            rule.meanwhile()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as in the base class
        """Say nothing: a test reads what it needs from its rules."""
