"""The real server over stdio, as a client meets it, in both protocol eras."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from mcp_types import CallToolResult

from pgwarden.audit import verify
from raw_server import launched

pytestmark = pytest.mark.anyio


def text(result: CallToolResult) -> str:
    """The result's text."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def error(result: CallToolResult) -> dict[str, Any]:
    """The error that a failed result carries."""
    assert result.is_error, text(result)
    carried: dict[str, Any] = json.loads(text(result))["error"]
    assert result.structured_content is None
    return carried


def audit(tmp_path: Path) -> list[dict[str, Any]]:
    """The audit's lines."""
    return [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]


@pytest.fixture
def shop(database_url: str) -> str:
    """A table to read."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2))")
        conn.execute("INSERT INTO item SELECT n, 'item ' || n, n * 1.10 FROM generate_series(1, 250) n")
    return database_url


async def test_the_default_list_is_small_and_closed(over_stdio: Callable[..., Any], plain_role_url: str) -> None:
    """tools/list stays under 8 KB, every schema refuses unknown arguments, every tool is marked as reading."""
    async with over_stdio(plain_role_url) as client:
        listed = await client.list_tools()
    size = len(
        json.dumps([tool.model_dump(by_alias=True, exclude_unset=True) for tool in listed.tools], separators=(",", ":"))
    )
    assert size <= 8_192
    assert {"run_query", "explain_query", "validate_query", "describe_table"} <= {tool.name for tool in listed.tools}
    assert all(tool.input_schema["additionalProperties"] is False for tool in listed.tools)
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.tools)
    assert all(tool.output_schema is None for tool in listed.tools)


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_the_default_list_is_small_on_the_wire(
    version: str, server_environment: Callable[..., dict[str, str]], plain_role_url: str, server_log: Path
) -> None:
    """The whole line that answers tools/list, its envelope included, is within 8 KB in both eras."""
    asked: dict[str, Any] = {}
    if version == "2026-07-28":
        said = {"protocolVersion": version, "clientInfo": {"name": "test", "version": "1"}, "clientCapabilities": {}}
        asked["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in said.items()}
    async with launched(server_environment(plain_role_url), server_log) as server:
        if not asked:
            await server.initialize(version)
        answer = await server.request("tools/list", asked)
    size = len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()) + len("\n")
    assert answer["result"]["tools"]
    assert size <= 8_192


async def test_a_query(over_stdio: Callable[..., Any], shop: str, plain_role_url: str) -> None:
    """A table inside its fence, and one line that says how much of it there is."""
    async with over_stdio(plain_role_url) as client:
        result = await client.call_tool("run_query", {"sql": "SELECT id, name FROM item WHERE id <= $1", "params": [2]})
    assert not result.is_error
    table = r"<data-(\w+)>\nid\|name\n-\|-\n1\|item 1\n2\|item 2\n</data-\1>\n\(2 rows\)"
    assert re.fullmatch(table, text(result))


async def test_pages(over_stdio: Callable[..., Any], shop: str, plain_role_url: str) -> None:
    """The cursor alone goes on where the page ended, until all rows were seen once."""
    seen: list[int] = []
    async with over_stdio(plain_role_url) as client:
        arguments: dict[str, Any] = {"sql": "SELECT id FROM item ORDER BY id", "max_rows": 100, "format": "json"}
        while True:
            data = json.loads(text(await client.call_tool("run_query", arguments)))
            seen += [row[0] for row in data["rows"]]
            if "cursor" not in data:
                break
            arguments = {"cursor": data["cursor"], "max_rows": 100, "format": "json"}
    assert seen == list(range(1, 251))


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("run_query", {"sql": "DELETE FROM item"}, "not_a_read"),
        ("run_query", {"sql": "SELECT 1; SELECT 2"}, "multiple_statements"),
        ("run_query", {"sql": "SELECT pg_read_file('/etc/passwd')"}, "function_not_allowed"),
        ("run_query", {"sql": "   "}, "invalid_arguments"),
        ("run_query", {"sql": "SELECT 1", "limit": 5}, "invalid_arguments"),
        ("run_query", {"sql": 5}, "invalid_arguments"),
        ("run_query", {"sql": "SELECT 1", "max_rows": 0}, "invalid_arguments"),
        ("run_query", {"cursor": "nonsense"}, "cursor_invalid"),
        ("run_query", {"sql": "SELECT nme FROM item"}, "undefined_column"),
        ("run_query", {"sql": "SELECT 1/0"}, "query_failed"),
        ("describe_table", {"tables": ["itm"]}, "not_found"),
        ("run_quer", {"sql": "SELECT 1"}, "unknown_tool"),
    ],
)
async def test_errors(
    tool: str, arguments: dict[str, Any], code: str, over_stdio: Callable[..., Any], shop: str, plain_role_url: str
) -> None:
    """Every mistake is a result with a stable code and a message; the session goes on."""
    async with over_stdio(plain_role_url) as client:
        found = error(await client.call_tool(tool, arguments))
        assert found["code"] == code
        assert found["message"]
        assert not (await client.call_tool("run_query", {"sql": "SELECT 1"})).is_error


async def test_every_call_is_audited(
    over_stdio: Callable[..., Any], shop: str, plain_role_url: str, tmp_path: Path
) -> None:
    """Allowed, denied, failed and unknown calls leave one line each, in an unbroken chain; parameters are not kept."""
    async with over_stdio(plain_role_url) as client:
        await client.call_tool("run_query", {"sql": "SELECT $1::text", "params": ["secret"]})
        await client.call_tool("run_query", {"sql": "DROP TABLE item"})
        await client.call_tool("run_query", {"sql": "SELECT 1/0"})
        await client.call_tool("no_such_tool", {})
        await client.call_tool("list_tables", {"colour": "red"})
    lines = audit(tmp_path)
    assert [line["outcome"] for line in lines] == ["allowed", "denied", "failed", "denied", "denied"]
    assert lines[0]["kinds"] == ["SELECT"]
    assert "secret" not in json.dumps(lines)
    assert verify(tmp_path / "home" / "audit.jsonl").problem is None


async def test_denied_tools_do_not_exist(over_stdio: Callable[..., Any], plain_role_url: str, tmp_path: Path) -> None:
    """A tool that the policy does not grant is not listed and answers as one that was never written."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ntools: {deny: [list_roles]}\ncategories: {deny: [sql_query]}\n")
    async with over_stdio(plain_role_url, PGWARDEN_GOVERNANCE=str(policy)) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        denied = error(await client.call_tool("list_roles", {}))
        absent = error(await client.call_tool("list_rolez", {}))
    assert not names & {"list_roles", "run_query"}
    assert denied["message"].replace("list_roles", "list_rolez") == absent["message"]
    assert (denied["code"], set(denied)) == (absent["code"], set(absent))
    assert "list_roles" not in denied["hint"] + absent["hint"]


async def test_toolsets_widen_the_list(over_stdio: Callable[..., Any], plain_role_url: str) -> None:
    """A narrow start can be widened within the policy, and not beyond it."""
    async with over_stdio(plain_role_url, PGWARDEN_TOOLSETS="sql_query") as client:
        assert "list_tables" not in {tool.name for tool in (await client.list_tools()).tools}
        assert "schema_read|no|" in text(await client.call_tool("list_toolsets", {}))
        assert not (await client.call_tool("enable_toolset", {"toolset": "schema_read"})).is_error
        assert "list_tables" in {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}
        assert error(await client.call_tool("enable_toolset", {"toolset": "schema_reed"}))["code"] == "not_found"


async def test_a_dead_database_delays_nothing(over_stdio: Callable[..., Any]) -> None:
    """The list comes at once; the first call says what is wrong and that it can be tried again."""
    async with over_stdio("postgresql://u@127.0.0.1:1/db", PGWARDEN_RETRY_ATTEMPTS="2") as client:
        with anyio.fail_after(5):
            assert (await client.list_tools()).tools
        found = error(await client.call_tool("run_query", {"sql": "SELECT 1"}))
    assert found["retryable"] is True
    assert "127.0.0.1" in found["message"]


async def test_a_cancelled_call_ends_its_query(
    over_stdio: Callable[..., Any], database_url: str, tmp_path: Path
) -> None:
    """The query is gone from the server within half a second, and the audit says cancelled."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nfunctions: {allow: ['pg_sleep(double precision)']}\n")
    async with over_stdio(database_url, PGWARDEN_GOVERNANCE=str(policy)) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "run_query", {"sql": "SELECT pg_sleep(20)"})
            await _until(database_url, running=1)
            group.cancel_scope.cancel()
        with anyio.fail_after(0.5):
            await _until(database_url, running=0)
        assert not (await client.call_tool("run_query", {"sql": "SELECT 1"})).is_error
    assert [line["outcome"] for line in audit(tmp_path)] == ["cancelled", "allowed"]


async def _until(url: str, running: int) -> None:
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE query LIKE '%pg_sleep(20)%' AND pid <> pg_backend_pid() AND state = 'active'
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        while True:
            cursor = await conn.execute(query)
            if (await cursor.fetchone() or (0,))[0] == running:
                return
            await anyio.sleep(0.02)
