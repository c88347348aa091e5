"""Files that look old in what an object store lists: no store gives a file another time, and no test waits for days."""

import re
from collections.abc import Callable

from k2_support.http_proxy import ProxyRule
from k2_support.lake_requests import LISTED

_LONG_AGO = rb"\g<1>2020-01-01T00:00:00.000Z"
_ENTRY = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_TIME = re.compile(rb"(<LastModified>)[^<]*")


def _any(_key: str) -> bool:
    return True


def looking_old(which: Callable[[str], bool] = _any) -> ProxyRule:
    """Every file, or those whose key is meant, was last modified years ago; all else of an answer is as it was."""

    def aged(entry: re.Match[bytes]) -> bytes:
        key = _KEY.search(entry[0])
        return _TIME.sub(_LONG_AGO, entry[0]) if key and which(key[1].decode()) else entry[0]

    return ProxyRule(LISTED, None, after=True, answered=True, reply=lambda body: _ENTRY.sub(aged, body))
