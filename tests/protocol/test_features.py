"""Profiles and lookups as a client meets them, over stdio in both eras."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult

from fix_server import Opener
from tool_calls import run_sql

pytestmark = pytest.mark.anyio

TABLES = """
    CREATE TABLE users (id bigint PRIMARY KEY, email text, score float8);
    INSERT INTO users SELECT k, 'u' || k || '@secret', k / 2.0 FROM generate_series(1, 100) k;
"""
TOOLS = {"profile_table", "lookup_features", "list_feature_tables"}


def text(result: CallToolResult) -> str:
    """All of a result's text."""
    return "\n".join(block.text for block in result.content if block.type == "text")


async def call(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    """Call a tool that succeeds."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    return result


async def test_a_session(over_stdio: Opener, plain_role_url: str, database_url: str, tmp_path: Path) -> None:
    """The tools are not listed at first, work all the same, and show pictures; the audit has no values of rows."""
    pytest.importorskip("PIL")
    run_sql(database_url, TABLES)
    async with over_stdio(plain_role_url) as client:
        assert not TOOLS & {each.name for each in (await client.list_tools()).tools}
        for category in ("quality", "feature_read"):
            await call(client, "enable_toolset", toolset=category)
        assert {each.name for each in (await client.list_tools()).tools} >= TOOLS
        result = await call(client, "profile_table", table="users", image=True)
        assert "all 100 rows" in text(result)
        assert "<data-" in text(result)
        [image] = [block for block in result.content if block.type == "image"]
        assert image.mime_type == "image/png"
        assert base64.b64decode(image.data).startswith(b"\x89PNG")
        assert "users" in text(await call(client, "list_feature_tables"))
        found = await call(client, "lookup_features", table="users", keys=[3, 999], columns=["email"], format="json")
        assert json.loads(text(found))["rows"] == [[3, "u3@secret", True], [999, None, False]]
    lines = (tmp_path / "home" / "audit.jsonl").read_text()
    assert "u3@secret" not in lines
    outcomes = {line["tool"]: line["outcome"] for line in map(json.loads, lines.splitlines())}
    assert {outcomes[tool] for tool in TOOLS} == {"allowed"}
