"""Column masks: what is shown in place of a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

MaskKind = Literal["redact", "partial", "hash", "null", "clear"]
MASK_KINDS: tuple[str, ...] = get_args(MaskKind)

Permit = Literal["filter", "join", "order", "group"]
PERMITS: tuple[str, ...] = get_args(Permit)
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
    """A mask for the columns that match. Of several rules that match the last one counts.

    Attributes:
        schema, table, column: Patterns; `*` and `?` are wild.
        mask: How the values are shown.
        permit: Uses beside plain output.
    """

    schema: str
    table: str
    column: str
    mask: Mask
    permit: frozenset[str] = frozenset()
