"""The guard's snapshot of a database: read in one statement, checked with a small one, kept while nothing changed.

A snapshot is used unseen for a short time; after that the fingerprint is asked for, and only a new one makes it be read
again. A definition that is made from here is followed by a look at once (`forget`); one that others make in between is
their owner's doing, and a role that only reads can make none.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgwarden.guard.catalog import FIRST_USER_OID, Catalog, Function, Hook, Operator, Relation, Type
from pgwarden.guard.parsed import Name

Fetch = Callable[[str, Sequence[object]], Awaitable[list[tuple[str | None, ...]]]]
"""Runs a named block of `guard_catalog.sql` with parameters and returns its rows, every value as text."""

Sections = Mapping[str, list[list[Any]]]

TTL_S = 2.0
"""For how long, in seconds, a snapshot is used without asking whether something changed."""


class CatalogCache:
    """The snapshot of one database as one role sees it. Concurrent callers share one reading of it."""

    def __init__(self, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Create an empty cache.

        Args:
            ttl_s: For how long a snapshot is used unseen, in seconds; 0 asks every time.
            clock: The time in seconds.
        """
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._catalog: Catalog | None = None
        self._fingerprint: str | None = None
        self._checked_at = 0.0
        self._changes = 0

    async def get(self, fetch: Fetch) -> Catalog:
        """Return a snapshot that was current at most `ttl_s` seconds ago.

        The same object is returned as long as nothing changed, so that it can stand for its contents in a cache's key.

        Args:
            fetch: Runs the blocks, with the role and search path that the judged statements will have.

        Raises:
            DatabaseError: whatever `fetch` raises; an older snapshot is not used in its place.
        """
        async with self._lock:
            if self._catalog is not None and self._clock() - self._checked_at < self._ttl_s:
                return self._catalog
            started, changes = self._clock(), self._changes
            # Before the snapshot: a change between the two is then seen the next time, never missed.
            fingerprint = (await fetch("guard_fingerprint", ()))[0][0]
            if self._catalog is None or fingerprint != self._fingerprint:
                self._catalog = await load(fetch)
                self._fingerprint = fingerprint
            if changes == self._changes:
                self._checked_at = started
            return self._catalog

    def forget(self) -> None:
        """Make the next `get` ask whether something changed; also where one is under way that asked before this."""
        self._changes += 1
        self._checked_at = float("-inf")


async def load(fetch: Fetch) -> Catalog:
    """Read a snapshot: one round trip, and a second one where something untrusted depends on a user's type.

    Raises:
        DatabaseError: whatever `fetch` raises.
    """
    rows = await fetch("guard_snapshot", ())
    catalog = build({str(section): json.loads(text) for section, text in rows if text is not None})
    if not catalog.suspects:
        return catalog
    wanted = "{" + ",".join(map(str, sorted(catalog.suspects))) + "}"
    by_oid: dict[int, set[int]] = defaultdict(set)
    by_name: dict[Name, set[int]] = defaultdict(set)
    for oid, schema, name, origin in await fetch("guard_carriers", (wanted,)):
        by_oid[int(oid or 0)].add(int(origin or 0))
        by_name[Name(schema or "", name or "")].add(int(origin or 0))
    return replace(catalog, carriers=_frozen(by_oid), carrier_names=_frozen(by_name))


def build(sections: Sections) -> Catalog:
    """Make a Catalog of the sections of the block `guard_snapshot`; one that is missing counts as empty."""
    functions = {f.oid: f for f in map(_function, sections.get("functions", ()))}
    operators = {o.oid: o for o in map(_operator, sections.get("operators", ()))}
    stored = _Stored(sections, operators)
    [[version, path]] = sections["session"]
    return Catalog(
        version=version,
        path=tuple(path),
        functions=functions,
        operators=operators,
        types={t.oid: t for t in _types(sections)},
        hooks=tuple(_hooks(sections, stored, functions)),
        relations={r.oid: r for r in (_relation(row, stored) for row in sections.get("special", ()))},
        names={schema: frozenset(names) for schema, names in sections.get("names", ())},
        builtins={row[0]: row[1] for row in sections.get("builtins", ())},
        type_names={row[0]: row[1] for row in sections.get("type_names", ())},
    )


class _Stored:
    """What the stored expressions of relations and domains reach."""

    def __init__(self, sections: Sections, operators: Mapping[int, Operator]) -> None:
        self._edges: dict[tuple[str, int], set[tuple[str, int]]] = defaultdict(set)
        for kind, owner, what, oid in sections.get("reached", ()):
            called = operators[oid].function if what == "operator" and oid in operators else None
            self._edges[kind, owner].add((what, oid) if called is None else ("function", called))
        # A cast to t[] checks t.
        for oid, _schema, _name, _kind, array, *_ in sections.get("types", ()):
            self._edges["type", array].add(("type", oid))

    def reach(self, kind: str, oid: int) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        """Return the functions, relations and types that reading a relation, or making a value of a type, gets to."""
        seen = {(kind, oid)}
        todo = [(kind, oid)]
        while todo:
            new = self._edges.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        seen.discard((kind, oid))
        functions, relations, types = (
            frozenset(o for k, o in seen if k == wanted) for wanted in ("function", "relation", "type")
        )
        return functions, relations, types


def _function(row: list[Any]) -> Function:
    oid, schema, name, arguments, arguments_text, required, results, *traits, parts = row
    volatility, language, kind, extension, definer, superuser, homonym, twin = traits
    return Function(
        oid=oid,
        schema=schema,
        name=name,
        arguments=tuple(arguments),
        signature=f"{name}({arguments_text})",
        required=required,
        results=frozenset(results),
        volatility=volatility,
        language=language,
        kind=kind,
        extension=extension,
        definer=definer,
        superuser=superuser,
        homonym=homonym,
        twin=twin,
        parts=tuple(parts),
    )


def _operator(row: list[Any]) -> Operator:
    oid, schema, name, left, right, result, function, twin, shielded = row
    return Operator(oid, schema, name, tuple(t for t in (left, right) if t), result, function, twin, shielded)


def _types(sections: Sections) -> Iterable[Type]:
    below: dict[int, int] = {row[0]: row[5] for row in sections.get("types", ())}
    for oid, schema, name, kind, array, base, *_ in sections.get("types", ()):
        lowest = base
        while below.get(lowest):
            lowest = below[lowest]
        yield Type(oid, schema, name, kind, array, lowest)


def _relation(row: list[Any], stored: _Stored) -> Relation:
    oid, schema, name, kind, outside = row
    return Relation(oid, schema, name, kind, outside, *stored.reach("relation", oid))


def _hooks(sections: Sections, stored: _Stored, functions: Mapping[int, Function]) -> Iterable[Hook]:
    opclasses: dict[int, list[int]] = {}
    for source, target, function, implicit, source_text, target_text, target_name in sections.get("casts", ()):
        types = _own(source, target)
        elements = frozenset({target_text.removesuffix("[]"), target_name.lstrip("_")})
        spelled = frozenset() if implicit or types else elements
        yield Hook(f"the cast from {source_text} to {target_text}", types, frozenset({function}), spelled)
    for oid, name, type_, called in sections.get("opclasses", ()):
        opclasses[oid] = called
        yield Hook(f"the operator class {name}", _own(type_), _support(called, functions))
    for oid, schema, name, kind, _array, _base, called, opclass in sections.get("types", ()):
        checks, *_ = stored.reach("type", oid)
        support = _support([*called, *opclasses.get(opclass, ())], functions)
        if used := checks if kind == "d" else support:
            yield Hook(f"the type {schema}.{name}", _own(oid), used)


def _own(*types: int) -> frozenset[int]:
    return frozenset(t for t in types if t >= FIRST_USER_OID)


def _support(called: Iterable[int], functions: Mapping[int, Function]) -> frozenset[int]:
    """Return the support functions of a type that could do something else than serve it.

    Only a superuser can install them. Those in C that are not declared volatile are taken for what they say: otherwise
    no table with a column of an extension that the guard does not know could be read.
    """
    known = (functions[oid] for oid in called if oid in functions)
    return frozenset(f.oid for f in known if f.language not in ("c", "internal") or f.volatility == "v")


def _frozen(sets: Mapping[Any, set[int]]) -> dict[Any, frozenset[int]]:
    return {key: frozenset(values) for key, values in sets.items()}
