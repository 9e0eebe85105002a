"""Column masks: what is shown in place of a value, and which of the rules masks a column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pgwarden.policy.patterns import matches

MaskKind = Literal["redact", "partial", "hash", "null", "clear"]
Permit = Literal["filter", "join", "order", "group"]
"""Uses of a masked column beside plain output that a rule can permit. Each is an oracle for its values."""


@dataclass(frozen=True, slots=True)
class Mask:
    """How a value is shown.

    Attributes:
        kind: "redact" (a constant), "partial" (some characters at the ends, the rest a fixed run of stars), "hash"
            (keyed, the same for equal values), "null", or "clear" (as it is: takes a column out of a wider rule).
        first, last: Characters that "partial" shows at the ends; a value with no more than these is all stars.
    """

    kind: MaskKind
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A mask for the columns that match. Of several rules of one layer that match the last one counts.

    Attributes:
        schema, table, column: Patterns; `*` and `?` are wild.
        mask: How the values are shown.
        permit: Uses beside plain output.
        layer: 0 for the policy file's own rules, higher for those of a role: between layers the stricter mask counts.
        origin: Where the rule stands.
    """

    schema: str
    table: str
    column: str
    mask: Mask
    permit: frozenset[str] = frozenset()
    layer: int = 0
    origin: str = field(default="masks", compare=False)

    def meets(self, schema: str, table: str, column: str) -> bool:
        """Tell whether the rule is about a column."""
        return matches(self.schema, schema) and matches(self.table, table) and matches(self.column, column)


_STRICTNESS: tuple[MaskKind, ...] = ("clear", "partial", "hash", "redact", "null")


def stricter(one: Mask, other: Mask) -> Mask:
    """Return the mask of two that shows less: clear, partial, hash, redact, null, in this order."""
    if one.kind == other.kind == "partial":
        return Mask("partial", min(one.first, other.first), min(one.last, other.last))
    return max(one, other, key=lambda mask: _STRICTNESS.index(mask.kind))


def rule_for(rules: Iterable[MaskRule], schema: str, table: str, column: str) -> MaskRule | None:
    """Return the rule for a column, or None where no rule is about it.

    The last rule of each layer counts; of two layers the stricter mask with the uses that both permit, so that a role
    never shows what the file masks.
    """
    last: dict[int, MaskRule] = {}
    for rule in rules:
        if rule.meets(schema, table, column):
            last[rule.layer] = rule
    found: MaskRule | None = None
    for layer in sorted(last):
        found = combine(found, last[layer]) if found else last[layer]
    return found


def combine(one: MaskRule, other: MaskRule) -> MaskRule:
    """Return a rule as strict as both of two: `other`'s, with the stricter mask and the uses that both permit.

    Its layer is the lower one of the two.
    """
    permit = other.permit if one.mask.kind == "clear" else one.permit & other.permit
    permit = one.permit if other.mask.kind == "clear" else permit
    mask = stricter(one.mask, other.mask)
    return MaskRule(other.schema, other.table, other.column, mask, permit, min(one.layer, other.layer), other.origin)
