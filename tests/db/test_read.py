"""What a read returns, and what it can never do."""

import psycopg
import pytest

from fix_database import OpenDatabase, cell, read
from pgwarden.errors import ArgumentError, QueryError

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("pipeline", ["auto", "off"])


@MODES
async def test_values_are_text(open_database: OpenDatabase, any_database_url: str, pipeline: str) -> None:
    """Every type comes as PostgreSQL writes it, NULL as None, and columns bear names and types without lengths."""
    statement = (
        "SELECT 12345678901234567890.10::numeric(30,2) AS n, NULL::int AS z,"
        " '2026-01-02 03:04:05+00'::timestamptz AS t,"
        " ARRAY[1,NULL,3] AS a, '\\x00ff'::bytea AS b, 'ä%s$1'::varchar(9) AS v, 0.1::float8 + 0.2 AS f, true AS y"
    )
    async with open_database(any_database_url, pipeline=pipeline) as db:
        rows = await read(db, statement)
    assert rows.rows == [
        (
            *("12345678901234567890.10", None, "2026-01-02 03:04:05+00", "{1,NULL,3}"),
            *("\\x00ff", "ä%s$1", "0.30000000000000004", "t"),
        )
    ]
    assert [column.name for column in rows.columns] == list("nztabvfy")
    assert [column.type for column in rows.columns] == [
        *("numeric", "integer", "timestamp with time zone", "integer[]", "bytea", "character varying"),
        *("double precision", "boolean"),
    ]
    assert rows.truncated is None


async def test_types_of_users_have_names(open_database: OpenDatabase, database_url: str) -> None:
    """A type that the driver does not know is named as the server names it."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT 'ok'::mood AS m, ARRAY['sad'::mood] AS ms, 'pg_class'::regclass AS c")
    assert [column.type for column in rows.columns] == ["mood", "mood[]", "regclass"]


async def test_a_result_without_rows_has_columns(open_database: OpenDatabase, database_url: str) -> None:
    """Columns are known without any row."""
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT 1 AS a WHERE false")
    assert rows.rows == []
    assert [column.name for column in rows.columns] == ["a"]


@MODES
async def test_parameters(open_database: OpenDatabase, database_url: str, pipeline: str) -> None:
    """Values of $1, $2 go apart from the text, in which a percent sign means nothing."""
    async with open_database(database_url, pipeline=pipeline) as db:
        rows = await read(db, "SELECT $1::text || '%s', $2::int + 1, $3::int[] -- %(x)s", "'; --", 41, [1, 2])
    assert rows.rows == [("'; --%s", "42", "{1,2}")]


@pytest.mark.parametrize("value", ["a\0b", object()])
async def test_a_value_that_cannot_be_sent(open_database: OpenDatabase, database_url: str, value: object) -> None:
    """A value that PostgreSQL has no form for is the caller's mistake."""
    async with open_database(database_url) as db:
        with pytest.raises(ArgumentError):
            await read(db, "SELECT $1::text", value)


async def test_a_statement_is_never_cut_at_nul(open_database: OpenDatabase, database_url: str) -> None:
    """What follows a NUL would not reach the server, so the statement is refused whole."""
    async with open_database(database_url) as db:
        with pytest.raises(ArgumentError, match="NUL"):
            await read(db, "SELECT 1 \0 + 1", wrap=False)


@MODES
@pytest.mark.parametrize(("count", "truncated"), [(4, None), (5, None), (6, "rows"), (5_000, "rows")])
async def test_row_cap(
    open_database: OpenDatabase, database_url: str, count: int, truncated: str | None, pipeline: str
) -> None:
    """At most `limit` rows come, and more than that are told of."""
    async with open_database(database_url, pipeline=pipeline) as db:
        for wrap in (True, False):
            rows = await read(db, f"SELECT * FROM generate_series(1, {count})", limit=5, wrap=wrap)
            assert [row[0] for row in rows.rows] == [str(i) for i in range(1, min(count, 5) + 1)]
            assert rows.truncated == truncated


async def test_the_server_stops_at_the_cap(open_database: OpenDatabase, database_url: str) -> None:
    """A wrapped statement over a hundred million rows ends at once, and its connection is used again."""
    async with open_database(database_url) as db:
        pid = await cell(db, "SELECT pg_backend_pid()")
        rows = await read(db, "SELECT generate_series(1, 100000000)", limit=10, timeout_s=5)
        assert (len(rows.rows), rows.truncated) == (10, "rows")
        assert await cell(db, "SELECT pg_backend_pid()") == pid


async def test_offset(open_database: OpenDatabase, database_url: str) -> None:
    """A page starts where it is told to."""
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT * FROM generate_series(1, 10)", limit=3, offset=8)
    assert rows.rows == [("9",), ("10",)]


@MODES
async def test_byte_cap(open_database: OpenDatabase, database_url: str, pipeline: str) -> None:
    """Rows stop before the budget is exceeded, and the connection can be used again."""
    async with open_database(database_url, pipeline=pipeline, pool_max=1) as db:
        rows = await read(db, "SELECT repeat('ä', 500) FROM generate_series(1, 100000)", limit=90_000, max_bytes=10_500)
        assert (len(rows.rows), rows.truncated) == (10, "bytes")
        assert await cell(db, "SELECT 7") == "7"


async def test_the_first_row_is_always_returned(open_database: OpenDatabase, database_url: str) -> None:
    """A row that is larger than the budget comes alone, so that paging goes on."""
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT repeat('x', 3000) FROM generate_series(1, 3)", max_bytes=1_024)
    assert (len(rows.rows), rows.truncated) == (1, "bytes")


async def test_wide_rows_do_not_fill_memory(open_database: OpenDatabase, database_url: str) -> None:
    """Of a gigabyte in cells of 1 MB no more than a few chunks are ever in memory."""
    async with open_database(database_url) as db:
        await read(db, "SELECT 1")
        before = _resident_mb()
        rows = await read(db, "SELECT repeat('x', 1000000) FROM generate_series(1, 1000)", max_bytes=2_000_000)
        assert (len(rows.rows), rows.truncated) == (2, "bytes")
        assert _resident_mb() - before < 30


@MODES
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a int)",
        "SET TRANSACTION READ WRITE",
        "COMMIT; CREATE TABLE t (a int)",
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO STDOUT",
    ],
)
async def test_never_more_than_a_read(
    open_database: OpenDatabase, database_url: str, statement: str, pipeline: str
) -> None:
    """What a guard could miss is refused by the server: writes, a second statement, leaving READ ONLY."""
    async with open_database(database_url, pipeline=pipeline) as db:
        with pytest.raises(QueryError):
            await read(db, statement, wrap=False)
        assert await cell(db, "SELECT to_regclass('t') IS NULL") == "t"
        assert await cell(db, "SHOW transaction_read_only", wrap=False) == "on"


@MODES
async def test_nothing_stays_behind(open_database: OpenDatabase, database_url: str, pipeline: str) -> None:
    """Settings, advisory locks and prepared statements of one read are gone before the next one."""
    async with open_database(database_url, pool_max=1, pipeline=pipeline) as db:
        await read(db, "SELECT set_config('search_path', 'nowhere', false), pg_advisory_lock(42)")
        await read(db, "PREPARE left_over AS SELECT 1", wrap=False)
        assert await cell(db, "SELECT current_setting('search_path')") != "nowhere"
        assert await cell(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
        assert await cell(db, "SELECT count(*) FROM pg_prepared_statements") == "0"


async def test_defaults_cannot_change_the_form(open_database: OpenDatabase, database_url: str) -> None:
    """Values have one form, and string literals one meaning, whatever the database's defaults are."""
    name = database_url.rsplit("/", 1)[1]
    with psycopg.connect(database_url, autocommit=True) as conn:
        for setting in ("DateStyle = 'German'", "bytea_output = 'escape'", "standard_conforming_strings = off"):
            conn.execute(f"ALTER DATABASE {name} SET {setting}")
    async with open_database(database_url) as db:
        rows = await read(db, "SELECT date '2026-02-01', '\\x41'::bytea, 'a\\'")
    assert rows.rows == [("2026-02-01", "\\x41", "a\\")]


async def test_text_that_is_not_utf8(open_database: OpenDatabase, database_url: str) -> None:
    """In a database that keeps any bytes, only a value that is no UTF-8 is an error, which says so."""
    name = database_url.rsplit("/", 1)[1] + "_ascii"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        async with open_database(database_url + "_ascii") as db:
            with pytest.raises(QueryError) as caught:
                await cell(db, "SELECT E'\\xffA'")
            assert caught.value.error_code == "not_utf8"
            assert await cell(db, "SELECT 'ä'") == "ä"
    finally:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
