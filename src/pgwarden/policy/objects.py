"""Rules about databases, schemas and tables, and what they mean for objects as PostgreSQL knows them.

A hidden object is absent: it is not listed, and naming it answers as if it did not exist. One on which an operation is
denied can be seen, and only that operation is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pgwarden.policy.masks import MaskRule
from pgwarden.policy.patterns import match_any, matches

Relation = tuple[str, str]
"""Schema and name, as PostgreSQL folds them."""

Operation = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
"""What a rule can allow or deny on a table. MERGE is what it does: INSERT, UPDATE, DELETE."""

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
"""Only rules that name one of them without wild cards concern it."""


@dataclass(frozen=True, slots=True)
class TableRule:
    """A rule for the tables that match. Deny beats allow; of several rules every one must let an operation pass.

    Attributes:
        schema, table: Patterns; `*` and `?` are wild.
        allow: The only operations allowed; None: all that nothing else forbids.
        deny: Operations refused.
        hidden: Whether the table is absent for the caller.
        origin: Where the rule stands, for whoever asks which one decided.
    """

    schema: str
    table: str
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    hidden: bool = False
    origin: str = field(default="tables", compare=False)

    def meets(self, schema: str, table: str) -> bool:
        """Tell whether the rule is about a table."""
        return _meets(self.schema, schema) and matches(self.table, table)

    def refuses(self, operation: str) -> bool:
        """Tell whether it refuses an operation. One that no rule can name is refused where the rule is about any."""
        if operation not in OPERATIONS:
            return self.hidden or self.allow is not None or bool(self.deny)
        return self.hidden or operation in self.deny or (self.allow is not None and operation not in self.allow)


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """Every rule about objects. Patterns; an empty allow list allows all.

    Attributes:
        databases_allowed, databases_denied: What is not allowed, or is denied, is hidden and cannot be connected to.
        schemas_allowed, schemas_denied: Likewise for schemas; the system's own are not subject to the allow list.
        tables: Rules for tables, views and what else rows can be read from.
        masks: Rules for columns.
        within: Rules whose allow lists hold as well: the file's, where a role has its own. The other lists of these
            rules contain those of `within` already.
    """

    databases_allowed: tuple[str, ...] = ()
    databases_denied: tuple[str, ...] = ()
    schemas_allowed: tuple[str, ...] = ()
    schemas_denied: tuple[str, ...] = ()
    tables: tuple[TableRule, ...] = ()
    masks: tuple[MaskRule, ...] = ()
    within: ObjectRules | None = None

    @property
    def restricts(self) -> bool:
        """Whether a rule hides a schema or table, or refuses an operation on one."""
        return bool(self.schemas_allowed or self.schemas_denied or self.tables)

    @property
    def hides(self) -> bool:
        """Whether a rule hides any database, schema or table."""
        schemas, databases = (
            self.schemas_allowed or self.schemas_denied,
            self.databases_allowed or self.databases_denied,
        )
        return bool(schemas or databases or any(rule.hidden for rule in self.tables))

    @property
    def hashes(self) -> bool:
        """Whether a mask needs a key."""
        return any(rule.mask.kind == "hash" for rule in self.masks)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return self.restricts or self.hides or bool(self.masks)


def hides_database(rules: ObjectRules, database: str) -> bool:
    """Tell whether a database is absent for the caller."""
    if match_any(rules.databases_denied, database):
        return True
    if rules.databases_allowed and not match_any(rules.databases_allowed, database):
        return True
    return rules.within is not None and hides_database(rules.within, database)


def hides_schema(rules: ObjectRules, schema: str) -> bool:
    """Tell whether a schema, with everything in it, is absent for the caller."""
    if any(_meets(pattern, schema) for pattern in rules.schemas_denied):
        return True
    if rules.schemas_allowed and schema not in SYSTEM_SCHEMAS and not match_any(rules.schemas_allowed, schema):
        return True
    return rules.within is not None and hides_schema(rules.within, schema)


def hides_table(rules: ObjectRules, schema: str, table: str) -> bool:
    """Tell whether a table, view or what else rows can be read from is absent for the caller."""
    return hides_schema(rules, schema) or any(rule.hidden and rule.meets(schema, table) for rule in rules.tables)


def refusing_rule(rules: ObjectRules, operation: str, schema: str, table: str) -> TableRule | None:
    """Return the first rule that refuses an operation on a table, or None where every one lets it pass."""
    return next((rule for rule in rules.tables if rule.meets(schema, table) and rule.refuses(operation)), None)


def _meets(pattern: str, schema: str) -> bool:
    return pattern == schema if schema in SYSTEM_SCHEMAS else matches(pattern, schema)


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
