"""Exports as a client makes them: the file and its link, what the policy says holds in it, and how calls end."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import anyio
import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult, ResourceLink, TextContent

from fix_server import Opener
from pgwarden.audit import verify
from raw_server import Message, RawServer, error_of, launched, text_of

pytestmark = pytest.mark.anyio

ENDLESS = "SELECT n AS endless FROM (SELECT generate_series(1, 100000000) AS n) AS s"
SLOW = "SELECT repeat('x', 9000) AS slow, pg_sleep(0.01) FROM generate_series(1, 100)"

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone text, ssn text, born date, code text);
INSERT INTO customers VALUES (1, 'Ann', 'SECRET-ann@x', '0SECRET99', 'SECRET-1', '1980-01-01', 'SECRET-C1');
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric, code text);
INSERT INTO orders VALUES (7, 1, 10.50, 'SECRET-C1');
CREATE VIEW v AS SELECT id, email AS contact, lower(email) AS low FROM customers;
CREATE TABLE hidden_things (id int, what text);
INSERT INTO hidden_things VALUES (1, 'SECRET-thing');
CREATE TABLE closed (id int);
"""
RULES = """
version: 1
functions: {allow: ['pg_sleep(double precision)']}
tables:
  - {match: public.hidden_things, hidden: true}
  - {match: public.closed, allow: []}
masks:
  - {column: public.customers.email, mask: redact}
  - {column: public.customers.phone, mask: partial, first: 1, last: 2}
  - {column: public.customers.ssn, mask: hash}
  - {column: public.customers.born, mask: 'null'}
  - {column: public.customers.code, mask: hash, permit: [filter, order, join]}
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A profile that may export, under rules."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return {"PGWARDEN_PROFILE": "analyst", "PGWARDEN_GOVERNANCE": str(path), "PGWARDEN_TOOLSETS": "sql_query,export"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The export directory of the servers of this test."""
    return tmp_path / "home" / "exports"


@pytest.fixture
def shop(any_database_url: str) -> str:
    """The database of the rules."""
    with psycopg.connect(any_database_url, autocommit=True) as conn:
        conn.execute(SHOP)
    return any_database_url


Launch = Callable[[], Any]


@pytest.fixture
def launch(
    database_url: str,
    server_environment: Callable[..., dict[str, str]],
    server_log: Path,
    variables: dict[str, str],
) -> Launch:
    """A function that starts a server and shakes hands."""

    @asynccontextmanager
    async def start() -> AsyncIterator[RawServer]:
        async with launched(server_environment(database_url, **variables), server_log) as server:
            await server.initialize()
            yield server

    return start


async def export(client: Client, sql: str, **arguments: Any) -> tuple[str, Path]:
    """Export, and return the text of the answer and the file that it links to."""
    result = await client.call_tool("export_query", {"sql": sql, **arguments})
    assert isinstance(result, CallToolResult)
    text, *links = result.content
    assert isinstance(text, TextContent)
    assert not result.is_error, text.text
    [link] = links
    assert isinstance(link, ResourceLink)
    path = Path(unquote(urlparse(link.uri).path))
    assert str(path) in text.text
    assert link.size == os.stat(path).st_size
    assert link.name == path.name
    return text.text, path


async def refused(client: Client, sql: str, **arguments: Any) -> Message:
    """The error of an export."""
    result = await client.call_tool("export_query", {"sql": sql, **arguments})
    assert isinstance(result, CallToolResult)
    assert result.is_error
    [block] = result.content
    assert isinstance(block, TextContent)
    error: Message = json.loads(block.text)["error"]
    return error


def write(path: str, text: str) -> None:
    """Write a file."""
    Path(path).write_text(text)


def files(folder: Path) -> list[str]:
    """What is in the export directory, hidden files too."""
    return sorted(os.listdir(folder)) if folder.exists() else []


def audited(tmp_path: Path) -> list[Message]:
    """The audit's lines."""
    path = tmp_path / "home" / "audit.jsonl"
    assert verify(path).problem is None
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_over_stdio(
    over_stdio: Opener, any_plain_role_url: str, variables: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    """The answer names the file and links to it, for a role that may only read; the audit tells its size, no values."""
    seen: list[tuple[float, str | None]] = []

    async def reported(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, message))

    async with over_stdio(any_plain_role_url, **variables) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        hints = listed["export_query"].annotations
        assert hints is not None
        assert not hints.read_only_hint
        text, path = await export(client, "SELECT 1 AS a, 'valuable' AS b, $1 AS c", params=["it's"], path="x/one two")
        assert path == folder / "x" / "one two.csv"
        assert path.read_text() == "a,b,c\n1,valuable,it's\n"
        assert "Wrote 1 row to" in text
        assert "columns: a integer, b text, c text" in text
        _, path = await export(client, "SELECT 1 AS a", format="ndjson")
        assert path.parent == folder
        assert json.loads(path.read_text()) == {"a": 1}
        result = await client.call_tool("export_query", {"sql": SLOW, "path": "slow"}, progress_callback=reported)
        assert isinstance(result, CallToolResult)
        assert not result.is_error
    assert 2 <= len(seen) <= 7
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert "bytes" in str(seen[-1][1])
    first = audited(tmp_path)[0]
    assert (first["outcome"], first["rows"], first["note"]) == ("allowed", 1, "x/one two.csv, 22 bytes")
    assert "it's" not in json.dumps(first)
    assert files(folder)[-1] == "x"


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "parquet"])
async def test_masks_hold(form: str, in_memory: Opener, shop: str, variables: dict[str, str], folder: Path) -> None:
    """Masked values are masked in every format, by whatever way they come, as run_query shows them."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    async with in_memory(shop, **variables) as client:
        shown = await client.call_tool("run_query", {"sql": "SELECT ssn, code FROM customers", "format": "json"})
        assert isinstance(shown, CallToolResult)
        assert isinstance(shown.content[0], TextContent)
        [[ssn, code]] = json.loads(shown.content[0].text)["rows"]
        ann = {"id": "1", "name": "Ann", "email": "[redacted]", "phone": "0*****99", "ssn": ssn, "born": None}
        for sql, params, expected in (
            ("SELECT * FROM customers", [], {**ann, "code": code}),
            ("TABLE customers", [], {**ann, "code": code}),
            ("SELECT c.email AS mail, c.born AS day FROM customers AS c", [], {"mail": "[redacted]", "day": None}),
            ("SELECT * FROM v", [], {"id": "1", "contact": "[redacted]", "low": "[redacted]"}),
            (
                "SELECT o.total, c.phone AS p FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1",
                ["7"],
                {"total": "10.50", "p": "0*****99"},
            ),
            ("SELECT id, code AS c FROM customers WHERE code = 'SECRET-C1' ORDER BY code", [], {"id": "1", "c": code}),
            (
                "SELECT code, code, ssn FROM customers WHERE code = $1",
                ["SECRET-C1"],
                {"code": code, "code_2": code, "ssn": ssn},
            ),
            (
                "SELECT o.id, c.email AS e, c.born AS b, c.phone AS p, c.code AS c FROM orders o JOIN customers c"
                " ON c.code = o.code WHERE c.code LIKE 'SEC%'",
                [],
                {"id": "7", "e": "[redacted]", "b": None, "p": "0*****99", "c": code},
            ),
        ):
            _, path = await export(client, sql, params=params, format=form)
            assert read(path, form) == [expected], sql
        for sql in (
            "SELECT row_to_json(c) AS r FROM customers AS c",
            "SELECT c AS r FROM customers AS c",
            "SELECT to_jsonb(array_agg(c)) AS r FROM customers AS c",
        ):
            _, path = await export(client, sql, format=form)
            assert b"[redacted]" in path.read_bytes()
        for name in files(folder):
            assert b"SECRET" not in (folder / name).read_bytes()
            assert b"1980" not in (folder / name).read_bytes()
        for sql in (
            "SELECT upper(email) AS e FROM customers WHERE email LIKE 'S%'",
            "SELECT (SELECT code FROM customers WHERE code > '') AS c",
        ):
            assert (await refused(client, sql, format=form))["code"] == "mask_violation"
        # Errors do not quote what is masked.
        error = await refused(client, "SELECT code::text, id / 0 FROM customers", format=form)
        assert "SECRET" not in json.dumps(error)


async def test_the_key_of_hash_is_not_seen(in_memory: Opener, shop: str, variables: dict[str, str]) -> None:
    """What makes hashes is bound, so that no other session finds it in pg_stat_activity, nor does the server's log."""
    async with in_memory(shop, **variables) as client:
        for sql in (
            "SELECT ssn, pg_sleep(0.3) FROM customers",
            "SELECT code, pg_sleep(0.3) FROM customers WHERE id > 0 AND code > ''",
        ):
            call = asyncio.create_task(export(client, sql, format="ndjson"))
            query = await running(shop, "%sha256%")
            key = await asyncio.to_thread(Path(os.environ["PGWARDEN_HOME"], "mask.key").read_bytes)
            assert "decode" in query
            assert key.hex() not in query
            assert key.decode("latin1").strip() not in query
            _, path = await call
            assert "SECRET" not in await asyncio.to_thread(path.read_text)


async def running(url: str, like: str) -> str:
    """Wait for a statement of another session, and return its text."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        with anyio.fail_after(10):
            while True:
                cursor = await conn.execute(
                    "SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s"
                    " AND datname = current_database() AND pid <> pg_backend_pid()",
                    [like],
                )
                if row := await cursor.fetchone():
                    return str(row[0])
                await anyio.sleep(0.01)


def read(path: Path, form: str) -> list[dict[str, Any]]:
    """The rows of a file, every value as text; the second of two columns of one name with `_2`, which CSV has not."""
    if form == "parquet":
        from pyarrow import parquet

        rows = parquet.read_table(path).to_pylist()
    elif form == "csv":
        [names, *values] = csv.reader(io.StringIO(path.read_text(), newline=""))
        renamed = [f"{name}_2" if name in names[:at] else name for at, name in enumerate(names)]
        rows = [dict(zip(renamed, (value or None for value in row), strict=True)) for row in values]
    else:
        text = path.read_text()
        rows = json.loads(text, parse_float=str) if form == "json" else list(map(json.loads, text.splitlines()))
        if form == "ndjson":
            rows = [json.loads(line, parse_float=str) for line in text.splitlines()]
    return [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]


async def test_rules_hold(in_memory: Opener, shop: str, variables: dict[str, str], folder: Path) -> None:
    """What is hidden is absent, what is closed is refused, what is no read is refused: and no file is made."""
    async with in_memory(shop, **variables) as client:
        absent = await refused(client, "SELECT * FROM hidden_things")
        missing = await refused(client, "SELECT * FROM missing_thing")
        assert absent["code"] == missing["code"] == "undefined_table"
        assert absent["message"].replace("hidden_things", "missing_thing") == missing["message"]
        assert (await refused(client, "SELECT * FROM closed"))["code"] == "not_allowed"
        for sql, code in (
            ("DELETE FROM orders", "not_a_read"),
            ("COPY orders TO STDOUT", "not_a_read"),
            ("SELECT 1; SELECT 2", "multiple_statements"),
            ("SELECT pg_read_file('/etc/passwd')", "function_not_allowed"),
            ("SELECT 1) TO PROGRAM 'id'; COPY (SELECT 2", None),
            ("SHOW server_version", "invalid_arguments"),
            ("EXPLAIN SELECT 1", "invalid_arguments"),
        ):
            error = await refused(client, sql)
            assert code is None or error["code"] == code, (sql, error)
        assert (await refused(client, "SELECT $1::int"))["code"] == "invalid_arguments"
        assert (await refused(client, "SELECT 1", path="../x"))["code"] == "path_not_allowed"
        assert (await refused(client, "SELECT 1", format="xml"))["code"] == "invalid_arguments"
        assert (await refused(client, "SELECT 1 FROM generate_series(1, 3)", max_rows=2))["code"] == "too_many_rows"
        assert files(folder) == []


async def test_caps(in_memory: Opener, database_url: str, variables: dict[str, str], folder: Path) -> None:
    """The limits of exports are settings of their own, and exceed those of results."""
    more = {"PGWARDEN_EXPORT_MAX_BYTES": "100000", "PGWARDEN_EXPORT_TIMEOUT": "1", "PGWARDEN_STATEMENT_TIMEOUT": "0.2"}
    async with in_memory(database_url, **variables, **more, PGWARDEN_MAX_ROWS="10") as client:
        text, _ = await export(client, "SELECT pg_sleep(0.4), n FROM generate_series(1, 1) AS n", path="slow")
        assert "1 row" in text
        text, _ = await export(client, "SELECT n FROM generate_series(1, 5000) AS n", path="many")
        assert "5,000 rows" in text
        error = await refused(client, "SELECT n FROM generate_series(1, 500000) AS n", path="large")
        assert error["code"] == "export_too_large"
        for seconds in (0.3, 60):
            error = await refused(client, "SELECT pg_sleep(5)", path="late", timeout_s=seconds)
            assert error["code"] == "statement_timeout"
        assert files(folder) == ["many.csv", "slow.csv"]


async def test_two_at_once(over_stdio: Opener, database_url: str, variables: dict[str, str], folder: Path) -> None:
    """Of two exports to one name exactly one wins; both may overwrite, and the file is one of the two."""
    sql = "SELECT $1 AS who, n FROM generate_series(1, 20000) AS n"
    async with over_stdio(database_url, **variables) as client:
        for overwrite in (False, True):
            calls = [
                client.call_tool(
                    "export_query", {"sql": sql, "params": [who], "path": "same.csv", "overwrite": overwrite}
                )
                for who in "ab"
            ]
            results = await asyncio.gather(*calls)
            assert sum(isinstance(each, CallToolResult) and bool(each.is_error) for each in results) == (not overwrite)
            lines = (folder / "same.csv").read_text().splitlines()
            assert len(lines) == 20_001
            assert len({line[0] for line in lines[1:]}) == 1
            assert files(folder) == ["same.csv"]


@pytest.mark.parametrize("ending", ["cancelled", "EOF", "SIGTERM", "SIGKILL"])
async def test_endings(ending: str, launch: Launch, database_url: str, folder: Path, tmp_path: Path) -> None:
    """However a call ends in the middle, its query ends and no file has its name; what is left is cleaned up."""
    async with launch() as server:
        call = await server.begin_call("export_query", {"sql": ENDLESS, "path": "x.csv"})
        await growing(folder)
        if ending == "cancelled":
            await server.notify("notifications/cancelled", {"requestId": call})
        else:
            server.end(ending)
        await until_idle(database_url, 4 if ending == "SIGKILL" else 0.5)
        if ending != "cancelled":
            await server.exit_status()
        left = files(folder)
        assert "x.csv" not in left
        assert len(left) == (ending == "SIGKILL")
        if ending == "cancelled":
            assert "1" in text_of(await server.call("run_query", {"sql": "SELECT 1"}))
    if ending != "SIGKILL":
        assert audited(tmp_path)[0]["outcome"] == "cancelled"
        return
    async with launch() as server:
        await server.call("export_query", {"sql": "SELECT 1", "path": "x.csv"})
        assert files(folder) == ["x.csv"]


async def test_a_living_process_keeps_its_file(launch: Launch, folder: Path, tmp_path: Path) -> None:
    """Another server's export does not take what is being written for a leftover."""
    async with launch() as one, launch() as other:
        call = await one.begin_call("export_query", {"sql": SLOW, "path": "x.csv"})
        await growing(folder, size=0)
        await other.call("export_query", {"sql": "SELECT 1", "path": "y.csv"})
        assert "100 rows" in (await one.result(call))["content"][0]["text"]
        assert error_of(await other.call("export_query", {"sql": "SELECT 1", "path": "x.csv"}))["code"] == "file_exists"
    assert files(folder) == ["x.csv", "y.csv"]


async def test_who_may(in_memory: Opener, database_url: str, variables: dict[str, str]) -> None:
    """A profile that only reads writes no files: there is no such tool, unless the policy allows it."""
    async with in_memory(database_url, **variables | {"PGWARDEN_PROFILE": "read_only"}) as client:
        assert (await refused(client, "SELECT 1"))["code"] == "unknown_tool"
    write(variables["PGWARDEN_GOVERNANCE"], "version: 1\ncategories: {allow: [export]}\n")
    async with in_memory(database_url, **variables | {"PGWARDEN_PROFILE": "read_only"}) as client:
        await export(client, "SELECT 1")


async def growing(folder: Path, size: int = 1_000_000) -> None:
    """Wait until a temporary file has more than so many bytes."""
    with anyio.fail_after(20):
        while not any(os.stat(folder / name).st_size > size for name in files(folder)):  # noqa: ASYNC110
            await anyio.sleep(0.005)


async def until_idle(url: str, timeout_s: float) -> None:
    """Wait until no export runs on the server."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        with anyio.fail_after(timeout_s):
            while True:
                cursor = await conn.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%endless%'"
                    " AND datname = current_database() AND pid <> pg_backend_pid()"
                )
                if await cursor.fetchone() == (0,):
                    return
                await anyio.sleep(0.01)
