"""The verdict of a status: what is wrong, the worst first, each with what to do."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k2.status.facts import BROKER, CATALOG, REGISTRY, STORE, WARM, Agent, Gaps, Lags, Letters, Part, Status, Table
from k2.status.verdict import GAP_LIMIT_S, LAG_LIMIT, exit_code, problems, verdict

ALERTS = Path(__file__).resolve().parents[3] / "deploy/prometheus/alerts.yaml"
PARTS = [Part(name, "somewhere") for name in (BROKER, REGISTRY, CATALOG, STORE, WARM)]
SILVER = Agent("silver", "http://a:1", service="silver", version="1", in_per_s=1.0, out_per_s=1.0, age_s=0.1)
GOLD = replace(SILVER, name="gold", url="http://a:2", service="gold")
FINE = Status(
    parts=PARTS,
    agents=[SILVER, GOLD],
    lags=Lags({"k2.silver": 0, "k2.gold": LAG_LIMIT}, "broker"),
    gaps=Gaps(1, 20, GAP_LIMIT_S, "ledger"),
    letters=Letters([{"stage": "silver", "reason": "bad_magic", "topic": "t", "letters": 7}]),
    tables=[Table("gold_crypto_trades", rows=3, snapshots=1, commit_age_s=4.0), Table("empty", rows=0, snapshots=0)],
)
HALTED = replace(
    SILVER,
    halted=True,
    missing=("halted: 200 records in a row were refused; look at 'k2 dlq list', then 'k2 dlq resume'",),
)


def said(**changes: Any) -> str:
    """The verdict of a pipeline that differs in something from one that is fine."""
    return verdict(problems(replace(FINE, **changes)))


def test_a_pipeline_that_works_is_ok() -> None:
    """Letters that were set aside, a young gap and a small lag are its daily work."""
    assert (said(), exit_code(FINE, problems(FINE))) == ("ok", 0)


BROKEN = "the broker cannot be asked"
CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"parts": [Part(REGISTRY, "http://r", "no answer", "start it", answers=False)]},
        "registry at http://r: no answer: start it",
    ),
    (
        {"agents": [SILVER, Agent("gold", "http://a:2", "./gold", "Connection refused")]},
        "gold at http://a:2 does not answer (Connection refused): start it with ./gold",
    ),
    (
        {"agents": [Agent("gold", "http://a:2", fault="no answer in 2 s")]},
        "gold at http://a:2 does not answer (no answer in 2 s): start it; its log says why it ended",
    ),
    (
        {"agents": [HALTED]},
        "silver is halted: 200 records in a row were refused; look at 'k2 dlq list': then 'k2 dlq resume http://a:1'",
    ),
    ({"agents": [replace(SILVER, halted=True)]}, "silver is halted: then 'k2 dlq resume http://a:1'"),
    (
        {"agents": [replace(each, missing=("kafka: no broker",)) for each in (SILVER, GOLD)]},
        "silver, gold are not ready (kafka: no broker): mend what is named, or wait while it starts",
    ),
    (
        {"agents": [replace(SILVER, missing=("starting",)), GOLD]},
        "silver is not ready (starting): mend what is named, or wait while it starts",
    ),
    (
        {"agents": [replace(SILVER, name="feed", stopped_symbols=2)]},
        "2 symbols of feed stand still, their trade ids went back: 'k2 feed list' names them, 'k2 feed resume' decides",
    ),
    (
        {"gaps": Gaps(2, 31, GAP_LIMIT_S + 1, "ledger")},
        "31 trades in 2 gaps are missing, the oldest for 601 s: 'k2 gaps' lists them",
    ),
    ({"gaps": Gaps(fault="stalled")}, "open gaps are not known (stalled): ask again"),
    ({"lags": Lags({"k2.gold": None}, fault="stalled")}, "the lag is not known (stalled): ask again"),
    (
        {"lags": Lags({"k2.silver": 5, "k2.gold": LAG_LIMIT + 1, "t": LAG_LIMIT + 2}, "broker")},
        "t is 100002 offsets behind: see that its agent works, and start more of it; "
        "k2.gold is 100001 offsets behind: see that its agent works, and start more of it",
    ),
    (
        {"tables": [Table("b", fault="does not exist"), Table("ok", 0, 0), Table("a", fault="does not exist")]},
        "table b, a: does not exist: 'k2 init' creates what is missing, else ask again",
    ),
    ({"letters": Letters(fault="stalled")}, "dead letters are not known (stalled): ask again"),
    ({"agents": []}, "no agent is known: name a file of targets by --targets or K2_TARGETS"),
    (
        {
            "parts": [Part(BROKER, "b:1", "no answer", "start it", answers=False)],
            "lags": Lags({"k2.gold": None}, fault=BROKEN),
            "gaps": Gaps(fault=BROKEN),
            "letters": Letters(fault=BROKEN),
        },
        "broker at b:1: no answer: start it",
    ),
    (
        {
            "parts": [Part(CATALOG, "http://c", "no answer", "start it", answers=False)],
            "tables": [Table("a", fault="the catalog cannot be asked")],
        },
        "catalog at http://c: no answer: start it",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_what_is_wrong_is_told_with_what_to_do(changes: dict[str, Any], expected: str) -> None:
    """Whatever depends on a server that fails is not told again."""
    wrong = problems(replace(FINE, **changes))
    assert (verdict(wrong), exit_code(FINE, wrong)) == (expected, 1)


def test_the_worst_comes_first() -> None:
    """Servers, then agents by how bad they are, then what is missing or behind, then what is not known."""
    wrong = problems(
        Status(
            parts=[*PARTS[:3], Part(STORE, "s", "no answer", "start it", answers=False), *PARTS[4:]],
            agents=[
                replace(GOLD, missing=("starting",), stopped_symbols=1),
                HALTED,
                Agent("sink", "http://a:3", fault="Connection refused"),
            ],
            lags=Lags({"k2.gold": LAG_LIMIT + 1}, "broker"),
            gaps=Gaps(1, 1, GAP_LIMIT_S + 1, "ledger"),
            letters=Letters(fault="stalled"),
            tables=[Table("gone", fault="does not exist")],
        )
    )
    assert [problem.what.split()[0] for problem in wrong] == [
        "object",
        "sink",
        "silver",
        "gold",
        "1",
        "1",
        "k2.gold",
        "table",
        "dead",
    ]


def test_where_nothing_answers_it_is_4() -> None:
    """One server or one agent that answers, ready or not, makes it 1."""
    dead = replace(
        FINE,
        parts=[replace(part, fault="no answer", answers=False) for part in PARTS],
        agents=[replace(each, fault="Connection refused") for each in (SILVER, GOLD)],
    )
    refusing = replace(dead.parts[0], answers=True)
    codes = [
        exit_code(each, problems(each))
        for each in (dead, replace(dead, agents=[]), replace(dead, agents=[HALTED]), replace(dead, parts=[refusing]))
    ]
    assert codes == [4, 4, 1, 1]


def test_the_limits_are_those_of_the_alerts() -> None:
    """What pages somebody is not ok, and what is ok pages nobody."""
    alerts = ALERTS.read_text()
    assert re.search(rf"k2_consumer_group_lag\) > {LAG_LIMIT}\n", alerts)
    (minutes,) = re.findall(r"alert: K2FeedGapOpen\n.*\n +for: (\d+)m\n", alerts)
    assert int(minutes) * 60 == GAP_LIMIT_S
