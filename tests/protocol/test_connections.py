"""Named connections as a client meets them: two real servers, each with its own policy."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, PromptReference

from fix_db import PLAIN_ROLE, Servers
from fix_server import Era, Opener
from pgwarden import tokens
from pgwarden.audit import verify
from pgwarden.server import build

pytestmark = pytest.mark.anyio

SHOP = """
    DROP TABLE IF EXISTS items;
    CREATE TABLE items (id int PRIMARY KEY, name text, email text);
    INSERT INTO items SELECT i, 'item ' || i, 'a' || i || '@example.org' FROM generate_series(1, 30) i;
"""
GOVERNANCE = """
version: 1
connection: staging
toolsets: [sql_query, sql_write, connection]
functions: {allow: ['pg_sleep(double precision)']}
connections:
  staging:
    database_url_env: STAGING_URL
    profile: developer
    databases: {deny: [hidden_*]}
  production:
    database_url_env: PRODUCTION_URL
    masks: [{column: '*.*.email', mask: redact}]
    limits: {max_rows: 7}
  broken:
    database_url: postgresql://nobody:hunter2@127.0.0.1:1/none
  unset:
    database_url_env: NOT_SET
"""


BOTH_ERAS = pytest.mark.parametrize("era", ["legacy", "auto"])


@pytest.fixture
def era() -> Era:
    """The newer protocol, but where a test asks for both."""
    return "auto"


@pytest.fixture(scope="module")
def databases(servers: Servers) -> Iterator[tuple[str, str]]:
    """A database on the wheel's server, and one on the system's."""
    pair = [(server, server.create_database()) for server in (servers.get("wheel"), servers.get("system"))]
    yield pair[0][0].url(pair[0][1]), pair[1][0].url(pair[1][1])
    for server, name in pair:
        server.drop_database(name)


@pytest.fixture
def staging(databases: tuple[str, str]) -> str:
    """A fresh shop on the wheel's server."""
    return _shop(databases[0])


@pytest.fixture
def production(databases: tuple[str, str]) -> str:
    """A fresh shop on the system's server."""
    return _shop(databases[1])


def _shop(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SHOP.encode())
    return url


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The policy file."""
    path = tmp_path / "governance.yaml"
    path.write_text(GOVERNANCE)
    return path


@pytest.fixture
def shops(in_memory: Opener, policy: Path, staging: str, production: str, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """A function that opens a client to a server with both shops; staging is current."""
    monkeypatch.setenv("STAGING_URL", staging)
    monkeypatch.setenv("PRODUCTION_URL", production)

    @asynccontextmanager
    async def opened(**arguments: Any) -> AsyncIterator[Client]:
        async with in_memory(None, PGWARDEN_GOVERNANCE=str(policy), **arguments) as client:
            yield client

    return opened


def write(path: Path, text: str) -> None:
    """Write a file at once."""
    path.write_bytes(text.encode("latin-1"))


def read(path: Path) -> str:
    """The file's text."""
    return path.read_text(encoding="utf-8")


async def call(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that works, and return its text."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert not result.is_error, text(result)
    return text(result)


async def error(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that fails, and return the error."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert result.is_error, text(result)
    found: dict[str, Any] = json.loads(text(result))["error"]
    return found


def text(result: CallToolResult) -> str:
    """The result's text."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    """The audit's lines."""
    return [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]


async def rows(client: Client, tool: str, **arguments: Any) -> list[dict[str, Any]]:
    """Call a tool that returns a table, and return its rows."""
    data = json.loads(await call(client, tool, format="json", **arguments))
    names = [column["name"] for column in data["columns"]]
    return [dict(zip(names, row, strict=True)) for row in data["rows"]]


async def major(client: Client) -> int:
    """The major version of the server that calls run on now."""
    [row] = await rows(client, "run_query", sql="SHOW server_version")
    return int(str(row["server_version"]).split(".")[0])


@BOTH_ERAS
async def test_each_connection_has_its_own_policy(
    over_stdio: Opener, policy: Path, staging: str, production: str, tmp_path: Path
) -> None:
    """What one allows the other refuses; masks and limits are each one's own, and so is the list of tools."""
    urls = {"STAGING_URL": staging, "PRODUCTION_URL": production}
    async with over_stdio(None, PGWARDEN_GOVERNANCE=str(policy), **urls) as client:
        assert await major(client) == 18
        before = {tool.name for tool in (await client.list_tools()).tools}
        assert {"execute_sql", "connect"} <= before
        assert "url" not in next(t for t in (await client.list_tools()).tools if t.name == "connect").input_schema
        await call(client, "execute_sql", sql="UPDATE items SET name = 'x' WHERE id = 1", confirm=True)
        assert "a1@example.org" in await call(client, "run_query", sql="SELECT email FROM items WHERE id = 1")
        said = await call(client, "connect", connection="production")
        assert "sql_profile read_only" in said
        assert await major(client) == 15
        after = {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}
        assert before - after == {"execute_sql"}
        assert (await error(client, "execute_sql", sql="DELETE FROM items WHERE id = 1"))["code"] == "unknown_tool"
        assert (await error(client, "run_query", sql="DELETE FROM items WHERE id = 1"))["code"] == "not_a_read"
        assert "a1@example.org" not in await call(client, "run_query", sql="SELECT email FROM items WHERE id = 1")
        assert "7 rows; more exist" in await call(client, "run_query", sql="SELECT id FROM items")
    named = [(line["connection"], line["tool"]) for line in lines(tmp_path)]
    assert named[0] == ("staging", "run_query")
    assert named[-1] == ("production", "run_query")


async def test_the_list_says_where_without_secrets(shops: Opener, staging: str) -> None:
    """Names, addresses, profiles and which is current; a variable that is not set is told."""
    async with shops() as client:
        await major(client)
        found = {row["connection"]: row for row in await rows(client, "list_connections")}
        output = await call(client, "list_connections")
    address = psycopg.conninfo.conninfo_to_dict(staging)
    assert [name for name, row in found.items() if row["current"] == "yes"] == ["staging"]
    assert found["staging"]["connected"] == "yes"
    assert found["production"]["connected"] == "no"
    assert (found["staging"]["port"], found["staging"]["database"]) == (address["port"], address["dbname"])
    assert found["staging"]["sql_profile"] == "developer"
    assert "NOT_SET" in str(found["unset"]["note"])
    assert "hunter2" not in output
    assert str(address.get("password")) not in output


@pytest.mark.parametrize(
    ("name", "code"),
    [("broken", "connection_refused"), ("unset", "connection_settings_invalid"), ("stagin", "not_found")],
)
async def test_a_connection_that_does_not_work_changes_nothing(name: str, code: str, shops: Opener) -> None:
    """The cause is told, and calls go on where they ran before."""
    async with shops(PGWARDEN_RETRY_ATTEMPTS="1") as client:
        found = await error(client, "connect", connection=name)
        assert found["code"] == code
        assert "hunter2" not in json.dumps(found)
        assert await major(client) == 18


async def test_a_cursor_stays_on_its_connection(shops: Opener) -> None:
    """It does not go on elsewhere, and goes on when its connection is the current one again."""
    async with shops() as client:
        page = json.loads(await call(client, "run_query", sql="SELECT id FROM items", max_rows=5, format="json"))
        await call(client, "connect", connection="production")
        found = await error(client, "run_query", cursor=page["cursor"])
        assert found["code"] == "cursor_invalid"
        assert "staging" in found["message"]
        await call(client, "connect", connection="staging")
        assert "6" in await call(client, "run_query", cursor=page["cursor"])


BOTH = GOVERNANCE.replace("connection: staging", "connection: staging\nprofile: developer")


@pytest.mark.parametrize(
    ("sql", "yes"),
    [
        ("DELETE FROM items WHERE id = 2", {"confirm": True}),
        ("DELETE FROM items", {"confirm_name": "public.items"}),
    ],
)
async def test_a_yes_by_argument_does_not_cross(
    sql: str, yes: dict[str, Any], shops: Opener, policy: Path, production: str
) -> None:
    """A yes to the plan of one connection is none to the same call on another; there its own plan is shown first."""
    write(policy, BOTH.replace("    masks:", "    profile: developer\n    masks:"))
    async with shops() as client:
        asked = await error(client, "execute_sql", sql=sql)
        assert asked["details"]["connection"] == "staging"
        await call(client, "connect", connection="production")
        crossed = await error(client, "execute_sql", sql=sql, **yes)
        assert crossed["code"] == "confirmation_required"
        assert crossed["details"]["connection"] == "production"
        assert _count(production) == 30
        await call(client, "execute_sql", sql=sql, **yes)
        assert _count(production) < 30


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM items").fetchone()
    return int(row[0]) if row else -1


@BOTH_ERAS
async def test_a_persons_yes_does_not_cross(
    shops: Opener, policy: Path, staging: str, production: str, era: str
) -> None:
    """The question names the connection; a switch while the person is asked moves no yes to another database."""
    write(policy, BOTH.replace("    masks:", "    profile: developer\n    masks:"))
    asked: list[str] = []
    opened: list[Client] = []

    async def person(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        if len(asked) == 1:
            await call(opened[0], "connect", connection="production")
        return ElicitResult.model_validate({"action": "accept", "content": {"confirm": True}})

    async with shops(person=person) as client:
        opened.append(client)
        result = await client.call_tool("execute_sql", {"sql": "DELETE FROM items WHERE id = 2"})
    assert "on the connection staging" in asked[0]
    assert _count(production) == 30
    if era == "legacy":
        # The call waited for its person, on the connection that it had started on.
        assert not result.is_error
        assert _count(staging) == 29
    else:
        assert json.loads(text(result))["error"]["code"] == "confirmation_expired"
        assert _count(staging) == 30


async def test_calls_end_where_they_started(shops: Opener) -> None:
    """A switch while calls run does not move them, and ends none of them."""
    async with shops() as client:
        slow = "SELECT current_setting('server_version_num')::int / 10000 AS v FROM pg_sleep(0.6)"
        running = [asyncio.create_task(rows(client, "run_query", sql=slow)) for _ in range(3)]
        await anyio.sleep(0.2)
        await call(client, "connect", connection="production")
        await call(client, "disconnect", connection="staging")
        assert await major(client) == 15
        assert [int((await each)[0]["v"]) for each in running] == [18, 18, 18]


async def test_disconnecting(shops: Opener) -> None:
    """The current connection falls back to the one of the start, and that one to none; connect mends it."""
    async with shops() as client:
        await call(client, "connect", connection="production")
        assert "run on staging now" in await call(client, "disconnect")
        assert await major(client) == 18
        assert "No connection" in await call(client, "disconnect")
        assert (await error(client, "run_query", sql="SELECT 1"))["code"] == "not_connected"
        assert (await error(client, "switch_database", database="postgres"))["code"] == "not_connected"
        found = {row["connection"]: row for row in await rows(client, "list_connections")}
        assert (found["staging"]["current"], found["staging"]["note"]) == ("no", "disconnected")
        await call(client, "list_toolsets")
        await call(client, "connect", connection="staging")
        assert await major(client) == 18


async def test_switching_the_database(shops: Opener, servers: Servers) -> None:
    """Another database of the same server, under the same policy; a hidden one answers as one that is not there."""
    server = servers.get("wheel")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE hidden_one")
        connection.execute("CREATE DATABASE other_one")
        connection.execute("CREATE DATABASE closed_one ALLOW_CONNECTIONS false")
    try:
        async with shops() as client:
            assert "staging/other_one" in await call(client, "switch_database", database="other_one")
            [row] = await rows(client, "run_query", sql="SELECT current_database() AS d")
            assert row["d"] == "other_one"
            await call(client, "execute_sql", sql="CREATE TABLE t (i int)", confirm=True)
            hidden = await error(client, "switch_database", database="hidden_one")
            absent = await error(client, "switch_database", database="hidden_two")
            assert (hidden["code"], hidden["message"].replace("one", "two")) == (absent["code"], absent["message"])
            assert (await error(client, "switch_database", database="closed_one"))["code"] == "permission_denied"
            current = [row for row in await rows(client, "list_connections") if row["current"] == "yes"]
            assert [row["connection"] for row in current] == ["staging/other_one"]
            await call(client, "connect", connection="staging")
            await call(client, "run_query", sql="SELECT count(*) FROM items")
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for name in ("hidden_one", "other_one", "closed_one"):
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def test_testing(shops: Opener) -> None:
    """What a connection is like; a server that is down is told, with its cause, and is no error."""
    async with shops() as client:
        found = json.loads(await call(client, "test_connection", format="json"))
        assert (found["connection"], found["works"], found["recovery"]) == ("staging", True, False)
        assert found["version"].startswith("18.")
        assert found["role"] == "postgres"
        assert found["round_trip_ms"] > 0
        assert found["pool"][0]["max"] == 10
        assert found["servers"][0]["reachable"] is True
        down = json.loads(await call(client, "test_connection", connection="broken", format="json"))
        assert (down["works"], down["code"]) == (False, "connection_refused")
        assert "hunter2" not in json.dumps(down)
        unset = json.loads(await call(client, "test_connection", connection="unset", format="json"))
        assert unset["works"] is False
        assert await major(client) == 18
        assert "works: no" in await call(client, "test_connection", connection="broken")


async def test_replicas(shops: Opener, policy: Path, staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted, looked at, and have connection strings of their own."""
    write(policy, GOVERNANCE.replace("_url_env: STAGING_URL", "_url_env: STAGING_URL\n    replica_urls_env: REPLICAS"))
    monkeypatch.setenv("REPLICAS", f"{staging}, postgresql://nobody:hunter2@127.0.0.1:1/none")
    async with shops() as client:
        found = {row["connection"]: row for row in await rows(client, "list_connections")}
        assert found["staging"]["replicas"] == "2"
        seen = json.loads(await call(client, "test_connection", format="json"))["servers"]
        assert [each["reachable"] for each in seen] == [True, True, False]
        assert "no standby" in seen[1]["note"]
        assert "refused" in seen[2]["error"]
        assert "127.0.0.1:1/none" in await call(client, "get_connection_string", server="replica-2")
        assert "replica-2" in (await error(client, "get_connection_string", server="replica2"))["hint"]


async def test_the_connection_string(shops: Opener, policy: Path, staging: str, tmp_path: Path) -> None:
    """Its password comes only where the policy grants it, after a yes; it is in no plan and not in the audit."""
    secret = str(psycopg.conninfo.conninfo_to_dict(staging)["password"])
    async with shops() as client:
        assert secret not in await call(client, "get_connection_string")
        refused = await error(client, "get_connection_string", with_password=True, confirm=True)
        assert refused["code"] == "not_allowed"
    write(policy, GOVERNANCE.replace("profile: developer", "profile: admin"))
    async with shops() as client:
        asked = await error(client, "get_connection_string", with_password=True)
        assert asked["code"] == "confirmation_required"
        assert secret not in json.dumps(asked)
        given = json.loads(await call(client, "get_connection_string", with_password=True, confirm=True, format="json"))
        assert psycopg.conninfo.conninfo_to_dict(given["url"])["password"] == secret
        with psycopg.connect(given["url"]):
            pass
        assert (await error(client, "get_connection_string", server="replica-1"))["code"] == "not_found"
        key = tokens.key_file(tmp_path / "home")
        token = tokens.create(key, ["database:write"], "reporter", 1, time.time())
    async with shops(PGWARDEN_TOKEN=token) as client:
        lacking = await error(client, "get_connection_string", with_password=True, confirm=True)
        assert lacking["details"]["missing_scope"] == "database:admin"
    assert secret not in json.dumps(lines(tmp_path))
    assert "confirm" in [line["tier"] for line in lines(tmp_path) if line["outcome"] == "started"]


async def test_a_url_of_the_callers(
    shops: Opener, policy: Path, production: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the policy allows it, under the file's own policy, and without anything of this machine's own."""
    async with shops() as client:
        assert (await error(client, "connect", url=production))["code"] == "invalid_arguments"
    write(policy, GOVERNANCE + "connections_ad_hoc: true\n")
    secret = str(psycopg.conninfo.conninfo_to_dict(production)["password"])
    async with shops() as client:
        assert "ad-hoc" in await call(client, "connect", url=production)
        assert await major(client) == 15
        assert (await error(client, "run_query", sql="DELETE FROM items WHERE id = 1"))["code"] == "not_a_read"
        found = [row for row in await rows(client, "list_connections") if row["current"] == "yes"]
        assert found[0]["sql_profile"] == "read_only"
        monkeypatch.setenv("PGPASSWORD", secret)
        without = production.replace(f":{secret}@", "@")
        assert without != production
        assert (await error(client, "connect", url=without))["code"] == "authentication_failed"
        for url in (
            "postgresql://u@169.254.169.254/db",
            "postgresql://u@[fe80::1]/db",
            "postgresql://u@[::ffff:169.254.169.254]/db",
            "postgresql://u@0.0.0.0/db",
            "postgresql:///db?host=/tmp&user=u",
            "postgresql://u@localhost/db?passfile=/etc/passwd",
            "postgresql://u@localhost/db?service=x",
            "host=localhost user=u dbname=db",
        ):
            assert (await error(client, "connect", url=url))["code"] == "url_refused", url
        assert await major(client) == 15
        await call(client, "disconnect")
        assert await major(client) == 18
    kept = json.dumps(lines(tmp_path))
    assert secret not in kept
    assert "postgresql://127.0.0.1" in kept


async def test_the_policy_is_told_for_each(shops: Opener) -> None:
    """pgwarden://policy shows the current one's in full, and the others in short."""
    async with shops() as client:
        await call(client, "connect", connection="production")
        [content] = (await client.read_resource("pgwarden://policy")).contents
    said = content.text  # type: ignore[union-attr]
    assert "production (the current one, shown here): sql_profile read_only" in said
    assert "staging: sql_profile developer" in said
    assert "sql_profile read_only · tool_profile read_only" in said


async def test_resources_follow(shops: Opener, production: str) -> None:
    """What is read and completed beside tools is the current connection's."""
    with psycopg.connect(production, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS only_here; CREATE TABLE only_here (id int)")
    reference = PromptReference(name="safe_migration")
    argument = {"name": "table", "value": "only"}
    async with shops(PGWARDEN_PROFILE="developer") as client:
        for name, there in (("staging", False), ("production", True)):
            await call(client, "connect", connection=name)
            [content] = (await client.read_resource("pg://schema")).contents
            assert ("only_here" in content.text) is there  # type: ignore[union-attr]
            assert bool((await client.complete(reference, argument)).completion.values) is there


async def test_the_client_is_told(
    server_environment: Callable[..., dict[str, str]], policy: Path, staging: str, production: str, server_log: Path
) -> None:
    """Over stdio: a switch, and a changed policy, announce other tools and resources once; no secret is in the log."""
    from raw_server import launched

    environment = server_environment(
        None, PGWARDEN_GOVERNANCE=str(policy), STAGING_URL=staging, PRODUCTION_URL=production
    )
    async with launched(environment, server_log) as raw:
        await raw.initialize()
        await raw.call("connect", {"connection": "production"})
        await raw.call("connect", {"connection": "production"})
        write(policy, GOVERNANCE.replace("production:", "production:\n    tools: {deny: [list_roles, run_query]}"))
        await raw.call("list_toolsets")
        await raw.call("list_toolsets")
        told = [json.loads(line).get("method") for line in raw.lines]
    assert told.count("notifications/tools/list_changed") == 2
    assert told.count("notifications/resources/list_changed") == 2
    secret = str(psycopg.conninfo.conninfo_to_dict(staging)["password"])
    assert secret not in read(server_log)
    assert PLAIN_ROLE not in read(server_log)


STORM = """
version: 1
limits: {{rate_limit: 0, max_rows: {number}}}
connections:
  staging: {{database_url_env: STAGING_URL, profile: developer}}
  production: {{database_url_env: PRODUCTION_URL, masks: [{{column: '*.*.email', mask: {mask}}}]}}
"""
READ = {"sql": "SELECT email FROM items WHERE id = 1"}


async def test_a_storm(
    server_environment: Callable[..., dict[str, str]],
    policy: Path,
    staging: str,
    production: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is connected, disconnected and configured at once: masks hold where they should, and nothing is left."""
    variables = {"PGWARDEN_GOVERNANCE": str(policy), "STAGING_URL": staging, "PRODUCTION_URL": production}
    for name, value in server_environment(None, **variables).items():
        monkeypatch.setenv(name, value)
    write(policy, STORM.format(number=10, mask="redact"))
    _, fleet = build()
    chance, codes = random.Random(7), set[str]()
    calls: list[tuple[str, dict[str, Any]]] = [
        *[("run_query", READ)] * 6,
        *(("connect", {"connection": name}) for name in ("staging", "production")),
        ("switch_database", {"database": production.rpartition("/")[2]}),
        ("switch_database", {"database": "postgres"}),
        ("disconnect", {}),
        ("test_connection", {"connection": "staging"}),
        ("execute_sql", {"sql": "UPDATE items SET name = name WHERE id = 1", "confirm": True}),
    ]

    async def work(until: float) -> None:
        while anyio.current_time() < until:
            tool, arguments = chance.choice(calls)
            member = await fleet.refreshed()
            answer = await member.path(tool, dict(arguments))
            codes.add(str(answer.error["code"]) if answer.error else "")
            if arguments is READ and not answer.error:
                assert ("a1@" in "".join(answer.blocks)) is member.place.name.startswith("staging")
            await asyncio.sleep(0)

    working = [asyncio.create_task(work(anyio.current_time() + 2.5)) for _ in range(5)]
    for number in range(5):
        await anyio.sleep(0.5)
        write(policy, STORM.format(number=11 + number, mask="null" if number % 2 else "redact"))
    await asyncio.gather(*working)
    await anyio.sleep(0.3)
    assert "" in codes
    assert "internal_error" not in codes
    assert len(fleet._sources) <= 3
    await fleet.close()
    assert verify(tmp_path / "home" / "audit.jsonl").problem is None
