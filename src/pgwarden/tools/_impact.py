"""What a change would do, found out without doing it: the plan that the person who has to say yes is shown.

Everything is read in READ ONLY transactions, and all of it within BUDGET_S: what is not known in time is said to be
unknown, or estimated. Names that are hidden from the caller are counted, and not shown.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pgwarden.context import Context
from pgwarden.errors import QueryError
from pgwarden.results import Plan
from pgwarden.tools import _impact_text, _sql

BUDGET_S = 2.0
"""Seconds that a plan may take."""
MOST_DEPENDENTS = 50
"""Dependent objects that are named."""
MOST_KEYS = 50
"""Foreign keys that are named."""
MOST_COUNTED = 8
"""Tables whose rows are counted."""
COUNTABLE = 20_000_000
"""Rows, by statistics, up to which counting a whole table is tried."""

EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
"""Operations that fire triggers, with their bit in pg_trigger.tgtype."""
CASCADING = ("CASCADE", "SET NULL", "SET DEFAULT")
"""Actions of a foreign key that change the rows which refer."""
_ALL_ACTIONS = ["a", "r", "c", "n", "d"]
_MEETS = ("DELETE", "UPDATE", "TRUNCATE")
"""Operations that foreign keys of other tables act on."""
_OF_KEY = ("for", "level", "constraint", "table", "columns", "to", "on_delete", "on_update", "rows", "referring")
_PG_CLASS = 1259
_WORDS = ("42", "22", "0A")
"""Classes of SQLSTATE for statements that can never run: syntax and names, values, what is not supported."""
_NO_RIGHT = "42501"
_MATCHING = "SELECT count(*) FROM "

_OF_RELATION = re.compile(r'("(?:[^"]|"")+"|[^"\s]+) ON (.+)', re.DOTALL)

T = TypeVar("T")
Facts = dict[str, Any]


async def plan(
    ctx: Context, sql: str, params: Sequence[Any] | None, *, known: bool = True, budget_s: float = BUDGET_S
) -> Plan:
    """Return what the call's statement would do.

    Args:
        ctx: The call, with an accepted verdict.
        sql: What the caller wrote.
        params: Values of its parameters.
        known: Whether these are known; if not, rows are estimated for any.
        budget_s: Seconds that it may take.

    Raises:
        ArgumentError: There is no statement, or its parameters do not fit.
        QueryError: PostgreSQL would refuse the statement, in the caller's terms.
        DatabaseError: The database cannot be asked.
    """
    verdict = ctx.verdict
    if verdict is None:
        raise _sql.no_statement()
    values = _sql.bound(params, verdict.parameters) if known else None
    if verdict.change is None:
        return Plan(f"{verdict.command} changes nothing.", {"command": verdict.command, "tier": verdict.tier})
    facts = await _Survey(ctx, sql, values, budget_s).facts()
    return Plan(_impact_text.render(facts), facts)


@dataclass(slots=True)
class _Budget:
    """The time that is left, and what could not be found out in it."""

    ends: float
    unknown: list[str] = field(default_factory=list)

    async def ask(self, what: str, work: Callable[[float], Awaitable[T]]) -> T | None:
        """Return what `work` finds out in the seconds that it is given, or None; an empty `what` is not missed."""
        left = self.ends - time.monotonic()
        try:
            if left > 0:
                return await work(left)
        except QueryError:
            pass
        if what:
            self.unknown.append(what)
        return None


@dataclass(frozen=True, slots=True)
class _Object:
    """An object that is changed, as the guard names it: `name`, or `name ON owner` for what belongs to a relation."""

    kind: str
    name: str
    owner: str = ""

    @classmethod
    def of(cls, kind: str, text: str) -> _Object:
        """Read the guard's name of an object."""
        match = _OF_RELATION.fullmatch(text) if kind in ("column", "constraint") else None
        if match is None:
            return cls(kind, text)
        bare = match[1][1:-1].replace('""', '"') if match[1].startswith('"') else match[1]
        return cls(kind, bare, match[2])


class _Survey:
    """Finds out the facts of one change: from the catalog first, and in the time that is left by counting rows."""

    def __init__(self, ctx: Context, sql: str, values: Sequence[str | None] | None, budget_s: float) -> None:
        assert ctx.verdict is not None
        assert ctx.verdict.change is not None
        self._ctx, self._sql, self._values = ctx, sql, values
        self._verdict, self._change = ctx.verdict, ctx.verdict.change
        self._rows = _sql.has_plan(ctx)
        self._operations = self._done()
        self._budget = _Budget(time.monotonic() + budget_s)

    async def facts(self) -> Facts:
        """Return everything that is known, without what is empty.

        Raises:
            QueryError: PostgreSQL cannot plan the statement.
        """
        facts = self._stated()
        estimate = await self._estimate() if self._rows else None
        found = await self._budget.ask("targets", self._targets)
        relations = self._visible(found["relations"] if found else ())
        keys = [key for operation in _MEETS for key in await self._keys(operation, relations)]
        if found and "DROP" in self._verdict.kinds:
            facts["dependents"] = await self._dependents(relations, found["objects"])
        if self._rows:
            facts["rows"] = await self._affected(estimate)
            await self._count_referring(keys)
        else:
            await self._measure(relations)
        facts["tables"] = [_shown(each, self._visible(each["over"] or ())) for each in relations]
        facts["not_found"] = self._missing(relations) if found else None
        facts["referenced_by"] = [self._key(key) for key in keys]
        facts["event_triggers"] = found["event_triggers"] if found else None
        facts["unknown"] = self._budget.unknown
        return {name: value for name, value in facts.items() if value not in (None, [], {}, "")}

    def _stated(self) -> Facts:
        """Return what the guard alone says."""
        change = self._change
        return {
            "command": change.command,
            "kinds": list(self._verdict.kinds),
            "tier": change.tier,
            "why": change.why,
            "targets": [{"kind": target.kind, "name": target.name} for target in change.targets],
            "lock": {"name": change.lock, "blocks": _impact_text.LOCKS.get(change.lock, "")} if change.lock else None,
            "in_transaction": change.in_transaction,
            "cascade": change.cascade or None,
            "rewrites": change.rewrites or None,
            "note": change.note,
        }

    def _done(self) -> dict[tuple[str, str], set[str]]:
        """Return what is done to each relation that is changed."""
        found: dict[tuple[str, str], set[str]] = {}
        for use in self._verdict.uses:
            if use.operation != "SELECT":
                found.setdefault((use.relation.schema, use.relation.name), set()).add(use.operation)
        return found

    def _missing(self, relations: Iterable[Facts]) -> list[str]:
        """Return the relations that are to be changed and do not exist, as far as this role sees."""
        there = {name for each in relations for name in ((each["schema"], each["name"]), ("", each["name"]))}
        changed = (name for name, done in self._operations.items() if done - {"CREATE"})
        return sorted(f"{schema}.{name}".lstrip(".") for schema, name in changed if (schema, name) not in there)

    def _done_to(self, relation: Facts) -> set[str]:
        both = ((relation["schema"], relation["name"]), ("", relation["name"]))
        return {operation for name in both for operation in self._operations.get(name, ())}

    async def _estimate(self) -> int | None:
        """Return the rows that the planner expects to be changed."""
        try:
            return (await _sql.estimate(self._ctx, self._sql, self._values, BUDGET_S))[0]
        except QueryError as exc:
            state = str(exc.details.get("sqlstate", ""))
            # What PostgreSQL would refuse for its words, nobody need be asked about.
            if state[:2] in _WORDS and state != _NO_RIGHT:
                raise
            return None

    async def _affected(self, estimate: int | None) -> Facts:
        """Return how many rows are changed, counted where that is quick."""
        limit = self._ctx.limits.max_affected_rows
        facts: Facts = {"limit": limit}
        if self._change.inserted is not None:
            return facts | {"inserted": self._change.inserted} | _beyond(self._change.inserted, limit)
        matching = self._countable()
        exact = await self._counted(matching, "the number of rows that match", self._values) if matching else None
        if exact is not None:
            return facts | {"matching": exact} | _beyond(exact, limit)
        return facts | ({"estimated": estimate} if estimate is not None else {})

    async def _count(self, statement: str, seconds: float, values: Sequence[str | None]) -> int:
        masking = self._verdict.masking
        rows = await self._ctx.db.read(
            statement,
            values,
            # Nothing is masked or bound in it, but its errors may quote what is masked.
            masking=replace(masking, parameters=(), outputs={}) if masking else None,
            wrap=False,
            limit=1,
            max_bytes=1_000,
            timeout_s=seconds,
            primary=True,
        )
        return int(rows.rows[0][0] or 0)

    async def _targets(self, seconds: float) -> Facts:
        """Return the relations and other objects that are changed, as they stand in the database."""
        objects = [_Object.of(target.kind, target.name) for target in self._change.targets]
        facts: Facts = await self._json(
            "impact_targets",
            seconds,
            schemas=[schema or None for schema, _ in self._operations],
            names=[name for _, name in self._operations],
            events=[sum(EVENTS.get(each, 0) for each in done) for done in self._operations.values()],
            kinds=[each.kind for each in objects],
            objects=[each.name for each in objects],
            owners=[each.owner for each in objects],
            tags=[] if self._rows else _tags(self._change.command),
        )
        return facts

    async def _measure(self, relations: Iterable[Facts]) -> None:
        """Add sizes, and the numbers of rows that would be gone."""
        stored = [each for each in relations if each["stored"]]
        if not stored:
            return
        oids = {"oids": [each["oid"] for each in stored]}
        sizes = await self._budget.ask("sizes", lambda s: self._ctx.db.query("impact_sizes", oids, timeout_s=s))
        measured = {int(oid or 0): int(size or 0) for oid, size in (sizes.rows if sizes else ())}
        for each in stored:
            each["bytes"] = measured.get(each["oid"])
        doomed = [each for each in stored if self._done_to(each) & {"DROP", "TRUNCATE"}]
        for each in doomed[:MOST_COUNTED]:
            # One without a size is locked: counting would wait.
            if (each["rows"] or 0) <= COUNTABLE and each["bytes"] is not None:
                each["exact"] = await self._counted(each["count"], f"rows of {each['ref']}", ())

    async def _keys(self, operation: str, relations: Iterable[Facts]) -> list[Facts]:
        """Return the foreign keys that an operation on the targets meets."""
        oids = [each["oid"] for each in relations if operation in self._done_to(each)]
        if not oids:
            return []
        follow = ["c"] if operation == "DELETE" else []
        if operation == "TRUNCATE" and self._change.cascade:
            follow = _ALL_ACTIONS
        params = {"oids": oids, "follow": follow, "limit": MOST_KEYS}
        found = await self._budget.ask("foreign keys", lambda s: self._json("impact_references", s, **params))
        keys: list[Facts] = [{**key, "for": operation} for key in found["keys"]] if found else []
        if operation == "UPDATE":
            return [key for key in keys if key["level"] == 1 and key["on_update"] in CASCADING]
        return [key for key in keys if operation == "DELETE" or key["oid"] not in oids]

    async def _count_referring(self, keys: Sequence[Facts]) -> None:
        """Add how many rows refer to those that match, where that condition can stand in a subquery as it is."""
        matching = self._countable()
        if not matching.startswith(_MATCHING):
            return
        near = [key for key in keys if key["for"] == "DELETE" and key["level"] == 1 and not self._hides(key)]
        for key in near[:MOST_COUNTED]:
            columns, others = ", ".join(key["columns"]), ", ".join(key["to_columns"])
            # Every name was quoted by the server, and the rest is the guard's.
            matched = f"SELECT {others} FROM {matching.removeprefix(_MATCHING)}"  # noqa: S608
            statement = f"SELECT count(*) FROM {key['table']} WHERE ({columns}) IN ({matched})"  # noqa: S608
            key["referring"] = await self._counted(statement, "", self._values)

    def _countable(self) -> str:
        """Return the statement that counts the rows that match; the guard leaves none where masks would be in it."""
        return self._change.matching if self._values is not None else ""

    async def _counted(self, statement: str, what: str, values: Sequence[str | None] | None) -> int | None:
        return await self._budget.ask(what, lambda seconds: self._count(statement, seconds, values or ()))

    async def _dependents(self, relations: Iterable[Facts], objects: Iterable[Facts]) -> Facts | None:
        """Return what depends on that which is dropped."""
        roots = [(_PG_CLASS, each["oid"], 0) for each in relations if "DROP" in self._done_to(each)]
        roots += [(each["class"], each["oid"], each["sub"]) for each in objects]
        if not roots:
            if self._change.command.startswith("ALTER"):
                self._budget.unknown.append("what depends on the parts that it drops: a dry run tells")
            return None
        classes, oids, subs = zip(*roots, strict=True)
        params = {"classes": [*classes], "oids": [*oids], "subs": [*subs], "limit": MOST_DEPENDENTS}
        found = await self._budget.ask("dependents", lambda s: self._json("impact_dependents", s, **params))
        if not found or not found["total"]:
            return None
        seen = [each["what"] for each in found["objects"] if not self._names_hidden(each)]
        return {"total": found["total"], "dropped": self._change.cascade, "objects": seen}

    def _visible(self, relations: Iterable[Facts]) -> list[Facts]:
        return [each for each in relations if (each["schema"], each["name"]) not in self._ctx.hidden]

    def _hides(self, key: Facts) -> bool:
        hidden = self._ctx.hidden
        return (key["schema"], key["name"]) in hidden or (key["to_schema"], key["to_name"]) in hidden

    def _key(self, key: Facts) -> Facts:
        """Return a foreign key as it is shown; one of a hidden table without its names."""
        if self._hides(key):
            return {"hidden": True} | {name: key[name] for name in ("for", "level", "on_delete", "on_update")}
        return {name: key[name] for name in _OF_KEY if key.get(name) is not None}

    def _names_hidden(self, dependent: Facts) -> bool:
        """Tell whether a dependent is a hidden relation, is part of one, or has one in its signature."""
        text = str(dependent["what"]).replace('"', "")
        return (dependent["schema"], dependent["name"]) in self._ctx.hidden or any(
            f"{schema}.{name}" in text for schema, name in self._ctx.hidden
        )

    async def _json(self, block: str, seconds: float, **params: Any) -> Any:
        rows = (await self._ctx.db.query(block, params, timeout_s=seconds)).rows
        return json.loads(rows[0][0] or "null")


def _beyond(rows: int, limit: int) -> Facts:
    """Return that a change would be rolled back for its size, where it would."""
    return {"exceeds_limit": True} if rows > limit else {}


def _tags(command: str) -> list[str]:
    """Return the tags that event triggers may know a command by."""
    tag = command.removesuffix(" CONCURRENTLY")
    return [tag, f"{tag} AS", tag.partition(" ")[0], tag.replace(" UNIQUE", "")]


def _shown(relation: Facts, over: Iterable[Facts]) -> Facts:
    """Return a relation as it is shown; `over` are the tables that it is a view of."""
    facts = {name: relation.get(name) for name in ("kind", "rows", "bytes", "exact")}
    facts |= {name: relation[name] or None for name in ("partitions", "children", "row_security", "triggers", "rules")}
    facts["over"] = [each["ref"] for each in over] or None
    return {"name": relation["ref"]} | {name: value for name, value in facts.items() if value is not None}
