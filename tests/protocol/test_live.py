"""The configuration changes while the server runs: it is in force at the next call, or no call runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from fix_db import Server
from fix_server import Era, Opener, connected
from pgwarden import watch
from pgwarden.server import build

pytestmark = pytest.mark.anyio

BASE = "version: 1\nfunctions: {allow: ['pg_sleep(double precision)']}\n"
MASKED = BASE + "masks: [{column: '*.*.email', mask: redact}]\n"


@pytest.fixture
def era() -> Era:
    """The newer protocol, but where a test asks for both."""
    return "auto"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less of it than in earnest, in this process."""
    monkeypatch.setattr(watch, "CUT_REST_S", 0.6)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The policy file."""
    path = tmp_path / "governance.yaml"
    path.write_text(BASE)
    return path


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[str]:
    """A database with a column that can be masked; no test changes it."""
    name = server.create_database()
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id int PRIMARY KEY, email text)")
        connection.execute("INSERT INTO items VALUES (1, 'ann@example.org'), (2, 'bob@example.org')")
    yield server.url(name)
    server.drop_database(name)


def write(path: Path, text: str) -> None:
    """Write a file at once."""
    path.write_bytes(text.encode("latin-1"))


def read(path: Path) -> str:
    """The file's text."""
    return path.read_text(encoding="utf-8")


async def call(client: Client, tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Call a tool; return its text and, where it failed, the error."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if block.type == "text")
    return text, json.loads(text)["error"] if result.is_error else {}


async def email(client: Client) -> str:
    """Read a value that a mask would hide."""
    return (await call(client, "run_query", sql="SELECT email FROM items WHERE id = 1"))[0]


def lines(tmp_path: Path, tool: str) -> list[dict[str, Any]]:
    """The audit's lines of a tool."""
    found = [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]
    return [line for line in found if line["tool"] == tool]


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_rules_come_and_go(over_stdio: Opener, policy: Path, shop: str, tmp_path: Path, server_log: Path) -> None:
    """A mask holds from the next call on, and a profile grants from the next call on; each change is on record."""
    async with over_stdio(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        assert "execute_sql" not in {tool.name for tool in (await client.list_tools()).tools}
        assert "ann@" in await email(client)
        write(policy, MASKED)
        assert "ann@" not in await email(client)
        write(policy, MASKED.replace("version: 1", "version: 1\nprofile: developer"))
        _, error = await call(client, "execute_sql", sql="DELETE FROM items WHERE id = 2")
        assert error["code"] == "confirmation_required"
        assert "execute_sql" in {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}
        write(policy, BASE + f"# {'-' * 200}\n")
        assert (await call(client, "execute_sql", sql="DELETE FROM items WHERE id = 2"))[1]["code"] == "unknown_tool"
        assert "ann@" in await email(client)
    assert [line["outcome"] for line in lines(tmp_path, "configuration")] == ["allowed"] * 3
    assert len({line["arguments"]["policy"] for line in lines(tmp_path, "configuration")}) == 3
    assert "the configuration was changed" in read(server_log)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "# nothing\n",
        "version: 1\nprofile: admim\n",
        None,
    ],
)
async def test_what_is_not_valid_stops_every_call(
    broken: str | None, in_memory: Opener, policy: Path, shop: str, tmp_path: Path
) -> None:
    """An empty, broken or missing file means that nothing runs, never that there are no rules; mended, calls go on."""
    write(policy, MASKED)
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        assert "ann@" not in await email(client)
        if broken is None:
            os.unlink(policy)
        else:
            write(policy, broken)
        for tool in ("run_query", "list_toolsets", "no_such_tool"):
            _, error = await call(client, tool)
            assert error["code"] == "config_invalid", tool
            assert error["details"]["file"] == str(policy)
        with pytest.raises(Exception, match="not valid"):
            await client.read_resource("pgwarden://policy")
        assert (await client.list_tools(cache_mode="refresh")).tools
        write(policy, MASKED)
        text = await email(client)
        assert "ann@" not in text
        assert "bob" not in text
    assert [line["outcome"] for line in lines(tmp_path, "configuration")] == ["failed", "allowed"]
    assert [line["code"] for line in lines(tmp_path, "list_toolsets")] == ["config_invalid"]


async def test_a_pipe_in_place_of_the_file(in_memory: Opener, policy: Path, shop: str) -> None:
    """It cannot be read again and again: no call runs, none hangs, and a file in its place is in force."""
    write(policy, MASKED)
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        os.unlink(policy)
        os.mkfifo(policy)
        with anyio.fail_after(5):
            _, error = await call(client, "run_query", sql="SELECT 1")
        assert error["code"] == "config_invalid"
        os.unlink(policy)
        write(policy, MASKED)
        assert "ann@" not in await email(client)


async def test_a_fault_says_file_line_and_key_and_no_pattern(in_memory: Opener, policy: Path, shop: str) -> None:
    """What is wrong is told; what the file hides is not."""
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        write(policy, BASE + "schemas: {deny: ['secret salaries']}\n")
        text, error = await call(client, "run_query", sql="SELECT 1")
    assert "governance line 3" in error["message"]
    assert "schemas.deny" in error["message"]
    assert "salaries" not in text


async def test_a_file_that_is_being_written(in_memory: Opener, policy: Path, shop: str) -> None:
    """What a slow editor has written so far is not taken for the file, though it is a valid one with fewer rules."""
    write(policy, MASKED)
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        assert "ann@" not in await email(client)

        async def write_slowly() -> None:
            with open(policy, "w") as stream:  # noqa: ASYNC230 - as an editor does
                for part in ("", "version: 1\nprofile: developer\n", MASKED.removeprefix("version: 1\n")):
                    stream.write(part)
                    stream.flush()
                    await anyio.sleep(0.4)

        writing = asyncio.create_task(write_slowly())
        while not writing.done():
            assert "ann@" not in await email(client)
            await anyio.sleep(0.02)
        await writing
        assert "ann@" not in await email(client)


async def test_a_call_ends_under_the_policy_that_it_started_with(in_memory: Opener, policy: Path, shop: str) -> None:
    """Also where its database is replaced meanwhile."""
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        assert "ann@" in await email(client)
        slow = {"sql": "SELECT email FROM items, pg_sleep(0.5) WHERE id = 1"}
        running = asyncio.create_task(client.call_tool("run_query", slow))
        await anyio.sleep(0.15)
        write(policy, MASKED)
        assert "ann@" not in await email(client)
        result = await running
        assert isinstance(result, CallToolResult)
        assert not result.is_error
        assert "ann@" in str(result.content)


@pytest.mark.parametrize("era", ["legacy", "auto"])
@pytest.mark.parametrize("after", [BASE, "version: 2\n"])
async def test_a_yes_under_rules_that_have_changed(after: str, in_memory: Opener, policy: Path, shop: str) -> None:
    """Whoever narrows the policy while a person is asked need not fear the answer."""
    write(policy, BASE + "profile: developer\n")

    async def person(context: Any, params: ElicitRequestParams) -> ElicitResult:
        write(policy, after)
        return ElicitResult.model_validate({"action": "accept", "content": {"confirm": True}})

    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy), person=person) as client:
        _, error = await call(client, "execute_sql", sql="DELETE FROM items WHERE id = 2")
    assert error["code"] in ("confirmation_expired", "unknown_tool", "config_invalid")
    with psycopg.connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (2,)


async def test_what_has_not_changed_stays_connected(in_memory: Opener, policy: Path, shop: str) -> None:
    """A change of what the database is not about keeps its connections and its cursors."""
    pid = {"sql": "SELECT pg_backend_pid() AS pid"}
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        before, _ = await call(client, "run_query", **pid, format="csv")
        page = json.loads((await call(client, "run_query", sql="TABLE items", max_rows=1, format="json"))[0])
        write(policy, BASE + "tools: {deny: [list_roles]}\n")
        assert (await call(client, "list_roles"))[1]["code"] == "unknown_tool"
        assert (await call(client, "run_query", **pid, format="csv"))[0] == before
        assert "bob@" in (await call(client, "run_query", cursor=page["cursor"]))[0]


@asynccontextmanager
async def with_env_file(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Client, Path]]:
    """A server whose settings are in a file."""
    monkeypatch.setenv("PGWARDEN_HOME", str(tmp_path / "home"))
    file = tmp_path / "warden.env"
    write(file, text)
    server, fleet = build(file)
    async with connected(server, fleet, "auto", None) as client:
        yield client, file


async def test_the_env_file(tmp_path: Path, shop: str, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables change likewise; what comes from the environment stays; an empty file does not lift the bounds."""
    write(policy, MASKED)
    monkeypatch.setenv("PGWARDEN_MAX_ROWS", "1")
    text = f"PGWARDEN_DATABASE_URL={shop}\nPGWARDEN_GOVERNANCE={policy}\n"
    async with with_env_file(tmp_path, text, monkeypatch) as (client, file):
        assert "ann@" not in await email(client)
        write(file, "")
        _, error = await call(client, "run_query", sql="SELECT 1")
        assert (error["code"], error["details"]["file"]) == ("config_invalid", str(file))
        write(file, text + "PGWARDEN_MAX_ROWS=2\nPGWARDEN_PROFILE=developer\n")
        assert "(1 row; more exist" in (await call(client, "run_query", sql="TABLE items"))[0]
        assert "execute_sql" in {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}
        write(file, text + "PGWARDEN_PROFIL=developer\n")
        assert "PGWARDEN_PROFIL" in (await call(client, "run_query", sql="SELECT 1"))[1]["message"]
        write(file, f"PGWARDEN_DATABASE_URL={shop}\nPGWARDEN_GOVERNANCE={tmp_path / 'absent.yaml'}\n")
        assert (await call(client, "run_query", sql="SELECT 1"))[1]["code"] == "config_invalid"
        write(tmp_path / "absent.yaml", MASKED)
        assert "ann@" not in await email(client)


async def test_undo_is_turned_off(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the next call on no rows are kept as they were, on a connection that is open already."""
    name = server.create_database()
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id int PRIMARY KEY)")
    text = f"PGWARDEN_DATABASE_URL={server.url(name)}\nPGWARDEN_PROFILE=developer\n"
    async with with_env_file(tmp_path, text, monkeypatch) as (client, file):
        insert = {"table": "public.items", "confirm": True}
        kept, _ = await call(client, "insert_rows", **insert, rows=[{"id": 1}])
        assert "change " in kept
        write(file, text + "PGWARDEN_UNDO=off\n")
        bare, error = await call(client, "insert_rows", **insert, rows=[{"id": 2}])
        assert not error
        assert "change " not in bare
    server.drop_database(name)


async def test_what_needs_a_restart(tmp_path: Path, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit log stays where it is until then, and the list of connections says so."""
    text = f"PGWARDEN_DATABASE_URL={shop}\n"
    async with with_env_file(tmp_path, text, monkeypatch) as (client, file):
        await email(client)
        write(file, text + f"PGWARDEN_AUDIT_PATH={tmp_path / 'other.jsonl'}\n")
        assert "needs a restart: PGWARDEN_AUDIT_PATH" in (await call(client, "list_connections"))[0]
    assert "other.jsonl" not in os.listdir(tmp_path)
    assert lines(tmp_path, "list_connections")


TWO = BASE + "connections: {one: {database_url_env: ONE}, two: {database_url_env: TWO, profile: developer}}\n"


async def test_connections_change_too(
    in_memory: Opener, policy: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is taken away leaves nothing current, and never another one in its place."""
    monkeypatch.setenv("ONE", shop)
    monkeypatch.setenv("TWO", shop)
    write(policy, TWO)
    async with in_memory(None, PGWARDEN_GOVERNANCE=str(policy)) as client:
        await call(client, "connect", connection="two")
        page = json.loads((await call(client, "run_query", sql="TABLE items", max_rows=1, format="json"))[0])
        write(policy, TWO.replace("profile: developer", "masks: [{column: '*.*.email', mask: redact}]"))
        assert "ann@" not in await email(client)
        assert (await call(client, "run_query", cursor=page["cursor"]))[1]["code"] == "cursor_invalid"
        write(policy, TWO.replace(", two: {database_url_env: TWO, profile: developer}", ""))
        for more in ("", "deletes: hard\n", ", two: {database_url_env: TWO}}"):
            one = TWO.replace(", two: {database_url_env: TWO, profile: developer}", "")
            write(policy, one.replace("}}\n", "}" + more + "\n") if more.startswith(",") else one + more)
            _, error = await call(client, "run_query", sql="SELECT 1")
            assert error["code"] == "not_connected", more
            assert "two" in error["message"]
            assert (await call(client, "disconnect"))[1]["code"] == "not_connected"
        assert not (await call(client, "connect", connection="one"))[1]
        assert "ann@" in await email(client)


async def test_an_unchanged_file_costs_no_reading(in_memory: Opener, policy: Path, shop: str) -> None:
    """A file that is only touched is read again, and nothing is lost by it."""
    async with in_memory(shop, PGWARDEN_GOVERNANCE=str(policy)) as client:
        page = json.loads((await call(client, "run_query", sql="TABLE items", max_rows=1, format="json"))[0])
        os.utime(policy, (1, 1))
        assert "bob@" in (await call(client, "run_query", cursor=page["cursor"]))[0]
