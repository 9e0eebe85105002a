"""Work in tasks of its own, that a cancellation of the caller reaches exactly once, and the end of the database too.

anyio cancels again at every await, which would interrupt the cancelling of the statement itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

from pgwarden.errors import DatabaseError

_CANCEL_S = 1.5
"""Seconds that a cancelled call waits for its statement to end on the server."""

T = TypeVar("T")


class Tasks:
    """The work that is under way."""

    def __init__(self) -> None:
        """Start with none."""
        self._running: set[asyncio.Task[Any]] = set()
        self._ended = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work, and wait for it; where the caller is cancelled it is too, and has a while to end.

        Raises:
            DatabaseError: It all has ended.
            Exception: whatever the work raises.
        """
        if self._ended:
            work.close()
            raise DatabaseError("The database is closed.")
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not _cancelled():
                # Not the caller: `end` has ended the task.
                raise DatabaseError("The database was closed.") from None
            with anyio.CancelScope(shield=True):
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCEL_S)
            raise

    async def end(self) -> None:
        """Cancel everything, take nothing more, and wait a while until it has ended."""
        self._ended = True
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_CANCEL_S)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # Seen: the caller may be gone.


def _cancelled() -> bool:
    """Tell whether the current task is being cancelled, by asyncio or anyio."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
