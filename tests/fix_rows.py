"""Calling the row tools as a client does, under a policy file and variables, and looking at the database beside it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwarden.call import CallPath
from pgwarden.server import build


class Caller:
    """Calls tools as a client does."""

    def __init__(self, url: str, path: CallPath, audit: Path) -> None:
        self.url, self._path, self._audit = url, path, audit

    async def text(self, tool: str, **arguments: Any) -> str:
        """The text of an answer, which is no error."""
        answer = await self._path(tool, arguments)
        assert answer.error is None, answer.error
        return "\n".join(answer.blocks)

    async def rows(self, tool: str, **arguments: Any) -> list[dict[str, Any]]:
        """The rows of an answer."""
        return (await self.page(tool, **arguments))[0]

    async def page(self, tool: str, **arguments: Any) -> tuple[list[dict[str, Any]], str]:
        """The rows of an answer, and the cursor to continue with."""
        data = json.loads(next(iter((await self._path(tool, {**arguments, "format": "json"})).blocks)))
        assert "error" not in data, data
        names = [column if isinstance(column, str) else column["name"] for column in data["columns"]]
        return [dict(zip(names, row, strict=True)) for row in data["rows"]], data.get("cursor") or ""

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error that a call answers with."""
        error = (await self._path(tool, arguments)).error
        assert error is not None
        return error

    def tell(self, question: str) -> Any:
        """Ask the database, past the server."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
        return row and row[0]

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in self._audit.read_text().splitlines()]


Opener = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Opener]:
    """A function that returns, for the URL of a database, one that opens callers of its tools."""

    def on(url: str) -> Opener:
        @asynccontextmanager
        async def opened(governance: str = "", **variables: str) -> AsyncIterator[Caller]:
            given = {"PROFILE": "admin", "DATABASE_URL": url, "HOME": str(tmp_path), **variables}
            if governance:
                (tmp_path / "governance.yaml").write_text(governance)
                given["GOVERNANCE"] = str(tmp_path / "governance.yaml")
            for name, value in given.items():
                monkeypatch.setenv(f"PGWARDEN_{name}", value)
            server, source = build()
            try:
                yield Caller(url, server.path, tmp_path / "audit.jsonl")
            finally:
                await source.close()

        return opened

    return on
