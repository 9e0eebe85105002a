"""Keeping connections: how many, for how long, and noticing dead ones."""

import asyncio
import time

import psycopg
import pytest

from fix_database import OpenDatabase, cell, read
from fix_proxy import Proxy
from pgwarden.db.pool import Pool
from pgwarden.settings import ConnectionSettings, LimitSettings

pytestmark = pytest.mark.anyio

PID = "SELECT pg_backend_pid()"


async def test_calls_run_at_once(open_database: OpenDatabase, database_url: str) -> None:
    """Eight statements of half a second each take half a second together."""
    async with open_database(database_url) as db:
        started = time.monotonic()
        await asyncio.gather(*(read(db, "SELECT pg_sleep(0.5)") for _ in range(8)))
        assert time.monotonic() - started < 1.5


async def test_no_more_at_once_than_allowed(open_database: OpenDatabase, database_url: str) -> None:
    """Calls beyond max_concurrency wait for their turn."""
    async with open_database(database_url, limits=LimitSettings(max_concurrency=2)) as db:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwarden' AND state = 'active'"
        own = f"{statement} AND datname = current_database() AND pg_sleep(0.1) IS NOT NULL"
        counts = await asyncio.gather(*(cell(db, own) for _ in range(6)))
    assert max(int(count or 0) for count in counts) <= 2


async def test_connections_are_reused(open_database: OpenDatabase, database_url: str) -> None:
    """One call after another uses one connection."""
    async with open_database(database_url) as db:
        assert len({await cell(db, PID) for _ in range(5)}) == 1


async def test_the_pool_is_never_larger_than_allowed(open_database: OpenDatabase, database_url: str) -> None:
    """With one connection, calls take turns on it."""
    async with open_database(database_url, pool_max=1) as db:
        assert len(set(await asyncio.gather(*(cell(db, PID) for _ in range(5))))) == 1


async def test_failures_keep_no_places(open_database: OpenDatabase, database_url: str) -> None:
    """Errors, caps and lost connections give their place in the pool back."""
    async with open_database(database_url, pool_max=1) as db:
        for statement in ("SELECT 1/0", "SELECT nope", "COPY pg_class TO STDOUT"):
            with pytest.raises(Exception, match=r"zero|nope|COPY"):
                await read(db, statement, wrap=False)
        await read(db, "SELECT repeat('x', 1000) FROM generate_series(1, 100000)", max_bytes=2_000, limit=100_000)
        assert await cell(db, "SELECT 1") == "1"


async def test_old_connections_are_replaced(open_database: OpenDatabase, database_url: str) -> None:
    """A connection beyond its lifetime is not used again."""
    async with open_database(database_url, pool_lifetime=1) as db:
        first = await cell(db, PID)
        await asyncio.sleep(1.1)
        assert await cell(db, PID) != first


async def test_idle_connections_are_closed(open_database: OpenDatabase, database_url: str) -> None:
    """Connections that nobody uses are closed in the background."""
    async with open_database(database_url, pool_idle=1, watchdog_interval=0.2) as db:
        await asyncio.gather(*(read(db, "SELECT pg_sleep(0.1)") for _ in range(3)))
        assert _sessions(database_url) == 3
        await asyncio.sleep(1.6)
        assert _sessions(database_url) == 0


async def test_the_watchdog_drops_what_hangs(proxy: Proxy) -> None:
    """A connection that does not answer a ping in time is dropped; one that does is kept."""
    async with proxy as network:
        pool = Pool(network.url, ConnectionSettings(watchdog_timeout=0.3))
        pool.release(await pool.acquire())
        await pool.tend()
        assert pool.idle == 1
        network.hanging = True
        await pool.tend()
        assert pool.idle == 0
        await pool.close()


async def test_a_hung_network_does_not_hang_a_call(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A call on a connection that became half-open ends with its own time limit."""
    async with proxy as network, open_database(network.url, connect_timeout=1, retry_attempts=1) as db:
        await read(db, "SELECT 1")
        await asyncio.sleep(0.1)
        network.hanging = True
        started = time.monotonic()
        with pytest.raises(Exception, match="did not answer"):
            await read(db, "SELECT 1", timeout_s=0.1)
        assert time.monotonic() - started < 8


def _sessions(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as conn:
        found = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwarden' AND datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else -1
