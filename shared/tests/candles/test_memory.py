"""What a fold reads, remembers and forgets, which changes no candle."""

import pytest
from shared.tests.candles.examples import HOUR, MINUTE, current, folded, minutes, trade
from shared.tests.candles.oracle import candles, columns, said
from shared.tests.candles.stored import StoredCandles

from k2_shared.candles.fold import CandleFold
from k2_shared.candles.rows import CandleRows
from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.layout import Longs


def test_only_what_may_be_stored_is_read(stored: StoredCandles) -> None:
    """A symbol's newest candles once, and then an older one that is not remembered; a window beyond is new."""
    fold = CandleFold(stored, 1_000)
    for batch in ([trade(0, HOUR)], [trade(1, HOUR), trade(2, 3 * HOUR)], [trade(3, 4 * HOUR)], [trade(4, 3 * HOUR)]):
        folded(fold, stored, *batch)
    assert (stored.asked_keys, stored.asked) == ([0], [])
    folded(fold, stored, trade(5, MINUTE), trade(6, MINUTE, key=40))
    assert (stored.asked_keys, minutes(stored.asked)) == ([0, 40], [1])
    folded(fold, stored, trade(7, MINUTE), trade(8, 4 * HOUR))
    assert len(stored.asked) == 5


def test_what_a_reader_gives_beyond_the_question_is_passed_over(stored: StoredCandles) -> None:
    """Candles of another symbol, which it knows less of than the fold, and older rows of one bucket."""
    fold = CandleFold(stored, 1_000)
    trades = [trade(0), trade(1, HOUR), trade(2, 2 * HOUR), trade(3, key=1), trade(4, 2 * HOUR), trade(5, HOUR)]
    found = fold.fold(columns(trades[:1]))
    stored.write(found.changed)
    fold.accept(found)
    for each in trades[1:]:
        fold.accept(fold.fold(columns([each])))
    assert said(fold.fold(columns([trade(6, 2 * HOUR)])).changed) == {
        bucket: each for bucket, each in candles([*trades, trade(6, 2 * HOUR)]).items() if each.last_offset == 6
    }


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_what_was_forgotten_is_read_again(stored: StoredCandles, limit: int) -> None:
    """The limit changes how much is read, and no candle."""
    trades = [trade(offset, (offset % 4) * HOUR + offset) for offset in range(24)]
    fold = CandleFold(stored, limit)
    for at in range(0, len(trades), 3):
        folded(fold, stored, *trades[at : at + 3])
        assert fold.remembered_older <= limit
    assert current(stored) == candles(trades)


def test_the_least_lately_used_are_forgotten(stored: StoredCandles) -> None:
    """The six candles of a day that took a trade stay longer than those of a day after it."""
    fold = CandleFold(stored, 12)
    for offset in range(3):
        folded(fold, stored, trade(offset, offset * 24 * HOUR))
    folded(fold, stored, trade(3))
    folded(fold, stored, trade(4, 72 * HOUR))
    stored.asked.clear()
    folded(fold, stored, trade(5))
    assert stored.asked == []
    folded(fold, stored, trade(6, 24 * HOUR))
    assert minutes(stored.asked) == [24 * 60]


class Failing(StoredCandles):
    """Does not answer at first."""

    fails = True

    def newest(self, keys: Longs) -> CandleRows:
        if self.fails:
            raise Unavailable("no answer")
        return super().newest(keys)


def test_a_reader_that_fails_leaves_the_fold_as_it_was(stored: StoredCandles) -> None:
    """The same batch is folded once the reader answers."""
    failing = Failing()
    fold = CandleFold(failing, 0)
    with pytest.raises(Unavailable):
        fold.fold(columns([trade(0)]))
    failing.fails = False
    folded(fold, stored, trade(0))
    assert current(stored) == candles([trade(0)])


def test_a_negative_limit_is_refused(stored: StoredCandles) -> None:
    """In a line that says what is allowed."""
    with pytest.raises(ConfigError, match="cannot remember -1 older candles; allow it 0 or more"):
        CandleFold(stored, -1)
