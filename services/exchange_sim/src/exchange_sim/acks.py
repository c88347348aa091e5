"""Acks of subscriptions that are wrong, or that never come. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from exchange_sim.model import Venue
from exchange_sim.replies import Reply

WRONG: Mapping[Venue, tuple[str, ...]] = {
    "KRAKEN": ("snapshot", "symbol", "error", "unsupported"),
    "BINANCE": ("id", "error"),
}
LOST = ("request", "ack")
_OTHER_SYMBOL = "NONE/SUCH"
_OTHER_ID = 1_000_000


def lose(reply: Reply, what: str) -> Reply:
    """Without the ack; ``request``: as if the request had been lost too, so that no trade comes."""
    lost = replace(reply, text="")
    return replace(lost, joins=(), snapshot=False) if what == "request" else lost


def falsify(reply: Reply, venue: Venue, how: str) -> Reply:
    """The ack with one thing wrong; only after a wrong ``snapshot`` or ``id`` do trades come all the same."""
    body: dict[str, Any] = json.loads(reply.text)
    wrong = _kraken(body, how) if venue == "KRAKEN" else _binance(body, how)
    joins = reply.joins if how in ("snapshot", "id") else ()
    return Reply(json.dumps(wrong, separators=(",", ":")), joins=joins)


def _kraken(body: dict[str, Any], how: str) -> dict[str, Any]:
    result = body.pop("result")
    if how in ("error", "unsupported"):
        symbol = result["symbol"]
        error = "EService:Unavailable" if how == "error" else f"Currency pair not supported {symbol}"
        return {**body, "error": error, "success": False, "symbol": symbol}
    if how == "symbol":
        return {**body, "result": {**result, "symbol": _OTHER_SYMBOL}}
    return {**body, "result": {**result, "snapshot": not result["snapshot"]}}


def _binance(body: dict[str, Any], how: str) -> dict[str, Any]:
    number = body.get("id")
    if how == "error":
        return {"error": {"code": 2, "msg": "Invalid request: service unavailable"}, "id": number}
    return {"result": None, "id": number + _OTHER_ID if isinstance(number, int) else _OTHER_ID}
