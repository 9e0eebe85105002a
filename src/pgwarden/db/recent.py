"""Answers of the catalog that are used again for a moment, where a call is too short to ask each time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from pgwarden.db.catalog import TTL_S

MOST = 256


class Recent:
    """Answers by key, each for `ttl_s` seconds: as long as the guard's snapshot is used unseen."""

    def __init__(self, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` gives the time in seconds."""
        self._ttl_s, self._clock = ttl_s, clock
        self._kept: dict[object, tuple[float, Any]] = {}
        self._changes = 0

    async def get(self, key: object, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Return what is kept, or else ask and keep it; that there is nothing is not kept."""
        known = self._kept.get(key)
        if known is not None and self._clock() - known[0] < self._ttl_s:
            return known[1]
        started, changes = self._clock(), self._changes
        answer = await ask()
        if answer and changes == self._changes:
            self._kept.pop(key, None)
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (started, answer)
        return answer

    def forget(self) -> None:
        """Keep nothing of what was asked before this, answers that are under way among it."""
        self._changes += 1
        self._kept.clear()
