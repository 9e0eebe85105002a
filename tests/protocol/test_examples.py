"""What examples/ offers to copy works as it stands."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from fix_db import Server
from pgwarden import settings
from raw_server import launched, text_of

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIGURATIONS = sorted(EXAMPLES.glob("*.json"))
ROLE = "pgwarden_reader"


def entry_of(path: Path) -> dict[str, Any]:
    """The server's entry in a client's configuration."""
    document = json.loads(path.read_text(encoding="utf-8"))
    [(name, entry)] = (document.get("mcpServers") or document["servers"]).items()
    assert name == "pgwarden"
    found: dict[str, Any] = entry
    return found


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_a_configuration_is_understood(path: Path) -> None:
    """It is JSON of one server, run by our program, whose variables exist; it holds no password."""
    entry = entry_of(path)
    assert entry.keys() <= {"type", "command", "args", "env"}
    assert entry.get("type", "stdio") == "stdio"
    assert Path(entry["command"]).name == "pgwarden"
    assert entry["env"].keys() <= settings.known_variables().keys()
    assert psycopg.conninfo.conninfo_to_dict(_plain(entry["env"]["PGWARDEN_DATABASE_URL"])).get("password") is None


def _plain(url: str) -> str:
    return "" if url.startswith("${") else url


def test_every_client_has_one() -> None:
    """The table of the clients names every file, and no other."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in CONFIGURATIONS} == {
        "claude-code.mcp.json",
        "claude-desktop.json",
        "cursor.mcp.json",
        "vscode.mcp.json",
    }
    assert all(f"({path.name})" in text for path in EXAMPLES.iterdir() if path.name != "README.md")


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
async def test_a_configuration_starts_a_server(
    path: Path, server_environment: Callable[..., dict[str, str]], server_log: Path, plain_role_url: str
) -> None:
    """Its command, with the database filled in, answers a query."""
    entry = entry_of(path)
    program = shutil.which(Path(entry["command"]).name, path=os.path.dirname(sys.executable))
    assert program
    command = (program, *entry.get("args", ()))
    async with launched(server_environment(plain_role_url), server_log, command) as server:
        await server.initialize()
        assert "\n1\n" in text_of(await server.call("run_query", {"sql": "SELECT 1 AS one"}))


@pytest.fixture
def reader_url(any_server: Server, any_database_url: str) -> Iterator[str]:
    """A database with a table, as the role that the example makes, and a table made after it."""
    script = (EXAMPLES / "readonly_role.sql").read_bytes()
    secret = any_server.cluster.make_password(ROLE)
    with psycopg.connect(any_database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1)")
        conn.execute("CREATE SCHEMA internal; CREATE TABLE internal.wage (euros int)")
        conn.execute(script)
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(secret)))
        conn.execute("CREATE TABLE later (id int); INSERT INTO later VALUES (2)")
        yield any_server.url(any_database_url.rsplit("/", 1)[1], ROLE)
        conn.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(ROLE)))


def test_the_role_reads(reader_url: str) -> None:
    """It reads the tables that were there and those that came later, under the limits of the role."""
    with psycopg.connect(reader_url) as conn:
        assert conn.execute("SELECT * FROM item UNION ALL TABLE later").fetchall() == [(1,), (2,)]
        assert conn.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        assert conn.execute("SHOW statement_timeout").fetchone() == ("1min",)


FORBIDDEN: tuple[LiteralString, ...] = (
    "INSERT INTO item VALUES (3)",
    "UPDATE item SET id = 3",
    "DELETE FROM item",
    "TRUNCATE item",
    "DROP TABLE item",
    "ALTER TABLE item ADD note text",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "TABLE internal.wage",
    "COPY item TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "ALTER SYSTEM SET work_mem = '1MB'",
)


def test_the_role_does_nothing_else(reader_url: str) -> None:
    """Its missing rights stop it, also where the session has turned off the read-only default."""
    with psycopg.connect(reader_url, autocommit=True) as conn:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            conn.execute("CREATE TABLE mine (id int)")
        conn.execute("SET default_transaction_read_only = off")
        for statement in FORBIDDEN:
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(statement)


async def test_the_role_is_the_least(
    reader_url: str, server_environment: Callable[..., dict[str, str]], server_log: Path
) -> None:
    """A server that requires least privilege accepts it."""
    environment = server_environment(reader_url, PGWARDEN_REQUIRE_LEAST_PRIVILEGE="true")
    async with launched(environment, server_log) as server:
        await server.initialize()
        assert "\n1\n" in text_of(await server.call("run_query", {"sql": "SELECT id FROM item"}))
