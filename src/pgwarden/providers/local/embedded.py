"""The embedded PostgreSQL: what `serve` uses where no connection is configured.

A cluster in <home>/embedded with an empty database `pgwarden`, owned by a role of the same name that is not a
superuser. Processes share it; it starts at the first need and stops with the last of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pgwarden.providers.local.binaries import Binaries, find
from pgwarden.providers.local.cluster import Cluster
from pgwarden.providers.local.lease import Lease

NAME = "pgwarden"
"""Of the database and of the role that owns it."""

SETTINGS = {
    "max_connections": "50",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class Embedded:
    """The embedded server of a state directory.

    `url` may be awaited by many at once: they share one start. `close` must be awaited before the process ends.
    """

    def __init__(self, home: Path, bindir: Path | None = None) -> None:
        """Make one; nothing is started or written.

        Args:
            home: The state directory.
            bindir: Where PostgreSQL's programs are; None takes the wheel's, or the system's newest.
        """
        self._home = home
        self._bindir = bindir
        self._turn = asyncio.Lock()
        self._lease: Lease | None = None
        self._url: str | None = None

    async def url(self) -> str:
        """Return a libpq URL of the running server, which the first call starts (0.1 s; 1 s when it is created).

        Raises:
            ConfigError: There are no programs of PostgreSQL, or none of the data directory's version.
            UnavailableError: PostgreSQL did not start.
        """
        # Shielded: a cancelled caller must not leave a half-known server behind.
        return await asyncio.shield(asyncio.ensure_future(self._started()))

    async def close(self) -> None:
        """Leave the server, and stop it where nobody else uses it. It may be called more than once.

        Raises:
            UnavailableError: The server did not stop.
        """
        async with self._turn:
            lease, self._lease, self._url = self._lease, None, None
            if lease is not None:
                await asyncio.to_thread(lease.release)

    async def _started(self) -> str:
        async with self._turn:
            if self._url is not None:
                return self._url
            self._lease, url = await asyncio.to_thread(_take, self._home / "embedded", self._bindir)
            self._url = url
            return url


def _take(root: Path, bindir: Path | None) -> tuple[Lease, str]:
    cluster = Cluster(root, _binaries(root, bindir), settings=SETTINGS)
    lease = Lease(cluster, NAME)
    lease.acquire()
    return lease, cluster.url(NAME, NAME)


def _binaries(root: Path, bindir: Path | None) -> Binaries:
    """Return the programs of the existing data directory's major version, or the preferred ones."""
    version = root / "data" / "PG_VERSION"
    major = int(version.read_text(encoding="ascii")) if version.is_file() else None
    return find("wheel", bindir, major)


_in_use: dict[Path, Embedded] = {}
"""The embedded servers that this process uses: one for a state directory."""


async def embedded_url(home: Path) -> str:
    """Return a libpq URL of the embedded server of a state directory, started where it does not run.

    Args:
        home: The state directory; the cluster is in `embedded` below it.

    Raises:
        ConfigError: There are no programs of PostgreSQL, or none of the data directory's version.
        UnavailableError: PostgreSQL did not start.
    """
    return await _in_use.setdefault(home, Embedded(home)).url()


async def release() -> None:
    """Leave every embedded server of this process; await it before the process ends.

    Raises:
        UnavailableError: A server that nobody else uses did not stop.
    """
    while _in_use:
        await _in_use.popitem()[1].close()
