"""Sharing one cluster between processes.

Two lock files lie beside the data directory, and the kernel drops a dead process's locks, so that neither can lie:

    <root>/lock      held for the moment in which somebody creates, starts or stops the server
    <root>/in-use    held shared by every process that uses it

Who comes takes `lock`, starts the server unless it runs, and shares `in-use`. Who leaves takes `lock` and tries to have
`in-use` alone: whoever succeeds was the last, and stops the server. After a kill -9 of the last one the server runs on,
and the next one adopts it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pgwarden.errors import UnavailableError
from pgwarden.providers.local.cluster import Cluster

LOCK_TIMEOUT_S = 120
"""A start after a crash, recovery included, may keep the others waiting as long."""


class Lease:
    """One process's use of a cluster. Its methods block: call them in a thread."""

    def __init__(self, cluster: Cluster, database: str = "") -> None:
        """Make a lease that is not yet taken.

        Args:
            cluster: The cluster to share.
            database: For `Cluster.create`, where the cluster does not exist yet.
        """
        self._cluster = cluster
        self._database = database
        self._use: int | None = None

    def acquire(self) -> None:
        """Create the cluster where it does not exist, start it where it does not run, and keep it up.

        Raises:
            UnavailableError: PostgreSQL failed, or another process has held the lock for too long.
        """
        self._cluster.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._exclusively():
            if not self._cluster.exists:
                self._cluster.create(self._database)
            self._cluster.start()
            if self._use is None:
                self._use = _open(self._cluster.root / "in-use")
                fcntl.flock(self._use, fcntl.LOCK_SH)

    def release(self) -> None:
        """Give it up, and stop the server where nobody else uses it. A second call does nothing.

        Raises:
            UnavailableError: The server did not stop.
        """
        if self._use is None:
            return
        use, self._use = self._use, None
        try:
            with self._exclusively(), suppress(BlockingIOError):
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._cluster.stop()
        finally:
            os.close(use)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        lock = _open(self._cluster.root / "lock")
        try:
            _wait_for(lock)
            yield
        finally:
            os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for(lock: int) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    "Another process has been starting or stopping the embedded PostgreSQL."
                ) from None
            time.sleep(0.02)
