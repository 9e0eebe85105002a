"""The policy's rules bound to a database's objects: what relations reach, which are hidden, which columns are masked.

Read like the guard's snapshot (`db.catalog`), and only where there are rules. Patterns are matched with names, and from
there on object ids count: a view on a masked column is masked whatever it is called.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pgwarden.db.catalog import TTL_S, Fetch
from pgwarden.db.graph import Graph, Sections
from pgwarden.db.hiding import Hiding
from pgwarden.db.lineage import Lineage
from pgwarden.guard.masking import expressions
from pgwarden.guard.masking.system import DATABASES, HARMLESS, STATISTICS
from pgwarden.guard.parsed import Name
from pgwarden.guard.shields import Shields
from pgwarden.policy.objects import ObjectRules, Objects, hides_database, hides_schema


@dataclass(frozen=True)
class Bound:
    """Rules bound to one database.

    Attributes:
        objects: For the policy's decisions.
        shields: For the guard.
        hiding: For the answers of our own SQL.
    """

    objects: Objects = field(default_factory=Objects)
    shields: Shields = field(default_factory=Shields)
    hiding: Hiding = field(default_factory=Hiding)


class ObjectCache:
    """The rules bound to one database as one role sees it. Concurrent callers share one reading of it."""

    def __init__(
        self, rules: ObjectRules, key: bytes, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create an empty cache.

        Args:
            rules: The policy's.
            key: The secret of the mask "hash".
            ttl_s: For how long what was read is used unseen, in seconds; 0 asks every time.
            clock: The time in seconds.
        """
        self._rules = rules
        self._key = key
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._bound: Bound | None = None
        self._fingerprint: str | None = None
        self._checked_at = float("-inf")
        self._changes = 0

    def forget(self) -> None:
        """Make the next `get` ask whether something changed; also where one is under way that asked before this."""
        self._changes += 1
        self._checked_at = float("-inf")

    async def get(self, fetch: Fetch) -> Bound:
        """Return what was current at most `ttl_s` seconds ago; the same object while nothing changed.

        Raises:
            DatabaseError: whatever `fetch` raises; nothing older is used in its place.
        """
        if not self._rules:
            return _NOTHING
        async with self._lock:
            if self._bound is not None and self._clock() - self._checked_at < self._ttl_s:
                return self._bound
            started, changes = self._clock(), self._changes
            # Before the rest: a change between the two is then seen the next time, never missed.
            fingerprint = (await fetch("objects_fingerprint", ()))[0][0]
            if self._bound is None or fingerprint != self._fingerprint:
                self._bound = await load(fetch, self._rules, self._key)
                self._fingerprint = fingerprint
            if changes == self._changes:
                self._checked_at = started
            return self._bound


_NOTHING = Bound()


async def load(fetch: Fetch, rules: ObjectRules, key: bytes) -> Bound:
    """Bind rules to a database, in one to three round trips.

    Args:
        fetch: Runs the blocks of `objects.sql`.
        rules: The policy's.
        key: The secret of the mask "hash".

    Raises:
        DatabaseError: whatever `fetch` raises.
    """
    graph = Graph(await _sections(fetch, "objects_snapshot"), rules)
    shields = Shields(
        hides=_any(rules, lambda each: bool(each.schemas_allowed or each.schemas_denied or _hides_tables(each))),
        hides_databases=_any(rules, lambda each: bool(each.databases_allowed or each.databases_denied)),
        key=key,
    )
    relations = {}
    if rules.masks:
        lineage = Lineage(graph, await _sections(fetch, "objects_columns"), rules.masks)
        if views := lineage.views():
            wanted = "{" + ",".join(map(str, sorted(views))) + "}"
            trees = await fetch("objects_trees", (wanted,))
            lineage.learn({int(oid or 0): tree or "" for oid, tree in trees})
        relations = {shield.name: shield for shield in lineage.shields()}
    shields = Shields(relations, shields.hides, key, _windows(graph, shields, bool(relations)), shields.hides_databases)
    return Bound(graph.objects(), shields, _hiding(graph, rules))


_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


async def _sections(fetch: Fetch, block: str) -> Sections:
    return {str(section): json.loads(text) for section, text in await fetch(block, ()) if text is not None}


def _any(rules: ObjectRules | None, holds: Callable[[ObjectRules], bool]) -> bool:
    return rules is not None and (holds(rules) or _any(rules.within, holds))


def _hides_tables(rules: ObjectRules) -> bool:
    return any(rule.hidden for rule in rules.tables)


def _windows(graph: Graph, shields: Shields, masks: bool) -> frozenset[Name]:
    """Return the relations of users through which refused system catalogs can be read."""
    refused: set[int] = set()
    for oid, (schema, name) in graph.names.items():
        system = schema in ("pg_catalog", "information_schema")
        guarded = (masks or shields.hides) and name in STATISTICS
        hidden = shields.hides and name not in HARMLESS
        if system and (guarded or hidden or (shields.hides_databases and name in DATABASES)):
            refused.add(oid)
    own = (oid for oid in graph.views if graph.is_users(oid) and not refused.isdisjoint(graph.reach(oid)))
    return frozenset(Name(*graph.names[oid]) for oid in own)


def _hiding(graph: Graph, rules: ObjectRules) -> Hiding:
    hidden = graph.hidden
    schemas = {oid: name for oid, name in graph.schemas.items() if hides_schema(rules, name)}
    shown = {name for oid, (_, name) in graph.names.items() if oid not in hidden}
    own = {graph.names[oid] for oid in hidden if oid in graph.names}
    gone = set(schemas.values())
    return Hiding(
        relations=hidden,
        schemas=frozenset(schemas),
        views=frozenset(oid for oid in graph.views if oid not in hidden and not hidden.isdisjoint(graph.direct(oid))),
        databases=frozenset(name for name in graph.databases if hides_database(rules, name)),
        schema_names=frozenset(map(_quoted, gone)),
        names=frozenset(_quoted(name) for schema, name in own if schema not in gone and name not in shown),
    )


def _quoted(name: str) -> str:
    """Return a name as PostgreSQL prints it, but for key words, which it quotes as well."""
    return name if _PLAIN.fullmatch(name) else expressions.quote(name)
