"""The MCP servers that are measured, and a client of the SDK to each."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from benchmarks.stand import Stand

EMPTY = Path(__file__).with_name("empty_server.py")
POLICY = "version: 1\nfunctions:\n  allow: [pg_sleep(double precision)]\n"


@dataclass(frozen=True)
class Program:
    """How a server is started.

    Attributes:
        name: As it is printed.
        argv: The program and its arguments.
        env: Variables beside the few that every server gets.
        sql_tool: The tool that runs the argument `sql`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    sql_tool: str = ""


def pgwarden(place: Stand, url: str | None = None) -> Program:
    """Return pgwarden as it is by default, but without a limit on calls a minute and with pg_sleep allowed.

    Args:
        place: Whose database it reads.
        url: To read it as somebody else than the reader.
    """
    policy = place.root / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    env = {
        "PGWARDEN_DATABASE_URL": url or place.reader_url,
        "PGWARDEN_HOME": str(place.root / "home"),
        "PGWARDEN_GOVERNANCE": str(policy),
        "PGWARDEN_RATE_LIMIT": "0",
    }
    return Program("pgwarden", (sys.executable, "-m", "pgwarden"), env, "run_query")


def empty() -> Program:
    """Return the server with one empty tool: what the protocol alone costs."""
    return Program("empty tool", (sys.executable, str(EMPTY)))


class Session:
    """An open session with a server."""

    def __init__(self, client: Client, program: Program) -> None:
        """Take a connected client."""
        self._client = client
        self._program = program

    async def call(self, tool: str, arguments: dict[str, Any] | None = None) -> str:
        """Call a tool and return the text of its answer.

        Raises:
            RuntimeError: The answer is an error: its time would say nothing.
        """
        result = await self._client.call_tool(tool, arguments or {})
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            raise RuntimeError(f"{self._program.name}: {tool}: {text[:500]}")
        return text

    async def query(self, sql: str) -> str:
        """Run a statement; raises as `call`."""
        return await self.call(self._program.sql_tool, {"sql": sql})


@asynccontextmanager
async def connected(program: Program) -> AsyncIterator[Session]:
    """Start a server and connect to it. What it logs is added to an error on the way."""
    launch = StdioServerParameters(command=program.argv[0], args=list(program.argv[1:]), env=dict(program.env))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        try:
            async with Client(stdio_client(launch, errlog=log), read_timeout_seconds=300) as client:
                await client.list_tools()
                yield Session(client, program)
        except BaseException as exc:
            log.seek(0)
            exc.add_note(f"{program.name} logged: {log.read()[-2000:]}")
            raise
