"""Changes whose connection breaks, or whose caller goes away: what is reported is true."""

import asyncio
from typing import Any

import anyio
import psycopg
import pytest

from fix_database import OpenDatabase, cell, write
from fix_gate import Gate
from pgwarden.errors import ConnectionLostError, DatabaseError, OutcomeUnknownError, QueryError
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("pipeline", ["auto", "off"])
SLOW = "INSERT INTO t SELECT 1 FROM pg_sleep(30)"
INSERT = "INSERT INTO t VALUES (1)"


@pytest.fixture
def table_url(database_url: str) -> str:
    """A database with an empty table."""
    run_sql(database_url, "CREATE TABLE t (n int)")
    return database_url


@MODES
@pytest.mark.parametrize("dry_run", [True, False])
async def test_ended_while_it_runs(open_database: OpenDatabase, table_url: str, dry_run: bool, pipeline: str) -> None:
    """A change whose session is terminated before COMMIT changed nothing, says so, and is not sent again."""
    async with open_database(table_url, pipeline=pipeline) as db:
        call = asyncio.create_task(write(db, SLOW, dry_run=dry_run))
        await _running(table_url)
        _terminate(table_url)
        with pytest.raises(ConnectionLostError) as caught:
            await call
        assert "Nothing was changed" in (caught.value.hint or "")
        assert caught.value.retryable
        assert _rows(table_url) == 0
        assert await cell(db, "SELECT count(*) FROM t") == "0"


@MODES
async def test_idle_connections_that_were_ended(open_database: OpenDatabase, table_url: str, pipeline: str) -> None:
    """A change does not run on a connection that was terminated while it was idle."""
    async with open_database(table_url, pipeline=pipeline) as db:
        await write(db, INSERT)
        _terminate(table_url)
        await write(db, INSERT)
        assert _rows(table_url) == 2


@MODES
async def test_ended_while_committing(open_database: OpenDatabase, table_url: str, pipeline: str) -> None:
    """Where COMMIT was sent and no answer came the outcome is unknown, and the call must not be repeated."""
    async with Gate(table_url) as gate, open_database(gate.url, pipeline=pipeline) as db:
        call = asyncio.create_task(write(db, INSERT))
        await gate.reached.wait()
        gate.cut()
        with pytest.raises(OutcomeUnknownError) as caught:
            await call
        assert not caught.value.retryable
        assert caught.value.hint
        gate.passes.set()


async def test_the_answer_to_commit_is_lost(open_database: OpenDatabase, table_url: str) -> None:
    """A change that was made without our hearing of it is reported as unknown, never as undone."""
    async with Gate(table_url) as gate, open_database(gate.url) as db:
        call = asyncio.create_task(write(db, INSERT))
        await gate.reached.wait()
        gate.answers.clear()
        gate.passes.set()
        await _until_rows(table_url, 1)
        gate.cut()
        with pytest.raises(OutcomeUnknownError):
            await call
        gate.answers.set()


async def test_the_server_refuses_to_commit(open_database: OpenDatabase, table_url: str) -> None:
    """A COMMIT that fails changed nothing; here because of another serializable transaction."""
    name = table_url.rsplit("/", 1)[1]
    run_sql(
        table_url, f"ALTER DATABASE {name} SET default_transaction_isolation = serializable; INSERT INTO t VALUES (7)"
    )
    async with Gate(table_url) as gate, open_database(gate.url) as db:
        with psycopg.connect(table_url) as conn:
            conn.execute("SELECT count(*) FROM t")
            call = asyncio.create_task(write(db, "INSERT INTO t SELECT count(*) FROM t"))
            await gate.reached.wait()
            conn.execute("INSERT INTO t VALUES (8)")
            conn.commit()
        gate.passes.set()
        with pytest.raises(QueryError) as caught:
            await call
        assert (caught.value.error_code, caught.value.retryable) == ("serialization_failure", True)
        assert _rows(table_url) == 2
        assert await cell(db, "SELECT count(*) FROM t") == "2"


@MODES
async def test_cancelled_while_it_runs(open_database: OpenDatabase, table_url: str, pipeline: str) -> None:
    """A cancelled change ends on the server and is rolled back; the place in the pool is free again."""
    async with open_database(table_url, pipeline=pipeline, pool_max=1) as db:
        call = asyncio.create_task(write(db, SLOW))
        await _running(table_url)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert caught.value.__notes__ == ["Nothing was changed."]
        await _running(table_url, count=0)
        assert (await write(db, INSERT)).affected == 1
        assert _rows(table_url) == 1


@MODES
async def test_cancelled_while_committing(open_database: OpenDatabase, table_url: str, pipeline: str) -> None:
    """A change that is cancelled when COMMIT was sent is made, and the note says so; the connection stays usable."""
    async with Gate(table_url) as gate, open_database(gate.url, pipeline=pipeline, pool_max=1) as db:
        call = asyncio.create_task(write(db, INSERT))
        await gate.reached.wait()
        call.cancel()
        await asyncio.sleep(0.1)
        gate.passes.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert caught.value.__notes__ == ["The change had been made already."]
        assert _rows(table_url) == 1
        assert await cell(db, "SELECT count(*) FROM t") == "1"
        assert gate.accepted == 1


async def test_a_scope_is_cancelled_while_committing(open_database: OpenDatabase, table_url: str) -> None:
    """The same with anyio's cancellation, and an answer that does not come in time."""
    notes: list[str] = []

    async def change(db: Any) -> None:
        try:
            await write(db, INSERT)
        except BaseException as exc:
            notes.extend(exc.__notes__)
            raise

    async with Gate(table_url) as gate, open_database(gate.url) as db:
        async with anyio.create_task_group() as group:
            group.start_soon(change, db)
            await gate.reached.wait()
            group.cancel_scope.cancel()
        assert notes == ["The server had not answered: the change may or may not have been made."]
        gate.passes.set()
        await _until_rows(table_url, 1)


async def test_closed_while_it_runs(open_database: OpenDatabase, table_url: str) -> None:
    """Closing the database ends a change, which is rolled back."""
    async with open_database(table_url) as db:
        call = asyncio.create_task(write(db, SLOW))
        await _running(table_url)
        await db.close()
        with pytest.raises(DatabaseError):
            await call
        await _running(table_url, count=0)
        assert _rows(table_url) == 0


@MODES
async def test_what_has_no_transaction_is_lost(open_database: OpenDatabase, table_url: str, pipeline: str) -> None:
    """Where a statement that commits as it runs loses its session the outcome is unknown; cancelled, it ends."""
    statement = "CREATE INDEX CONCURRENTLY waiting ON t (n)"
    with psycopg.connect(table_url) as conn:
        conn.execute("INSERT INTO t VALUES (1)")
        async with open_database(table_url, pipeline=pipeline) as db:
            call = asyncio.create_task(write(db, statement, in_transaction=False))
            await _running(table_url, like="CREATE INDEX%")
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert "may or may not" in caught.value.__notes__[0]
            await _running(table_url, like="CREATE INDEX%", count=0)
            call = asyncio.create_task(write(db, statement.replace("waiting", "again"), in_transaction=False))
            await _running(table_url, like="CREATE INDEX%")
            _terminate(table_url, like="CREATE INDEX%")
            with pytest.raises(OutcomeUnknownError):
                await call


def _rows(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM t").fetchone()
    assert row is not None
    return int(row[0])


def _terminate(url: str, like: str = "%") -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND query LIKE %s",
            (like,),
        )


async def _running(url: str, *, count: int = 1, like: str = "%pg_sleep(%") -> None:
    """Wait until that many statements of ours run on the server."""
    with psycopg.connect(url, autocommit=True) as conn:
        for _ in range(200):
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwarden'"
                " AND state = 'active' AND query LIKE %s AND datname = current_database()",
                (like,),
            ).fetchone()
            if row == (count,):
                return
            await asyncio.sleep(0.03)
    raise AssertionError(f"never {count} running")


async def _until_rows(url: str, count: int) -> None:
    for _ in range(200):
        if _rows(url) == count:
            return
        await asyncio.sleep(0.03)
    raise AssertionError(f"never {count} rows")
