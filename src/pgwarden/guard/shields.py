"""What a statement's text has to be changed for: masked columns and relations that must not be seen.

Made by `db.objects` from the policy's rules and the live catalog. The guard applies it in `guard.masks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

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
    """A relation with masked columns, or a view that reads some: all columns that the role can read, in order."""

    oid: int
    name: Name
    columns: tuple[ShieldColumn, ...]

    @property
    def masked(self) -> dict[str, ShieldColumn]:
        """The masked columns by name."""
        return {column.name: column for column in self.columns if column.mask is not None}


@dataclass(frozen=True)
class Shields:
    """Every mask in force in one database.

    Attributes:
        relations: The relations with masked columns, views and materialized views among them.
        hides: Whether the rules hide any object: then system catalogs are no way around.
        key: The secret of "hash".
        windows: Relations of users through which the system catalogs can be read that are refused here.
        hides_databases: Whether databases are hidden.
    """

    relations: Mapping[Name, Shield] = field(default_factory=dict)
    hides: bool = False
    key: bytes = b""
    windows: frozenset[Name] = frozenset()
    hides_databases: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to apply."""
        return bool(self.relations) or self.hides or self.hides_databases

    @cached_property
    def masked(self) -> frozenset[str]:
        """The names of all masked columns."""
        return frozenset(name for shield in self.relations.values() for name in shield.masked)

    @cached_property
    def schemas(self) -> frozenset[str]:
        """The schemas of all shielded relations."""
        return frozenset(name.schema for name in self.relations)


@dataclass(frozen=True)
class Masking:
    """What `db` has to do for one judged statement.

    Attributes:
        parameters: Values to bind behind the caller's own, as text; the judged text names them.
        outputs: Masks for output columns by their origin: table oid and column number as the server describes them.
        scrub: Whether details of the server's errors must be dropped, as they could quote masked values.
        key: The secret of "hash", for `outputs`.
    """

    parameters: tuple[str, ...] = ()
    outputs: Mapping[tuple[int, int], Mask] = field(default_factory=dict)
    scrub: bool = False
    key: bytes = b""
