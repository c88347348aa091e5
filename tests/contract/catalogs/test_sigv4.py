"""What is passed on to a REST catalog's client: requests signed as AWS wants them, headers, a token."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from requests.exceptions import Timeout

from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake import iceberg
from k2_support.answering import answering
from k2_support.http_proxy import HOST, HttpProxy

KEYS = {"s3_access_key_id": "AKEXAMPLE", "s3_secret_access_key": "secret"}
SIGNED = "rest.sigv4-enabled=true,rest.signing-region=eu-west-1,rest.signing-name=s3tables"


class Configuration(BaseHTTPRequestHandler):
    """A catalog that has nothing, and notes what it is asked with."""

    heard: list[dict[str, str]]

    def do_GET(self) -> None:
        self.heard.append({name.lower(): value for name, value in self.headers.items()})
        body = json.dumps({"defaults": {}, "overrides": {}, "namespaces": []}).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def heard() -> list[dict[str, str]]:
    return []


@pytest.fixture
def proxy(heard: list[dict[str, str]]) -> Iterator[HttpProxy]:
    """A proxy before the catalog."""
    server = ThreadingHTTPServer((HOST, 0), type("Handler", (Configuration,), {"heard": heard}))
    with answering(server), HttpProxy(f"http://{HOST}:{server.server_port}").listening() as made:
        yield made


def settings(proxy: HttpProxy, **changes: Any) -> LakeSettings:
    return LakeSettings(iceberg_catalog_uri=proxy.url, **{"iceberg_timeout_s": 10.0, **changes})


def test_every_request_is_signed(proxy: HttpProxy, heard: list[dict[str, str]]) -> None:
    """For the service and region that are named, by the store's keys."""
    iceberg.connect(settings(proxy, **KEYS, iceberg_properties=SIGNED)).list_namespaces()
    assert len(heard) == 2
    for each in heard:
        assert each["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKEXAMPLE/")
        assert "/eu-west-1/s3tables/aws4_request" in each["authorization"]


def test_a_signed_request_is_waited_for_as_long_as_it_says(proxy: HttpProxy) -> None:
    """Not for ever, and not again and again."""
    with proxy.slow(1.0) as rule, pytest.raises(Timeout):
        iceberg.connect(settings(proxy, **KEYS, iceberg_properties=SIGNED, iceberg_timeout_s=0.2))
    assert rule.done == 1


def test_a_token_and_headers_are_sent(proxy: HttpProxy, heard: list[dict[str, str]]) -> None:
    """With each request."""
    iceberg.connect(
        settings(proxy, iceberg_token="t1", iceberg_credential="a:b", iceberg_properties="header.X-Tenant=k2")
    ).list_namespaces()
    assert {(each["authorization"], each["x-tenant"]) for each in heard} == {("Bearer t1", "k2")}
