"""Whether a statement keeps to the rules about objects, with everything that PostgreSQL makes of it.

A statement reaches more than it names: what a view reads, the partitions of a table, the rows that a foreign key takes
along. What is not known to keep to the rules is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pgwarden.policy.objects import (
    ObjectRules,
    Objects,
    Relation,
    Use,
    hides_database,
    hides_schema,
    hides_table,
    refusing_rule,
)

_SWEEPING = (
    "DROP OWNED",
    "REASSIGN OWNED",
    "ALTER DEFAULT PRIVILEGES",
    "IMPORT FOREIGN SCHEMA",
    "CREATE PUBLICATION",
    "ALTER PUBLICATION",
    "CREATE SUBSCRIPTION",
    "ALTER SUBSCRIPTION",
    "DROP DATABASE",
)
"""Commands whose objects are not named, or are another server's."""
_OPAQUE = frozenset({"COPY", "DO", "LOAD"})
"""What runs text or files that nobody has judged."""
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".(\s]+)')


@dataclass(frozen=True, slots=True)
class Statement:
    """What the guard knows of a statement; see `decide_statement`."""

    command: str = ""
    object_class: str = "rows"
    unsafe: str = ""
    uses: tuple[Use, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    sweeps: tuple[tuple[str, str], ...] = ()
    cascade: bool = False
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Breach:
    """Why a statement is refused. See Decision."""

    rule: str
    hidden: Relation | None = None
    hint: str = ""


def breach(rules: ObjectRules, objects: Objects | None, statement: Statement) -> Breach | None:
    """Return why a statement does not keep to the rules about objects, or None where it does.

    Args:
        rules: The rules.
        objects: What the database says of its relations; None where it was not asked.
        statement: The statement.
    """
    if not rules:
        return None
    hidden = _hidden_object(rules, objects, statement)
    if hidden is not None:
        return Breach("an object that it names does not exist", hidden)
    if (rules.restricts or rules.masks) and _is_opaque(statement):
        return Breach(f"what {statement.command or statement.unsafe} runs cannot be held against the rules on objects")
    if not rules.restricts:
        return None
    if statement.uses and objects is None:
        return Breach("the rules on tables cannot be applied without the database's catalog")
    objects = objects or Objects()
    return _unnamed(statement) or _moved(rules, objects, statement) or _relations(rules, objects, statement)


def _hidden_object(rules: ObjectRules, objects: Objects | None, statement: Statement) -> Relation | None:
    """Return a hidden object that the statement names; see Decision.hidden."""
    for use in statement.uses:
        if _is_hidden(rules, objects, (use.schema, use.name)):
            return use.schema, use.name
    for kind, name in (*statement.targets, *statement.sweeps):
        if not name:
            continue  # this database
        parts = _split(name)
        if kind == "database" and hides_database(rules, parts[-1]):
            return "", parts[-1]
        if kind == "schema" and hides_schema(rules, parts[-1]):
            return parts[-1], ""
        if len(parts) > 1 and _is_hidden(rules, objects, (parts[0], parts[1])):
            return parts[0], parts[1]
    return None


def _is_hidden(rules: ObjectRules, objects: Objects | None, relation: Relation) -> bool:
    if not relation[0]:
        # No schema of the search path has such a table, but there may be such an index.
        return relation in (objects.hidden if objects else ())
    return relation in (objects.hidden if objects else ()) or hides_table(rules, *relation)


def _is_opaque(statement: Statement) -> bool:
    """Tell whether it makes or runs code, which could reach any object later."""
    makes_code = statement.object_class == "code" and not statement.command.startswith(("DROP", "COMMENT"))
    return makes_code or statement.unsafe in _OPAQUE


def _unnamed(statement: Statement) -> Breach | None:
    """Refuse what has an effect on objects that it does not name."""
    command = statement.command
    hint = "Name each object."
    if statement.cascade:
        return Breach("what CASCADE takes along cannot be held against the rules on tables", hint=hint)
    whole = not statement.uses and (
        statement.object_class == "maintenance" or (command.startswith(("GRANT", "REVOKE")) and _has_schema(statement))
    )
    if whole or statement.sweeps or command.startswith(_SWEEPING):
        return Breach(f"what {command} reaches cannot be held against the rules on tables", hint=hint)
    if any(use.operation == "CREATE" and not use.schema for use in statement.uses):
        return Breach("it creates something in a schema that it does not name", hint="Write schema.name.")
    return None


def _moved(rules: ObjectRules, objects: Objects, statement: Statement) -> Breach | None:
    """Refuse to take what a rule is about out from under it: to rename, move or detach it."""
    if not statement.moves:
        return None
    if any(kind == "schema" for kind, _ in statement.targets):
        return Breach("the rules on tables know schemas by their names, which must not change")
    for use in statement.uses:
        for schema, name in ((use.schema, use.name), *_ancestors((use.schema, use.name), objects)):
            rule = next((each for each in rules.tables if each.meets(schema, name)), None)
            if rule is not None:
                return Breach(f"{rule.origin} is about {schema}.{name}, which {statement.command} would take away")
    return None


def _has_schema(statement: Statement) -> bool:
    return any(kind == "schema" for kind, _ in statement.targets)


def _relations(rules: ObjectRules, objects: Objects, statement: Statement) -> Breach | None:
    for use in statement.uses:
        named = f"{use.schema}.{use.name}" if use.schema else use.name
        for schema, name in ((use.schema, use.name), *_ancestors((use.schema, use.name), objects)):
            rule = refusing_rule(rules, use.operation, schema, name)
            if rule is not None:
                part = "" if (schema, name) == (use.schema, use.name) else f", a part of {schema}.{name}"
                return Breach(f"{rule.origin} refuses {use.operation} on {named}{part}")
        for operation, relation in _reached(use, objects):
            if _is_hidden(rules, objects, relation):
                return Breach(f"{use.operation} on {named} reaches what the policy does not allow")
            rule = refusing_rule(rules, operation, *relation)
            if rule is not None:
                reached = f"{relation[0]}.{relation[1]}"
                return Breach(f"{rule.origin} refuses {operation} on {reached}, which {use.operation} on {named} does")
    return None


def _ancestors(relation: Relation, objects: Objects) -> Iterator[Relation]:
    """Yield the tables that a partition or child is a part of, at every level: its rows are theirs."""
    for (operation, parent), effects in objects.writes.items():
        # Nothing but a parent passes an ALTER on.
        if operation == "ALTER" and ("ALTER", relation) in effects:
            yield parent


def _reached(use: Use, objects: Objects) -> Iterator[tuple[str, Relation]]:
    """Yield what an operation on a relation does elsewhere, each once, in a fixed order."""
    start = (use.operation, (use.schema, use.name))
    seen, waiting = {start}, [start]
    while waiting:
        operation, relation = waiting.pop()
        more = set(objects.writes.get((operation, relation), ()))
        if operation == "SELECT":
            more |= {("SELECT", other) for other in objects.reads.get(relation, ())}
        fresh = sorted(more - seen)
        seen.update(fresh)
        waiting.extend(fresh)
        yield from fresh


def _split(name: str) -> list[str]:
    """Return the parts of an object's name as SQL writes it, without what follows them."""
    parts, position = [], 0
    while match := _NAME.match(name, position):
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        position = match.end() + 1
        if position > len(name) or name[position - 1] != ".":
            break
    return parts or [name]
