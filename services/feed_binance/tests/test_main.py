"""The Binance feed as a process, against a tiny Binance and the real broker."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from k2_shared.core import contracts
from k2_support.conformance.process import FeedConformance
from k2_support.topics import topics_of

pytestmark = pytest.mark.topics(*topics_of("feed_binance"))

HALTED = {"symbol": "OLDUSDT", "baseAsset": "OLD", "quoteAsset": "USDT", "status": "CANCEL_ONLY", "filters": []}
ODD = {"symbol": "NEWUSDT", "baseAsset": "NEW", "quoteAsset": "USDT", "status": "PRE_TRADING", "filters": None}
FRAME = (contracts.ROOT / "examples/valid/binance_frame.json").read_bytes()


class TestBinance(FeedConformance):
    """What holds for every venue's feed, by a Binance that confirms every subscription."""

    exchange = "BINANCE"
    socket_path, pairs_path = "/stream", "/api/v3/exchangeInfo"
    pairs = {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}, HALTED, ODD]}
    frame = FRAME
    ids = ["BINANCE:BTC/USDT:3735683259"]
    unfit = FRAME.replace(b'"q":"0.02000000"', b'"q":"46000000000.00000000"')
    uncapturable = (
        ("BTC/XYZ", "the venue does not trade it; near it: BTC/USDT"),
        ("OLD/USDT", "the venue does not trade it now: its status is 'CANCEL_ONLY'"),
        ("NEW/USDT", "cannot be read where it speaks of it: Expected `array`, got `null` - at `$.filters`"),
    )

    def replies(self, asked: Mapping[str, Any]) -> list[str]:
        """An acknowledgement that confirms nothing; then what is subscribed."""
        if asked["method"] == "SUBSCRIBE":
            return [json.dumps({"result": None, "id": asked["id"]})]
        subscribed = json.dumps({"result": ["btcusdt@trade"], "id": asked["id"]})
        return [subscribed, self.frame.decode(), self.unfit.decode()]
