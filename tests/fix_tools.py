"""The path of a call over a database, for tests of tools: calls as a client makes them, under a policy file.

async with tool_caller(url, governance) as caller:
    text = await caller.text("profile_table", table="t")
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pgwarden.call import Answer, CallPath
from pgwarden.server import build


class ToolCaller:
    """Calls tools as a client does."""

    def __init__(self, path: CallPath, audit: Path) -> None:
        """Take the path and the audit log."""
        self._path = path
        self._audit = audit

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in self._audit.read_text().splitlines()]

    async def answer(self, tool: str, **arguments: Any) -> Answer:
        """An answer, which is no error."""
        answer = await self._path(tool, arguments)
        assert answer.error is None, answer.error
        return answer

    async def text(self, tool: str, **arguments: Any) -> str:
        """Its text."""
        return "\n".join((await self.answer(tool, **arguments)).blocks)

    async def data(self, tool: str, **arguments: Any) -> Any:
        """The same as JSON."""
        return json.loads(await self.text(tool, **arguments, format="json"))

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error that a call answers with."""
        error = (await self._path(tool, arguments)).error
        assert error is not None
        return error


@asynccontextmanager
async def call_path(
    home: Path, monkeypatch: pytest.MonkeyPatch, governance: str, variables: dict[str, str]
) -> AsyncIterator[tuple[CallPath, Path]]:
    """The path of calls and the audit log of a server under a policy file and variables (without PGWARDEN_)."""
    given = {"HOME": str(home), **variables}
    if governance:
        (home / "governance.yaml").write_text(governance)
        given["GOVERNANCE"] = str(home / "governance.yaml")
    for name, value in given.items():
        monkeypatch.setenv(f"PGWARDEN_{name}", value)
    server, fleet = build()
    try:
        yield server.path, home / "audit.jsonl"
    finally:
        await fleet.close()


OpenCaller = Callable[..., AbstractAsyncContextManager[ToolCaller]]


@pytest.fixture
def tool_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenCaller:
    """A function that opens a caller on a database, under a policy file and variables."""

    @asynccontextmanager
    async def opened(url: str, governance: str = "", **variables: str) -> AsyncIterator[ToolCaller]:
        given = {"DATABASE_URL": url, **variables}
        async with call_path(tmp_path, monkeypatch, governance, given) as (path, audit):
            yield ToolCaller(path, audit)

    return opened
