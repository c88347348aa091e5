"""The Kraken feed as a process, against a tiny Kraken and the real broker."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from k2_shared.core import contracts
from k2_support.conformance.process import FeedConformance
from k2_support.topics import topics_of

pytestmark = pytest.mark.topics(*topics_of("feed_kraken"))

HALTED = {"altname": "OLDUSDT", "wsname": "OLD/USDT", "status": "cancel_only"}
ODD = {"altname": None, "wsname": "NEW/USDT"}
FRAME = (contracts.ROOT / "examples/valid/kraken_frame.json").read_bytes()


class TestKraken(FeedConformance):
    """What holds for every venue's feed, by a Kraken that confirms every subscription."""

    exchange = "KRAKEN"
    socket_path, pairs_path = "/v2", "/0/public/AssetPairs"
    pairs = {"error": [], "result": {"XBTUSDT": {"wsname": "XBT/USDT"}, "OLDUSDT": HALTED, "NEWUSDT": ODD, "?": None}}
    frame = FRAME
    ids = [f"KRAKEN:BTC/USDT:{number}" for number in (10218208, 10218209, 10218209)]
    unfit = FRAME.replace(b'"qty":0.00027625', b'"qty":46000000000')
    uncapturable = (
        ("BTC/XYZ", "the venue does not trade it; near it: BTC/USDT"),
        ("OLD/USDT", "the venue does not trade it now: its status is 'cancel_only'"),
        ("NEW/USDT", "cannot be read where it speaks of it: Expected `str`, got `null` - at `$.altname`"),
    )

    def replies(self, asked: Mapping[str, Any]) -> list[str]:
        """One acknowledgement for each symbol."""
        params = asked["params"]
        results = [{"channel": "trade", "snapshot": params["snapshot"], "symbol": name} for name in params["symbol"]]
        acks = [{"method": "subscribe", "result": result, "success": True, "req_id": 1} for result in results]
        return [*map(json.dumps, acks), self.frame.decode(), '{"channel":"heartbeat"}', self.unfit.decode()]
