"""Interactive transactions below the tools: what runs in them, what ends them, and what is said afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import pytest

from fix_database import OpenDatabase, read, write
from fix_gate import Gate
from fix_proxy import Proxy
from pgwarden.db import Database
from pgwarden.db.inside import Inside
from pgwarden.db.outcome import Ended
from pgwarden.errors import (
    ArgumentError,
    NotFoundError,
    OutcomeUnknownError,
    QueryError,
    ScopeError,
    TooManyRowsError,
    TransactionError,
)
from pgwarden.policy.scopes import Scopes
from pgwarden.settings import LimitSettings
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text, parent int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 5) n;
"""


@pytest.fixture
def items(any_database_url: str) -> str:
    """A table, on either server."""
    run_sql(any_database_url, SETUP)
    return any_database_url


@pytest.fixture
def one(database_url: str) -> str:
    """A table, on one server."""
    run_sql(database_url, SETUP)
    return database_url


def outside(url: str, query: str = "SELECT count(*) FROM item") -> Any:
    """One value, as another session sees it."""
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None


def standing(url: str) -> int:
    """How many sessions of others have a transaction open in the database."""
    found: int = outside(
        url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state LIKE 'idle in transaction%'",
    )
    return found


@asynccontextmanager
async def begun(db: Database, isolation: Any = "read committed", **options: Any) -> AsyncIterator[Inside]:
    """A transaction, as the place to run calls in."""
    modes = {"read_only": False, "deferrable": False}
    made = await db.transactions.begin(isolation, **(modes | options))
    yield db.transactions.inside(made.id)


async def ids(db: Database) -> list[int]:
    """What the table has."""
    return [int(row[0] or 0) for row in (await read(db, "SELECT id FROM item ORDER BY 1")).rows]


async def gone(place: Inside) -> TransactionError:
    """The error of a transaction that has ended."""
    with pytest.raises(TransactionError) as caught:
        await read(place, "SELECT 1")
    assert caught.value.error_code == "transaction_gone"
    return caught.value


async def until_gone(place: Inside, seconds: float = 3) -> Ended:
    """Wait until a transaction has ended."""
    for _ in range(round(seconds / 0.02)):
        if place.transaction.ended is None:
            await asyncio.sleep(0.02)
    assert place.transaction.ended is not None
    return place.transaction.ended


async def test_changes_are_seen_inside_and_not_outside(items: str, open_database: OpenDatabase) -> None:
    """Until COMMIT nobody else sees them, this server's other calls included; then everybody does."""
    async with open_database(items) as db, begun(db) as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        await write(place, "UPDATE item SET name = 'x' WHERE id < 3")
        assert await ids(place) == [1, 2, 3, 4, 5, 6]
        assert await ids(db) == [1, 2, 3, 4, 5]
        assert [(t.name, t.inserted, t.updated) for t in place.transaction.touched] == [("item", 1, 2)]
        await db.transactions.commit(place.transaction)
        assert await ids(db) == [1, 2, 3, 4, 5, 6]
        assert "Its changes were made" in str((await gone(place)).hint)
        assert standing(items) == 0


async def test_a_failed_statement_leaves_the_transaction(items: str, open_database: OpenDatabase) -> None:
    """It takes nothing with it, and no lock that it took is kept."""
    async with open_database(items) as db, begun(db) as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        for broken in ("INSERT INTO item VALUES (6, 'again')", "UPDATE item SET id = 1/0 WHERE id = 1"):
            with pytest.raises(QueryError):
                await write(place, broken)
        with pytest.raises(TooManyRowsError) as caught:
            await write(place, "UPDATE item SET name = 'all'", max_affected=3)
        assert "the transaction stands" in caught.value.message
        outside(items, "UPDATE item SET name = 'free' WHERE id = 1 RETURNING 1")
        dry = await write(place, "DELETE FROM item WHERE id = 2", dry_run=True)
        assert dry.rolled_back
        assert dry.affected == 1
        outside(items, "UPDATE item SET name = 'free' WHERE id = 2 RETURNING 1")
        await db.transactions.commit(place.transaction)
        assert await ids(db) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["a", "pgwarden", "pgwarden_try", "pgwarden_1", 'x"; DROP TABLE item; --', "ß" * 100])
async def test_savepoints_of_any_name(one: str, open_database: OpenDatabase, name: str) -> None:
    """Names never reach the server; the newest of a name counts, and what ran behind it is undone and not counted."""
    async with open_database(one) as db, begun(db) as place:
        transaction = place.transaction
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        await transaction.savepoint(name)
        await write(place, "INSERT INTO item VALUES (7, 'seven')")
        await transaction.savepoint(name)
        with pytest.raises(QueryError):
            await write(place, "INSERT INTO item VALUES (7, 'seven')")
        await write(place, "INSERT INTO item VALUES (8, 'eight')")
        assert await transaction.rollback_to(name) == 1
        assert await ids(place) == [1, 2, 3, 4, 5, 6, 7]
        assert [ran.tag for ran in transaction.ran] == ["INSERT 0 1"] * 2
        with pytest.raises(ArgumentError):
            await transaction.rollback_to(name + "?")
        await db.transactions.commit(transaction)
        assert await ids(db) == [1, 2, 3, 4, 5, 6, 7]


async def test_names_of_savepoints_have_bounds(one: str, open_database: OpenDatabase) -> None:
    """Not empty, and not longer than can be shown."""
    async with open_database(one) as db, begun(db) as place:
        for name in ("", "  ", "x" * 200):
            with pytest.raises(ArgumentError):
                await place.transaction.savepoint(name)


async def test_definitions_are_known_inside_alone(items: str, open_database: OpenDatabase) -> None:
    """The guard's catalog has what the transaction made; outside, and after the way back, it has not."""
    async with open_database(items) as db, begun(db) as place:
        before = await db.catalog()
        assert await place.catalog() is before
        await place.transaction.savepoint("s")
        await write(place, "CREATE TABLE made (id int)")
        await write(place, "CREATE TYPE mood AS ENUM ('good')")
        inside = await place.catalog()
        assert "made" in inside.names["public"]
        assert await place.catalog() is inside
        assert [c.type for c in (await read(place, "SELECT 'good'::mood")).columns] == ["mood"]
        db.forget()
        assert "made" not in (await db.catalog()).names["public"]
        await place.transaction.rollback_to("s")
        assert "made" not in (await place.catalog()).names["public"]
        await write(place, "CREATE TABLE made_again (id int)")
        assert "made_again" in (await place.catalog()).names["public"]
        await db.transactions.commit(place.transaction)
        assert "made_again" in (await db.catalog()).names["public"]


SETS = """
CREATE SCHEMA other;
CREATE TABLE other.item AS SELECT 99 AS id, 'hidden' AS name;
CREATE FUNCTION sets() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    PERFORM set_config('search_path', 'other', false), set_config('role', 'plain_reader', false);
    RETURN NEW;
END$$;
CREATE TRIGGER sets AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION sets();
CREATE PROCEDURE moves() LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('search_path', 'other', false); END$$;
"""


@pytest.mark.parametrize("pipeline", ["auto", "off"])
async def test_names_mean_what_they_were_judged_to_mean(items: str, pipeline: str, open_database: OpenDatabase) -> None:
    """What a trigger or a procedure sets for the session is gone before the next statement, a read or a change."""
    run_sql(items, SETS)
    async with open_database(items, pipeline=pipeline) as db, begun(db) as place:
        asked = "SELECT current_setting('search_path'), current_user::text"
        before = (await read(place, asked)).rows
        for change in ("UPDATE item SET name = 'x' WHERE id = 1", "CALL moves()"):
            await write(place, change)
            assert await ids(place) == [1, 2, 3, 4, 5]
            assert (await read(place, asked)).rows == before
            await write(place, change)
            assert (await write(place, "UPDATE item SET name = 'y' WHERE id = 2")).affected == 1
        await db.transactions.commit(place.transaction)
        assert (await read(db, asked)).rows == before

        async def both(statements: Any) -> None:
            for _ in range(2):
                await statements.write("UPDATE item SET name = 'z' WHERE id = 3", (), limit=1, max_bytes=9, timeout_s=5)

        await db.transact(both, timeout_s=5, max_affected=None)
    assert outside(items, "SELECT name FROM item WHERE id = 3") == "z"
    assert outside(items, "SELECT name FROM other.item") == "hidden"


async def test_a_snapshot_does_not_judge_by_old_definitions(one: str, open_database: OpenDatabase) -> None:
    """Under repeatable read, definitions of others count and cannot be read: it is refused, once it reads its own."""
    async with open_database(one) as db, begun(db, "repeatable read") as place:
        await write(place, "CREATE TABLE made (id int)")
        assert "made" in (await place.catalog()).names["public"]
        run_sql(one, "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        db.forget()
        with pytest.raises(TransactionError) as caught:
            await place.catalog()
        assert caught.value.error_code == "schema_changed"


async def test_read_only(one: str, open_database: OpenDatabase) -> None:
    """Nothing can be changed in it, and a token that only reads is enough."""
    scopes = Scopes.of(["database:read"])
    async with open_database(one, scopes=scopes) as db:
        with pytest.raises(ScopeError):
            await db.transactions.begin("read committed", read_only=False, deferrable=False)
        with pytest.raises(ArgumentError):
            await db.transactions.begin("read committed", read_only=True, deferrable=True)
        async with begun(db, "serializable", read_only=True, deferrable=True) as place:
            assert await ids(place) == [1, 2, 3, 4, 5]
            run_sql(one, "INSERT INTO item VALUES (6)")
            assert await ids(place) == [1, 2, 3, 4, 5]
            with pytest.raises(QueryError, match="read-only"):
                await place.transaction.session.change(change())


def change() -> Any:
    """A change that gets past everything but the server."""
    from pgwarden.db.change import Change

    return Change("INSERT INTO item VALUES (9)", (), 10, 1000, 5, None)


async def test_the_cap_leaves_a_connection(one: str, open_database: OpenDatabase) -> None:
    """No more than the setting, nor than one less than the pool has; reads outside go on all the while."""
    async with open_database(one, pool_max=2, limits=LimitSettings(max_transactions=5)) as db, begun(db) as place:
        with pytest.raises(TransactionError) as caught:
            await db.transactions.begin("read committed", read_only=False, deferrable=False)
        assert caught.value.error_code == "too_many_transactions"
        assert caught.value.details["transactions"] == [place.transaction.id]
        assert await ids(db) == [1, 2, 3, 4, 5]
        await db.transactions.roll_back(place.transaction, "test")
        async with begun(db) as again:
            assert await ids(again) == [1, 2, 3, 4, 5]
    for settings, limits in (({"pool_max": 1}, {}), ({}, {"max_transactions": 0})):
        async with open_database(one, limits=LimitSettings.model_validate(limits), **settings) as db:
            with pytest.raises(TransactionError, match="No interactive transactions"):
                await db.transactions.begin("read committed", read_only=False, deferrable=False)


async def test_those_who_wait_for_it_are_not_in_its_way(items: str, open_database: OpenDatabase) -> None:
    """However many calls wait for its locks, what runs in it goes on, is judged and is committed."""
    limits = LimitSettings(max_concurrency=20, transaction_idle=1, lock_timeout=10)
    async with open_database(items, limits=limits, pool_max=5, writes=True) as db, begun(db) as place:
        await write(place, "UPDATE item SET name = 'x' WHERE id = 1")
        waiting = [
            asyncio.create_task(write(db, "UPDATE item SET name = name || $1 WHERE id = 1", "y")) for _ in range(8)
        ]
        while not outside(items, "SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - of the server
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            db.forget()
            await place.catalog()
            pid = [place.transaction.pid]
            assert (await db.query("transaction_locks", pid, primary=True, queued=False)).rows[0][3] != "0"
            assert (await read(place, "SELECT name FROM item WHERE id = 1")).rows == [("x",)]
            await db.transactions.commit(place.transaction)
            await asyncio.gather(*waiting)
        assert outside(items, "SELECT name FROM item WHERE id = 1") == "xyyyyyyyy"


async def test_a_call_in_it_is_no_idling(one: str, open_database: OpenDatabase) -> None:
    """Also where it takes longer to come to its statement; idling counts from its end."""
    limits = LimitSettings().model_copy(update={"transaction_idle": 0.3})
    async with open_database(one, limits=limits) as db, begun(db) as place:
        with place.transaction.turn():
            await asyncio.sleep(0.6)
            assert await ids(place) == [1, 2, 3, 4, 5]
        assert place.transaction.idle_left > 0.2
        assert "nothing ran in it" in (await until_gone(place)).why


async def test_idling_ends_it(one: str, open_database: OpenDatabase) -> None:
    """A second without a statement: rolled back, its locks gone, and the reason is known; statements start it anew."""
    told: list[Ended] = []
    async with open_database(one, limits=LimitSettings(transaction_idle=1)) as db, begun(db) as place:
        db.on_transaction_end = told.append
        await write(place, "UPDATE item SET name = 'x' WHERE id = 1")
        await asyncio.sleep(0.6)
        await read(place, "SELECT 1")
        await asyncio.sleep(0.6)
        assert place.transaction.ended is None
        ended = await until_gone(place)
        assert (ended.outcome, ended.automatic) == ("rolled back", True)
        assert "nothing ran in it for 1 s" in (await gone(place)).message
        assert told == [ended]
        assert standing(one) == 0
        outside(one, "UPDATE item SET name = 'free' WHERE id = 1 RETURNING 1")


async def test_the_lifetime_ends_also_what_runs(one: str, open_database: OpenDatabase) -> None:
    """When its time is up a running statement is cancelled, and its caller told."""
    async with open_database(one, limits=LimitSettings(transaction_lifetime=1)) as db, begun(db) as place:
        started = time.monotonic()
        with pytest.raises(TransactionError, match="it stood for 1 s") as caught:
            await read(place, "SELECT pg_sleep(10)")
        assert caught.value.error_code == "transaction_gone"
        assert time.monotonic() - started < 3
        assert standing(one) == 0


async def test_a_question_keeps_it(one: str, open_database: OpenDatabase) -> None:
    """While a person is asked it may idle longer, as the server knows too; their answer ends that."""
    async with open_database(one, limits=LimitSettings(transaction_idle=1)) as db, begun(db) as place:
        await place.transaction.outlast(60)
        with place.transaction.asking(60):
            shown = await read(place, "SELECT current_setting('idle_in_transaction_session_timeout')")
            assert shown.rows  # what a plan reads meanwhile does not shorten it
            await asyncio.sleep(1.5)
            assert place.transaction.ended is None
        await until_gone(place)


async def test_a_cancelled_statement_is_undone_alone(items: str, open_database: OpenDatabase) -> None:
    """Its call ends at once, what it did is undone, and the transaction goes on."""
    async with open_database(items) as db, begun(db) as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        slow = "UPDATE item SET name = 'slow' || pg_sleep(5)::text WHERE id = 1"
        call = asyncio.create_task(write(place, slow))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert time.monotonic() - started < 1
        assert caught.value.__notes__ == ["Nothing was changed."]
        outside(items, "UPDATE item SET name = 'free' WHERE id = 1 RETURNING 1")
        assert await ids(place) == [1, 2, 3, 4, 5, 6]
        await db.transactions.commit(place.transaction)
        assert await ids(db) == [1, 2, 3, 4, 5, 6]


async def test_rolling_back_what_runs(one: str, open_database: OpenDatabase) -> None:
    """A rollback does not wait for a statement: that one is cancelled, and its caller told why."""
    async with open_database(one) as db, begun(db) as place:
        call = asyncio.create_task(read(place, "SELECT pg_sleep(10)"))
        await asyncio.sleep(0.2)
        await db.transactions.roll_back(place.transaction, "asked for")
        with pytest.raises(TransactionError, match="asked for"):
            await call
        assert standing(one) == 0


async def test_one_call_at_a_time(one: str, open_database: OpenDatabase) -> None:
    """A second one is told that the transaction is busy, and may come again."""
    async with open_database(one) as db, begun(db) as place:
        with place.transaction.turn(), pytest.raises(TransactionError) as caught, place.transaction.turn():
            pass
        assert caught.value.error_code == "transaction_busy"
        assert caught.value.retryable
        with place.transaction.turn():
            pass


async def test_closing_rolls_back(one: str, open_database: OpenDatabase) -> None:
    """A database that is closed, as at the end of the server, leaves no transaction behind."""
    told: list[Ended] = []
    async with open_database(one) as db, begun(db) as place:
        db.on_transaction_end = told.append
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        call = asyncio.create_task(read(place, "SELECT pg_sleep(10)"))
        await asyncio.sleep(0.2)
    with pytest.raises((TransactionError, QueryError, asyncio.CancelledError, Exception)):
        await call
    assert [each.automatic for each in told] == [True]
    for _ in range(50):
        if not outside(one, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") - 1:
            break
        await asyncio.sleep(0.05)
    assert standing(one) == 0
    assert outside(one) == 5


async def test_a_lost_connection(one: str, open_database: OpenDatabase) -> None:
    """Ended by the server while it idles: nothing was changed, the call says so, and the place is free again."""
    async with open_database(one, limits=LimitSettings(max_transactions=1)) as db, begun(db) as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        outside(one, f"SELECT pg_terminate_backend({place.transaction.pid})")
        error = await gone(place)
        assert "Nothing was changed" in str(error.hint)
        async with begun(db) as again:
            assert await ids(again) == [1, 2, 3, 4, 5]


async def test_a_lost_connection_is_noticed(one: str, open_database: OpenDatabase) -> None:
    """Also where nothing is asked of it."""
    async with open_database(one) as db, begun(db) as place:
        outside(one, f"SELECT pg_terminate_backend({place.transaction.pid})")
        assert "connection was lost" in (await until_gone(place)).why


async def test_the_server_ends_it_where_we_do_not(one: str, open_database: OpenDatabase) -> None:
    """The server has limits of its own, somewhat longer than ours, from the start on."""
    async with open_database(one) as db, begun(db) as place:
        for _ in range(2):
            setting = await read(place, "SELECT current_setting('idle_in_transaction_session_timeout')")
            assert setting.rows == [("65s",)]
        session = place.transaction.session
        await session.recover(5)
        answers = await session.link.run(())
        assert answers.error is None


async def test_a_refused_commit(items: str, open_database: OpenDatabase) -> None:
    """A deferred constraint: rolled back, said so, and remembered."""
    async with open_database(items) as db, begun(db) as place:
        await write(place, "INSERT INTO item VALUES (6, 'six', 1000)")
        with pytest.raises(QueryError) as caught:
            await db.transactions.commit(place.transaction)
        assert "was rolled back" in caught.value.message
        assert caught.value.error_code == "foreign_key_violation"
        assert "refused to commit" in (await gone(place)).message
        assert await ids(db) == [1, 2, 3, 4, 5]


async def test_a_serialization_failure(items: str, open_database: OpenDatabase) -> None:
    """It is rolled back at once, so that nobody waits for it; the hint says what to do."""
    async with open_database(items) as db, begun(db, "repeatable read") as place:
        run_sql(items, "UPDATE item SET name = 'other' WHERE id = 1")
        with pytest.raises(QueryError) as caught:
            await write(place, "UPDATE item SET name = 'mine' WHERE id = 1")
        assert (caught.value.error_code, caught.value.retryable) == ("serialization_failure", False)
        assert "was rolled back" in str(caught.value.hint)
        assert "another transaction was in the way" in (await gone(place)).message
        with pytest.raises(TransactionError):
            await db.transactions.commit(place.transaction)
        assert standing(items) == 0


async def test_the_outcome_of_a_commit_can_be_unknown(one: str, open_database: OpenDatabase) -> None:
    """The connection breaks behind COMMIT: nobody pretends to know."""
    # The gate takes READ COMMITTED for a COMMIT.
    async with Gate(one) as gate, open_database(gate.url) as db, begun(db, "repeatable read") as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        call = asyncio.create_task(db.transactions.commit(place.transaction))
        await asyncio.wait_for(gate.reached.wait(), 5)
        gate.cut()
        with pytest.raises(OutcomeUnknownError):
            await call
        gate.passes.set()
        assert "may or may not" in (await gone(place)).message


async def test_a_dead_connection_of_the_pool_does_not_matter(one: str, open_database: OpenDatabase) -> None:
    """Beginning looks for one that lives."""
    proxy = Proxy(one)
    async with proxy as network, open_database(network.url) as db:
        await ids(db)
        network.cut()
        async with begun(db) as place:
            assert await ids(place) == [1, 2, 3, 4, 5]


async def test_what_cannot_run_inside(one: str, open_database: OpenDatabase) -> None:
    """Refused before it runs; so is what would be a transaction of its own."""
    async with open_database(one) as db, begun(db) as place:
        with pytest.raises(ArgumentError) as caught:
            await write(place, "VACUUM item", in_transaction=False)
        assert caught.value.error_code == "not_in_transaction"
        with pytest.raises(ArgumentError):
            await place.transact(lambda _: asyncio.sleep(0))
        with pytest.raises(NotFoundError):
            db.transactions.inside("t0")


async def test_a_defect_in_the_middle_of_rows(
    one: str, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What closes the connection ends the transaction, and the next call is told."""

    def fail(*_: object) -> bool:
        raise ValueError("a defect")

    async with open_database(one) as db, begun(db) as place:
        with monkeypatch.context() as patch:
            patch.setattr("pgwarden.db.session.Keeper.take", fail)
            with pytest.raises(ValueError, match="a defect"):
                await read(place, "SELECT 1")
        await gone(place)
        assert standing(one) == 0


async def test_without_pipelining(one: str, open_database: OpenDatabase) -> None:
    """The same behind a pooler that cannot pipeline."""
    async with open_database(one, pipeline="off") as db, begun(db, "serializable") as place:
        await write(place, "INSERT INTO item VALUES (6, 'six')")
        await place.transaction.savepoint("s")
        with pytest.raises(QueryError):
            await write(place, "INSERT INTO item VALUES (6, 'six')")
        await write(place, "INSERT INTO item VALUES (7, 'seven')")
        call = asyncio.create_task(read(place, "SELECT pg_sleep(10)"))
        await asyncio.sleep(0.2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await place.transaction.rollback_to("s")
        assert await ids(place) == [1, 2, 3, 4, 5, 6]
        await db.transactions.commit(place.transaction)
        assert await ids(db) == [1, 2, 3, 4, 5, 6]


async def test_cancelling_at_any_moment(one: str, open_database: OpenDatabase) -> None:
    """Whenever a cancellation comes, the transaction goes on, or says that it cannot; nothing is half done."""
    async with open_database(one) as db:
        for number in range(40):
            async with begun(db) as place:
                call = asyncio.create_task(write(place, f"INSERT INTO item VALUES ({100 + number})"))
                await asyncio.sleep(number * 0.0002)
                call.cancel()
                ran = 1
                try:
                    await call
                except asyncio.CancelledError as exc:
                    ran = 1 if "had run" in str(exc.__notes__) else 0
                with suppress(TransactionError):
                    assert (100 + number in await ids(place)) == bool(ran) == bool(place.transaction.ran)
                await db.transactions.roll_back(place.transaction, "test")
        assert await ids(db) == [1, 2, 3, 4, 5]
        assert standing(one) == 0
