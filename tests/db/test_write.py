"""What a change does, and what it never does."""

import asyncio
from typing import Any

import psycopg
import pytest

from fix_database import OpenDatabase, cell, read, write
from pgwarden.db import Database
from pgwarden.errors import ArgumentError, PolicyError, QueryError, ScopeError, StatementTimeoutError, TooManyRowsError
from pgwarden.policy.scopes import Scopes
from pgwarden.results import Touched
from pgwarden.settings import LimitSettings
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("pipeline", ["auto", "off"])

SCHEMA = """
CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent ON DELETE CASCADE
  DEFERRABLE INITIALLY DEFERRED);
INSERT INTO parent SELECT n, 'name ' || n FROM generate_series(1, 10) AS n;
INSERT INTO child SELECT n, (n + 4) / 5 FROM generate_series(1, 50) AS n;
"""


@pytest.fixture
def shop_url(database_url: str) -> str:
    """A database with ten parents of five children each."""
    run_sql(database_url, SCHEMA)
    return database_url


@pytest.fixture
def any_shop_url(any_database_url: str) -> str:
    """The same on every server."""
    run_sql(any_database_url, SCHEMA)
    return any_database_url


@MODES
async def test_a_change_is_committed(open_database: OpenDatabase, any_shop_url: str, pipeline: str) -> None:
    """What was written is there for every other session when the call returns."""
    async with open_database(any_shop_url, pipeline=pipeline) as db:
        done = await write(db, "UPDATE parent SET name = $1 || id WHERE id <= $2", "new ", 3, max_affected=3)
        assert (done.tag, done.affected, done.rows, done.rolled_back) == ("UPDATE 3", 3, None, False)
        assert done.touched == (Touched("public", "parent", 0, 3, 0),)
        assert _ask(any_shop_url, "SELECT count(*) FROM parent WHERE name LIKE 'new %'") == 3


@MODES
async def test_a_dry_run_leaves_nothing(open_database: OpenDatabase, any_shop_url: str, pipeline: str) -> None:
    """A dry run reports rows, what a cascade took, and what would be refused, and changes nothing."""
    async with open_database(any_shop_url, pipeline=pipeline) as db:
        done = await write(db, "DELETE FROM parent WHERE id < 3 RETURNING id", dry_run=True, max_affected=5)
        assert (done.tag, done.affected, done.rolled_back) == ("DELETE 2", 2, True)
        assert done.rows is not None
        assert done.rows.rows == [("1",), ("2",)]
        assert [(each.name, each.deleted) for each in done.touched] == [("child", 10), ("parent", 2)]
        assert ["12 rows, and 5 are allowed" in notice for notice in done.notices] == [True]
        assert _ask(any_shop_url, "SELECT count(*) FROM child") == 50
        done = await write(db, "TRUNCATE parent CASCADE", dry_run=True)
        assert 'truncate cascades to table "child"' in done.notices
        assert _ask(any_shop_url, "SELECT count(*) FROM child") == 50


@MODES
async def test_more_rows_than_allowed(open_database: OpenDatabase, any_shop_url: str, pipeline: str) -> None:
    """A change of more rows than allowed is rolled back, whatever part of it changes them."""
    async with open_database(any_shop_url, pipeline=pipeline, pool_max=1) as db:
        # What the session changed before does not count.
        await write(db, "UPDATE child SET id = id", max_affected=50)
        for statement, affected in (
            ("UPDATE parent SET name = name || '!'", 10),
            ("DELETE FROM parent WHERE id = 1", 6),
            ("WITH gone AS (DELETE FROM child RETURNING 1) SELECT count(*) FROM gone", 50),
            ("WITH gone AS (DELETE FROM child RETURNING 1) INSERT INTO parent VALUES (0, 'x')", 51),
        ):
            with pytest.raises(TooManyRowsError) as caught:
                await write(db, statement, max_affected=5)
            assert (caught.value.details["affected"], caught.value.details["limit"]) == (affected, 5)
        assert _ask(any_shop_url, "SELECT (SELECT count(*) FROM child) || ' ' || count(*) FROM parent") == "50 10"
        assert _ask(any_shop_url, "SELECT count(*) FROM parent WHERE name LIKE '%!'") == 0


@MODES
async def test_returning_beyond_the_caps(open_database: OpenDatabase, any_shop_url: str, pipeline: str) -> None:
    """Rows that are not kept are changed all the same, and the connection is used again."""
    async with open_database(any_shop_url, pipeline=pipeline, pool_max=1) as db:
        statement = (
            "INSERT INTO child SELECT 100 + n, 1 FROM generate_series(1, 5000) AS n RETURNING id, repeat('x', 90)"
        )
        pid = await cell(db, "SELECT pg_backend_pid()")
        for caps, kept, cap in (({"limit": 3}, 3, "rows"), ({"max_bytes": 1000}, 10, "bytes")):
            done = await write(db, statement, dry_run=True, **caps)
            assert done.rows is not None
            assert (done.tag, len(done.rows.rows), done.rows.truncated) == ("INSERT 0 5000", kept, cap)
        assert done.rows is not None
        assert [(column.name, column.type) for column in done.rows.columns] == [("id", "integer"), ("repeat", "text")]
        assert (await write(db, statement, limit=3)).affected == 5000
        assert _ask(any_shop_url, "SELECT count(*) FROM child") == 5050
        assert await cell(db, "SELECT pg_backend_pid()") == pid


async def test_deferred_constraints(open_database: OpenDatabase, shop_url: str) -> None:
    """A constraint that is checked at the end is an error of the change, in a dry run too."""
    async with open_database(shop_url) as db:
        for dry_run in (True, False):
            with pytest.raises(QueryError) as caught:
                await write(db, "INSERT INTO child VALUES (999, 999)", dry_run=dry_run)
            assert caught.value.details["sqlstate"] == "23503"
            assert (caught.value.details["table"], caught.value.details["constraint"]) == ("child", "child_parent_fkey")
        assert _ask(shop_url, "SELECT count(*) FROM child") == 50
        assert (await write(db, "INSERT INTO child VALUES (999, 1)")).affected == 1


@MODES
async def test_a_statement_cannot_end_its_transaction(
    open_database: OpenDatabase, any_shop_url: str, pipeline: str
) -> None:
    """What a guard could miss is refused, and the next change has a transaction of its own again."""
    async with open_database(any_shop_url, pipeline=pipeline, pool_max=1) as db:
        for end in ("COMMIT", "COMMIT AND CHAIN", "ROLLBACK", "ABORT AND CHAIN", "END", "RELEASE pgwarden"):
            with pytest.raises(QueryError) as caught:
                await write(db, end)
            assert caught.value.error_code == "transaction_ended"
        assert (await write(db, "DELETE FROM child", dry_run=True)).affected == 50
        assert _ask(any_shop_url, "SELECT count(*) FROM child") == 50


@MODES
async def test_one_statement_in_one_text(open_database: OpenDatabase, shop_url: str, pipeline: str) -> None:
    """Two statements in one text are refused by the server."""
    async with open_database(shop_url, pipeline=pipeline) as db:
        for in_transaction in (True, False):
            with pytest.raises(QueryError) as caught:
                await write(db, "DELETE FROM child; COMMIT", in_transaction=in_transaction)
            assert caught.value.details["sqlstate"] == "42601"
        assert _ask(shop_url, "SELECT count(*) FROM child") == 50


@MODES
async def test_copy_is_no_change(open_database: OpenDatabase, shop_url: str, pipeline: str) -> None:
    """COPY would wait for data for ever; it is refused, and its connection given up."""
    async with open_database(shop_url, pipeline=pipeline) as db:
        for statement in ("COPY child FROM STDIN", "COPY child TO STDOUT"):
            with pytest.raises(QueryError):
                await write(db, statement)
        assert await cell(db, "SELECT count(*) FROM child") == "50"


@MODES
async def test_nothing_stays_in_the_session(open_database: OpenDatabase, shop_url: str, pipeline: str) -> None:
    """Settings, temporary tables and roles of one change are gone before the next, and reads stay READ ONLY."""
    async with open_database(shop_url, pool_max=1, pipeline=pipeline) as db:
        await write(db, "SET search_path = nowhere")
        await write(db, "CREATE TEMP TABLE parent (id int)")
        await write(db, "SET statement_timeout = 1", in_transaction=False)
        assert await cell(db, "SELECT count(*) FROM parent") == "10"
        assert await cell(db, "SHOW transaction_read_only", wrap=False) == "on"
        with psycopg.connect(shop_url) as conn:
            usual = conn.execute("SHOW statement_timeout").fetchone()
        assert usual == ("0",)


async def test_the_settings_of_a_change(open_database: OpenDatabase, any_shop_url: str) -> None:
    """String literals have one meaning, and the server ends a transaction that is left alone."""
    name = any_shop_url.rsplit("/", 1)[1]
    run_sql(any_shop_url, f"ALTER DATABASE {name} SET standard_conforming_strings = off")
    async with open_database(any_shop_url) as db:
        done = await write(db, "UPDATE parent SET name = 'a\\' WHERE id = 1 RETURNING name", timeout_s=7)
        assert done.rows is not None
        assert done.rows.rows == [("a\\",)]
        wanted = "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
        assert (await write(db, wanted, timeout_s=7)).rows.rows == [("12s", "5s")]  # type: ignore[union-attr]
        if _ask(any_shop_url, "SELECT current_setting('server_version_num')::int >= 170000"):
            wanted = "SELECT current_setting('transaction_timeout')"
            assert (await write(db, wanted, timeout_s=7)).rows.rows == [("26s",)]  # type: ignore[union-attr]


async def test_statement_timeout(open_database: OpenDatabase, shop_url: str) -> None:
    """A change that takes too long is ended and changes nothing."""
    async with open_database(shop_url) as db:
        with pytest.raises(StatementTimeoutError):
            await write(db, "DELETE FROM child WHERE pg_sleep(20) IS NOT NULL", timeout_s=0.2)
        assert _ask(shop_url, "SELECT count(*) FROM child") == 50


async def test_lock_timeout(open_database: OpenDatabase, shop_url: str) -> None:
    """A change does not wait for a lock longer than the policy says."""
    with psycopg.connect(shop_url) as conn:
        conn.execute("UPDATE child SET id = id WHERE id = 1")
        async with open_database(shop_url, limits=LimitSettings(lock_timeout=0.2)) as db:
            with pytest.raises(QueryError) as caught:
                await write(db, "DELETE FROM child WHERE id = 1")
    assert caught.value.error_code == "lock_timeout"


async def test_changes_at_once(open_database: OpenDatabase, shop_url: str) -> None:
    """Changes of one row wait for each other, and none is lost or made twice."""
    async with open_database(shop_url, pool_max=4) as db:
        await write(db, "UPDATE child SET parent = 1 WHERE id = 1")
        await asyncio.gather(*(write(db, "UPDATE child SET id = id + 1000 WHERE parent = 10") for _ in range(12)))
        assert _ask(shop_url, "SELECT min(id) FROM child WHERE parent = 10") == 12_046


async def test_a_deadlock_can_be_tried_again(open_database: OpenDatabase, shop_url: str) -> None:
    """Where another transaction was in the way the error says that the same call can succeed."""
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION both_ways() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_sleep(0.3); UPDATE parent SET name = name WHERE id = 3 - OLD.id; RETURN NULL; END $$;"
            "CREATE TRIGGER t AFTER UPDATE ON parent FOR EACH ROW WHEN (pg_trigger_depth() = 0)"
            " EXECUTE FUNCTION both_ways()"
        )
    statement = "UPDATE parent SET name = name WHERE id = $1"
    async with open_database(shop_url) as db:
        outcomes = await asyncio.gather(*(write(db, statement, i) for i in (1, 2)), return_exceptions=True)
    [failed] = [each for each in outcomes if isinstance(each, QueryError)]
    assert (failed.error_code, failed.retryable) == ("deadlock_detected", True)


@MODES
async def test_what_has_no_transaction(open_database: OpenDatabase, any_shop_url: str, pipeline: str) -> None:
    """CREATE INDEX CONCURRENTLY and VACUUM run by themselves, and say what they have to say."""
    async with open_database(any_shop_url, pipeline=pipeline) as db:
        statement = "CREATE INDEX CONCURRENTLY named ON parent (name)"
        with pytest.raises(QueryError):
            await write(db, statement)
        with pytest.raises(ArgumentError) as refused:
            await write(db, statement, in_transaction=False, dry_run=True)
        assert refused.value.error_code == "no_dry_run"
        assert (await write(db, statement, in_transaction=False)).tag == "CREATE INDEX"
        assert _ask(any_shop_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'named'::regclass") is True
        done = await write(db, "VACUUM (VERBOSE) parent", in_transaction=False)
        assert done.tag == "VACUUM"
        assert any("vacuuming" in notice for notice in done.notices)


async def test_what_a_failure_leaves_behind(open_database: OpenDatabase, shop_url: str) -> None:
    """An index that could not be built concurrently stays, invalid; the error says so."""
    async with open_database(shop_url) as db:
        with pytest.raises(QueryError) as caught:
            await write(db, "CREATE UNIQUE INDEX CONCURRENTLY once ON child (parent)", in_transaction=False)
        assert caught.value.details["sqlstate"] == "23505"
        assert "invalid index" in (caught.value.hint or "")
        assert _ask(shop_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'once'::regclass") is False
        statement = "CREATE INDEX CONCURRENTLY late ON parent (id)"
        with psycopg.connect(shop_url) as conn:
            # A transaction that stands keeps it waiting.
            conn.execute("UPDATE parent SET name = name")
            with pytest.raises(StatementTimeoutError):
                await write(db, statement, in_transaction=False, timeout_s=0.3)


async def test_positions_and_names_in_errors(open_database: OpenDatabase, shop_url: str) -> None:
    """Errors say where in the text, and which constraint, table and column."""
    async with open_database(shop_url) as db:
        with pytest.raises(QueryError) as caught:
            await write(db, "UPDATE parent SET nope = 1")
        assert (caught.value.error_code, caught.value.details["position"]) == ("undefined_column", 19)
        with pytest.raises(QueryError) as caught:
            await write(db, "UPDATE parent SET name = NULL WHERE id = 1")
    assert {"table": "parent", "column": "name", "sqlstate": "23502"}.items() <= caught.value.details.items()
    assert "Failing row" in caught.value.details["detail"]


async def test_a_server_that_is_read_only(open_database: OpenDatabase, shop_url: str) -> None:
    """A default of READ ONLY holds, and the hint does not speak of reads."""
    name = shop_url.rsplit("/", 1)[1]
    run_sql(shop_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with open_database(shop_url) as db:
        with pytest.raises(QueryError) as caught:
            await write(db, "DELETE FROM child")
    assert caught.value.error_code == "read_only_transaction"
    assert "default_transaction_read_only" in (caught.value.hint or "")


async def test_notices_are_bounded(open_database: OpenDatabase, shop_url: str) -> None:
    """Of many and long notices a few are kept, shortened, and the number of the others."""
    run_sql(
        shop_url,
        "CREATE FUNCTION chatty() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE NOTICE '% %', NEW.id, repeat('x', 1000); RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION chatty()",
    )
    async with open_database(shop_url) as db:
        done = await write(db, "UPDATE child SET id = id")
        assert len(done.notices) == 21
        assert max(map(len, done.notices)) == 500
        assert done.notices[-1] == "30 notices of the server are not shown"
        assert not (await write(db, "UPDATE parent SET id = id")).notices


async def test_what_a_cascade_drops(open_database: OpenDatabase, shop_url: str) -> None:
    """The notices of DROP ... CASCADE name what went with it."""
    run_sql(shop_url, "CREATE VIEW a AS SELECT * FROM child; CREATE VIEW b AS SELECT * FROM a")
    async with open_database(shop_url) as db:
        done = await write(db, "DROP TABLE child CASCADE", dry_run=True)
    assert done.notices == ("drop cascades to 2 other objects: drop cascades to view a\ndrop cascades to view b",)
    assert done.affected is None


async def test_the_guard_sees_what_was_changed(open_database: OpenDatabase, any_shop_url: str) -> None:
    """After a change of the schema the snapshot is asked about again; after one of rows it is used unseen."""
    async with open_database(any_shop_url) as db:
        before = await db.catalog()
        await write(db, "DELETE FROM child WHERE id = 1")
        assert await db.catalog() is before
        await write(db, "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", dry_run=True)
        assert await db.catalog() is before
        await write(db, "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        after = await db.catalog()
    assert "mine" in {function.name for function in after.functions.values()}


async def test_scopes_of_a_change(open_database: OpenDatabase, shop_url: str) -> None:
    """A change needs its scope; the error names the one that is missing, and nothing runs."""
    for granted, scope, missing in (
        ("database:read", "database:write", True),
        ("database:write", "database:write", False),
        ("database:write", "database:admin", True),
        ("database:admin", "database:write", False),
        ("services:admin", "database:write", True),
    ):
        async with open_database(shop_url, scopes=Scopes(frozenset({granted}))) as db:
            if not missing:
                assert (await write(db, "DELETE FROM child", scope=scope, dry_run=True)).affected == 50
                continue
            with pytest.raises(ScopeError) as caught:
                await write(db, "DELETE FROM child", scope=scope)
        assert caught.value.details["missing_scope"] == scope
    assert _ask(shop_url, "SELECT count(*) FROM child") == 50


async def test_scopes_of_reads(open_database: OpenDatabase, database_url: str) -> None:
    """Without the scope to read nothing can be asked."""
    async with open_database(database_url, scopes=Scopes(frozenset({"services:admin"}))) as db:
        for ask in (read(db, "SELECT 1"), db.query("role", {}), db.json("role", {}), db.catalog(), db.role()):
            with pytest.raises(ScopeError):
                await ask
        with pytest.raises(ScopeError):
            await db.estimate("SELECT 1", (), timeout_s=1)


@pytest.mark.parametrize(("grant", "fits"), [("CREATE ON SCHEMA public", True), ("pg_read_server_files", False)])
async def test_least_privilege_of_a_role_that_writes(
    open_database: OpenDatabase, database_url: str, grant: str, fits: bool
) -> None:
    """A role that makes tables fits a profile that writes, and one that reads files fits none."""
    run_sql(database_url, f"CREATE ROLE writer LOGIN PASSWORD 'x'; GRANT {grant} TO writer")
    url = f"postgresql://writer:x@{database_url.partition('@')[2]}"
    try:
        async with open_database(url, least_privilege=True, writes=True) as db:
            await _allowed(db, fits=fits)
        async with open_database(url, least_privilege=True) as db:
            await _allowed(db, fits=False)
    finally:
        run_sql(database_url, "DROP OWNED BY writer; DROP ROLE writer")


ESTIMATES: tuple[tuple[str, Any, float], ...] = (
    ("SELECT * FROM child", (), 50),
    ("SELECT * FROM child WHERE id = $1", ("7",), 1),
    ("SELECT * FROM child WHERE id = $1 AND 'it''s $9' <> \"child\".parent::text", None, 1),
    ("DELETE FROM child", (), 50),
    ("DELETE FROM child WHERE id = $1", None, 1),
    ("WITH gone AS (DELETE FROM child RETURNING 1) SELECT count(*) FROM gone", (), 50),
    ("WITH one AS MATERIALIZED (SELECT 1 AS n) UPDATE child SET id = id WHERE (SELECT n FROM one) = 1", (), 50),
    ("INSERT INTO parent SELECT id, id::text FROM child", (), 50),
    ("MERGE INTO child USING parent ON parent.id = child.parent WHEN MATCHED THEN DELETE", (), 50),
)


async def test_estimates(open_database: OpenDatabase, any_shop_url: str) -> None:
    """The planner's rows and cost are those of what the statement returns or changes, and nothing runs."""
    run_sql(any_shop_url, "ANALYZE child, parent")
    async with open_database(any_shop_url) as db:
        for statement, params, rows in ESTIMATES:
            found, cost = await db.estimate(statement, params, timeout_s=5)
            assert (statement, found) == (statement, rows)
            assert cost > 0
    assert _ask(any_shop_url, "SELECT count(*) FROM child") == 50


async def test_an_estimate_that_fails(open_database: OpenDatabase, shop_url: str) -> None:
    """What cannot be planned is an error at its place in the text."""
    async with open_database(shop_url) as db:
        for params, condition in (((), "1"), (None, "$1")):
            with pytest.raises(QueryError) as caught:
                await db.estimate(f"DELETE FROM child WHERE nope = {condition}", params, timeout_s=5)
            assert caught.value.details["position"] == 25


async def _allowed(db: Database, *, fits: bool) -> None:
    if fits:
        assert await cell(db, "SELECT 1") == "1"
        return
    with pytest.raises(PolicyError) as caught:
        await cell(db, "SELECT 1")
    assert caught.value.error_code == "role_too_powerful"


def _ask(url: str, statement: str) -> Any:
    """Return the one value of a statement, as another session sees it."""
    with psycopg.connect(url) as conn:
        row = conn.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]
