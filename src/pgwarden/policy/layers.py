"""Puts the rules about objects of several layers together: the file's own, the connection's, and the role's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwarden.policy.commands import normal
from pgwarden.policy.masks import Mask, MaskRule
from pgwarden.policy.objects import ObjectRules, TableRule
from pgwarden.policy.patterns import parse

if TYPE_CHECKING:
    from pgwarden.policy.document import Rules


@dataclass(frozen=True, slots=True)
class Layer:
    """Rules, and where in the file they stand: "roles.support", "connections.staging"; empty for the file's own."""

    place: str
    rules: Rules

    def at(self, key: str, number: int) -> str:
        """Return how an item of a list is called in explanations; counted from 1."""
        return f"{self.place}{'.' if self.place else ''}{key}[{number + 1}]"


def object_rules(layers: Sequence[Layer]) -> ObjectRules:
    """Return the rules about objects; each layer can only take away from those before it."""
    within: ObjectRules | None = None
    for number in range(len(layers)):
        within = _added(within, layers, number)
    return within or ObjectRules()


def _added(before: ObjectRules | None, layers: Sequence[Layer], number: int) -> ObjectRules:
    rules, upto = layers[number].rules, layers[: number + 1]
    databases, schemas = _names(rules.databases.allow), _names(rules.schemas.allow)
    both = before is not None and (
        (databases and before.databases_allowed) or (schemas and before.schemas_allowed) or before.within
    )
    return ObjectRules(
        databases_allowed=databases or (before.databases_allowed if before else ()),
        databases_denied=tuple(name for each in upto for name in _names(each.rules.databases.deny)),
        schemas_allowed=schemas or (before.schemas_allowed if before else ()),
        schemas_denied=tuple(name for each in upto for name in _names(each.rules.schemas.deny)),
        tables=tuple(rule for each in upto for rule in _tables(each)),
        masks=tuple(rule for n, each in enumerate(upto) for rule in _masks(each, n)),
        within=before if both else None,
    )


def origins(layers: Sequence[Layer]) -> dict[tuple[str, str], str]:
    """Return which layer brought a name into a list that the file's own rules have not got it in."""
    found: dict[tuple[str, str], str] = {}
    for layer in layers:
        for section in ("categories", "tools", "statements", "commands"):
            for key in ("allow", "deny"):
                for name in getattr(getattr(layer.rules, section), key, ()):
                    found.setdefault((f"{section}.{key}", normal(name) if section == "commands" else name), layer.place)
        if layer.rules.deletes:
            found.setdefault(("deletes", layer.rules.deletes), layer.place)
    return found


def _names(patterns: Sequence[str]) -> tuple[str, ...]:
    return tuple(parse(pattern, 1)[0] for pattern in patterns)


def _tables(layer: Layer) -> list[TableRule]:
    rules = []
    for number, table in enumerate(layer.rules.tables):
        schema, name = parse(table.match, 2)
        allow = None if table.allow is None else frozenset(table.allow)
        origin = layer.at("tables", number)
        rules.append(TableRule(schema, name, allow, frozenset(table.deny), table.hidden, origin))
    return rules


def _masks(layer: Layer, depth: int) -> list[MaskRule]:
    rules = []
    for number, column in enumerate(layer.rules.masks):
        schema, table, name = parse(column.column, 3)
        mask = Mask(column.mask, column.first, column.last)
        origin = layer.at("masks", number)
        rules.append(MaskRule(schema, table, name, mask, frozenset(column.permit), depth, origin))
    return rules
