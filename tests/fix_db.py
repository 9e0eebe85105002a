"""Databases to test with: servers for the session, a fresh database for each test.

`server` is the wheel's PostgreSQL; `any_server` runs a test on it and again on a PostgreSQL of the system, where there
is one. `database_url` and `plain_role_url` are the same database of `server`, as superuser and as a role that may only
SELECT, whatever is created later; `any_database_url` and `any_plain_role_url` are those of `any_server`.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import psycopg
import pytest
from psycopg import sql

from pgwarden.providers.local.binaries import Binaries, find_all
from pgwarden.providers.local.cluster import Cluster

PLAIN_ROLE = "plain_reader"

SETTINGS = {
    # A crash may lose it all: nobody misses it.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}

_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """A running server. Its URLs go through the loopback port: a proxy can stand between, and not through a socket."""

    cluster: Cluster

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return a URL of one of its databases."""
        return self.cluster.url(database, user, tcp=True)

    @property
    def major(self) -> int:
        """Its major version."""
        return self.cluster.binaries.major

    def create_database(self) -> str:
        """Create a database with a name of its own, in which the plain role may read all that is created later."""
        name = f"test_{next(_numbers)}"
        role = sql.Identifier(PLAIN_ROLE)
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(self.url(name), autocommit=True) as conn:
            conn.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}").format(role))
            conn.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {}").format(role))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, and end the sessions in it."""
        with psycopg.connect(self.url(), autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def start_server(binaries: Binaries, root: Path) -> Server:
    """Create and start a throwaway server with the plain role in it."""
    cluster = Cluster(root, binaries, tcp=True, settings=SETTINGS)
    cluster.create()
    cluster.start()
    server = Server(cluster)
    password = cluster.make_password(PLAIN_ROLE)
    with psycopg.connect(server.url(), autocommit=True) as conn:
        statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        conn.execute(statement.format(sql.Identifier(PLAIN_ROLE), sql.Literal(password)))
    return server


def as_plain_role(server: Server, url: str) -> str:
    """Return the URL of the same database for the plain role."""
    return server.url(url.rsplit("/", 1)[1], PLAIN_ROLE)


class Servers:
    """The servers of the session, each started when first asked for."""

    def __init__(self, root: Path) -> None:
        """Make an empty collection that keeps its servers under a directory."""
        self._root = root
        self._started: dict[str, Server] = {}

    def get(self, source: Literal["wheel", "system"]) -> Server:
        """Return the server of this kind; skips the test where the machine has no such PostgreSQL."""
        if source not in self._started:
            found = next((each for each in find_all() if each.source == source), None)
            if found is None:
                pytest.skip(f"no PostgreSQL of the {source} on this machine")
            self._started[source] = start_server(found, self._root / source)
        return self._started[source]

    def stop(self) -> None:
        """Stop and remove all of them."""
        for server in self._started.values():
            server.cluster.destroy()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of the session."""
    # Not pytest's own directory: as a lent account PostgreSQL could not enter it, and its path may be long.
    root = Path(tempfile.mkdtemp(prefix="pgw-"))
    root.chmod(0o711)
    collection = Servers(root)
    yield collection
    collection.stop()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def server(servers: Servers) -> Server:
    """The wheel's PostgreSQL."""
    return servers.get("wheel")


@pytest.fixture(scope="session", params=["wheel", "system"])
def any_server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """The wheel's PostgreSQL, then the system's."""
    return servers.get(cast(Literal["wheel", "system"], request.param))


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """A fresh database, as superuser."""
    yield from _database(server)


@pytest.fixture
def any_database_url(any_server: Server) -> Iterator[str]:
    """A fresh database of any server, as superuser."""
    yield from _database(any_server)


@pytest.fixture
def plain_role_url(server: Server, database_url: str) -> str:
    """The database of `database_url`, as a role that may only SELECT."""
    return as_plain_role(server, database_url)


@pytest.fixture
def any_plain_role_url(any_server: Server, any_database_url: str) -> str:
    """The database of `any_database_url`, as a role that may only SELECT."""
    return as_plain_role(any_server, any_database_url)


def _database(server: Server) -> Iterator[str]:
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)
