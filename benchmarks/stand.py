"""The PostgreSQL that is measured: a throwaway cluster, and a role in it that may only SELECT."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgwarden.providers.local import Cluster, find

READER = "bench_reader"
SETTINGS = {
    # A crash may lose it all: nobody misses it.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",  # it would compete for the processor in the middle of a comparison
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Stand:
    """A running cluster; `root` is a directory for whatever a benchmark writes."""

    root: Path
    cluster: Cluster

    @property
    def reader_url(self) -> str:
        """URL of the role that may only SELECT."""
        return self.cluster.url("postgres", READER, tcp=self.cluster.tcp)

    @property
    def admin_url(self) -> str:
        """URL of the superuser, who owns all tables."""
        return self.cluster.url("postgres", tcp=self.cluster.tcp)

    def admin(self) -> psycopg.Connection[Any]:
        """Connect as superuser, each statement committing by itself."""
        return psycopg.connect(self.admin_url, autocommit=True)

    def reader(self) -> psycopg.Connection[Any]:
        """Connect as the reader, each statement committing by itself: the raw side of comparisons."""
        return psycopg.connect(self.reader_url, autocommit=True)


@contextmanager
def stand(*setup: str, tcp: bool = True) -> Iterator[Stand]:
    """Start a cluster, run statements in it as superuser, and remove it at the end.

    Args:
        setup: Statements, each committed by itself. The reader may read what they create.
        tcp: Whether it is reached through a loopback port, which a restart changes, or through its socket.
    """
    root = Path(tempfile.mkdtemp(prefix="pgw-bench-"))
    root.chmod(0o711)  # PostgreSQL may run as another account, which has to get through
    cluster = Cluster(root / "pg", find(), tcp=tcp, settings=SETTINGS)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # else nothing would be removed
    try:
        cluster.create()
        cluster.start()
        made = Stand(root, cluster)
        with made.admin() as connection:
            _create_reader(connection, cluster.make_password(READER))
            for statement in setup:
                connection.execute(statement.encode())
        yield made
    finally:
        cluster.destroy()
        shutil.rmtree(root, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _create_reader(connection: psycopg.Connection[Any], password: str) -> None:
    role = sql.Identifier(READER)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
    connection.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}").format(role))
