"""A transaction on one link: what fails leaves nothing, reads write nothing, effects are counted right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgwarden.db.blocks import Blocks
from pgwarden.db.change import Change, Done, Fate
from pgwarden.db.link import Step
from pgwarden.db.pool import Pool
from pgwarden.db.read import Request
from pgwarden.db.session import Session
from pgwarden.errors import QueryError
from pgwarden.settings import ConnectionSettings
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text, parent int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
INSERT INTO item VALUES (1, 'one'), (2, 'two');
CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO item VALUES (99, ''sneaked'') RETURNING id';
CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF new.id = 13 THEN RAISE EXCEPTION ''unlucky''; END IF; RETURN new; END';
CREATE TRIGGER half AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION half();
"""


@asynccontextmanager
async def session(url: str, **settings: Any) -> AsyncIterator[Session]:
    """A session on a link of its own; rolled back at the end."""
    pool = Pool(url, ConnectionSettings.model_validate(settings))
    link = await pool.acquire()
    made = Session(link, Blocks(), lock_timeout_s=5, checks_client=True)
    try:
        yield made
        await made.rollback()
    finally:
        pool.release(link)
        await pool.close()


async def change(made: Session, statement: str) -> Done:
    """Run a change."""
    return await made.change(Change(statement, (), 100, 100_000, 10, None))


async def values(made: Session, statement: str) -> list[str | None]:
    """The first column of a read in the session."""
    found = await made.read(Request(statement, (), 10, wrap=True, limit=100))
    return [row[0] for row in found.rows]


@pytest.fixture(params=["auto", "off"])
def pipeline(request: pytest.FixtureRequest) -> str:
    """With and without pipelining."""
    return str(request.param)


async def test_a_failed_statement_takes_only_itself(any_database_url: str, pipeline: str) -> None:
    """What failed is undone whatever it had done already; what ran before it and after it stands."""
    run_sql(any_database_url, SETUP)
    async with session(any_database_url, pipeline=pipeline) as made:
        await change(made, "INSERT INTO item VALUES (3, 'three')")
        for broken in ("INSERT INTO item VALUES (3, 'again')", "INSERT INTO item VALUES (12, 'x'), (13, 'y')", "SELEC"):
            with pytest.raises(QueryError):
                await change(made, broken)
        with pytest.raises(QueryError):
            await values(made, "SELECT 1/0")
        await change(made, "INSERT INTO item VALUES (4, 'four')")
        assert await values(made, "SELECT id FROM item ORDER BY 1") == ["1", "2", "3", "4"]
        fate = Fate()
        await made.commit(fate, 10, locate=False)
        assert fate.state == "changed"
    with psycopg.connect(any_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM item").fetchone() == (4,)


async def test_effects_are_those_of_the_statement(any_database_url: str) -> None:
    """What earlier statements did, also those that failed or were undone, is not counted again."""
    run_sql(any_database_url, SETUP)
    async with session(any_database_url) as made:
        assert (await change(made, "INSERT INTO item SELECT n, '' FROM generate_series(20, 24) n")).total == 5
        with pytest.raises(QueryError):
            await change(made, "INSERT INTO item SELECT n, '' FROM generate_series(10, 13) n")
        done = await change(made, "UPDATE item SET name = 'x' WHERE id = 1")
        assert [(each.name, each.inserted, each.updated) for each in done.touched] == [("item", 0, 1)]
        await made.run((Step(b"SAVEPOINT mine"),), 10)
        await change(made, "INSERT INTO item SELECT n, '' FROM generate_series(30, 39) n")
        await made.run((Step(b"ROLLBACK TO SAVEPOINT mine"),), 10)
        done = await change(made, "DELETE FROM item WHERE id = 2")
        assert [(each.inserted, each.updated, each.deleted) for each in done.touched] == [(0, 0, 1)]


@pytest.mark.parametrize(
    "trick",
    [
        "SELECT sneak()",
        "SELECT set_config('transaction_read_only', 'off', true), sneak()",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval('numbers')",
    ],
)
async def test_a_read_cannot_write(any_database_url: str, trick: str) -> None:
    """Not by a function that writes, nor by turning the transaction's mode: the guard aside, the server refuses."""
    run_sql(any_database_url, SETUP + "CREATE SEQUENCE numbers;")
    async with session(any_database_url) as made:
        await change(made, "INSERT INTO item VALUES (3, 'three')")
        with pytest.raises(QueryError, match=r"read-only|read-write"):
            await values(made, trick)
        with pytest.raises(QueryError, match="read-only"):
            await values(made, "SELECT sneak()")
        assert await values(made, "SELECT id FROM item ORDER BY 1") == ["1", "2", "3"]
        await change(made, "INSERT INTO item VALUES (4, 'four')")


@pytest.mark.parametrize("statement", ["SET TRANSACTION READ WRITE", "SET transaction_read_only = off"])
async def test_a_reads_mode_is_final(any_database_url: str, statement: str) -> None:
    """Statements that would end the mode of reads are refused by the server, and the mode ends with the read."""
    run_sql(any_database_url, SETUP)
    async with session(any_database_url) as made:
        with pytest.raises(QueryError, match="read-write"):
            await made.read(Request(statement, (), 10))
        await change(made, "INSERT INTO item VALUES (3, 'three')")


async def test_settings_of_a_read_end_with_it(any_database_url: str) -> None:
    """What a read sets does not reach the next statement."""
    async with session(any_database_url) as made:
        await values(made, "SELECT set_config('search_path', 'nowhere', false), set_config('work_mem', '65kB', true)")
        assert "nowhere" not in str(await values(made, "SELECT current_setting('search_path')"))
        assert await values(made, "SELECT current_setting('work_mem')") == ["4MB"]


async def test_a_refused_commit_is_a_rollback(any_database_url: str) -> None:
    """A deferred constraint that is violated: nothing was changed, and it is said so."""
    run_sql(any_database_url, SETUP)
    async with session(any_database_url) as made:
        await change(made, "INSERT INTO item VALUES (3, 'three', 1000)")
        fate = Fate()
        with pytest.raises(QueryError) as caught:
            await made.commit(fate, 10, locate=False)
        assert caught.value.error_code == "foreign_key_violation"
        assert fate.state == "unchanged"
    with psycopg.connect(any_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM item").fetchone() == (2,)


async def test_a_statement_cannot_end_its_transaction(any_database_url: str) -> None:
    """COMMIT in place of a statement is noticed at once."""
    run_sql(any_database_url, SETUP)
    async with session(any_database_url) as made:
        with pytest.raises(QueryError) as caught:
            await change(made, "ROLLBACK")
        assert caught.value.error_code == "transaction_ended"
        assert not made.standing
