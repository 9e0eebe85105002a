"""Clients that others wrote, against the real server. Each test is skipped where its client is not installed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fix_clients import Clients

from .fake_messages import FAREWELL, FakeMessages

ANSWER = "answer\n-\n42\n(1 row)"
READ = {"sql": "SELECT 6 * 7 AS answer"}
WRITE = {"sql": "DROP TABLE item"}
SLEEP = {"sql": "SELECT pg_sleep(30)"}
GONE_S = 3.0
"""Seconds in which a query must be gone once its client was told to stop, of which the client takes most."""
RUN_QUERY = "mcp__pgwarden__run_query"


@dataclass(frozen=True)
class Launch:
    """How a client starts pgwarden: the argument vector, and the variables."""

    command: tuple[str, ...]
    variables: dict[str, str]

    def flags(self) -> list[str]:
        """Return the variables as `-e NAME=value` flags."""
        return [part for name, value in self.variables.items() for part in ("-e", f"{name}={value}")]


@pytest.fixture
def launch(server_environment: Callable[..., dict[str, str]], plain_role_url: str) -> Launch:
    """pgwarden on a fresh database, as a role that may only SELECT."""
    return Launch((sys.executable, "-m", "pgwarden"), server_environment(plain_role_url))


@pytest.fixture
def sleepy(launch: Launch, tmp_path: Path) -> Launch:
    """pgwarden with a policy that lets queries sleep."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nfunctions: {allow: ['pg_sleep(double precision)']}\n")
    return replace(launch, variables=launch.variables | {"PGWARDEN_GOVERNANCE": str(policy)})


# The Inspector


def inspect(clients: Clients, launch: Launch, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Inspector's command line."""
    return clients.run("mcp-inspector", "--cli", "-q", *launch.flags(), *launch.command, *arguments)


def inspect_call(
    clients: Clients, launch: Launch, sql: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Call run_query with it."""
    call = ("--method", "tools/call", "--tool-name", "run_query", "--tool-args-json", json.dumps(sql))
    return inspect(clients, launch, *call, *arguments)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_has_nothing_against_the_schemas(era: str, clients: Clients, launch: Launch) -> None:
    """Its strict check of all schemas finds no error, in either era of the protocol."""
    done = inspect(clients, launch, "--method", "tools/list", "--strict", "--protocol-era", era)
    assert done.returncode == 0, done.stderr
    names = [tool["name"] for tool in json.loads(done.stdout)["tools"]]
    assert "run_query" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_calls(era: str, clients: Clients, launch: Launch) -> None:
    """A read returns its table, a write an error that the Inspector takes for one."""
    read = inspect_call(clients, launch, READ, "--protocol-era", era)
    assert (read.returncode, _texts(json.loads(read.stdout))) == (0, [ANSWER]), read.stderr
    write = inspect_call(clients, launch, WRITE, "--protocol-era", era)
    assert write.returncode != 0
    assert "tool_is_error" in write.stderr
    [text] = _texts(json.loads(write.stdout))
    assert json.loads(text)["error"]["code"] == "not_a_read"


def test_the_inspector_under_load(clients: Clients, launch: Launch) -> None:
    """Of two hundred calls, ten at once, none fails."""
    done = inspect_call(clients, launch, READ, "--load", "--load-requests", "200", "--format", "json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)["result"]
    assert (summary["requests"], summary["ok"]) == (200, 200), summary


def _texts(result: dict[str, Any]) -> list[str]:
    return [block["text"] for block in result["content"]]


# Claude Code


def test_claude_code_registers_it(clients: Clients, launch: Launch) -> None:
    """`claude mcp add` takes it as the README says; `list` and `get` connect to it."""
    add = clients.run("claude", "mcp", "add", "pgwarden", *launch.flags(), "--", *launch.command)
    assert add.returncode == 0, add.stderr
    for arguments in (("list",), ("get", "pgwarden")):
        done = clients.run("claude", "mcp", *arguments)
        assert done.returncode == 0, done.stderr
        assert "Connected" in done.stdout


@contextmanager
def claude(clients: Clients, launch: Launch, api: FakeMessages, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a conversation of Claude Code with the fake, in which run_query is allowed."""
    entry = {"command": launch.command[0], "args": list(launch.command[1:]), "env": launch.variables}
    config = clients.home / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"pgwarden": entry}}))
    flags = ["--mcp-config", str(config), "--strict-mcp-config", "--allowedTools", RUN_QUERY, "--output-format", "json"]
    variables = {
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": "of-no-use",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    # With the search for tools the model would see names only, until it asks for more.
    with subprocess.Popen(
        [clients.program("claude"), "-p", "What is the answer?", *flags, *arguments],
        env=clients.environment(variables | {"ENABLE_TOOL_SEARCH": "false"}),
        cwd=clients.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_claude_code_in_a_conversation(clients: Clients, launch: Launch) -> None:
    """The model is offered the tools, a result and an error reach it as text, and the conversation goes to its end."""
    with FakeMessages([(RUN_QUERY, READ), (RUN_QUERY, WRITE)]) as api:
        with claude(clients, launch, api) as process:
            out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        assert json.loads(out)["result"] == FAREWELL
        assert {RUN_QUERY, "mcp__pgwarden__describe_table"} <= set(api.tools)
        read, write = api.results
    assert _seen(read) == ANSWER
    assert not read.get("is_error")
    assert write["is_error"]
    assert json.loads(_seen(write))["error"]["code"] == "not_a_read"


def test_claude_code_interrupted(clients: Clients, sleepy: Launch, database_url: str) -> None:
    """Ctrl-C in the middle of a query ends it on the server."""
    with FakeMessages([(RUN_QUERY, SLEEP)]) as api, claude(clients, sleepy, api) as process:
        _until_sleeping(database_url, 1, 60)
        process.send_signal(signal.SIGINT)
        _until_sleeping(database_url, 0, GONE_S)
        process.communicate(timeout=30)


def _seen(result: dict[str, Any]) -> str:
    """What the model sees of a tool result."""
    content = result["content"]
    return content if isinstance(content, str) else "\n".join(block["text"] for block in content)


def _until_sleeping(url: str, wanted: int, timeout_s: float) -> None:
    query = (
        "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + timeout_s
    with psycopg.connect(url, autocommit=True) as conn:
        while (found := conn.execute(query).rowcount) != wanted:
            assert time.monotonic() < deadline, f"{found} queries sleep"
            time.sleep(0.02)


# The TypeScript SDK


def test_the_typescript_sdk(clients: Clients, sleepy: Launch) -> None:
    """It lists and calls; a call that it aborts ends on the server, and the session goes on."""
    clients.module("@modelcontextprotocol/sdk")
    script = Path(__file__).with_name("typescript_client.cjs")
    done = clients.run("node", str(script), str(clients.modules), *sleepy.command, **sleepy.variables)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "run_query" in seen["tools"]
    assert _texts(seen["read"]) == [ANSWER]
    assert seen["write"]["isError"]
    assert "structuredContent" not in seen["write"]
    assert seen["aborted"] != "answered"
    assert seen["gone_ms"] < GONE_S * 1000
