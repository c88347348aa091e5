"""What the proxy does to requests: passed on, changed, too late to be answered; and no more than it was told."""

from collections.abc import Iterator
from http.client import RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from k2_support.answering import answering
from k2_support.http_proxy import HOST, HttpProxy, ProxyRule


class Echo(BaseHTTPRequestHandler):
    """Answers with what it is sent, and remembers it."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def bodies() -> list[bytes]:
    return []


@pytest.fixture
def proxy(bodies: list[bytes]) -> Iterator[HttpProxy]:
    server = ThreadingHTTPServer((HOST, 0), type("Handler", (Echo,), {"bodies": bodies}))
    with answering(server), HttpProxy(f"http://{HOST}:{server.server_port}").listening() as made:
        yield made


def ask(proxy: HttpProxy, body: bytes) -> bytes:
    with urlopen(proxy.url, body, timeout=30) as answer:  # noqa: S310  # its own proxy
        return bytes(answer.read())


def test_a_changed_request_reaches_the_server_and_is_not_answered(proxy: HttpProxy, bodies: list[bytes]) -> None:
    """What is to happen meanwhile does, before the client learns of anything."""
    happened: list[str] = []
    rule = ProxyRule(
        lambda _m, _p: True, None, after=True, change=bytes.upper, meanwhile=lambda: happened.append("now")
    )
    with proxy.ruled(rule), pytest.raises(RemoteDisconnected):
        ask(proxy, b"body")
    assert (bodies, happened, rule.done) == ([b"BODY"], ["now"], 1)


def test_a_rule_applies_as_often_as_it_says(proxy: HttpProxy, bodies: list[bytes]) -> None:
    """What comes later passes, as it is."""
    with proxy.ruled(ProxyRule(lambda _m, _p: True, None, times=2)) as rule:
        for _ in range(2):
            with pytest.raises(RemoteDisconnected):
                ask(proxy, b"lost")
        assert ask(proxy, b"body") == b"body"
    assert (bodies, rule.done) == ([b"body"], 2)


def test_a_changed_request_may_be_answered(proxy: HttpProxy, bodies: list[bytes]) -> None:
    """Then the client notices nothing but the change, of the requests that have what the rule asks for."""
    rule = ProxyRule(lambda _m, _p: True, None, after=True, change=bytes.upper, answered=True, containing=b"od")
    with proxy.ruled(rule):
        assert ask(proxy, b"body") == b"BODY"
        assert ask(proxy, b"other") == b"other"
    assert (bodies, rule.done) == ([b"BODY", b"other"], 1)


def test_an_answer_may_be_changed(proxy: HttpProxy, bodies: list[bytes]) -> None:
    """The server has what it was sent; the client reads something else, whole."""
    rule = ProxyRule(lambda _m, _p: True, None, after=True, answered=True, reply=lambda body: body + b" and more")
    with proxy.ruled(rule):
        assert ask(proxy, b"body") == b"body and more"
    assert bodies == [b"body"]


def test_a_slow_server_answers(proxy: HttpProxy) -> None:
    """Late, and with what it has."""
    with proxy.slow(0.05) as rule:
        assert ask(proxy, b"body") == b"body"
    assert rule.done == 1


def test_a_refusal_may_say_why(proxy: HttpProxy, bodies: list[bytes]) -> None:
    """As an object store does that is asked too often."""
    with (
        proxy.ruled(ProxyRule(lambda _m, _p: True, 503, said=b"<Code>SlowDown</Code>")),
        pytest.raises(HTTPError) as no,
    ):
        ask(proxy, b"body")
    assert (no.value.code, no.value.read(), bodies) == (503, b"<Code>SlowDown</Code>", [])
