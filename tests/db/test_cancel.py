"""A cancelled call ends its statement on the server; so does closing."""

import asyncio
import time

import anyio
import psycopg
import pytest

from fix_database import OpenDatabase, cell, read
from fix_proxy import Proxy
from pgwarden.errors import DatabaseError

pytestmark = pytest.mark.anyio

SLOW = "SELECT pg_sleep(30)"


async def test_an_anyio_scope_is_cancelled(open_database: OpenDatabase, database_url: str) -> None:
    """Cancelling the scope around a call, as the MCP SDK does, ends the statement within half a second."""
    async with open_database(database_url) as db:
        started = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(read, db, SLOW)
            await _until(database_url, running=1)
            started = time.monotonic()
            group.cancel_scope.cancel()
        await _until(database_url, running=0)
        assert time.monotonic() - started < 0.5
        assert await cell(db, "SELECT 1") == "1"


async def test_an_asyncio_task_is_cancelled(open_database: OpenDatabase, database_url: str) -> None:
    """Cancelling a plain task ends the statement too, without pipelining as well."""
    async with open_database(database_url, pipeline="off") as db:
        call = asyncio.create_task(read(db, SLOW))
        await _until(database_url, running=1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await _until(database_url, running=0)


async def test_many_are_cancelled_at_once(open_database: OpenDatabase, database_url: str) -> None:
    """All statements of a cancelled scope end, and every place in the pool is free again."""
    async with open_database(database_url, pool_max=4) as db:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(read, db, SLOW)
            await _until(database_url, running=4)
            group.cancel_scope.cancel()
        await _until(database_url, running=0)
        assert await asyncio.gather(*(cell(db, "SELECT 1") for _ in range(8))) == ["1"] * 8


async def test_a_statement_that_cannot_be_ended_keeps_its_place(open_database: OpenDatabase, database_url: str) -> None:
    """PostgreSQL does not look for a request to cancel while it compares arrays; until then there is no new one."""
    numbers = "(SELECT array_agg({}) FROM generate_series(1, 10000) AS n)"
    runaway = f"SELECT {numbers.format('n')} && {numbers.format('-n')}"
    async with open_database(database_url, pool_max=1) as db:
        call = asyncio.create_task(read(db, runaway))
        await _until(database_url, running=1, like="%array_agg(%")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await cell(db, "SELECT 1") == "1"
        await _until(database_url, running=0, like="%array_agg(%", tries=1)


async def test_cancelled_while_connecting(open_database: OpenDatabase, proxy: Proxy) -> None:
    """A call that waits for a connection can be cancelled at once."""
    async with proxy as network, open_database(network.url, pool_max=1) as db:
        network.hanging = True
        with anyio.move_on_after(0.2) as scope:
            await read(db, "SELECT 1")
        assert scope.cancelled_caught
        network.hanging = False
        assert await cell(db, "SELECT 1") == "1"


async def test_cancelled_while_rows_come(open_database: OpenDatabase, database_url: str) -> None:
    """Cancelling in the middle of a large result ends it."""
    async with open_database(database_url) as db:
        with anyio.move_on_after(0.3) as scope:
            await read(
                db,
                "SELECT repeat('x', 1000) || pg_sleep(0.001) FROM generate_series(1, 100000)",
                limit=100_000,
                max_bytes=1_000_000_000,
            )
        assert scope.cancelled_caught
        await _until(database_url, running=0)


async def test_the_server_watches_for_lost_clients(open_database: OpenDatabase, database_url: str) -> None:
    """If this process is killed, the server finds out while the statement still runs."""
    async with open_database(database_url) as db:
        assert await cell(db, "SHOW client_connection_check_interval", wrap=False) == "2s"


async def test_close_ends_statements(open_database: OpenDatabase, database_url: str) -> None:
    """Closing ends what runs, on the server as well, and closes every connection within two seconds."""
    async with open_database(database_url) as db:
        calls = [asyncio.create_task(read(db, SLOW)) for _ in range(3)]
        await _until(database_url, running=3)
        started = time.monotonic()
        await db.close()
        assert time.monotonic() - started < 2
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, DatabaseError)
        await _until(database_url, running=0)
        with pytest.raises(DatabaseError, match="closed"):
            await read(db, "SELECT 1")


async def _until(url: str, *, running: int, like: str = "%pg_sleep(%", tries: int = 100) -> None:
    """Wait until that many statements of ours run on the server."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        for _ in range(tries):
            cursor = await conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwarden'"
                " AND state = 'active' AND query LIKE %s AND datname = current_database()",
                (like,),
            )
            if await cursor.fetchone() == (running,):
                return
            await asyncio.sleep(0.03)
    raise AssertionError(f"never {running} running")
