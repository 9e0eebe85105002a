"""What relations reach: views what they read, parents their children, rows other rows by foreign keys and rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any, TypeVar

from pgwarden.guard.catalog import FIRST_USER_OID
from pgwarden.policy.objects import ObjectRules, Objects, Relation, hides_schema, hides_table

Sections = Mapping[str, list[list[Any]]]
Effect = tuple[str, int]
"""An operation, and the object id of the relation."""

_ROWS = ("INSERT", "UPDATE", "DELETE")
_EVENTS = {"2": "UPDATE", "3": "INSERT", "4": "DELETE"}
"""pg_rewrite.ev_type, without "1", which is SELECT."""
_HOLDS_ROWS = frozenset("rvmfp")
_INDEXES = frozenset("iI")

T = TypeVar("T")


class Graph:
    """The relations of a database by object id.

    Attributes:
        names: Schema and name.
        kinds: pg_class.relkind.
        schemas, databases: The names of all, and of schemas the object ids.
        inherits: Pairs of child and parent.
        views: For views and materialized views the relations that they name, and whether a whole row is used.
        hidden: The relations that the rules hide, with their indexes, sequences and TOAST tables.
    """

    def __init__(self, sections: Sections, rules: ObjectRules) -> None:
        """Read the sections of the block `objects_snapshot`; one that is missing counts as empty."""
        rows = sections.get("relations", [])
        self.names: dict[int, Relation] = {oid: (schema, name) for oid, schema, name, *_ in rows}
        self.kinds: dict[int, str] = {row[0]: row[3] for row in rows}
        self._owners: dict[int, int] = {row[0]: row[4] for row in rows if row[4]}
        self.schemas: dict[int, str] = dict(map(tuple, sections.get("schemas", [])))
        self.databases: list[str] = [name for [name] in sections.get("databases", [])]
        self.inherits: list[tuple[int, int]] = [(child, parent) for child, parent in sections.get("inherits", [])]
        self.views: dict[int, bool] = {}
        self._direct: dict[int, set[int]] = defaultdict(set)
        self._effects: dict[Effect, set[Effect]] = defaultdict(set)
        for child, parent in self.inherits:
            self._direct[parent].add(child)
            self._spread((*_ROWS, "TRUNCATE", "ALTER", "DROP"), parent, child)
        for relation, event, whole_row, read in sections.get("rules", []):
            self._rule(relation, event, whole_row, set(read or ()) - {relation})
        for parent, child, on_delete, on_update in sections.get("foreign_keys", []):
            self._foreign_key(parent, child, on_delete, on_update)
        self._hides_schema = partial(hides_schema, rules)
        self.hidden = self._find_hidden(rules)
        self.reach = cache(self._reach)

    def is_users(self, oid: int) -> bool:
        """Tell whether a relation came with no server."""
        return oid >= FIRST_USER_OID

    def direct(self, oid: int) -> frozenset[int]:
        """Return the relations that a view names, or the children of a table."""
        return frozenset(self._direct.get(oid, ()))

    def objects(self) -> Objects:
        """Return the same by names, followed to the end; a hidden schema is hidden as a relation without a name."""
        reads = {self.names[oid]: self._named(self.reach(oid)) for oid in self._direct if oid in self.names}
        writes: dict[tuple[str, Relation], frozenset[tuple[str, Relation]]] = {}
        for operation, oid in list(self._effects):
            if oid in self.names:
                effects = self._consequences((operation, oid))
                writes[operation, self.names[oid]] = frozenset(
                    (what, self.names[other]) for what, other in effects if other in self.names
                )
        schemas = ((name, "") for name in self.schemas.values() if self._hides_schema(name))
        return Objects(reads, writes, self._named(self.hidden) | self._unlocated() | frozenset(schemas))

    def _named(self, oids: Iterable[int]) -> frozenset[Relation]:
        return frozenset(self.names[oid] for oid in oids if oid in self.names)

    def _rule(self, relation: int, event: str, whole_row: bool, read: set[int]) -> None:
        if event == "1":
            self.views[relation] = whole_row
            self._direct[relation] |= read
            # An updatable view passes changes on to one of the tables that it reads; dropping one takes the view along.
            for each in read:
                self._spread(_ROWS, relation, each)
                self._effects["DROP", each].add(("DROP", relation))
            return
        for each in read:
            self._effects[_EVENTS[event], relation] |= {(operation, each) for operation in ("SELECT", *_ROWS)}

    def _foreign_key(self, parent: int, child: int, on_delete: str, on_update: str) -> None:
        if on_delete == "c":
            self._effects["DELETE", parent].add(("DELETE", child))
        elif on_delete in "nd":
            self._effects["DELETE", parent].add(("UPDATE", child))
        if on_update in "cnd":
            self._effects["UPDATE", parent].add(("UPDATE", child))
        self._effects["TRUNCATE", parent].add(("TRUNCATE", child))

    def _unlocated(self) -> frozenset[Relation]:
        """Return the names of hidden indexes without a schema, as the guard has them: it locates no index.

        One that could as well mean an index that can be seen is left out.
        """
        indexes = [(oid, self.names[oid]) for oid, kind in self.kinds.items() if kind in _INDEXES and oid in self.names]
        seen = {name for oid, (_, name) in indexes if oid not in self.hidden}
        return frozenset(("", name) for oid, (_, name) in indexes if oid in self.hidden and name not in seen)

    def _spread(self, operations: Iterable[str], one: int, other: int) -> None:
        for operation in operations:
            self._effects[operation, one].add((operation, other))

    def _reach(self, oid: int) -> frozenset[int]:
        return _closure(oid, self._direct)

    def _consequences(self, effect: Effect) -> frozenset[Effect]:
        return _closure(effect, self._effects)

    def _find_hidden(self, rules: ObjectRules) -> frozenset[int]:
        found = {oid for oid, name in self.names.items() if self._matches(rules, oid, *name)}
        children = defaultdict(set)
        for child, parent in self.inherits:
            children[parent].add(child)
        todo = list(found)
        while todo:
            new = children[todo.pop()] - found
            found |= new
            todo += new
        # An index of a TOAST table belongs to it, and it to the table.
        for _ in range(2):
            found |= {oid for oid, owner in self._owners.items() if owner in found}
        return frozenset(found)

    def _matches(self, rules: ObjectRules, oid: int, schema: str, name: str) -> bool:
        if schema == "pg_toast":
            return False
        return hides_table(rules, schema, name) if self.kinds[oid] in _HOLDS_ROWS else hides_schema(rules, schema)


def _closure(start: T, edges: Mapping[T, set[T]]) -> frozenset[T]:
    """Return everything that edges lead to from a start, without the start."""
    seen, todo = {start}, [start]
    while todo:
        new = edges.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return frozenset(seen - {start})
