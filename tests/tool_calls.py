"""Calling tools as the path of a call does, without its gates: a context over a real database, and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import psycopg

from pgwarden.catalogue import ToolSpec
from pgwarden.context import Context
from pgwarden.db import Database
from pgwarden.guard import judge
from pgwarden.guard.verdict import Verdict
from pgwarden.results import Plan, Report, Result, Rows
from pgwarden.settings import ConnectionSettings, LimitSettings
from pgwarden.toolsets import Toolsets

NASTY = (Path(__file__).parent / "db" / "nasty.sql").read_text(encoding="utf-8")

R = TypeVar("R", bound=Result)


def run_sql(url: str, statements: str) -> None:
    """Run statements as they are, each committed."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statements.encode())


@dataclass(frozen=True)
class Caller:
    """Calls tools on one database."""

    db: Database

    async def rows(self, spec: ToolSpec, **arguments: Any) -> Rows:
        """Call a tool that returns rows; what a Context has goes there: `max_rows`, `page`, `verdict`, `hidden`, ..."""
        return cast(Rows, await self.call(spec, **arguments))

    async def report(self, spec: ToolSpec, **arguments: Any) -> Report:
        """Call a tool that returns a report; as `rows`."""
        return cast(Report, await self.call(spec, **arguments))

    async def pages(self, spec: ToolSpec, **arguments: Any) -> list[Rows]:
        """Call a tool until a page is not truncated."""
        pages = [await self.rows(spec, **arguments)]
        while pages[-1].truncated:
            pages.append(await self.rows(spec, **arguments, page=following(pages[-1])))
        return pages

    async def call(self, spec: ToolSpec, **arguments: Any) -> Result:
        """Call any tool; as `rows`."""
        return await spec.function(self._context(spec, arguments), **arguments)

    async def plan(self, spec: ToolSpec, **arguments: Any) -> Plan:
        """Ask a tool that needs a yes what it would do; as `rows`."""
        assert spec.plan is not None
        return await spec.plan(self._context(spec, arguments), **arguments)

    async def judged(self, sql: str, *, unsafe: frozenset[str] = frozenset()) -> Verdict:
        """The guard's verdict on a statement that may change something."""
        return judge(sql, await self.db.catalog(), writes=True, unsafe=unsafe)

    def _context(self, spec: ToolSpec, arguments: dict[str, Any]) -> Context:
        """Take what belongs there out of the arguments."""
        return Context(
            db=self.db,
            limits=arguments.pop("limits", None) or LimitSettings.model_validate({}),
            toolsets=Toolsets([], []),
            max_rows=arguments.pop("max_rows", spec.paged or 1000),
            max_bytes=arguments.pop("max_bytes", 1_000_000),
            timeout_s=arguments.pop("context_timeout_s", 20),
            page=arguments.pop("page", None),
            verdict=arguments.pop("verdict", None),
            decision=arguments.pop("decision", None),
            hidden=arguments.pop("hidden", frozenset()),
        )


def following(page: Rows) -> Any:
    """What the tool wants to find in the context of the next page, where all of this one was shown."""
    assert page.next_page is not None
    return page.next_page(len(page.rows))


@asynccontextmanager
async def calling(url: str, **settings: Any) -> AsyncIterator[Caller]:
    """Open a database, with settings of the connection, and close it again."""
    db = Database(ConnectionSettings.model_validate(settings), LimitSettings.model_validate({}), conninfo=url)
    try:
        yield Caller(db)
    finally:
        await db.close()


def select(canonical: str, parameters: int = 0) -> Verdict:
    """The guard's yes to a SELECT."""
    return Verdict(readable=True, canonical=canonical, kinds=("SELECT",), parameters=parameters)


def column(rows: Rows, name: str) -> list[str | None]:
    """One column of a result."""
    at = [each.name for each in rows.columns].index(name)
    return [row[at] for row in rows.rows]
