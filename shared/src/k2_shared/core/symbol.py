"""What a canonical symbol is: BASE/QUOTE, in the letters that the venue lists it in.

Said here once: settings, commands, rules, columns and the simulator read it here, and a test holds the JSON schemas
equal to it. Which symbols there are is said by each venue's own list; this form only keeps them apart from what stands
around them: ``EXCHANGE:SYMBOL:TRADE_ID``, lists with commas, keys of bounded length.
"""

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches

MAX_CHARACTERS = 40
MAX_BYTES = 4 * MAX_CHARACTERS  # in UTF-8
# White space, what steers or hides in text, halves of characters, and U+FFFD, which stands for bytes that are no text.
_NEVER = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ud800-\udfff\ufeff\ufff0-\uffff"
)
_PART = f"[^{_NEVER},/:]+"
PATTERN = f"^{_PART}/{_PART}$"
_FORM = re.compile(PATTERN)
_NEAR = 10
_ALIKE = 0.8  # of 1: BTC/USDT and XBT/USDT are, BTC/USDT and ETH/USDT are not


def unfit(symbol: str) -> str:
    """Why a text is no canonical symbol; empty where it is one."""
    if len(symbol) > MAX_CHARACTERS:
        return f"{symbol[:MAX_CHARACTERS]!r}… is no symbol: it has more than {MAX_CHARACTERS} characters"
    if _FORM.fullmatch(symbol):
        return ""
    return f"{symbol!r} is no symbol: it is BASE/QUOTE as the venue writes it, without blanks, commas and colons"


def checked(symbol: str) -> str:
    """Return the symbol if it is canonical.

    Raises:
        ValueError: it is not; says why.
    """
    why = unfit(symbol)
    if why:
        raise ValueError(why)
    return symbol


def near(symbol: str, known: Collection[str]) -> Sequence[str]:
    """What may have been meant: symbols that are written alike, the nearest first, and those of its base asset."""
    folded = {each.casefold(): each for each in known}
    alike = [folded[name] for name in get_close_matches(symbol.casefold(), folded, _NEAR, _ALIKE)]
    of_base = sorted(each for each in known if _base(each) == _base(symbol))
    return list(dict.fromkeys([*alike, *of_base]))[:_NEAR]


def _base(symbol: str) -> str:
    """The base asset of a symbol, whatever its case."""
    return symbol.partition("/")[0].casefold()
