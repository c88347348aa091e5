"""How often Python looks for garbage in cycles."""

import gc

_THRESHOLDS = (50_000, 20, 20)


def collect_rarely() -> None:
    """Leave what stands aside, and look for cycles seldom: a batch of records is 30,000 objects and not one cycle.

    With Python's defaults that search took a sixth of the CPU of silver and a quarter of gold's (``make bench-core``).
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
