"""Running the steps of a transaction, its plan before, and the report of what was done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from pgwarden.context import Composed, Context, Part
from pgwarden.errors import ArgumentError, QueryError, StatementTimeoutError
from pgwarden.results import Cell, Plan, Report
from pgwarden.tools import _impact, _rows_change, _rows_later, _rows_report, _rows_run, _rows_steps

if TYPE_CHECKING:
    from pgwarden.db.capture import Capture
    from pgwarden.db.statements import Returned, Statements

PLAN_S = 4.0
"""Seconds that the plan of all steps may take."""
_LEAST_BYTES = 10_000
"""Bytes of rows that each step may return, however many there are."""
_PLAIN = ("in_transaction", "kinds", "command", "targets")
"""Facts that go without saying for a step."""
_NOTE = "Rows are counted as they are now, before the first step."


async def plan(ctx: Context, **_: Any) -> Plan:
    """Return what each step would do, without doing it.

    Raises:
        DatabaseError: PostgreSQL would refuse a step, or cannot be asked.
    """
    ends = time.monotonic() + PLAN_S
    limit, known = ctx.limits.max_affected_rows, 0
    texts = [f"Transaction of {len(ctx.parts)} steps, SERIALIZABLE: all of it or nothing.", _NOTE]
    listed: list[dict[str, Any]] = []
    for number, part in enumerate(ctx.parts):
        step, own = _rows_steps.step(part), _rows_steps.context(ctx, part)
        with _rows_steps.numbered(str(step), number):
            try:
                found = await _impact.plan(own, part.composed.sql, part.composed.params, ends=ends)
            except QueryError as exc:
                raise await _rows_run.explained(own, exc) from None
        rows = found.data.get("rows", {})
        known += rows.get("inserted", 0) + rows.get("matching", 0)
        texts.append(f"{step} {step.tool}: {found.text}")
        stated = {"step": number, "as": step.source.name or None, "tool": step.tool, "table": str(step.table)}
        stated |= {"expect_rows": step.expected, **found.data}
        listed.append({name: value for name, value in stated.items() if value is not None and name not in _PLAIN})
    total = {"known": known, "limit": limit, **({"exceeds_limit": True} if known > limit else {})}
    if known > limit:
        texts.append(f"rows: {known:,} in all; more than the {limit:,} allowed: it would be rolled back")
    return Plan("\n".join(texts), {"isolation": "serializable", "note": _NOTE, "rows": total, "steps": listed})


async def run(ctx: Context, *, dry_run: bool) -> Report:
    """Run the call's statements as one transaction.

    Raises:
        DatabaseError: as Database.transact; which step, where it is one's, and its violated constraint explained.
    """
    work = _Run(ctx)
    try:
        written = await ctx.db.transact(
            work,
            timeout_s=ctx.timeout_s,
            max_affected=ctx.limits.max_affected_rows,
            dry_run=dry_run,
        )
    except QueryError as exc:
        raise await work.explained(exc) from None
    except ArgumentError as exc:
        raise work.numbered(exc) from None
    return _rows_report.report(ctx, written, retries=work.runs - 1, dry_run=dry_run)


class _Caps(TypedDict):
    limit: int
    max_bytes: int
    timeout_s: float
    masking: Any


class _Run:
    """Runs the steps, again from the first where another transaction was in the way."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._max_bytes = max(ctx.max_bytes // len(ctx.parts), _LEAST_BYTES)
        self._returned: list[list[Mapping[str, Cell]]] = []
        self._at: int | None = None
        self.runs = 0

    async def __call__(self, statements: Statements) -> None:
        """Run all steps once."""
        self.runs += 1
        self._returned = []
        ends = time.monotonic() + self._ctx.timeout_s
        for number, part in enumerate(self._ctx.parts):
            self._at = number
            if time.monotonic() >= ends:
                raise StatementTimeoutError(f"The transaction ran into its time limit of {self._ctx.timeout_s:g} s.")
            values = _rows_later.bound(part.composed.params, self._returned)
            made = await self._one(statements, part, values)
            _check(_rows_steps.step(part), made.affected)
            self._returned.append([dict(zip(made.names, row, strict=False)) for row in made.rows])
        self._at = None

    async def _one(self, statements: Statements, part: Part, values: Sequence[Cell]) -> Returned:
        # The one place where a step runs.
        caps: _Caps = {
            "limit": self._ctx.max_rows,
            "max_bytes": self._max_bytes,
            "timeout_s": self._ctx.timeout_s,
            "masking": part.verdict.masking,
        }
        if _rows_steps.step(part).reads:
            return await statements.read(part.verdict.canonical, values, **caps)
        return await statements.write(part.verdict.canonical, values, **caps, capture=self._capture(part))

    def _capture(self, part: Part) -> Capture | None:
        """Return what is to be kept of a step's rows, with the values that earlier steps returned."""
        capture = part.composed.capture
        if capture is None or isinstance(capture, str):
            return None
        return replace(capture, lock_params=tuple(_rows_later.bound(capture.lock_params, self._returned)))

    def numbered(self, exc: ArgumentError) -> ArgumentError:
        """Return an error that says which step it is of."""
        if self._at is not None:
            step = _rows_steps.step(self._ctx.parts[self._at])
            exc.message, exc.details = f"{step}: {exc.message}", {**exc.details, "step": self._at}
        return exc

    async def explained(self, exc: QueryError) -> QueryError:
        """Return an error in the caller's terms: of which step, which constraint, which row as it is now."""
        if self._at is None:
            # A deferred constraint, or COMMIT.
            return _unchanged(await _rows_run.explained(self._whole(exc), exc))
        part = self._ctx.parts[self._at]
        step, own = _rows_steps.step(part), _rows_steps.context(self._ctx, part)
        found: QueryError
        if exc.error_code == "version_conflict":
            settled = _rows_later.settled(step.given["filter"], self._returned)
            found = await _rows_change.conflict(own, settled, step.given["version_column"])
        else:
            found = await _rows_run.explained(own, exc)
        found.message, found.details = f"{step}: {found.message}", {**found.details, "step": self._at}
        return _unchanged(found)

    def _whole(self, exc: QueryError) -> Context:
        """Return a context in which all statements are the caller's, about the table that an error is of."""
        parts, wanted = self._ctx.parts, (exc.details.get("schema"), exc.details.get("table"))
        tables = [_rows_steps.step(each).table for each in parts]
        about = next((each for each in tables if each.ref == wanted), None)
        composed = Composed("; ".join(each.composed.sql for each in parts), about=about)
        return replace(self._ctx, composed=composed, verdict=parts[-1].verdict, parts=())


def _check(step: _rows_steps.Step, count: int) -> None:
    """Refuse to go on where a step found other rows than it should.

    Raises:
        QueryError: It did.
    """
    if step.given.get("expected_version") and not count:
        raise QueryError("The row has another version.", code="version_conflict")
    if step.expected is not None and count != step.expected:
        raise QueryError(
            f"{step.tool} found {count:,} row{'' if count == 1 else 's'} of {step.table}, and {step.expected:,} "
            f"{'was' if step.expected == 1 else 'were'} expected.",
            code="unexpected_rows",
            hint="Read the rows, and decide again.",
            details={"rows": count, "expected": step.expected},
        )


def _unchanged(exc: QueryError) -> QueryError:
    if "othing was changed" not in f"{exc.message} {exc.hint}":
        exc.hint = f"{exc.hint or ''} Nothing was changed.".lstrip()
    return exc
