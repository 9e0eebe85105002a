"""Masked columns in what a statement returns, and in what the server says of it."""

import psycopg
import pytest

from fix_database import OpenDatabase, read, write
from pgwarden.errors import QueryError
from pgwarden.guard.shields import Masking
from pgwarden.policy.masks import Mask
from pgwarden.results import Rows
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

SECRET = "marker@example.org"

SCHEMA = f"""
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL UNIQUE, code text, CHECK (email LIKE '%@%'));
INSERT INTO customer VALUES (1, '{SECRET}', 'a'), (2, 'x@y', NULL);
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE NOTICE 'deleting %', OLD.email;
  IF OLD.id = 1 THEN RAISE EXCEPTION 'not %', OLD.email USING ERRCODE = '42501', HINT = OLD.email; END IF;
  RETURN OLD; END $$;
CREATE TRIGGER t BEFORE DELETE ON customer FOR EACH ROW EXECUTE FUNCTION loud();
"""


@pytest.fixture
def masked_url(any_database_url: str) -> str:
    """A database with a value that must not come out."""
    run_sql(any_database_url, SCHEMA)
    return any_database_url


def masking(url: str, mask: Mask | None = None) -> Masking:
    """Return what masks the column `email` by its origin."""
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT 'customer'::regclass::oid").fetchone()
    assert row is not None
    return Masking(outputs={(row[0], 2): mask or Mask("redact")}, scrub=True, key=b"k")


async def test_outputs_are_masked(open_database: OpenDatabase, masked_url: str) -> None:
    """Columns of the masked origin are masked under any name, in reads and in RETURNING; others are shown."""
    masks = masking(masked_url, Mask("partial", first=1, last=0))
    select = "SELECT id, email AS other, code, email || '' AS made FROM customer ORDER BY id"
    async with open_database(masked_url) as db:
        rows = await read(db, select, masking=masks)
        assert rows.rows == [("1", "m*****", "a", SECRET), ("2", "x*****", None, "x@y")]
        rows = await read(db, "WITH c AS (SELECT * FROM customer) SELECT * FROM c", masking=masks, limit=1)
        assert (rows.rows, rows.truncated) == ([("1", "m*****", "a")], "rows")
        done = await write(db, "UPDATE customer SET code = 'z' WHERE id = 2 RETURNING *", masking=masks)
        assert _rows(done.rows) == [("2", "x*****", "z")]
        assert (await read(db, select)).rows[0][1] == SECRET


@pytest.mark.parametrize(("mask", "shown"), [(Mask("redact"), "[redacted]"), (Mask("null"), None)])
async def test_kinds(open_database: OpenDatabase, database_url: str, mask: Mask, shown: str | None) -> None:
    """A mask gives what the guard says it shows."""
    run_sql(database_url, SCHEMA)
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT email FROM customer", masking=masking(database_url, mask))
    assert rows.rows == [(shown,)] * 2


async def test_parameters_of_masks_are_bound_last(open_database: OpenDatabase, masked_url: str) -> None:
    """What a mask binds comes behind the caller's own values."""
    masks = Masking(parameters=("secret",))
    async with open_database(masked_url) as db:
        rows = await read(db, "SELECT $1::int + 1, $2::text", "41", masking=masks)
        assert rows.rows == [("42", "secret")]
        done = await write(db, "UPDATE customer SET code = $2 WHERE id = $1 RETURNING code", "1", masking=masks)
        assert _rows(done.rows) == [("secret",)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"INSERT INTO customer SELECT 9, '{SECRET}'", "unique_violation"),
        ("UPDATE customer SET email = NULL", "not_null_violation"),
        ("UPDATE customer SET email = replace(email, '@', '')", "check_violation"),
        ("UPDATE customer SET id = email::int", "invalid_text_representation"),
        ("DELETE FROM customer WHERE id = 1", "insufficient_privilege"),
        ("UPDATE customer SET email = (SELECT email FROM customer)", "more than one row"),
        ("UPDATE customer SET nope = 1", "nope"),
    ],
)
async def test_errors_quote_no_values(open_database: OpenDatabase, masked_url: str, statement: str, said: str) -> None:
    """Of errors the kind, the constraint and the column remain, and no value, whoever raised them."""
    async with open_database(masked_url) as db:
        with pytest.raises(QueryError) as caught:
            await write(db, statement, masking=masking(masked_url))
    found = str(caught.value.as_dict())
    assert said in found
    assert "marker" not in found
    assert len(caught.value.details["sqlstate"]) == 5
    if said == "unique_violation":
        assert caught.value.details["constraint"] == "customer_email_key"


async def test_errors_of_reads_quote_no_values(open_database: OpenDatabase, masked_url: str) -> None:
    """The same in reads."""
    async with open_database(masked_url) as db:
        with pytest.raises(QueryError) as caught:
            await read(db, "SELECT email::int FROM customer", masking=masking(masked_url))
        assert "marker" not in str(caught.value.as_dict())
        with pytest.raises(QueryError, match="marker"):
            await read(db, "SELECT email::int FROM customer")


async def test_notices_quote_no_values(open_database: OpenDatabase, masked_url: str) -> None:
    """Notices can say anything, and are only counted."""
    statement = "DELETE FROM customer WHERE id = 2"
    async with open_database(masked_url) as db:
        done = await write(db, statement, masking=masking(masked_url), dry_run=True)
        assert done.notices == ("1 notice of the server is not shown because columns are masked",)
        assert (await write(db, statement)).notices == ("deleting x@y",)


def _rows(rows: Rows | None) -> list[tuple[str | None, ...]]:
    assert rows is not None
    return rows.rows
