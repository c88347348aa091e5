"""Telling an agent that halted to go on."""

import json
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from k2_shared.core.errors import ConfigError, Unavailable

_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 10_000


def resume(url: str) -> bool:
    """POST URL/resume; returns whether the agent was halted.

    Raises:
        ConfigError: the URL is none, or what answers there takes no such order.
        Unavailable: nothing answers, or it failed.
    """
    target = _target(url)
    try:
        with urlopen(Request(target, method="POST"), timeout=_TIMEOUT_S) as answer:  # noqa: S310  # checked above
            return bool(json.loads(answer.read(_MAX_ANSWER_BYTES))["resumed"])
    except HTTPError as error:
        if error.code in (404, 405):
            raise ConfigError(f"{target} answered HTTP {error.code}: give the web port of silver or gold") from None
        raise Unavailable(f"{target} answered HTTP {error.code}: the agent's log says why") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{target} did not answer as an agent does: is it an agent's web port?") from None
    except (URLError, HTTPException, OSError) as error:
        raise Unavailable(f"no agent answered at {target} ({error}): is that its WEB_PORT, and does it run?") from None


def _target(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return f"{url.rstrip('/')}/resume"
    except ValueError:
        pass  # said below, as for every other text that is no URL
    raise ConfigError(f"{url!r} is not the URL of an agent's web port: it is like http://127.0.0.1:6066")
