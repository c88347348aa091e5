"""How a status is shown on screens of any width."""

from io import StringIO

import pytest
from rich.console import Console

from k2.status.facts import BROKER, Agent, Gaps, Lags, Letters, Part, Status, Table
from k2.status.verdict import problems
from k2.status.view import as_text

SEVERAL = ",".join(f"b-{n}.a-cluster-of-a-cloud.kafka.eu-central-1.example.com:9096" for n in range(3))
EVERY = Status(
    parts=[Part(BROKER, SEVERAL, "no answer in 3 s", "start it", answers=False)],
    agents=[
        Agent("gold", "http://127.0.0.1:6064", in_per_s=1_234.5, out_per_s=0.0, version="0.1.0", up_s=12.0),
        Agent("iceberg_sink", "http://127.0.0.1:6065", missing=("bronze_crypto_trades: the table was recreated",)),
    ],
    lags=Lags({"a-long-prefix.k2.iceberg_sink.silver_binance_trades": 12_345_678, "k2.gold": None}, "broker"),
    gaps=Gaps(2, 31, 65.0, "ledger"),
    letters=Letters(
        [{"stage": "silver", "reason": "price_not_positive", "topic": "t.silver.kraken", "letters": 12, "last": "2026"}]
    ),
    tables=[Table("gold_crypto_trades", 16_463, 4, 5.1), Table("bronze_crypto_trades", fault="does not exist")],
)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_names_and_numbers_stand_whole(width: int) -> None:
    """What is longer than the screen is wrapped; other columns make room for the rest."""
    text = as_text(Console(width=width, file=StringIO()), EVERY, problems(EVERY))
    *lines, _verdict = text.splitlines()  # which is one line where it is no terminal
    assert max(map(len, lines)) <= width
    words = [
        "iceberg_sink",
        "not ready",
        *EVERY.lags.groups,
        "12,345,678",
        "16,463",
        "t.silver.kraken",
        "gold_crypto_trades",
    ]
    assert [word for word in words if word not in text] == []
    assert "".join(SEVERAL.split()) in "".join(
        line.removeprefix("broker").strip().removeprefix("fails").strip() for line in lines
    )


def test_each_problem_has_a_line_on_a_terminal_and_all_have_one_in_a_pipe() -> None:
    """A person reads them one by one, a program takes the last line."""
    found = problems(EVERY)
    screen = as_text(Console(width=400, file=StringIO(), force_terminal=True, color_system=None), EVERY, found)
    assert screen.splitlines()[-len(found) :] == [str(problem) for problem in found]
    piped = as_text(Console(width=400, file=StringIO()), EVERY, found)
    assert piped.splitlines()[-1] == "; ".join(map(str, found))


def test_without_targets_and_a_ledger_it_says_that_they_are_unknown() -> None:
    """In words, and never as a number."""
    status = Status([], [], Lags({}), Gaps(ids=3, source="metrics", fault="away"), Letters(fault="away"), [])
    text = as_text(Console(width=80, file=StringIO()), status, problems(status))
    assert "agents: unknown" in text
    assert "open gaps: 3 ids by the feeds' metrics; the ledger: away" in text
    assert "dead letters: unknown (away)" in text
    assert text.splitlines()[-1].endswith("no agent is known: name a file of targets by --targets or K2_TARGETS")
