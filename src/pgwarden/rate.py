"""Calls a minute for a caller, as a token bucket: a full minute's worth at once, then at the steady rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from pgwarden.errors import RateLimitedError


class RateLimit:
    """The bucket of every caller."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_minute` calls a minute; 0 = no limit."""
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Count one call.

        Raises:
            RateLimitedError: The caller's bucket is empty.
        """
        if not self._per_minute:
            return
        now = self._clock()
        left, since = self._buckets.get(caller, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        if left < 1:
            wait = (1 - left) * 60 / self._per_minute
            raise RateLimitedError(
                f"More than {self._per_minute} calls in a minute.", hint=f"Call again in {wait:.1f} s."
            )
        self._buckets[caller] = (left - 1, now)
