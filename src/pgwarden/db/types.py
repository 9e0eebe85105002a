"""Names of types by oid: the built-in ones are known, those of users are asked for once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import psycopg

from pgwarden.results import Cell

Lookup = Callable[[Sequence[int]], Awaitable[list[tuple[Cell, ...]]]]
"""Returns rows (oid, name) of types."""


class TypeNames:
    """What format_type() calls types, without length and precision."""

    def __init__(self) -> None:
        """Know the built-in types."""
        self._names = dict(_builtin())

    def learn(self, names: Mapping[int, str]) -> None:
        """Take names from a newer reading of the catalog."""
        self._names.update(names)

    async def of(self, oids: Sequence[int], lookup: Lookup) -> list[str]:
        """Return the names of types, in order.

        Args:
            oids: Type oids, as a result has them.
            lookup: Asked for those that are not known yet. A type that is gone by then stays `unknown`.
        """
        names = self._names
        if unknown := [oid for oid in dict.fromkeys(oids) if oid not in names]:
            names.update({int(oid or 0): name or "" for oid, name in await lookup(unknown)})
        return [names.get(oid, "unknown") for oid in oids]


def _builtin() -> Iterable[tuple[int, str]]:
    for info in psycopg.adapters.types:
        yield info.oid, info.regtype
        if info.array_oid:
            yield info.array_oid, f"{info.regtype}[]"
