"""What a statement's text has to be changed for: masked columns and relations that must not be seen.

Made by `db.objects` from the policy's rules and the live catalog. The guard applies it in `guard.masks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgwarden.guard.parsed import Name
from pgwarden.policy.masks import Mask


@dataclass(frozen=True, slots=True)
class ShieldColumn:
    """A column of a shielded relation; `mask` is None for one that is shown. `number` is pg_attribute.attnum."""

    name: str
    type: str
    number: int
    mask: Mask | None = None
    permit: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shield:
    """A relation with at least one masked column: all of its columns, in order."""

    oid: int
    name: Name
    columns: tuple[ShieldColumn, ...]


@dataclass(frozen=True)
class Shields:
    """Every mask in force in one database.

    Attributes:
        relations: The relations with masked columns, views and materialized views among them.
        hides: Whether the rules hide any object: then system catalogs are no way around.
        key: The secret of "hash".
    """

    relations: Mapping[Name, Shield] = field(default_factory=dict)
    hides: bool = False
    key: bytes = b""


@dataclass(frozen=True)
class Masking:
    """What `db` has to do for one judged statement.

    Attributes:
        parameters: Values to bind behind the caller's own; the judged text names them.
        outputs: Masks for output columns by their origin: table oid and column number as the server describes them.
        scrub: Whether details of the server's errors must be dropped, as they could quote masked values.
        key: The secret of "hash", for `outputs`.
    """

    parameters: tuple[str, ...] = ()
    outputs: Mapping[tuple[int, int], Mask] = field(default_factory=dict)
    scrub: bool = False
    key: bytes = b""
