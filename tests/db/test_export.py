"""Whole results passed on to files: both ways of taking them give the same, and every ending leaves things in order."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_database import OpenDatabase, cell
from fix_proxy import Proxy
from pgwarden.db import Database
from pgwarden.errors import (
    ArgumentError,
    ConnectionLostError,
    DatabaseError,
    QueryError,
    ScopeError,
    StatementTimeoutError,
)
from pgwarden.exports import FORMATS, Block, ExportError, ExportFolder, Field, Shape, encoder
from pgwarden.policy.scopes import Scopes
from pgwarden.settings import LimitSettings

pytestmark = pytest.mark.anyio

VALUES = r"""
SELECT 9223372036854775807::int8 AS big, 123456789012345678901234567890.0123456789::numeric AS num,
       'NaN'::numeric AS nan, 'Infinity'::float8 AS inf, 'NaN'::float4 AS nan4, -0.1::float8 AS f,
       E'a\\b\nc\td"e\r\\n\\.' AS txt, E'\x01\x02\x7f' AS ctl, '\.'::text AS dot, 'é€😀'::text AS uni,
       ''::text AS empty, NULL::text AS nothing, true AS yes, '\x00ff0a'::bytea AS bytes, ARRAY[1,NULL,3] AS ints,
       ARRAY[E'a"b', 'c\d', NULL, ''] AS texts, '{"a": [1, {"b": "\\ \n \u00e9"}], "n": 1e400}'::jsonb AS doc,
       E'{"a":\n\t[1,\r\n 2]}'::json AS raw, ROW(1, 'x"y')::text AS rec, int4range(1, 5) AS rng,
       '2026-01-02 03:04:05.678+00'::timestamptz AS ts, '2026-01-02'::date AS d, 'infinity'::timestamp AS never,
       '1 day 02:03'::interval AS i, 'c'::char(3) AS c, 1 AS same, 2 AS same
"""
STREAM = "(SELECT generate_series(1, 100000000) AS n)"
"""Rows that come as they are made."""


class Memory:
    """A file in memory, that can be slow or fail."""

    closed = False

    def __init__(self, *, fails_at: int = 1 << 62, sleeps: float = 0) -> None:
        """Say at which size it fails, and how many seconds each write takes."""
        self.data = bytearray()
        self.fails_at = fails_at
        self.sleeps = sleeps
        self.inside = 0

    def write(self, data: bytes | bytearray) -> int:
        """Append."""
        self.inside += 1
        time.sleep(self.sleeps)
        self.inside -= 1
        if len(self.data) + len(data) > self.fails_at:
            raise ExportError
        self.data += data
        return len(data)

    def tell(self) -> int:
        """Its size."""
        return len(self.data)

    async def reaches(self, size: int) -> None:
        """Wait until it has so many bytes."""
        while len(self.data) < size:  # noqa: ASYNC110 - written in a thread
            await asyncio.sleep(0.01)

    def flush(self) -> None:
        """Nothing is kept back."""


async def exported(db: Database, sql: str, form: str, *params: object, **arguments: Any) -> bytes:
    """The file of a statement."""
    out = Memory()
    sink = encoder(form, out)
    await db.export(sql, params, sink=sink, **({"timeout_s": 20.0} | arguments))
    sink.end()
    return bytes(out.data)


@pytest.mark.parametrize("pipeline", ["auto", "off"])
@pytest.mark.parametrize("form", ["csv", "json", "ndjson"])
async def test_both_ways_give_the_same(
    form: str, pipeline: str, open_database: OpenDatabase, any_database_url: str
) -> None:
    """What COPY writes and what is made of rows, where parameters are bound, is the same to the byte."""
    async with open_database(any_database_url, pipeline=pipeline) as db:
        copied = await exported(db, VALUES, form)
        assert await exported(db, f"SELECT * FROM ({VALUES}) AS v WHERE $1 = 'x'", form, "x") == copied
        many = "SELECT n, repeat('x', n % 50) AS t, NULL::int AS e FROM generate_series(1, 20000) AS n"
        assert await exported(db, f"{many} WHERE n > $1", form, "0") == await exported(db, many, form)


async def test_csv(open_database: OpenDatabase, any_database_url: str) -> None:
    """CSV holds PostgreSQL's own text; NULL is an empty field, an empty text is quoted; names may repeat."""
    async with open_database(any_database_url) as db:
        text = (await exported(db, VALUES, "csv")).decode()
        with (
            psycopg.connect(any_database_url) as conn,
            conn.cursor() as cursor,
            cursor.copy(f"COPY ({VALUES}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy,
        ):
            assert text.encode() == b"".join(map(bytes, copy))
        [names, row] = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert names[-2:] == ["same", "same"]
        assert dict(zip(names, row, strict=True))["txt"] == 'a\\b\nc\td"e\r\\n\\.'
        assert await exported(db, "SELECT NULL AS a, '' AS b", "csv") == b'a,b\n,""\n'


@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_json(form: str, open_database: OpenDatabase, any_database_url: str) -> None:
    """JSON is valid whatever the values are, numbers keep their digits, and no two keys are the same."""
    async with open_database(any_database_url) as db:
        text = (await exported(db, VALUES, form)).decode()
    [row] = json.loads(text, parse_float=str) if form == "json" else [json.loads(text, parse_float=str)]
    assert row["big"] == 9223372036854775807
    assert row["num"] == "123456789012345678901234567890.0123456789"
    assert [row["nan"], row["inf"], row["nan4"], row["f"]] == ["NaN", "Infinity", "NaN", "-0.1"]
    assert row["txt"] == 'a\\b\nc\td"e\r\\n\\.'
    assert row["ctl"] == "\x01\x02\x7f"
    assert [row["uni"], row["empty"], row["nothing"], row["yes"]] == ["é€😀", "", None, True]
    assert row["bytes"] == "\\x00ff0a"
    assert row["ints"] == [1, None, 3]
    assert row["texts"] == ['a"b', "c\\d", None, ""]
    assert row["doc"]["a"] == [1, {"b": "\\ \n é"}]
    assert row["raw"] == {"a": [1, 2]}
    assert [row["same"], row["same_2"]] == [1, 2]
    assert text.count("\n") == (3 if form == "json" else 1)


@pytest.mark.parametrize("where", ["", " WHERE $1 = 'x'"])
async def test_json_of_any_names(where: str, open_database: OpenDatabase, any_database_url: str) -> None:
    """No name of a column stands in for the row, whatever the statement around it calls that."""
    async with open_database(any_database_url) as db:
        params = ("x",) if where else ()
        text = await exported(db, f"SELECT 1 AS q, 2 AS b, 3 AS q_2, 4 AS c0{where}", "ndjson", *params)
        assert json.loads(text) == {"q": 1, "b": 2, "q_2": 3, "c0": 4}
        text = await exported(db, f"SELECT q FROM (SELECT 1 AS a) AS q{where}", "ndjson", *params)
        assert json.loads(text) == {"q": {"a": 1}}


async def test_parquet(open_database: OpenDatabase, any_database_url: str) -> None:
    """Types of their own where Parquet has them, else PostgreSQL's text; from any number of rows."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    sql = """SELECT 1::int2 AS s, 2 AS i, 9223372036854775807 AS b, 1.5::float8 AS f, 'NaN'::float4 AS g, true AS y,
        1.10::numeric(10,2) AS d, 1.123456789012345678901::numeric AS n, '2026-01-02'::date AS day,
        '2026-01-02 03:04:05.678'::timestamp AS t, '2026-01-02 03:04:05+02'::timestamptz AS z, '\\x00ff'::bytea AS raw,
        ARRAY[1,2] AS a, '{"k": 1}'::jsonb AS j, NULL::int AS e, 'x' AS same, 'y' AS same"""
    async with open_database(any_database_url) as db:
        table = parquet.read_table(io.BytesIO(await exported(db, sql, "parquet")))
        many = await exported(db, "SELECT n FROM generate_series(1, $1::int) AS n", "parquet", "100000")
        assert parquet.read_table(io.BytesIO(many)).column("n").to_pylist() == list(range(1, 100_001))
        none = await exported(db, "SELECT 1 AS a WHERE false", "parquet")
        assert parquet.read_table(io.BytesIO(none)).schema.names == ["a"]
    [row] = table.to_pylist()
    assert str(row.pop("g")) == "nan"
    assert row.pop("z") == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert row == {
        "s": 1,
        "i": 2,
        "b": 9223372036854775807,
        "f": 1.5,
        "y": True,
        "d": Decimal("1.10"),
        "n": "1.123456789012345678901",
        "day": date(2026, 1, 2),
        "t": datetime(2026, 1, 2, 3, 4, 5, 678000),
        "raw": b"\x00\xff",
        "a": "{1,2}",
        "j": '{"k": 1}',
        "e": None,
        "same": "x",
        "same_2": "y",
    }


async def test_a_cap_in_parquet(open_database: OpenDatabase, any_database_url: str, tmp_path: Path) -> None:
    """The file's own error comes out of the writer, and what it writes later goes nowhere."""
    pytest.importorskip("pyarrow")
    where = ExportFolder(tmp_path, 100_000)
    file = where.open(where.place("x", "parquet"), overwrite=False)
    async with open_database(any_database_url) as db:
        sink = encoder("parquet", file)
        sql = "SELECT md5(n::text) FROM generate_series(1, 200000) AS n"
        with pytest.raises(ExportError) as error:
            await db.export(sql, sink=sink, timeout_s=20)
        assert error.value.error_code == "export_too_large"
        file.discard()
        del sink
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("form", FORMATS)
async def test_nothing_and_no_columns(form: str, open_database: OpenDatabase, any_database_url: str) -> None:
    """A result without rows is a file with a header or nothing in it; one without columns is no error."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    async with open_database(any_database_url) as db:
        empty = {"csv": b"a\n", "json": b"[]\n", "ndjson": b""}
        assert (
            await exported(db, "SELECT 1 AS a WHERE false", form) == empty.get(form, pytest.approx) or form == "parquet"
        )
        bare = {"csv": b"\n\n\n", "json": b"[\n{},\n{}\n]\n", "ndjson": b"{}\n{}\n"}
        if form in bare:
            assert await exported(db, "SELECT FROM generate_series(1, 2)", form) == bare[form]
        for sql in ("VALUES (1, 'a')", "TABLE pg_namespace", "WITH w AS (SELECT 1) SELECT * FROM w ORDER BY 1"):
            assert await exported(db, sql, form)


@pytest.mark.parametrize("value", ["'; DROP TABLE t; --", "$1", "\\", "E'\\''", "{}", ")) TO PROGRAM 'x", "\x01\n\r"])
async def test_values_are_bound(value: str, open_database: OpenDatabase, any_database_url: str) -> None:
    """Whatever a value holds, it is bound as in run_query: other sessions cannot see it."""
    async with open_database(any_database_url) as db:
        sql = """SELECT v, pg_typeof(v) AS t, query FROM pg_stat_activity, (SELECT $1 AS v) AS x
            WHERE pid = pg_backend_pid()"""
        row = json.loads(await exported(db, sql, "ndjson", value))
        assert (row["v"], row["t"]) == (value, "text")
        assert len(value) < 3 or value not in row["query"]
        assert await cell(db, "SELECT count(*) FROM pg_class WHERE relname = $1", value) == "0"


async def test_only_reads(open_database: OpenDatabase, any_database_url: str) -> None:
    """It runs in a READ ONLY transaction that stays one, under the caller's time limit, and is rolled back."""
    async with open_database(any_database_url) as db:
        sql = """SELECT current_setting('transaction_read_only') AS ro, current_setting('statement_timeout') AS t,
            current_setting('client_connection_check_interval') AS c,
            set_config('application_name', 'left', false) AS a"""
        assert json.loads(await exported(db, sql, "ndjson")) == {"ro": "on", "t": "20s", "c": "2s", "a": "left"}
        assert await cell(db, "SHOW application_name", wrap=False) != "left"
        for sql in ("SELECT set_config('transaction_read_only', 'off', true)", "SELECT nextval('s')"):
            with psycopg.connect(any_database_url, autocommit=True) as conn:
                conn.execute("CREATE SEQUENCE IF NOT EXISTS s")
            with pytest.raises(QueryError):
                await exported(db, sql, "csv")
        with pytest.raises(QueryError):
            await exported(db, "SELECT 1) TO STDOUT; CREATE TABLE made (a int); COPY (SELECT 1", "csv")
        with pytest.raises(ArgumentError):
            await exported(db, "SELECT 1\0", "csv")


@pytest.mark.parametrize("params", [(), ("0",)])
async def test_errors(params: Sequence[str], open_database: OpenDatabase, any_database_url: str) -> None:
    """Errors of the server are those of a read, with the position in the text; the connection is used again."""
    where = " WHERE n > $1" if params else ""
    async with open_database(any_database_url, pool_max=1) as db:
        with pytest.raises(QueryError) as missing:
            await exported(db, "SELECT nope FROM generate_series(1, 9) AS n" + where, "json", *params)
        assert missing.value.error_code == "undefined_column"
        assert missing.value.details["position"] == 8
        pid = await cell(db, "SELECT pg_backend_pid()")
        with pytest.raises(QueryError, match="division by zero"):
            await exported(db, "SELECT 1 / (90000 - n) FROM generate_series(1, 99999) AS n" + where, "csv", *params)
        assert await cell(db, "SELECT pg_backend_pid()") == pid


async def test_more_rows_than_allowed(open_database: OpenDatabase, any_database_url: str) -> None:
    """Is an error that ends the statement; exactly as many is none."""
    async with open_database(any_database_url) as db:
        assert await exported(db, "SELECT 1 FROM generate_series(1, 5)", "csv", max_rows=5)
        with pytest.raises(ExportError) as error:
            await exported(db, f"SELECT n AS endless FROM {STREAM} AS s", "csv", max_rows=5)
        assert error.value.error_code == "too_many_rows"
        await until(any_database_url, running=0)


async def test_a_sink_that_fails(open_database: OpenDatabase, any_database_url: str) -> None:
    """Its error comes out, the statement ends, and the place in the pool is free."""
    async with open_database(any_database_url, pool_max=1) as db:
        for params in ((), ("0",)):
            where = " WHERE n > $1" if params else ""
            sink = encoder("csv", Memory(fails_at=1_000_000))
            with pytest.raises(ExportError):
                await db.export(f"SELECT n AS endless FROM {STREAM} AS s{where}", params, sink=sink, timeout_s=20)
            await until(any_database_url, running=0)
        assert await cell(db, "SELECT 1") == "1"


async def test_out_of_time(open_database: OpenDatabase, any_database_url: str) -> None:
    """The limit is that of the call."""
    async with open_database(any_database_url) as db:
        started = time.monotonic()
        with pytest.raises(StatementTimeoutError):
            await exported(db, "SELECT pg_sleep(10)", "csv", timeout_s=0.3)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("params", [(), ("0",)])
async def test_cancelled(params: Sequence[str], open_database: OpenDatabase, any_database_url: str) -> None:
    """Cancelling ends the statement at once, also while rows come and the sink is slow; nobody writes afterwards."""
    where = " WHERE n > $1" if params else ""
    async with open_database(any_database_url, pool_max=1) as db:
        out = Memory(sleeps=0.01)
        sql = f"SELECT n AS endless FROM {STREAM} AS s{where}"
        call = asyncio.create_task(db.export(sql, params, sink=encoder("csv", out), timeout_s=20))
        await out.reaches(500_000)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert out.inside == 0
        size = out.tell()
        await until(any_database_url, running=0, tries=50)
        assert out.tell() == size
        assert await cell(db, "SELECT 1") == "1"


async def test_cancelled_while_the_disk_hangs(open_database: OpenDatabase, database_url: str) -> None:
    """The statement ends at once all the same, and its place in the pool is free."""
    async with open_database(database_url, pool_max=1) as db:
        out = Memory(sleeps=1)
        sql = f"SELECT n AS endless FROM {STREAM} AS s"
        call = asyncio.create_task(db.export(sql, sink=encoder("csv", out), timeout_s=20))
        await until(database_url, running=1)
        await asyncio.sleep(1.2)
        call.cancel()
        await until(database_url, running=0, tries=30)
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await cell(db, "SELECT 1") == "1"
        assert out.inside == 0


async def test_cancelled_before_the_first_row(open_database: OpenDatabase, any_database_url: str) -> None:
    """The same while the statement gives nothing yet; closing the database does it as well."""
    async with open_database(any_database_url) as db:
        for end in (lambda task: task.cancel(), lambda _: db.close()):
            call = asyncio.create_task(exported(db, "SELECT pg_sleep(30) AS endless", "csv"))
            await until(any_database_url, running=1)
            if (closing := end(call)) is not True:
                await closing
            with pytest.raises((asyncio.CancelledError, DatabaseError)):
                await call
            await until(any_database_url, running=0, tries=50)


async def test_the_loop_is_free(open_database: OpenDatabase, any_database_url: str) -> None:
    """A slow disk holds up the server, not other calls."""
    async with open_database(any_database_url) as db:
        out = Memory(sleeps=0.1)
        sql = "SELECT repeat('x', 1000) FROM generate_series(1, 2000)"
        call = asyncio.create_task(db.export(sql, sink=encoder("csv", out), timeout_s=20))
        longest = 0.0
        while not call.done():
            started = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - started)
            await asyncio.sleep(0.002)
        await call
        assert longest < 0.09


async def test_a_connection_is_left(open_database: OpenDatabase, any_database_url: str) -> None:
    """However many exports there are, a transaction can begin and other calls go on; the exports take turns."""
    limits = LimitSettings(max_transactions=1)
    async with open_database(any_database_url, limits=limits, pool_max=5, writes=True) as db:
        sql = "SELECT 1 AS endless FROM pg_sleep(10)"
        tasks = [asyncio.create_task(exported(db, sql, "csv")) for _ in range(8)]
        await until(any_database_url, running=2)
        made = await asyncio.wait_for(db.transactions.begin("read committed", read_only=False, deferrable=False), 5)
        assert await asyncio.wait_for(cell(db, "SELECT 1"), 5) == "1"
        await db.transactions.roll_back(made, "test")
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
        )


async def test_progress(open_database: OpenDatabase, any_database_url: str) -> None:
    """Is told while rows come, at most about four times a second, and grows."""
    seen: list[tuple[float, int]] = []

    async def progress(count: int) -> None:
        seen.append((time.monotonic(), count))

    async with open_database(any_database_url) as db:
        sql = "SELECT repeat('x', 9000), pg_sleep(0.01) FROM generate_series(1, 100) AS n"
        await db.export(sql, sink=encoder("csv", Memory()), timeout_s=20, progress=progress)
    counts = [count for _, count in seen]
    assert counts == sorted(set(counts))
    assert 2 <= len(counts) <= 6


@pytest.mark.parametrize("pipeline", ["auto", "off"])
async def test_a_restart_before_it(pipeline: str, open_database: OpenDatabase, any_database_url: str) -> None:
    """An idle connection that has died is replaced; one that dies in the middle is an error, and is not repeated."""
    ending = b"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    async with open_database(any_database_url, pipeline=pipeline) as db:
        assert await cell(db, "SELECT 1") == "1"
        with psycopg.connect(any_database_url, autocommit=True) as conn:
            conn.execute(ending)
            assert await exported(db, "SELECT 1 AS a", "csv") == b"a\n1\n"
            out = Memory(sleeps=0.01)
            sql = f"SELECT n AS endless FROM {STREAM} AS s"
            call = asyncio.create_task(db.export(sql, sink=encoder("csv", out), timeout_s=20))
            await out.reaches(500_000)
            conn.execute(ending)
            with pytest.raises(ConnectionLostError):
                await call
        assert await cell(db, "SELECT 1") == "1"


async def test_a_network_that_is_gone(open_database: OpenDatabase, proxy: Proxy) -> None:
    """Before the first row the statement is repeated."""
    async with proxy as network, open_database(network.url) as db:
        assert await exported(db, "SELECT 1 AS a", "csv") == b"a\n1\n"
        network.cut()
        assert await exported(db, "SELECT 1 AS a", "csv") == b"a\n1\n"


async def test_the_token(open_database: OpenDatabase, database_url: str) -> None:
    """Without the scope nothing runs."""
    async with open_database(database_url, scopes=Scopes.of(("services:read",), "t", None)) as db:
        with pytest.raises(ScopeError):
            await exported(db, "SELECT 1", "csv")


async def test_the_sink_is_used_in_order(open_database: OpenDatabase, any_database_url: str) -> None:
    """It is told of the columns first, then of one block at a time, and never on the event loop."""

    class Watching:
        shape: Shape = "csv"

        def __init__(self) -> None:
            self.rows, self.began, self.inside = 0, False, False

        def begin(self, fields: Sequence[Field]) -> None:
            assert [field.name for field in fields] == ["n"]
            self.began = True

        def take(self, block: Block) -> None:
            assert self.began
            assert not self.inside
            assert threading.current_thread() is not threading.main_thread()
            self.inside = True
            time.sleep(0.001)
            self.rows += block.count
            self.inside = False

    async with open_database(any_database_url) as db:
        for params in ((), ("0",)):
            sink = Watching()
            where = " WHERE n > $1" if params else ""
            columns, count = await db.export(
                f"SELECT n FROM generate_series(1, 200000) AS n{where}", params, sink=sink, timeout_s=20
            )
            assert (sink.rows, count) == (200_000, 200_000)
            assert [(column.name, column.type) for column in columns] == [("n", "integer")]


async def until(url: str, *, running: int, tries: int = 200) -> None:
    """Wait until that many statements that never end by themselves run on the server."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        for _ in range(tries):
            cursor = await conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%endless%'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            row = await cursor.fetchone()
            if row is not None and row[0] == running:
                return
            await asyncio.sleep(0.01)
    raise AssertionError(f"{running} were expected to run")
