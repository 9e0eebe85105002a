"""The whole server to talk to, in both eras of the protocol.

`era` runs a test twice: with the handshake of the older protocol, and with the stateless newer one. `over_stdio` starts
the real program; what it logs is in `server_log`. `in_memory` does without processes and pipes, and is faster.

    async def test_it(over_stdio, plain_role_url):
        async with over_stdio(plain_role_url) as client:
            ...

Clients are opened by the test itself and not by a fixture, because the SDK's cancel scopes must be entered and left in
one task.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pgwarden.server import WardenServer, build

Era = Literal["legacy", "auto"]
Opener = Callable[..., AbstractAsyncContextManager[Client]]

READ_TIMEOUT_S = 30


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> Era:
    """How the client negotiates: `initialize`, or the stateless protocol."""
    return cast(Era, request.param)


@pytest.fixture
def server_log(tmp_path: Path) -> Path:
    """The file that holds stderr of the servers started in this test."""
    return tmp_path / "server.log"


@pytest.fixture
def server_environment(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A function that returns the environment of a server: a database, a state directory of the test, and variables."""

    def environment(database_url: str | None, **variables: str) -> dict[str, str]:
        home = {"PGWARDEN_HOME": str(tmp_path / "home")}
        return home | ({"PGWARDEN_DATABASE_URL": database_url} if database_url else {}) | variables

    return environment


@pytest.fixture
def governance(tmp_path: Path) -> Callable[[str], str]:
    """A function that writes a policy file and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "governance.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def over_stdio(era: Era, server_log: Path, server_environment: Callable[..., dict[str, str]]) -> Opener:
    """A function that starts `python -m pgwarden` on a database and opens a client to it.

    Keyword arguments are environment variables of the server; `person` answers its questions.
    """

    @asynccontextmanager
    async def opened(database_url: str | None, *, person: Any = None, **variables: str) -> AsyncIterator[Client]:
        environment = server_environment(database_url, **variables)
        launch = StdioServerParameters(command=sys.executable, args=["-m", "pgwarden"], env=environment)
        with server_log.open("a", encoding="utf-8") as log:
            async with Client(
                stdio_client(launch, errlog=log),
                mode=era,
                read_timeout_seconds=READ_TIMEOUT_S,
                elicitation_callback=person,
            ) as client:
                yield client

    return opened


class Closable(Protocol):
    """What has connections to close."""

    async def close(self) -> None:
        """Close them."""


@asynccontextmanager
async def connected(server: WardenServer, source: Closable, era: Era, person: Any) -> AsyncIterator[Client]:
    """Connect a client to a composed server in this process, and close its database afterwards."""
    try:
        async with Client(server, mode=era, read_timeout_seconds=READ_TIMEOUT_S, elicitation_callback=person) as client:
            yield client
    finally:
        await source.close()


@pytest.fixture
def in_memory(era: Era, server_environment: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Opener:
    """A function that composes the server on a database in this process and opens a client to it.

    Keyword arguments are environment variables for the composition.
    """

    @asynccontextmanager
    async def opened(database_url: str | None, *, person: Any = None, **variables: str) -> AsyncIterator[Client]:
        for name, value in server_environment(database_url, **variables).items():
            monkeypatch.setenv(name, value)
        server, source = build()
        async with connected(server, source, era, person) as client:
            yield client

    return opened
