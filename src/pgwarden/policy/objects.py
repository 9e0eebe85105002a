"""Rules about databases, schemas and tables, and what they mean for objects as PostgreSQL knows them.

A hidden object is absent: it is not listed, and naming it answers as if it did not exist. One on which an operation is
denied can be seen, and only that operation is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgwarden.policy.masks import MaskRule

Relation = tuple[str, str]
"""Schema and name, as PostgreSQL folds them."""

OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE")
"""What a rule can allow or deny on a table. MERGE is what it does: INSERT, UPDATE, DELETE."""


@dataclass(frozen=True, slots=True)
class TableRule:
    """A rule for the tables that match. Deny beats allow; of several rules every one must let an operation pass.

    Attributes:
        schema, table: Patterns; `*` and `?` are wild.
        allow: The only operations allowed; None: all that nothing else forbids.
        deny: Operations refused.
        hidden: Whether the table is absent for the caller.
    """

    schema: str
    table: str
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """Every rule about objects. Patterns; an empty allow list allows all.

    Attributes:
        databases_allowed, databases_denied: What is not allowed, or is denied, is hidden and cannot be connected to.
        schemas_allowed, schemas_denied: Likewise for schemas; the system's own are not subject to the allow list.
        tables: Rules for tables, views and what else rows can be read from.
        masks: Rules for columns.
    """

    databases_allowed: tuple[str, ...] = ()
    databases_denied: tuple[str, ...] = ()
    schemas_allowed: tuple[str, ...] = ()
    schemas_denied: tuple[str, ...] = ()
    tables: tuple[TableRule, ...] = ()
    masks: tuple[MaskRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """A relation that a statement names, and what the statement does with it."""

    operation: str
    schema: str
    name: str


@dataclass(frozen=True)
class Objects:
    """What the database says of its relations, as far as rules need it; read with `db.objects`.

    Attributes:
        reads: For a relation, the others whose rows reading it reads: a view's, followed through views, and the
            children of a parent table or partitioned table.
        writes: For a relation and an operation on it, what that does elsewhere as well: foreign keys that cascade or
            set null, partitions, the table below a view, rules.
        hidden: Every relation that the rules hide.
    """

    reads: Mapping[Relation, frozenset[Relation]] = field(default_factory=dict)
    writes: Mapping[tuple[str, Relation], frozenset[tuple[str, Relation]]] = field(default_factory=dict)
    hidden: frozenset[Relation] = frozenset()
