"""The one path of every call: rate -> policy -> arguments -> guard -> run -> format -> audit.

Each step but the last three is a pure decision. Whatever happens, one audit line is written: in `finally`, so that a
cancelled call and a defect leave theirs too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pgwarden.audit import AuditLog
from pgwarden.catalogue import Category, SqlUse, ToolSpec
from pgwarden.context import Context
from pgwarden.errors import (
    ArgumentError,
    AuditError,
    GuardError,
    InternalError,
    PolicyError,
    UnknownToolError,
    WardenError,
    did_you_mean,
)
from pgwarden.format import Caps, dumps, render_rows
from pgwarden.pages import Pages
from pgwarden.policy import Policy, decide_kinds, decide_tool
from pgwarden.rate import RateLimit
from pgwarden.results import Ack, Report, Result, Rows
from pgwarden.settings import LimitSettings
from pgwarden.toolsets import Toolset, Toolsets

if TYPE_CHECKING:
    from pgwarden.db import Database
    from pgwarden.guard.verdict import Verdict

log = logging.getLogger(__name__)

_AUDITED = 32
"""Arguments of a call in its audit line at most; no tool has as many."""
_AUDITED_CHARS = 4_000
"""Characters of one of them."""
_LONG_SQL = 4_000
"""Characters from which on a statement is judged in a thread."""
_READ_AHEAD = 8
"""Values are shown clipped, so more bytes than the result may have are worth reading; this many times more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: text blocks, and for an error the same as data."""

    blocks: tuple[str, ...]
    error: dict[str, Any] | None = None


@dataclass(slots=True)
class _Record:
    """What the audit line will say; filled in as the call proceeds."""

    tool: str
    arguments: Mapping[str, Any]
    tier: str | None = None
    kinds: tuple[str, ...] = ()
    outcome: str = "cancelled"
    code: str | None = None
    rows: int | None = None
    started: float = field(default_factory=time.perf_counter)

    def line(self, caller: str) -> dict[str, Any]:
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "caller": caller,
            "tool": self.tool[:128],
            "tier": self.tier,
            "arguments": {name[:128]: _redact(name, value) for name, value in islice(self.arguments.items(), _AUDITED)},
            "kinds": list(self.kinds),
            "outcome": self.outcome,
            "code": self.code,
            "rows": self.rows,
            "ms": round((time.perf_counter() - self.started) * 1000, 2),
        }
        return {name: value for name, value in record.items() if value not in (None, [], {})}


class CallPath:
    """Runs calls for one caller."""

    def __init__(
        self,
        categories: Sequence[Category],
        policy: Policy,
        limits: LimitSettings,
        database: Callable[[], Awaitable[Database]],
        audit: AuditLog,
        caller: str = "stdio",
    ) -> None:
        """Create the path.

        Args:
            categories: The catalogue.
            policy: What is granted.
            limits: Caps in force.
            database: Gives the database; called when a tool first needs it, and must not wait for a connection.
            audit: Where every call is recorded.
            caller: Who calls, as the audit names them.
        """
        self._limits = limits
        self._policy = policy
        self._database = database
        self._audit = audit
        self._caller = caller
        self._rate = RateLimit(limits.rate_limit)
        self._pages = Pages()
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tools: dict[str, tuple[ToolSpec, str]] = {
            spec.name: (spec, category.name)
            for category in categories
            for spec in category.tools
            if decide_tool(policy, spec.name, category.name).allowed
        }
        self.toolsets = self._toolsets(categories)

    def _toolsets(self, categories: Iterable[Category]) -> Toolsets:
        names: dict[str, list[str]] = {}
        for spec, category in self._tools.values():
            names.setdefault(category, []).append(spec.name)
        granted = [Toolset(each.name, each.title, tuple(names[each.name])) for each in categories if each.name in names]
        # What widens the list is always on it, or a narrow start could never be widened.
        return Toolsets(granted, (*self._policy.toolsets, "session") if self._policy.toolsets else names)

    def listed(self) -> list[ToolSpec]:
        """The tools to list now: granted, and of a category that is shown."""
        shown = set(self.toolsets.shown)
        return [spec for spec, category in self._tools.values() if category in shown]

    async def __call__(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Run one call. Raises nothing but cancellation: every failure is an answer."""
        record = _Record(name, arguments)
        self._active += 1
        self._idle.clear()
        try:
            answer = await self._answer(record, name, arguments)
            record.outcome = "allowed"
        except WardenError as exc:
            answer = _refusal(record, exc)
        except Exception:
            log.exception("tool %s failed", name)
            answer = _refusal(record, InternalError())
        finally:
            self._write(record)
            self._active -= 1
            if not self._active:
                self._idle.set()
        return answer

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is running, at most `timeout_s` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)

    async def _answer(self, record: _Record, name: str, given: Mapping[str, Any]) -> Answer:
        self._rate.take(self._caller)
        spec = self._find(name)
        record.tier = spec.tier.value
        page, given = self._resume(spec, given)
        record.arguments = given
        values = _validate(spec, given)
        database = await self._database()
        verdict = await self._judge(record, spec, values, database)
        form = values.pop("format", "markdown")
        context = self._context(spec, values, database, verdict, page)
        result = await spec.function(context, **values)
        return self._render(record, spec, given, result, form)

    def _find(self, name: str) -> ToolSpec:
        if name not in self._tools:
            near = did_you_mean(name, self._tools)
            raise UnknownToolError(f"There is no tool {name[:64]!r}.", hint=f"Did you mean {near}?" if near else None)
        return self._tools[name][0]

    def _resume(self, spec: ToolSpec, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the state of the page to continue with, and the arguments with the first call's put back."""
        # Models send null for what they mean to leave out.
        known = spec.argument_names
        arguments = {name: value for name, value in given.items() if value is not None or name not in known}
        cursor = arguments.get("cursor")
        if spec.paged is None or not isinstance(cursor, str) or not cursor:
            return None, arguments
        page = self._pages.load(cursor, spec.name, arguments)
        return page.state, {**page.arguments, **arguments}

    async def _judge(
        self, record: _Record, spec: ToolSpec, values: Mapping[str, Any], database: Database
    ) -> Verdict | None:
        if spec.sql is None:
            return None
        from pgwarden.guard import judge

        sql: str = values["sql"]
        if not sql.strip():
            raise ArgumentError("sql is empty.", hint="Give one SQL statement.")
        catalog, allowed = await database.catalog(), self._policy.functions_allowed
        # A long text may take the parser a while, in which other calls and cancellations must not wait.
        if len(sql) > _LONG_SQL:
            verdict = await asyncio.to_thread(judge, sql, catalog, allowed)
        else:
            verdict = judge(sql, catalog, allowed)
        record.kinds = verdict.kinds
        if verdict.fault:
            log.error("the guard failed on a statement, and refused it: %s", verdict.fault)
        if spec.sql is SqlUse.JUDGE:
            return verdict
        if not verdict.readable:
            kinds = {"kinds": list(verdict.kinds)} if verdict.kinds else {}
            raise GuardError(verdict.message, hint=verdict.hint, code=verdict.code, details=kinds)
        decision = decide_kinds(self._policy, verdict.kinds)
        if not decision.allowed:
            raise PolicyError(f"The policy does not allow this statement: {decision.rule}.")
        return verdict

    def _context(
        self, spec: ToolSpec, values: dict[str, Any], database: Database, verdict: Verdict | None, page: Any
    ) -> Context:
        limits = self._limits
        max_rows = values.pop("max_rows", None) or spec.paged or limits.max_rows
        values.pop("cursor", None)
        timeout = values.pop("timeout_s", None) or limits.statement_timeout
        return Context(
            db=database,
            limits=limits,
            toolsets=self.toolsets,
            max_rows=min(max_rows, limits.max_rows),
            max_bytes=limits.max_result_bytes * _READ_AHEAD,
            timeout_s=min(timeout, limits.statement_timeout),
            page=page,
            verdict=verdict,
        )

    def _render(self, record: _Record, spec: ToolSpec, given: Mapping[str, Any], result: Result, form: str) -> Answer:
        if isinstance(result, Rows):
            return self._render_rows(record, spec, given, result, form)
        return Answer((_render_document(result, form, self._limits.max_result_bytes),))

    def _render_rows(self, record: _Record, spec: ToolSpec, given: Mapping[str, Any], rows: Rows, form: str) -> Answer:
        rendered = render_rows(rows, form, Caps(self._limits.max_result_bytes, self._limits.max_cell_chars))
        record.rows = rendered.shown
        more = rows.truncated or ("bytes" if rendered.shown < len(rows.rows) else None)
        cursor = None
        if more and rows.next_page is not None:
            cursor = self._pages.save(spec.name, given, rows.next_page(rendered.shown))
        facts = _Trailer(rendered.shown, more, cursor, rows, rendered.cut)
        if form == "json":
            return Answer((f"{{{rendered.body},{dumps(facts.data())[1:]}",))
        if form == "csv":
            return Answer((rendered.body, facts.text()))
        return Answer((f"{rendered.body}\n{facts.text()}",))

    def _write(self, record: _Record) -> None:
        try:
            self._audit.append(record.line(self._caller))
        except AuditError as exc:
            # Nothing of this path changes anything yet, so a full disk does not stop it from answering.
            log.error("%s", exc.message)


@dataclass(frozen=True, slots=True)
class _Trailer:
    """The truth about a table: how many rows are shown, of how many, why it ends and how it goes on."""

    shown: int
    more: str | None
    cursor: str | None
    rows: Rows
    cut: int

    def text(self) -> str:
        parts = [f"{self.shown} row{'' if self.shown == 1 else 's'}"]
        if self.rows.total is not None and self.more:
            parts[0] += f" of {'about ' if self.rows.total_is_estimate else ''}{self.rows.total:,}"
        if self.more:
            parts.append(f"more exist ({'byte' if self.more == 'bytes' else 'row'} cap)")
        if self.cursor:
            parts.append(f"cursor={self.cursor}")
        if self.cut:
            parts.append(f"{self.cut} value{'' if self.cut == 1 else 's'} cut short")
        return f"({'; '.join((*parts, *self.rows.notes))})"

    def data(self) -> dict[str, Any]:
        facts = {
            "row_count": self.shown,
            "truncated": self.more,
            "cursor": self.cursor,
            "cut_values": self.cut or None,
            "notes": list(self.rows.notes) or None,
        }
        if self.rows.total is not None:
            facts["estimated_total" if self.rows.total_is_estimate else "total"] = self.rows.total
        return {name: value for name, value in facts.items() if value is not None}


def _validate(spec: ToolSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return spec.validate(given)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    # A misspelt name also shows as one that is missing: the first says what to do.
    error = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    name = ".".join(str(part) for part in error["loc"])[:128]
    known = spec.argument_names
    if error["type"] == "extra_forbidden":
        near = did_you_mean(name, known)
        raise ArgumentError(
            f"{spec.name} has no argument {name!r}.",
            hint=f"Did you mean {near}?" if near else f"It takes: {', '.join(known) or 'none'}.",
        )
    hint = f"It takes: {', '.join(known)}." if error["type"] == "missing" else None
    raise ArgumentError(f"{spec.name}: {name}: {error['msg']}.", hint=hint)


def _render_document(result: Report | Ack, form: str, max_bytes: int) -> str:
    notes = result.notes if isinstance(result, Report) else ()
    if form == "json":
        text = dumps({**result.data, **({"notes": list(notes)} if notes else {})})
        if len(text.encode()) > max_bytes:
            raise ArgumentError(
                f"The result has more than {max_bytes:,} bytes.", code="result_too_large", hint="Ask for less at once."
            )
        return text
    text = "\n".join((result.text, *(f"({note})" for note in notes)))
    if len(text.encode()) <= max_bytes:
        return text
    kept = text.encode()[:max_bytes].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n(cut after {max_bytes:,} bytes: ask for less at once)"


def _refusal(record: _Record, exc: WardenError) -> Answer:
    denied = isinstance(exc, PolicyError | GuardError | ArgumentError)
    record.outcome, record.code = "denied" if denied else "failed", exc.error_code
    error = exc.as_dict()
    return Answer((dumps({"error": error}),), error)


def _redact(name: str, value: Any) -> Any:
    """Values of parameters are data, not a description of the call."""
    if name == "params":
        return f"{len(value)} values" if isinstance(value, list) else "not a list"
    if isinstance(value, str) and len(value) > _AUDITED_CHARS:
        return f"{value[:_AUDITED_CHARS]}…[{len(value)} characters]"
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return dumps(value)[:_AUDITED_CHARS]
