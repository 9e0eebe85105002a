"""Calls a minute for a caller, as a token bucket: a full minute's worth at once, then at the steady rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from pgwarden.errors import RateLimitedError


class RateLimit:
    """The bucket of every caller."""

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        buckets: dict[str, tuple[float, float]] | None = None,
    ) -> None:
        """Allow `per_minute` calls a minute; 0 = no limit.

        Args:
            per_minute: The rate.
            clock: Seconds that never go back.
            buckets: How full each caller's bucket was, from 0 to 1, and when; shared by limits that count together.
        """
        self._per_minute = per_minute
        self._clock = clock
        self._buckets = {} if buckets is None else buckets

    def take(self, caller: str) -> None:
        """Count one call.

        Raises:
            RateLimitedError: The caller's bucket is empty.
        """
        if not self._per_minute:
            return
        now = self._clock()
        full, since = self._buckets.get(caller, (1.0, now))
        left = min(1.0, full + (now - since) / 60) * self._per_minute
        if left < 1 - 1e-9:
            wait = (1 - left) * 60 / self._per_minute
            raise RateLimitedError(
                f"More than {self._per_minute} calls in a minute.", hint=f"Call again in {wait:.1f} s."
            )
        self._buckets[caller] = ((left - 1) / self._per_minute, now)
