"""Several statements as one transaction, below the tools: all or nothing, whoever else is at the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from fix_database import OpenDatabase, cell, read
from fix_gate import Gate
from pgwarden.db import Database
from pgwarden.db.statements import Returned, Statements
from pgwarden.errors import (
    ArgumentError,
    ConnectionLostError,
    InternalError,
    OutcomeUnknownError,
    QueryError,
    TooManyRowsError,
)
from pgwarden.results import Written
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("pipeline", ["auto", "off"])
SCHEMA = """
    CREATE TABLE t (n int PRIMARY KEY, v int NOT NULL DEFAULT 0);
    CREATE TABLE log (n int);
    CREATE TABLE child (n int REFERENCES t DEFERRABLE);
    INSERT INTO t SELECT n FROM generate_series(1, 5) n;
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log SELECT generate_series(1, 50); RETURN NULL; END $$;
    CREATE FUNCTION put() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (2) RETURNING 1';
    CREATE CONSTRAINT TRIGGER late AFTER DELETE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
"""
SKEW = "UPDATE t SET v = (SELECT count(*) FROM t WHERE v = 0) WHERE n = $1 RETURNING v"
"""Two of them on different rows are not serializable."""

Work = Callable[[Statements], Awaitable[None]]


@pytest.fixture
def url(database_url: str) -> str:
    """A database with five rows."""
    run_sql(database_url, SCHEMA)
    return database_url


@pytest.fixture
def any_url(any_database_url: str) -> str:
    """The same on every server."""
    run_sql(any_database_url, SCHEMA)
    return any_database_url


async def transact(db: Database, work: Work, **arguments: Any) -> list[Written]:
    """Run a transaction, with caps that do not matter unless named."""
    return await db.transact(work, **({"timeout_s": 20.0, "max_affected": None} | arguments))


async def write(statements: Statements, statement: str, *params: object) -> Returned:
    """Run a change with caps that do not matter."""
    return await statements.write(statement, params, limit=100, max_bytes=100_000, timeout_s=20)


def steps(*texts: str) -> Work:
    """Work that is these statements."""

    async def work(statements: Statements) -> None:
        for text in texts:
            await write(statements, text)

    return work


def ask(url: str, question: str) -> Any:
    """Ask the database past the server."""
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(question.encode()).fetchone()
    return row and row[0]


@MODES
async def test_all_of_it_is_committed(open_database: OpenDatabase, any_url: str, pipeline: str) -> None:
    """Statements see what those before them did, take values from them, and are there together."""

    async def work(statements: Statements) -> None:
        made = await write(statements, "INSERT INTO t VALUES (9, 4) RETURNING n, v")
        assert (made.names, made.rows, made.affected) == (("n", "v"), (("9", "4"),), 1)
        found = await statements.read("SELECT n FROM t WHERE v = $1", ("4",), limit=10, max_bytes=1_000, timeout_s=20)
        assert found.rows == (("9",),)
        assert ask(any_url, "SELECT count(*) FROM t") == 5
        await write(statements, "INSERT INTO log VALUES ($1)", made.rows[0][0])

    async with open_database(any_url, pipeline=pipeline) as db:
        done = await transact(db, work)
        assert [each.tag for each in done] == ["INSERT 0 1", "SELECT 1", "INSERT 0 1"]
        assert [each.name for each in done[0].touched] == ["t"]
        assert ask(any_url, "SELECT n FROM log") == 9


@MODES
async def test_nothing_of_it_where_one_fails(open_database: OpenDatabase, url: str, pipeline: str) -> None:
    """An error of the server's or of the work's own undoes what ran before it; the connection is used again."""

    async def own(statements: Statements) -> None:
        await write(statements, "DELETE FROM t WHERE n = 1")
        raise ArgumentError("mine")

    async with open_database(url, pipeline=pipeline, pool_max=1) as db:
        with pytest.raises(QueryError) as caught:
            await transact(db, steps("DELETE FROM t WHERE n = 1", "INSERT INTO t VALUES (2)"))
        assert caught.value.error_code == "unique_violation"
        with pytest.raises(ArgumentError, match="mine"):
            await transact(db, own)
        for end in ("COMMIT", "END", "CREATE TABLE x ()"):
            with pytest.raises(InternalError):
                await transact(db, steps("DELETE FROM t WHERE n = 1", end))
        assert await cell(db, "SELECT count(*) FROM t") == "5"


async def test_reads_change_nothing(open_database: OpenDatabase, url: str) -> None:
    """A read within the transaction is read only, as the server sees it; what follows it may change again."""

    async def work(statements: Statements) -> None:
        await statements.read("SELECT 1", limit=1, max_bytes=100, timeout_s=20)
        await write(statements, "INSERT INTO log VALUES (1)")
        await statements.read("SELECT put()", limit=1, max_bytes=100, timeout_s=20)

    async with open_database(url) as db:
        with pytest.raises(QueryError) as caught:
            await transact(db, work)
        assert caught.value.error_code == "read_only_transaction"
        assert ask(url, "SELECT count(*) FROM log") == 0


async def test_deferrable_constraints_wait(open_database: OpenDatabase, url: str) -> None:
    """Rows may refer to those that come later; what is missing in the end undoes everything."""
    child, parent = "INSERT INTO child VALUES (7)", "INSERT INTO t VALUES (7)"
    async with open_database(url) as db:
        await transact(db, steps(child, parent))
        assert ask(url, "SELECT count(*) FROM child") == 1
        with pytest.raises(QueryError) as caught:
            await transact(db, steps("INSERT INTO child VALUES (8)", "INSERT INTO log VALUES (1)"))
        assert caught.value.error_code == "foreign_key_violation"
        assert ask(url, "SELECT count(*) FROM log") == 0


async def test_a_dry_run_leaves_nothing(open_database: OpenDatabase, url: str) -> None:
    """What deferred constraints would refuse is refused in a dry run too; the rest is told, and undone."""
    async with open_database(url) as db:
        done = await transact(db, steps("INSERT INTO t VALUES (7)", "DELETE FROM t WHERE n < 3"), dry_run=True)
        assert [(each.affected, each.rolled_back) for each in done] == [(1, True), (2, True)]
        with pytest.raises(QueryError):
            await transact(db, steps("INSERT INTO child VALUES (8)"), dry_run=True)
        assert ask(url, "SELECT count(*) FROM t") == 5


async def test_more_rows_than_allowed(open_database: OpenDatabase, url: str) -> None:
    """All statements count together, and what deferred triggers change counts as well."""
    async with open_database(url) as db:
        small = steps("UPDATE t SET v = 1 WHERE n < 4", "UPDATE t SET v = 2 WHERE n < 4")
        await transact(db, small, max_affected=6)
        for work, most in ((small, 5), (steps("DELETE FROM t WHERE n = 5"), 50)):
            with pytest.raises(TooManyRowsError):
                await transact(db, work, max_affected=most)
        assert ask(url, "SELECT count(*) FROM t") == 5
        assert ask(url, "SELECT count(*) FROM log") == 0
        await transact(db, steps("DELETE FROM t WHERE n = 5"), max_affected=51)
        assert ask(url, "SELECT count(*) FROM log") == 50


@MODES
async def test_it_runs_again_where_another_was_in_the_way(
    open_database: OpenDatabase, any_url: str, pipeline: str
) -> None:
    """A serialization failure starts everything over, on what is there by then."""
    runs = 0

    async def work(statements: Statements) -> None:
        nonlocal runs
        runs += 1
        found = await write(statements, "UPDATE t SET v = v + 1 WHERE n = 1 RETURNING v")
        if runs == 1:
            # The other one is serializable too, has seen this row as it was, and is committed first.
            run_sql(
                any_url,
                "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE t SET v = (SELECT sum(v) FROM t) + 10 WHERE n = 2; COMMIT",
            )
        total = await statements.read("SELECT sum(v) FROM t", limit=1, max_bytes=100, timeout_s=20)
        await write(statements, "INSERT INTO log VALUES ($1)", total.rows[0][0])
        assert found.rows == (("1",),)

    async with open_database(any_url, pipeline=pipeline) as db:
        await transact(db, work)
        assert runs == 2
        assert ask(any_url, "SELECT array_agg(n) FROM log") == [11]


async def test_it_gives_up_after_three_times(open_database: OpenDatabase, url: str) -> None:
    """Where another is in the way each time the error says that the call may be repeated, and nothing is changed."""
    runs = 0

    async def work(statements: Statements) -> None:
        nonlocal runs
        runs += 1
        await statements.read("SELECT sum(v) FROM t", limit=1, max_bytes=100, timeout_s=20)
        run_sql(url, "UPDATE t SET v = v + 1 WHERE n = 1")
        await write(statements, "UPDATE t SET v = 100 WHERE n = 1")

    async with open_database(url) as db:
        with pytest.raises(QueryError) as caught:
            await transact(db, work)
        assert (caught.value.error_code, caught.value.retryable, runs) == ("serialization_failure", True, 4)
        assert ask(url, "SELECT v FROM t WHERE n = 1") == 4


async def test_write_skew(open_database: OpenDatabase, url: str) -> None:
    """Two that each look at all rows and change one end as if one had run after the other."""
    both = asyncio.Barrier(2)

    async def run(number: int, db: Database) -> None:
        met = False

        async def work(statements: Statements) -> None:
            nonlocal met
            await write(statements, SKEW, number)
            if not met:
                met = True
                await both.wait()

        await transact(db, work)

    async with open_database(url) as one, open_database(url) as other:
        await asyncio.gather(run(1, one), run(2, other))
    assert ask(url, "SELECT array_agg(v ORDER BY v) FROM t WHERE n IN (1, 2)") == [4, 5]


async def test_deadlocks_are_run_again(open_database: OpenDatabase, url: str) -> None:
    """Two that want each other's rows are both made, one after the other."""
    both = asyncio.Barrier(2)

    async def run(rows: tuple[int, int], db: Database) -> None:
        met = False

        async def work(statements: Statements) -> None:
            nonlocal met
            await write(statements, "UPDATE t SET v = v + 1 WHERE n = $1", rows[0])
            if not met:
                met = True
                await both.wait()
            await write(statements, "UPDATE t SET v = v + 1 WHERE n = $1", rows[1])

        await transact(db, work, isolation="read committed")

    async with open_database(url) as db:
        await asyncio.gather(run((1, 2), db), run((2, 1), db))
    assert ask(url, "SELECT array_agg(v) FROM t WHERE n < 3") == [2, 2]


async def test_the_session_is_ended_in_the_middle(open_database: OpenDatabase, url: str) -> None:
    """Before COMMIT a lost connection means that nothing was changed, and it is not run again unasked."""
    runs = 0

    async def work(statements: Statements) -> None:
        nonlocal runs
        runs += 1
        await write(statements, "INSERT INTO log VALUES (1)")
        run_sql(
            url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await write(statements, "INSERT INTO log VALUES (2)")

    async with open_database(url) as db:
        with pytest.raises(ConnectionLostError) as caught:
            await transact(db, work)
        assert "Nothing was changed" in (caught.value.hint or "")
        assert runs == 1
        assert (await read(db, "SELECT n FROM log")).rows == []


async def test_lost_while_committing(open_database: OpenDatabase, url: str) -> None:
    """From COMMIT on the outcome is unknown where no answer came."""
    async with Gate(url) as gate, open_database(gate.url) as db:
        call = asyncio.create_task(transact(db, steps("INSERT INTO log VALUES (1)", "INSERT INTO log VALUES (2)")))
        await gate.reached.wait()
        gate.cut()
        with pytest.raises(OutcomeUnknownError) as caught:
            await call
        assert not caught.value.retryable
        gate.passes.set()


@MODES
async def test_cancelled_in_the_middle(open_database: OpenDatabase, url: str, pipeline: str) -> None:
    """A cancelled transaction is rolled back, whether a statement runs or the work thinks; the place is free again."""
    thinking, asleep = asyncio.Event(), asyncio.Event()

    async def think(statements: Statements) -> None:
        await write(statements, "INSERT INTO log VALUES (1)")
        thinking.set()
        await asyncio.sleep(30)

    async def sleep(statements: Statements) -> None:
        await write(statements, "INSERT INTO log VALUES (1)")
        asleep.set()
        await write(statements, "INSERT INTO log SELECT 2 FROM pg_sleep(30)")

    async with open_database(url, pipeline=pipeline, pool_max=1) as db:
        for work, started in ((think, thinking), (sleep, asleep)):
            call = asyncio.create_task(transact(db, work))
            await started.wait()
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
            assert caught.value.__notes__ == ["Nothing was changed."]
            await transact(db, steps("INSERT INTO log VALUES (3)"))
        assert ask(url, "SELECT array_agg(n) FROM log") == [3, 3]
