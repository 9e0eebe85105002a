"""What a call may do: the guard's and the policy's judgement of it, and the tier that follows."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pgwarden.catalogue import SqlUse, Tier, ToolSpec
from pgwarden.errors import (
    ArgumentError,
    GuardError,
    PolicyError,
    QueryError,
    StatementTimeoutError,
    WardenError,
)
from pgwarden.policy import Decision, Policy, decide_elevated, decide_statement
from pgwarden.policy.objects import Relation, Use
from pgwarden.results import Plan, Report, Result, Rows
from pgwarden.settings import LimitSettings

if TYPE_CHECKING:
    from pgwarden.context import Composed
    from pgwarden.db import Database
    from pgwarden.db.objects import Bound
    from pgwarden.guard.absent import Absence
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.verdict import Change, Verdict
    from pgwarden.record import Record

    _Opinion = tuple[Verdict, Decision | None]
    """The guard's, and the policy's on what the guard accepts."""

log = logging.getLogger(__name__)

_DML = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_KEEPS_ROWS = frozenset({"CREATE TABLE", "CREATE MATERIALIZED VIEW"})
"""Commands that run a query, where they have one, and keep its rows."""
_LONG_SQL = 4_000
"""Characters from which on a statement is judged in a thread."""
_PASSING = ("40", "53", "55P03", "57")
"""How SQLSTATE starts where the cause may pass: rollbacks, short resources, locks, cancellations."""
_OWNER = "Only the owner of this server can change its policy: tell the person."
_REMEMBERED = 256
"""Judgements that are kept; of statements that are not long."""


class _Memory:
    """Judgements of statements under one state of the database.

    The snapshots stand for what is in them: the same object is given as long as nothing changed.
    """

    def __init__(self) -> None:
        self._state: tuple[Catalog | None, Bound | None] = (None, None)
        self._kept: dict[tuple[str, bool], _Opinion] = {}

    def get(self, key: tuple[str, bool], catalog: Catalog, bound: Bound | None) -> _Opinion | None:
        """Return what is kept; that of another state is forgotten, and its snapshots with it."""
        if self._state[0] is not catalog or self._state[1] is not bound:
            self._state, self._kept = (catalog, bound), {}
        return self._kept.get(key)

    def put(self, key: tuple[str, bool], opinion: _Opinion) -> None:
        """Keep a judgement under the state that `get` was last asked for."""
        if len(self._kept) >= _REMEMBERED:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = opinion


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of one call.

    Attributes:
        tier: What it needs before it runs.
        changes: Whether it will change something that stays.
        name: What a yes is about: for Tier.TYPED what has to be typed.
        verdict: The guard's verdict on the argument `sql`.
        decision: The policy's on the same.
        hidden: Relations that are absent for the caller.
        absence: Which names of the statement were replaced, because what they name is hidden.
        composed: The statement, where the tool composed it.
        elevation: The scope that an argument makes it need; empty where none does.
        parts: The judgements of several composed statements, of which the attributes before are the sum.
        state: Of the transaction that it runs in or ends: a yes holds for what that holds now.
    """

    tier: Tier
    changes: bool = False
    name: str = ""
    verdict: Verdict | None = None
    decision: Decision | None = None
    hidden: frozenset[Relation] = frozenset()
    absence: Absence | None = None
    composed: Composed | None = None
    elevation: str = ""
    parts: tuple[Judged, ...] = ()
    state: str = ""

    @contextmanager
    def absences(self) -> Iterator[None]:
        """Put the caller's names back into errors that leave this block."""
        try:
            yield
        except WardenError as exc:
            for absence in self._absences:
                exc.message, exc.hint = _put_back(exc.message, absence), _put_back(exc.hint, absence)
                exc.details = _put_back(exc.details, absence)
            raise

    def restored(self, plan: Plan) -> Plan:
        """Return a plan with the caller's names put back."""
        for absence in self._absences:
            plan = Plan(_put_back(plan.text, absence), _put_back(plan.data, absence))
        return plan

    @property
    def scopes(self) -> frozenset[str]:
        """What a token has to grant beyond the tool's own scope."""
        own = {self.verdict.change.scope} if self.verdict and self.verdict.change else set()
        own |= {self.elevation} - {""}
        return frozenset(own.union(*(part.scopes for part in self.parts)))

    @property
    def meaning(self) -> object:
        """What the names of the statement stand for, and what was composed: what a yes is about."""
        if self.parts:
            return tuple(part.meaning for part in self.parts)
        if self.verdict is None:
            return self.composed, self.state
        targets = self.verdict.change and self.verdict.change.targets
        return self.composed, self.state, self.verdict.kinds, self.verdict.uses, self.verdict.functions, targets

    @property
    def relations(self) -> list[tuple[str, str]]:
        """The relations that it uses, by schema and name, each once."""
        own = {(use.relation.schema, use.relation.name) for use in (self.verdict.uses if self.verdict else ())}
        return sorted(own.union(*(part.relations for part in self.parts)))

    @property
    def defines(self) -> bool:
        """Whether it is a change of more than rows and settings."""
        change = self.verdict.change if self.verdict else None
        return self.changes and change is not None and change.object_class not in ("rows", "session")

    @property
    def _absences(self) -> tuple[Absence, ...]:
        return tuple(each.absence for each in (self, *self.parts) if each.absence is not None)

    def answered(self, result: Result) -> Result:
        """Return a result with the caller's names put back, outside of the rows."""
        for absence in self._absences:
            result = _restored(result, absence)
        return result


class Judge:
    """Judges calls under one policy."""

    def __init__(self, policy: Policy, limits: LimitSettings) -> None:
        """Take the policy and the limits of what the planner may expect."""
        self._policy = policy
        self._limits = limits
        self._memory = _Memory()

    async def __call__(
        self,
        record: Record,
        spec: ToolSpec,
        values: dict[str, Any],
        database: Database,
        composed: Composed | None = None,
    ) -> Judged:
        """Judge a call. `values["sql"]` is replaced where it names what is hidden.

        Args:
            record: Gets the statement's kinds and tier.
            spec: The tool.
            values: Its arguments.
            database: Where it will run.
            composed: The statement, where the tool composed it.

        Raises:
            ArgumentError: The statement is empty, or a composed one may change every row.
            GuardError: The guard refuses it.
            PolicyError: The policy does, or the planner expects more than the limits allow.
            DatabaseError: The catalog cannot be read.
        """
        if spec.sql is None:
            if elevation := spec.elevation(values):
                return self._elevated(record, spec, elevation)
            # What it asks the database is veiled there.
            changes = spec.changes or spec.tier is not Tier.READ
            return Judged(spec.tier, changes, str(values[spec.typed]) if spec.typed else "")
        if composed is not None:
            values = {**values, "sql": composed.sql}
        if not values["sql"].strip():
            raise ArgumentError("sql is empty.", hint="Give one SQL statement.")
        bound = await database.bound()
        judged = await self._statement(record, spec, values, database, bound)
        if composed is not None:
            judged = replace(_strict(judged, spec), composed=composed)
            record.tier = judged.tier.value
        if spec.sql is not SqlUse.JUDGE:
            await self._estimate(judged.verdict, database)
        return replace(judged, hidden=bound.objects.hidden) if bound else judged

    def _elevated(self, record: Record, spec: ToolSpec, scope: str) -> Judged:
        """Judge a call that an argument makes give more away; that it was is on record before it does.

        Raises:
            PolicyError: The policy does not grant that.
        """
        record.tier = Tier.CONFIRM.value
        decision = decide_elevated(self._policy, spec.name)
        if not decision.allowed:
            raise PolicyError(f"The policy does not allow this: {decision.rule}.", hint=_OWNER)
        return Judged(Tier.CONFIRM, True, elevation=scope)

    async def several(
        self,
        record: Record,
        spec: ToolSpec,
        values: dict[str, Any],
        database: Database,
        composed: Sequence[Composed],
    ) -> Judged:
        """Judge a call that is several statements: it needs what the strictest of them does.

        Raises:
            WardenError: as for one; `details` has the number of the statement, from 0, as `step`.
        """
        parts: list[Judged] = []
        kinds: list[str] = []
        for number, each in enumerate(composed):
            own = each.spec or spec
            try:
                parts.append(await self(record, own, {"dry_run": values.get("dry_run")}, database, each))
            except WardenError as exc:
                exc.message, exc.details = f"steps[{number}]: {exc.message}", {**exc.details, "step": number}
                raise
            finally:
                kinds += record.kinds
                record.kinds = tuple(dict.fromkeys(kinds))
        tier = max((part.tier for part in parts), key=list(Tier).index)
        record.tier = tier.value
        # What destroys is what has to be named.
        names = dict.fromkeys(part.name for part in parts if part.tier is tier)
        return Judged(
            tier,
            any(part.changes for part in parts),
            ", ".join(filter(None, names)),
            hidden=parts[0].hidden,
            parts=tuple(parts),
        )

    async def reading(self, composed: Composed, database: Database) -> Judged:
        """Judge one more read that a tool composed for a call which was judged already.

        Raises:
            GuardError: The guard refuses it.
            PolicyError: The policy does.
            DatabaseError: The catalog cannot be read.
        """
        bound = await database.bound()
        verdict, decision = await self._verdict(composed.sql, await database.catalog(), bound, writes=False)
        if decision is None:
            raise _refused(verdict)
        _check_allowed(verdict, decision)
        return Judged(Tier.READ, verdict=verdict, decision=decision, composed=composed)

    async def _statement(
        self, record: Record, spec: ToolSpec, values: dict[str, Any], database: Database, bound: Bound | None
    ) -> Judged:
        catalog, writes = await database.catalog(), spec.sql is not SqlUse.READ
        verdict, decision = await self._verdict(values["sql"], catalog, bound, writes=writes)
        record.kinds = verdict.kinds
        absence, hidden = None, _qualifiers(values["sql"], bound)
        if hidden:
            absence = _absent(values["sql"], verdict, hidden, catalog)
            verdict, decision = await self._verdict(absence.text, catalog, bound, writes=writes)
        while decision is not None and decision.hidden is not None and decision.hidden not in hidden:
            hidden.add(decision.hidden)
            absence = _absent(values["sql"], verdict, hidden, catalog)
            verdict, decision = await self._verdict(absence.text, catalog, bound, writes=writes)
        if absence is not None:
            values["sql"] = absence.text
            relations = tuple(sorted(_put_back(name, absence) for name in verdict.relations))
            message, hint = _put_back(verdict.message, absence), _put_back(verdict.hint, absence)
            verdict = replace(verdict, relations=relations, message=message, hint=hint)
            decision = decision and replace(decision, rule=_put_back(decision.rule, absence))
        if spec.sql is SqlUse.JUDGE:
            return Judged(Tier.READ, verdict=verdict, decision=decision, absence=absence)
        if decision is None:
            raise _refused(verdict)
        _check_allowed(verdict, decision)
        record.tier = verdict.tier
        change = verdict.change
        if change is None:
            return Judged(Tier.READ, verdict=verdict, decision=decision, absence=absence)
        name = change.typed_name or ", ".join(target.name for target in change.targets)
        name = _put_back(name, absence) if absence else name
        dry = bool(values.get("dry_run"))
        tier = _dry_tier(verdict, change) if dry else Tier(change.tier)
        return Judged(tier, not dry, name, verdict, decision, absence=absence)

    async def _verdict(
        self, sql: str, catalog: Catalog, bound: Bound | None, *, writes: bool
    ) -> tuple[Verdict, Decision | None]:
        """Return the guard's verdict, and the policy's decision on what the guard accepts."""
        known = self._memory.get((sql, writes), catalog, bound)
        if known is not None:
            return known
        verdict = await self._guard(sql, catalog, bound, writes=writes)
        made = verdict, self._decide(verdict, bound) if verdict.accepted else None
        # What was judged in a thread may be of an older state by now.
        if len(sql) <= _LONG_SQL and not verdict.fault:
            self._memory.put((sql, writes), made)
        return made

    async def _guard(self, sql: str, catalog: Catalog, bound: Bound | None, *, writes: bool) -> Verdict:
        from pgwarden.guard import judge

        def run() -> Verdict:
            return judge(
                sql,
                catalog,
                self._policy.functions_allowed,
                writes=writes,
                unsafe=self._policy.unsafe,
                shields=bound.shields if bound else None,
            )

        # A long text may take the parser a while, in which other calls and cancellations must not wait.
        verdict = await asyncio.to_thread(run) if len(sql) > _LONG_SQL else run()
        if verdict.fault:
            log.error("the guard failed on a statement, and refused it: %s", verdict.fault)
        if bound:
            from pgwarden.guard.absent import veiled

            verdict = veiled(verdict, sql, bound.objects.hidden)
        return verdict

    def _decide(self, verdict: Verdict, bound: Bound | None) -> Decision:
        change = verdict.change
        return decide_statement(
            self._policy,
            kinds=verdict.kinds,
            command=verdict.command,
            object_class=change.object_class if change else "rows",
            unsafe=change.unsafe if change else "",
            uses=[Use(use.operation, use.relation.schema, use.relation.name) for use in verdict.uses],
            objects=bound.objects if bound else None,
            targets=[(target.kind, target.name) for target in change.targets] if change else (),
            sweeps=[(target.kind, target.name) for target in change.sweeps] if change else (),
            cascade=change.cascade if change else False,
            moves=change.moves if change else False,
        )

    async def _estimate(self, verdict: Verdict | None, database: Database) -> None:
        """Refuse what the planner expects to be larger than allowed; asks it only where there is such a limit.

        Raises:
            PolicyError: It is, with the code `too_expensive`.
        """
        limits = self._limits
        if not (limits.max_estimated_rows or limits.max_estimated_cost) or verdict is None:
            return
        if not _is_planned(verdict):
            return
        params = None if verdict.parameters else ()
        timeout = limits.statement_timeout
        try:
            rows, cost = await database.estimate(verdict.plannable, params, masking=verdict.masking, timeout_s=timeout)
        except StatementTimeoutError:
            raise
        except QueryError as exc:
            if str(exc.details.get("sqlstate", "")).startswith(_PASSING):
                # It may well run the next moment, as large as it is.
                raise
            # What cannot be planned does not run either; the tool says why in the caller's terms.
            return
        for what, found, most in (
            ("rows", rows, limits.max_estimated_rows),
            ("cost", cost, limits.max_estimated_cost),
        ):
            if most and found > most:
                raise PolicyError(
                    f"The planner expects {what} of about {found:,.0f}; {most:,.0f} is allowed.",
                    code="too_expensive",
                    hint="Add conditions, or read an aggregate.",
                    details={f"estimated_{what}": found, "limit": most},
                )


def _is_planned(verdict: Verdict) -> bool:
    """Tell whether EXPLAIN takes it: a query, a change of rows, or a definition that keeps the rows of a query."""
    if verdict.form == "select":
        return True
    command = verdict.change.command if verdict.change else ""
    return command in _DML or (command in _KEEPS_ROWS and "SELECT" in verdict.kinds)


def _dry_tier(verdict: Verdict, change: Change) -> Tier:
    """Return what a dry run needs: a yes where something stays of it, or it locks out others before it is rolled back.

    Sequences do not go back: an INSERT of any number of rows can use one up. Nobody knows what a procedure does.
    """
    if change.object_class != "session" and change.command not in _DML:
        return Tier.CONFIRM
    fills = "INSERT" in verdict.kinds and change.inserted is None
    counts = any(name.rpartition(".")[2] == "nextval" for name in verdict.functions)
    return Tier.CONFIRM if fills or counts else Tier.READ


def _check_allowed(verdict: Verdict, decision: Decision) -> None:
    """Refuse what the policy refuses.

    Raises:
        PolicyError: It does.
    """
    if not decision.allowed:
        raise PolicyError(
            f"The policy does not allow this statement: {decision.rule}.",
            hint=decision.hint or _OWNER,
            details={"kinds": list(verdict.kinds)},
        )


def _strict(judged: Judged, spec: ToolSpec) -> Judged:
    """Return the judgement of a composed statement under the stricter of its own tier and the tool's.

    Raises:
        ArgumentError: It may change every row; no name that is typed makes up for a condition.
    """
    change = judged.verdict.change if judged.verdict else None
    if change is not None and change.tier == "typed":
        raise ArgumentError(
            f"The filter keeps no row out of the {change.command}.",
            code="condition_missing",
            hint="Compare a column with a value that not all rows have.",
        )
    return replace(judged, tier=spec.tier) if judged.changes else judged


def _refused(verdict: Verdict) -> GuardError:
    kinds = {"kinds": list(verdict.kinds)} if verdict.kinds else {}
    return GuardError(verdict.message, hint=verdict.hint, code=verdict.code, details=kinds)


def _qualifiers(sql: str, bound: Bound | None) -> set[Relation]:
    """Return the hidden schemas that the statement looks something up in; the guard refuses what cannot be read."""
    from pgwarden.guard.absent import qualifiers
    from pgwarden.guard.parsed import Refused

    try:
        return set(qualifiers(sql, bound.objects.hidden)) if bound else set()
    except Refused:
        return set()


def _absent(sql: str, verdict: Verdict, hidden: Collection[Relation], catalog: Catalog) -> Absence:
    """Return the statement without the names of hidden relations.

    Raises:
        PolicyError: It would create something of that name.
    """
    from pgwarden.guard.absent import without
    from pgwarden.guard.parsed import Name

    gone = {schema for schema, name in hidden if not name}
    made = {use.relation for use in verdict.uses if use.operation == "CREATE" and use.relation.schema not in gone}
    if made & {Name(*each) for each in hidden}:
        raise PolicyError("The policy does not allow this statement: nothing may be created under such a name.")
    return without(sql, {Name(*each) for each in hidden}, catalog)


def _restored(result: Result, absence: Absence) -> Result:
    """Return a result with the caller's names put back, outside of the rows."""
    if isinstance(result, Rows):
        names = (_put_back(column.name, absence) for column in result.columns)
        result.columns = tuple(replace(c, name=name) for c, name in zip(result.columns, names, strict=True))
    else:
        result.text, result.data = _put_back(result.text, absence), _put_back(result.data, absence)
    if not isinstance(result, Report):
        result.said = tuple(_put_back(result.said, absence))
    return result


def _put_back(value: Any, absence: Absence) -> Any:
    """Return a text, or what holds texts, with the caller's names in place of those that stand for them."""
    if isinstance(value, str):
        for name, written in absence.names.items():
            # A name may hold what is special in a replacement.
            value = written.join(re.split(rf"(?<![\w$]){re.escape(name)}(?![\w$])", value))
        return value
    if isinstance(value, dict):
        return {key: _put_back(each, absence) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_put_back(each, absence) for each in value]
    return value
