"""How calls and servers end: whatever ends them, nothing keeps running, and the audit has its line."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import anyio
import psycopg
import pytest

from pgwarden.audit import verify
from raw_server import RawServer, error_of, launched, text_of
from silent import silence

pytestmark = pytest.mark.anyio

Launch = Callable[..., AbstractAsyncContextManager[RawServer]]

GONE_S = 0.5
"""Seconds in which a query must be gone once its call has ended."""
KILLED_S = 3.0
"""The same where the server could do nothing: PostgreSQL looks for its client every second."""
EXIT_S = 3.0
ENDINGS = ("EOF", "SIGTERM", "SIGINT", "SIGHUP")
SLEEP = "SELECT pg_sleep(30)"


@pytest.fixture
def sleeping_allowed(tmp_path: Path) -> str:
    """A policy file that lets queries sleep."""
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nfunctions: {allow: ['pg_sleep(double precision)']}\n")
    return str(path)


@pytest.fixture
def launch(server_environment: Callable[..., dict[str, str]], server_log: Path, sleeping_allowed: str) -> Launch:
    """A function that starts a server on a database; keyword arguments are environment variables."""

    def start(database_url: str, **variables: str) -> AbstractAsyncContextManager[RawServer]:
        environment = server_environment(database_url, PGWARDEN_GOVERNANCE=sleeping_allowed, **variables)
        return launched(environment, server_log)

    return start


@pytest.fixture
def audit_path(tmp_path: Path) -> Path:
    """The audit log of the servers of this test."""
    return tmp_path / "home" / "audit.jsonl"


class Activity:
    """What runs on the server, seen from a connection of its own, opened before anything is measured."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        """Watch through an autocommit connection."""
        self._conn = conn

    def sleeping(self) -> int:
        """How many queries sleep."""
        return self._count("state = 'active' AND query LIKE '%pg_sleep%'")

    def sessions(self) -> int:
        """How many sessions others have."""
        return self._count("true")

    async def until(self, wanted: int, timeout_s: float, count: Callable[[], int] | None = None) -> None:
        """Wait until so many queries sleep, or until another count is that."""
        with anyio.fail_after(timeout_s):
            while (count or self.sleeping)() != wanted:  # noqa: ASYNC110 - nobody tells us
                await anyio.sleep(0.01)

    def _count(self, condition: LiteralString) -> int:
        query: LiteralString = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND "
        )
        row = self._conn.execute(query + condition).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def watching(url: str) -> Iterator[Activity]:
    """Watch the activity in a database."""
    with psycopg.connect(url, autocommit=True) as conn:
        yield Activity(conn)


def audited(path: Path) -> list[dict[str, Any]]:
    """The audit's lines, checked as `pgwarden audit verify` does."""
    assert verify(path).problem is None
    return [json.loads(line) for line in read(path).splitlines()]


def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


def assert_only_protocol(server: RawServer) -> None:
    """Assert that all that was ever on stdout are whole JSON-RPC messages."""
    for line in server.lines:
        assert line.endswith("\n")
        assert json.loads(line)["jsonrpc"] == "2.0"


async def test_a_cancelled_call(launch: Launch, database_url: str, audit_path: Path) -> None:
    """notifications/cancelled ends the query on the server; the session goes on, and so does the audit."""
    async with launch(database_url) as server:
        await server.initialize()
        with watching(database_url) as activity:
            call = await server.begin_call("run_query", {"sql": SLEEP})
            await activity.until(1, 10)
            await server.notify("notifications/cancelled", {"requestId": call, "reason": "enough"})
            await activity.until(0, GONE_S)
        assert "(1 row" in text_of(await server.call("run_query", {"sql": "SELECT 1"}))
    assert [line["outcome"] for line in audited(audit_path)] == ["cancelled", "allowed"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_end_of_a_server_with_a_query(
    ending: str, launch: Launch, database_url: str, audit_path: Path
) -> None:
    """The query is gone at once, the process soon, with status 0; stdout was clean and the audit says cancelled."""
    async with launch(database_url) as server:
        await server.initialize()
        with watching(database_url) as activity:
            await server.begin_call("run_query", {"sql": SLEEP})
            await activity.until(1, 10)
            server.end(ending)
            await activity.until(0, GONE_S)
        assert await server.exit_status(EXIT_S) == 0
        assert_only_protocol(server)
    assert [line["outcome"] for line in audited(audit_path)] == ["cancelled"]


async def test_a_client_that_died(launch: Launch, database_url: str, audit_path: Path) -> None:
    """With both pipes broken the query is gone at once and the process soon; the audit says cancelled."""
    async with launch(database_url) as server:
        await server.initialize()
        with watching(database_url) as activity:
            await server.begin_call("run_query", {"sql": SLEEP})
            await activity.until(1, 10)
            server.hang_up()
            await activity.until(0, GONE_S)
        assert await server.exit_status(EXIT_S) == 0
    assert [line["outcome"] for line in audited(audit_path)] == ["cancelled"]


async def test_a_killed_server(launch: Launch, database_url: str) -> None:
    """PostgreSQL itself notices that its client is gone."""
    async with launch(database_url) as server:
        await server.initialize()
        with watching(database_url) as activity:
            await server.begin_call("run_query", {"sql": SLEEP})
            await activity.until(1, 10)
            server.end("SIGKILL")
            await activity.until(0, KILLED_S)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("state", ["before_initialize", "listed", "used"])
async def test_the_end_of_an_idle_server(
    state: str, ending: str, launch: Launch, database_url: str, audit_path: Path
) -> None:
    """It is gone soon, with status 0, and leaves no session on the database."""
    async with launch(database_url) as server:
        await _bring_to(server, state)
        server.end(ending)
        assert await server.exit_status(EXIT_S) == 0
        assert_only_protocol(server)
    with watching(database_url) as activity:
        await activity.until(0, 2, activity.sessions)


async def _bring_to(server: RawServer, state: str) -> None:
    if state == "before_initialize":
        # A ping is allowed before the handshake, and tells that the imports are over.
        await server.request("ping")
        return
    await server.initialize()
    await server.request("tools/list")
    if state == "used":
        await server.call("run_query", {"sql": "SELECT 1"})


async def test_a_refused_start(launch: Launch, database_url: str, server_log: Path) -> None:
    """A wrong setting ends the start with status 2; stderr names it, and stdout, which is the client's, stays empty."""
    async with launch(database_url, PGWARDEN_MAX_ROW="10") as server:
        assert await server.exit_status() == 2
        assert server.lines == []
    assert "PGWARDEN_MAX_ROWS" in read(server_log)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_end_of_a_server_whose_database_hangs(ending: str, launch: Launch, audit_path: Path) -> None:
    """A call that waits for a connection delays nothing; it is audited as cancelled."""
    async with silence() as database, launch(database.url) as server:
        await server.initialize()
        await server.begin_call("run_query", {"sql": "SELECT 1"})
        await database.reached()
        server.end(ending)
        assert await server.exit_status(EXIT_S) == 0
        assert_only_protocol(server)
    assert [line["outcome"] for line in audited(audit_path)] == ["cancelled"]


async def test_overlapping_cancels(launch: Launch, database_url: str, audit_path: Path) -> None:
    """Of many calls, some cancelled at random moments, every other one is answered and nothing keeps running."""
    chance = random.Random(7)
    async with launch(database_url) as server:
        await server.initialize()
        calls = [
            await server.begin_call("run_query", {"sql": f"SELECT {n}, pg_sleep({chance.uniform(0.05, 0.4):.2f})"})
            for n in range(20)
        ]
        cancelled = chance.sample(calls, 12)
        for call in cancelled:
            await anyio.sleep(chance.uniform(0, 0.1))
            await server.notify("notifications/cancelled", {"requestId": call})
        for n, call in enumerate(calls):
            if call not in cancelled:
                assert f"\n{n}|" in text_of(await server.result(call))
        with watching(database_url) as activity:
            await activity.until(0, GONE_S)
        assert not (await server.call("run_query", {"sql": "SELECT 1"})).get("isError")
    outcomes = [line["outcome"] for line in audited(audit_path)]
    assert len(outcomes) == 21
    assert set(outcomes) == {"allowed", "cancelled"}


async def test_two_servers_on_one_audit_log(launch: Launch, database_url: str, audit_path: Path) -> None:
    """Both write into one unbroken chain, without losing a line."""
    async with launch(database_url) as one, launch(database_url) as other:
        await asyncio.gather(one.initialize(), other.initialize())
        calls = [server.call("run_query", {"sql": f"SELECT {n}"}) for n in range(25) for server in (one, other)]
        results = await asyncio.gather(*calls)
    assert not any(result.get("isError") for result in results)
    assert len(audited(audit_path)) == 50


async def test_the_command_that_verifies(launch: Launch, database_url: str, audit_path: Path) -> None:
    """`pgwarden audit verify` holds after a server was ended in a call, and fails once a line was changed."""
    async with launch(database_url) as server:
        await server.initialize()
        await server.call("run_query", {"sql": "SELECT 1"})
        await server.begin_call("run_query", {"sql": SLEEP})
        with watching(database_url) as activity:
            await activity.until(1, 10)
        server.end("SIGTERM")
        await server.exit_status(EXIT_S)
    whole, changed = await asyncio.to_thread(_verified_before_and_after_a_change, audit_path)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "2 lines" in whole.stdout
    assert changed.returncode == 1


def _verified_before_and_after_a_change(path: Path) -> list[subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-m", "pgwarden", "audit", "verify", "--path", str(path)]
    first = subprocess.run(command, check=False, capture_output=True, text=True)
    path.write_text(path.read_text().replace('"cancelled"', '"allowed"', 1))
    return [first, subprocess.run(command, check=False, capture_output=True, text=True)]


def _call(**changes: Any) -> str:
    params = {"name": "run_query", "arguments": {"sql": "SELECT 1"}}
    return json.dumps({"jsonrpc": "2.0", "id": 9_000, "method": "tools/call", "params": params} | changes)


HOSTILE: dict[str, str | bytes] = {
    "not_json": "{nonsense",
    "empty_line": "",
    "not_utf8": b"\xff\xfe{}",
    "a_number": "17",
    "a_batch": f"[{_call()}]",
    "wrong_version": _call(jsonrpc="1.0"),
    "no_method": '{"jsonrpc": "2.0", "id": 9001}',
    "unknown_method": _call(method="tools/destroy"),
    "params_of_a_wrong_type": _call(params=[1, 2]),
    "arguments_of_a_wrong_type": _call(params={"name": "run_query", "arguments": "SELECT 1"}),
    "name_of_a_wrong_type": _call(params={"name": {"a": 1}, "arguments": {}}),
    "id_of_a_wrong_type": _call(id={"a": 1}),
    "huge_argument": _call(params={"name": "run_query", "arguments": {"sql": "SELECT '" + "x" * 2_000_000 + "'"}}),
    "huge_name": _call(params={"name": "x" * 100_000, "arguments": {}}),
    "huge_argument_name": _call(params={"name": "run_query", "arguments": {"x" * 100_000: 1}}),
    "lone_surrogate": '{"jsonrpc":"2.0","id":9002,"method":"tools/call",'
    '"params":{"name":"run_query","arguments":{"sql":"SELECT \'\\ud800\'"}}}',
    "lone_surrogate_in_a_name": '{"jsonrpc":"2.0","id":9003,"method":"tools/call",'
    '"params":{"name":"\\ud800","arguments":{"\\ud800":"\\udfff"}}}',
    "nul": _call(params={"name": "run_query", "arguments": {"sql": "SELECT '\0'"}}),
    "deep_json": '{"jsonrpc":"2.0","id":9004,"method":"tools/call","params":{"name":"run_query","arguments":{"params":'
    + "[" * 50_000
    + "]" * 50_000
    + ',"sql":"SELECT 1"}}}',
    "deep_argument": _call(params={"name": "run_query", "arguments": {"sql": "SELECT 1", "params": [[[[[[1]]]]]]}}),
    "deep_sql": _call(
        params={"name": "run_query", "arguments": {"sql": "SELECT " + "(" * 20_000 + "1" + ")" * 20_000}}
    ),
    "cancel_of_nothing": '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345}}',
    "unknown_notification": '{"jsonrpc":"2.0","method":"notifications/whatever","params":{}}',
    "infinity": '{"jsonrpc":"2.0","id":9005,"method":"tools/call","params":{"name":"run_query",'
    '"arguments":{"sql":"SELECT 1","max_rows":Infinity}}}',
}


async def test_hostile_frames(launch: Launch, plain_role_url: str, audit_path: Path) -> None:
    """Each is answered with an error or ignored; the server lives, the next call works and the audit holds."""
    async with launch(plain_role_url) as server:
        await server.initialize()
        for name, frame in HOSTILE.items():
            await server.send_line(frame)
            result = await server.call("run_query", {"sql": "SELECT 'still ' || 'here'"})
            assert "still here" in text_of(result), name
        assert server.process.returncode is None
        assert_only_protocol(server)
    assert audited(audit_path)[-1]["outcome"] == "allowed"


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        (HOSTILE["lone_surrogate"], 9002),
        (HOSTILE["deep_json"], 9004),
        (
            _call(id="a", params={"name": "run_query", "arguments": {"max_rows": 0}}).replace(": 0", f": {'9' * 5000}"),
            "a",
        ),
        ('{"params":' + '{"id":1,"a":' * 3000 + '"]"' + "}" * 3000 + ',"method":"tools/call","id":9006}', 9006),
    ],
    ids=["half a surrogate pair", "deep", "endless number", "deep, with ids inside"],
)
async def test_what_no_parser_takes(launch: Launch, plain_role_url: str, frame: str, number: int | str) -> None:
    """A call that a model can cause and JSON parsers refuse is answered, or its caller would wait."""
    async with launch(plain_role_url) as server:
        await server.initialize()
        await server.send_line(frame)
        await server.call("run_query", {"sql": "SELECT 1"})
        [answer] = [message for message in map(json.loads, server.lines) if message.get("id") == number]
        assert "JSON" in answer["error"]["message"]


async def test_a_call_before_the_handshake(launch: Launch, plain_role_url: str) -> None:
    """It is answered, with an error or (the newer protocol has no handshake) a result; the handshake still works."""
    async with launch(plain_role_url) as server:
        early = await server.request("tools/call", {"name": "run_query", "arguments": {"sql": "SELECT 1"}})
        assert ("error" in early) != ("result" in early)
        await server.initialize()
        assert "(1 row" in text_of(await server.call("run_query", {"sql": "SELECT 1"}))


async def test_a_refused_call_says_why(launch: Launch, plain_role_url: str) -> None:
    """What the SDK's client wraps is a result with `isError` on the wire too, and never a protocol error."""
    async with launch(plain_role_url) as server:
        await server.initialize()
        assert error_of(await server.call("run_query", {"sql": "DROP TABLE item"}))["code"] == "not_a_read"
