"""Attacks on the process from outside: it stays alive and small, keeps nothing, and leaves a line for every call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgwarden.audit import verify
from raw_server import Message, error_of, launched, text_of

pytestmark = pytest.mark.anyio

Environment = Callable[..., dict[str, str]]


def _highest_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("the system does not tell how much memory a process has")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("tool", ["run_query", "explain_query", "validate_query"])
@pytest.mark.parametrize("number", ["65536", "2000000000", "9" * 5000, "0"])
async def test_the_number_of_a_parameter_costs_nothing(
    server_environment: Environment, server_log: Path, plain_role_url: str, tool: str, number: str
) -> None:
    """A statement with $2000000000 is refused, instead of one value being made for each of the parameters."""
    async with launched(server_environment(plain_role_url), server_log) as server:
        await server.initialize()
        answer = text_of(await server.call(tool, {"sql": f"SELECT ${number}::int"}))
        assert "invalid_sql" in answer
        assert _highest_memory(server.process.pid) < 300 << 20


async def test_rows_larger_than_memory_are_refused(
    server_environment: Environment, server_log: Path, plain_role_url: str
) -> None:
    """Eight rows of 300 MB end in an error before they are all in memory, and the next call is answered."""
    async with launched(server_environment(plain_role_url), server_log) as server:
        await server.initialize()
        result = await server.call("run_query", {"sql": "SELECT repeat('x', 300000000) FROM generate_series(1, 8)"}, 60)
        assert error_of(result)["details"]["sqlstate"] == "54000"
        assert "2" in text_of(await server.call("run_query", {"sql": "SELECT 1 + 1"}))
        assert _highest_memory(server.process.pid) < 1_500 << 20


async def test_hundreds_of_hostile_calls_at_once_are_all_answered_and_recorded(
    server_environment: Environment, server_log: Path, tmp_path: Path, database_url: str
) -> None:
    """Calls that are odd in every way get an answer each, and the audit has an unbroken line for each."""
    odd: list[tuple[str, Message]] = [
        ("run_query", {"sql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"}),
        ("run_query", {"sql": "SELECT 1) AS q; DROP TABLE kept; --"}),
        ("run_query", {"sql": "SELECT 1", "cursor": "tampered"}),
        ("run_query", {"sql": "SELECT $1::regclass", "params": ["kept'); DROP TABLE kept; --"]}),
        ("explain_query", {"sql": "SELECT $1::int) AS q; EXECUTE judged(1); --"}),
        ("explain_query", {"sql": "DELETE FROM kept", "analyze": True}),
        ("run_query", {"sql": "SELECT 1", "nested": _nested(150)}),
        ("run_query", {"sql": "x" * 1_000_000}),
        ("drop_table", {"table": 'kept\n{"outcome":"allowed"}'}),
        ("run_query", {"sql": "SELECT count(*) FROM kept"}),
    ]
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS id")
    variables = server_environment(database_url, PGWARDEN_RATE_LIMIT="0")
    async with launched(variables, server_log) as server:
        await server.initialize()
        numbers = [await server.begin_call(tool, arguments) for _ in range(30) for tool, arguments in odd]
        results = await asyncio.gather(*(server.result(number, 60) for number in numbers))
    assert [bool(result.get("isError")) for result in results] == ([True] * 9 + [False]) * 30
    log = tmp_path / "home" / "audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    calls = [line for line in lines if "tool" in line]
    assert len(calls) == 300
    assert sum(line["outcome"] == "allowed" for line in calls) == 30
    assert verify(log).problem is None
    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (1,)


async def test_nothing_of_a_call_is_left_in_the_session(
    server_environment: Environment, server_log: Path, database_url: str
) -> None:
    """After plans and reads no prepared statement, lock or setting of a call is left on the connections."""
    async with launched(server_environment(database_url), server_log) as server:
        await server.initialize()
        await server.call("explain_query", {"sql": "SELECT $1::int"})
        await server.call("run_query", {"sql": "SELECT relname FROM pg_class"})
        left = """SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared,
          (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS advisory,
          current_setting('plan_cache_mode') AS mode, current_setting('transaction_read_only') AS readonly"""
        answer = text_of(await server.call("run_query", {"sql": left, "format": "csv"}))
    assert "0,0,auto,on" in answer


def _nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value
