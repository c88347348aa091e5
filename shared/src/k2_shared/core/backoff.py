"""Reconnect delays: exponential with full jitter."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Delays in seconds, drawn from [0, min(cap, base * 2^n)]; a success starts over."""

    base_s: float
    cap_s: float
    rng: random.Random = field(default_factory=random.SystemRandom)
    failures: int = 0

    def succeeded(self) -> None:
        """Forget the failures."""
        self.failures = 0

    def next_delay(self) -> float:
        """Count a failure and say how long to wait."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return self.rng.uniform(0.0, ceiling)
