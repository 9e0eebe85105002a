"""Putting changes back: which are meant, the statements that do it, and that nothing has happened to the rows since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pgwarden.context import Composed, Context
from pgwarden.errors import ArgumentError, InternalError, NotFoundError, QueryError
from pgwarden.results import Cell, Plan, Report
from pgwarden.tools import _rows_capture, _rows_run, _written
from pgwarden.tools._rows_seen import Seen
from pgwarden.tools._rows_table import Table

if TYPE_CHECKING:
    from pgwarden.db.capture import Operation
    from pgwarden.db.change import Done
    from pgwarden.db.changes import Show
    from pgwarden.db.compose import Draft, Fragment
    from pgwarden.db.statements import Statements
    from pgwarden.undo import Entry, Image, Member

MOST_STATEMENTS = 2_000
"""Statements of one undo."""
_ROWS = 200
"""Rows of one statement at most."""
_CELLS = 8_000
"""Values of one statement at most; the guard reads no more than some thousands."""
_SHOWN = 10
"""Rows that a plan or a conflict shows."""

Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """The rows that a change left, which have to be there still: how they are read, and their values."""

    lock: str
    params: tuple[str | None, ...]
    columns: tuple[str, ...]
    rows: frozenset[Row]


@dataclass(frozen=True, slots=True)
class Back:
    """What one statement puts back: of which change, of which table; what has to be there first; how many rows."""

    name: str
    table: Table
    verb: str
    count: int
    show: Show
    columns: tuple[str, ...]
    images: tuple[Image, ...]
    settings: Mapping[str, str]
    expected: tuple[Expected, ...] = ()
    rows: tuple[Mapping[str, Cell], ...] = ()

    def __str__(self) -> str:
        """Return what it does, in a line."""
        return f"{self.name}: {self.verb} {self.count:,} row{'' if self.count == 1 else 's'} of {self.table}"


def states(entries: Sequence[Entry]) -> dict[str, str]:
    """Return by which change each change is undone; those that are not undone are left out.

    It is undone where one of those that undid it was not undone itself, in whatever order they are.
    """
    by: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        for number, member in enumerate(entry.members):
            for undone in member.undoes:
                by[undone].append(entry.name(number))
    known: dict[str, str] = {}
    for name in by:
        # Each after those that undo it: chains may be longer than the stack, and a forged file have circles.
        todo, open_ = [name], set[str]()
        while todo:
            at = todo[-1]
            waiting = [doer for doer in by.get(at, ()) if doer not in known and doer not in open_]
            if at not in open_ and waiting:
                open_.add(at)
                todo += waiting
                continue
            todo.pop()
            known.setdefault(at, next((doer for doer in by.get(at, ()) if not known.get(doer)), ""))
    return {name: doer for name, doer in known.items() if doer}


async def compose(ctx: Context, change_id: str) -> list[Composed]:
    """Return the statements that put a change back, or all of a transaction's, the last one first.

    Raises:
        NotFoundError: There is no such change that the caller may see.
        ArgumentError: It is undone already, or the table is another one now.
    """
    from pgwarden.db import changes

    entries, seen = await changes.entries(ctx.db), Seen(ctx)
    head = next((entry for entry in entries if entry.id == change_id.strip().partition(".")[0]), None)
    entry = await changes.whole(ctx.db, head) if head else None
    wanted = list(_wanted(entry, change_id.strip())) if entry else []
    tables = [await seen.table(head, member) for _, member in wanted if head]
    if entry is None or not any(tables):
        raise NotFoundError(f"There is no change {change_id[:40]!r} to undo.", hint="list_changes shows them.")
    undone = states(entries)
    for name, _ in wanted:
        if name in undone:
            raise ArgumentError(
                f"{name} is undone already, by {undone[name]}.",
                code="already_undone",
                hint=f"undo_change with change_id={undone[name]} does it again.",
            )
    made: list[Composed] = []
    for (name, member), table in reversed(list(zip(wanted, tables, strict=True))):
        if table is None:
            raise ArgumentError(
                f"{change_id.strip()} cannot be undone whole: not all of its tables are there.",
                code="table_changed",
                hint="list_changes shows its other parts, which can be undone one by one.",
            )
        _check_table(table, name, member)
        maker = _Maker(ctx, name, member, table, await changes.shower(ctx.db, *table.ref), entry.settings)
        made += [*maker.deletes(), *maker.updates(), *maker.inserts()]
    if not made:
        raise ArgumentError(f"{change_id} changed no value: there is nothing to put back.", code="nothing_to_undo")
    if len(made) > MOST_STATEMENTS:
        raise ArgumentError(
            f"Undoing it takes {len(made):,} statements, and {MOST_STATEMENTS:,} are allowed.", code="undo_too_large"
        )
    return made


async def plan(ctx: Context, **_: Any) -> Plan:
    """Return what would be put back."""
    texts, data = ["Put back, all or nothing; refused where a row is another one by now:"], []
    for part in ctx.parts:
        back = _back(part.composed)
        texts.append(str(back))
        data.append({"change": back.name, "does": back.verb, "table": str(back.table), "rows": back.count})
        if back.rows:
            data[-1]["to"] = [dict(row) for row in back.rows]
    return Plan("\n".join(texts), {"statements": data})


async def run(ctx: Context, *, dry_run: bool) -> Report:
    """Put back what the call's statements do.

    Raises:
        QueryError: A row is another one by now (undo_conflict), or PostgreSQL refuses it; nothing was changed.
        DatabaseError: as Database.transact.
    """
    at = [0]
    altered: dict[str, None] = {}

    async def work(statements: Statements) -> None:
        altered.clear()
        await statements.settings(_back(ctx.parts[0].composed).settings, timeout_s=ctx.timeout_s)
        for at[0], part in enumerate(ctx.parts):
            back, verdict = _back(part.composed), part.verdict
            scrub = verdict.masking is not None and verdict.masking.scrub
            for each in back.expected:
                found = await statements.lock(each.lock, each.params, timeout_s=ctx.timeout_s, scrub=scrub)
                _check(back, each, found)
            capture = part.composed.capture
            done = await statements.write(
                verdict.canonical,
                part.composed.params,
                limit=0,
                max_bytes=0,
                timeout_s=ctx.timeout_s,
                masking=verdict.masking,
                capture=None if isinstance(capture, str) else capture,
            )
            if done.affected != back.count:
                raise _conflict(back, f"{done.affected:,} rows of {back.count:,} could be put back")
            if back.verb == "deletes" and _follow(back, statements.done[-1]):
                raise _conflict(back, "rows that refer to its rows would be deleted or changed with them")
            altered.update(dict.fromkeys(_altered(back, statements.done[-1])))

    try:
        written = await ctx.db.transact(
            work,
            timeout_s=ctx.timeout_s,
            max_affected=ctx.limits.max_affected_rows,
            isolation="read committed",
            dry_run=dry_run,
        )
    except QueryError as exc:
        raise await _explained(ctx, at[0], exc) from None
    return _report(ctx, [each.change for each in written], list(altered), dry_run=dry_run)


def _follow(back: Back, done: Done) -> bool:
    """Tell whether rows that others made went with those that were deleted, or lost what they refer to."""
    for touched, follows in done.others:
        own = (touched.schema, touched.name) == back.table.ref
        if follows and (touched.updated or touched.deleted > (back.count if own else 0)):
            return True
    return False


def _altered(back: Back, done: Done) -> Iterator[str]:
    """Yield columns that have other values now than those that were put back: triggers have the last word."""
    taken = done.taken
    if taken is None or taken.problem:
        return
    names = taken.capture.columns
    shared = [(back.columns.index(name), names.index(name)) for name in back.columns if name in names]
    keys = [(back.columns.index(name), names.index(name)) for name in taken.capture.key if name in back.columns]
    wanted = {tuple(image.before[i] for i, _ in keys): image.before for image in back.images if image.before}
    for image in taken.images:
        row = image.after and wanted.get(tuple(image.after[j] for _, j in keys))
        if row and image.after:
            yield from (back.columns[i] for i, j in shared if row[i] != image.after[j])


def _report(ctx: Context, ids: Sequence[str], altered: Sequence[str], *, dry_run: bool) -> Report:
    backs = [_back(part.composed) for part in ctx.parts]
    lines = [str(back) for back in backs]
    affected = sum(back.count for back in backs)
    change = next((each.partition(".")[0] for each in ids if each), "")
    notes: tuple[str, ...] = (
        (_written.DRY_RUN_NOTE,) if dry_run else (f"change {change}: undo_change of it does it again",)
    )
    if altered:
        notes += (f"triggers set other values than those that were: {', '.join(altered)}",)
    data = {"undone": list(dict.fromkeys(back.name for back in backs)), "affected": affected, "rolled_back": dry_run}
    return Report("\n".join(lines), data | ({"change": change} if change else {}), notes, True, affected, (), change)


async def _explained(ctx: Context, at: int, exc: QueryError) -> QueryError:
    part = ctx.parts[at]
    back = _back(part.composed)
    if exc.error_code == "unique_violation":
        return _conflict(back, "another row has its key, or another unique value of it, by now")
    made = Composed(part.composed.sql, part.composed.params, back.table)
    return await _rows_run.explained(_alone(ctx, at, made), exc)


def _alone(ctx: Context, at: int, made: Composed) -> Context:
    part = ctx.parts[at]
    return replace(ctx, composed=made, verdict=part.verdict, decision=part.decision, parts=())


def _check(back: Back, expected: Expected, found: Sequence[Row]) -> None:
    """Refuse to put back what somebody has changed since.

    Raises:
        QueryError: They have; shows the rows as they are, masked.
    """
    if frozenset(found) == expected.rows and len(found) == len(expected.rows):
        return
    now = [row for row in found if row not in expected.rows]
    gone = len(expected.rows) - len(found)
    parts = [f"{len(now):,} changed"] if now else []
    parts += [f"{gone:,} deleted"] if gone > 0 else []
    shown = [dict(zip(expected.columns, back.show(expected.columns, row), strict=True)) for row in now[:_SHOWN]]
    raise _conflict(back, f"of its rows {' and '.join(parts)} since", {"current": shown} if shown else {})


def _conflict(back: Back, why: str, details: Mapping[str, Any] | None = None) -> QueryError:
    return QueryError(
        f"{back.name} of {back.table} cannot be undone: {why}. Nothing was changed.",
        code="undo_conflict",
        hint="Look at the rows, and change them as they should be.",
        details={"change": back.name, **(details or {})},
    )


def _wanted(entry: Entry, change_id: str) -> Iterator[tuple[str, Member]]:
    for number, member in enumerate(entry.members):
        if change_id in (entry.id, entry.name(number)):
            yield entry.name(number), member


def _check_table(table: Table, name: str, member: Member) -> None:
    for column, type_ in zip(member.columns, member.types, strict=True):
        now = table.columns.get(column)
        if now is None or now.type != type_ or now.generated:
            what = f"{column} is {'gone' if now is None else 'another one'}"
            raise ArgumentError(f"{name} cannot be undone: {table} was altered, {what}.", code="table_changed")


class _Maker:
    """Makes the statements of one change."""

    def __init__(
        self, ctx: Context, name: str, member: Member, table: Table, show: Show, settings: Mapping[str, str]
    ) -> None:
        self._settings, self._most = settings, max(1, min(_ROWS, _CELLS // len(member.columns)))
        self._ctx, self._name, self._member, self._table, self._show = ctx, name, member, table, show
        self._places = [member.columns.index(each) for each in member.key]

    def deletes(self) -> Iterator[Composed]:
        """Delete the rows that were inserted."""
        new = [image for image in self._member.images if image.before is None and image.after is not None]
        for some in _batched(new, self._most):
            draft = _rows_run.draft()
            text = draft.delete(self._table.ref, self._keys(draft, some), [])
            yield self._composed(draft, text, "DELETE", "deletes", some)

    def updates(self) -> Iterator[Composed]:
        """Set the columns back that were changed: one statement for all rows that had the same values in them."""
        # Back through the same states, none of which a unique index refused.
        last_first = reversed(self._member.images)
        changed = [each for each in last_first if each.before and each.after and each.before != each.after]
        columns = [
            place
            for place in range(len(self._member.columns))
            if any(image.before and image.after and image.before[place] != image.after[place] for image in changed)
        ]
        groups: dict[Row, list[Image]] = defaultdict(list)
        for image in changed:
            assert image.before is not None
            groups[tuple(image.before[place] for place in columns)].append(image)
        names = [self._member.columns[place] for place in columns]
        for values, images in groups.items():
            for some in _batched(images, self._most):
                yield self._update(dict(zip(names, values, strict=True)), some)

    def inserts(self) -> Iterator[Composed]:
        """Insert the rows that were deleted."""
        from pgwarden.db.compose import Value

        old = [image for image in self._member.images if image.after is None and image.before is not None]
        always = any(self._table.columns[name].identity == "a" for name in self._member.columns)
        # As many at once as can be: they may refer to each other.
        for some in _batched(old, max(1, _CELLS // len(self._member.columns))):
            draft = _rows_run.draft()
            rows = [[Value(cell) for cell in image.before or ()] for image in some]
            text = draft.insert(self._table.ref, self._member.columns, rows, [], overriding=always)
            yield self._composed(draft, text, "INSERT", "inserts", some)

    def _update(self, values: Mapping[str, Cell], images: Sequence[Image]) -> Composed:
        from pgwarden.db.compose import Value

        draft = _rows_run.draft()
        where = self._keys(draft, images)
        text = draft.update(self._table.ref, {name: Value(value) for name, value in values.items()}, where, [])
        shown = self._show(list(values), list(values.values()))
        return self._composed(draft, text, "UPDATE", "updates", images, dict(zip(values, shown, strict=True)))

    def _keys(self, draft: Draft, images: Sequence[Image]) -> Fragment:
        """Return the condition for the rows as the change left them."""
        keys = [[(image.after or ())[place] or "" for place in self._places] for image in images]
        if len(self._member.key) == 1:
            return draft.among(self._member.key[0], [key[0] for key in keys])
        return draft.some(
            [
                draft.every([draft.test(name, "=", value) for name, value in zip(self._member.key, key, strict=True)])
                for key in keys
            ]
        )

    def _composed(
        self,
        draft: Draft,
        text: str,
        operation: Operation,
        verb: str,
        images: Sequence[Image],
        to: Mapping[str, Cell] | None = None,
    ) -> Composed:
        lock = self._lock(images)
        kept = _rows_capture.capture(
            self._ctx,
            self._table,
            "undo_change",
            operation,
            returning=(),
            lock=lock[0].lock if lock and operation == "UPDATE" else "",
            lock_params=lock[0].params if lock else (),
            undoes=(self._name,),
        )
        rows = (to,) if to else tuple(self._shown(image.before) for image in islice(images, _SHOWN) if image.before)
        columns, settings = self._member.columns, self._settings
        back = Back(
            self._name, self._table, verb, len(images), self._show, columns, tuple(images), settings, lock, rows
        )
        return Composed(text, tuple(draft.values), back, capture=kept)

    def _lock(self, images: Sequence[Image]) -> tuple[Expected, ...]:
        after = frozenset(image.after for image in images if image.after is not None)
        if not after:
            return ()
        draft = _rows_run.draft()
        text = draft.lock(self._table.ref, self._member.columns, self._keys(draft, images), alone=True)
        values = tuple(each if isinstance(each, str) else None for each in draft.values)
        return (Expected(text, values, self._member.columns, after),)

    def _shown(self, row: Row) -> Mapping[str, Cell]:
        return dict(zip(self._member.columns, self._show(self._member.columns, row), strict=True))


def _batched(images: Sequence[Image], most: int) -> Iterator[Sequence[Image]]:
    for start in range(0, len(images), most):
        yield images[start : start + most]


def _back(made: Composed) -> Back:
    if not isinstance(made.about, Back):
        raise InternalError
    return made.about
