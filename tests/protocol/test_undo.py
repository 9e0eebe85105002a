"""Undo as a client meets it: over stdio in both eras, under consent, and with servers that are killed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_server import Opener
from raw_server import launched, text_of

pytestmark = pytest.mark.anyio

OPEN = {"PGWARDEN_PROFILE": "admin", "PGWARDEN_CONSENT": "argument"}
SETUP = "CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item SELECT n, n FROM generate_series(1, 300) n"


@pytest.fixture
def shop(any_database_url: str) -> str:
    """A database."""
    run(any_database_url, SETUP)
    return any_database_url


def run(url: str, statement: str) -> list[Any]:
    """Run a statement past the server."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


async def test_there_and_back(over_stdio: Opener, shop: str, tmp_path: Path) -> None:
    """A change, its listing, the plan of undoing it, and undoing it; the audit has the ids of both."""
    async with over_stdio(shop, **OPEN) as client:

        async def call(tool: str, **arguments: Any) -> Any:
            result = await client.call_tool(tool, {"format": "json", **arguments})
            return json.loads(result.content[0].text)  # type: ignore[union-attr]

        await call("update_rows", table="item", filter={"id": 1}, values={"n": 7}, confirm=True)
        [row] = (await call("list_changes"))["rows"]
        change = row[0]
        asked = (await call("undo_change", change_id=change))["error"]
        assert asked["code"] == "confirmation_required"
        assert run(shop, "SELECT n FROM item WHERE id = 1") == [(7,)]
        result = await client.call_tool("undo_change", {"change_id": change, "confirm": True})
        assert not result.is_error
        assert run(shop, "SELECT n FROM item WHERE id = 1") == [(1,)]
        states = {row[0]: row[-1] for row in (await call("list_changes"))["rows"]}
    lines = [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]
    changes = [line["change"] for line in lines if line.get("change")]
    assert changes[0] == change
    assert set(changes) == set(states)


async def test_killed_in_the_middle(shop: str, server_environment: Any, server_log: Path, tmp_path: Path) -> None:
    """A server that is killed while it undoes leaves all of it or nothing, and the next one knows which."""
    environment = server_environment(shop, **OPEN)
    async with launched(environment, server_log) as server:
        await server.initialize()
        given = {"table": "item", "filter": {"id": {">": 0}}, "values": {"n": {"$add": 1}}, "confirm": True}
        await server.call("update_rows", {**given, "columns": []})
        text = text_of(await server.call("list_changes", {"format": "json"}))
        change = json.loads(text)["rows"][0][0]
    outcomes = set()
    for pause in (0.15, 0.4, 0.7):
        async with launched(environment, server_log) as server:
            await server.initialize()
            await server.call("list_changes", {})
            await server.begin_call("undo_change", {"change_id": change, "confirm": True})
            await asyncio.sleep(pause)
            server.process.kill()
            await server.process.wait()
        for _ in range(100):
            if not run(
                shop,
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                "pg_backend_pid() AND backend_type = 'client backend'",
            ):
                break
            await asyncio.sleep(0.1)
        [(back, there)] = run(
            shop, "SELECT count(*) FILTER (WHERE n = id), count(*) FILTER (WHERE n = id + 1) FROM item"
        )
        assert (back, there) in ((300, 0), (0, 300))
        async with launched(environment, server_log) as server:
            await server.initialize()
            rows = json.loads(text_of(await server.call("list_changes", {"format": "json"})))["rows"]
        state = {row[0]: row[-1] for row in rows}[change]
        assert ("undone by" in state) == (back == 300)
        outcomes.add(back)
        if back:
            break
    assert not list((tmp_path / "home" / "changes").glob("*.prepared"))
