"""What a canonical symbol is: BASE/QUOTE, in the letters that the venue lists it in.

Said here once: settings, commands, rules, columns and the simulator read it here, and a test holds the JSON schemas
equal to it. Which symbols there are is said by each venue's own list; this form only keeps them apart from what stands
around them: ``EXCHANGE:SYMBOL:TRADE_ID``, lists with commas, keys of bounded length.
"""

import re

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
