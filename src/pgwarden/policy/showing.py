"""Which rules about objects can be shown to a caller without naming what they hide. In doubt a rule is not shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pgwarden.policy.masks import MaskRule
from pgwarden.policy.objects import SYSTEM_SCHEMAS, ObjectRules, TableRule, hides_schema
from pgwarden.policy.patterns import match_any, overlaps, write

_SCHEMA = re.compile(r"([^\s.,()\[\]]+)\.")
"""The schema of a name in a function's signature."""


def shown_tables(rules: ObjectRules) -> list[TableRule]:
    """Return the rules for tables that name nothing hidden."""
    return [rule for rule in rules.tables if not rule.hidden and not _tells(rules, rule.schema, rule.table)]


def shown_masks(rules: ObjectRules) -> list[MaskRule]:
    """Return the rules for columns that name nothing hidden."""
    return [rule for rule in rules.masks if not _tells(rules, rule.schema, rule.table)]


def shown_patterns(rules: ObjectRules, what: Literal["databases", "schemas"]) -> list[str]:
    """Return the patterns of an allow list, as they are written, that name nothing hidden."""
    if what == "schemas":
        return [write(each) for each in rules.schemas_allowed if not _tells_schema(rules, each)]
    denied = rules.databases_denied
    return [
        write(each)
        for each in rules.databases_allowed
        if not any(overlaps(each, hidden) for hidden in denied)
        and all(each in outer.databases_allowed for outer in around(rules) if outer.databases_allowed)
    ]


def around(rules: ObjectRules) -> Iterator[ObjectRules]:
    """Yield the rules that these are within, the nearest first."""
    outer = rules.within
    while outer is not None:
        yield outer
        outer = outer.within


def shown_signatures(rules: ObjectRules, signatures: Iterable[str]) -> list[str]:
    """Return the signatures, sorted, that name no hidden schema, neither the function's nor an argument's."""
    return sorted(
        each for each in signatures if not any(hides_schema(rules, schema) for schema in _SCHEMA.findall(each))
    )


def hiding_rules(rules: ObjectRules) -> int:
    """Return how many rules hide something by its name or pattern."""
    return len(rules.databases_denied) + len(rules.schemas_denied) + sum(rule.hidden for rule in rules.tables)


def _tells(rules: ObjectRules, schema: str, table: str) -> bool:
    """Tell whether a pattern of tables could give away the name of a hidden one."""
    if schema == table == "*":
        return False
    if schema == "*":
        return bool(rules.schemas_denied or rules.schemas_allowed) or _tells_table(rules, schema, table)
    return _tells_schema(rules, schema) or _tells_table(rules, schema, table)


def _tells_table(rules: ObjectRules, schema: str, table: str) -> bool:
    hidden = [rule for rule in rules.tables if rule.hidden]
    return any(overlaps(schema, rule.schema) and overlaps(table, rule.table) for rule in hidden)


def _tells_schema(rules: ObjectRules, schema: str) -> bool:
    if any(overlaps(schema, hidden) for hidden in rules.schemas_denied):
        return True
    if rules.schemas_allowed and schema not in SYSTEM_SCHEMAS:
        literal = not set("*?") & set(schema)
        if not (match_any(rules.schemas_allowed, schema) if literal else schema in rules.schemas_allowed):
            return True
    return rules.within is not None and _tells_schema(rules.within, schema)
