"""The verdict on a statement that nothing speaks against, in the names of the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pgwarden.guard.parsed import Name, Parsed, Refused
from pgwarden.guard.verdict import Change, Use, Verdict

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.ddl import Definition

_SYSTEM: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})
_NO_NEW: Final = frozenset({"pg_catalog", "pg_temp", "information_schema"})
_WORDS: Final = {"v": "view", "f": "foreign table", "m": "materialized view", "S": "sequence"}
_TOUCHES_ROWS: Final = frozenset({"INSERT", "UPDATE", "DELETE", "TRUNCATE"})
_CALLABLE: Final = frozenset({"function", "procedure", "routine", "aggregate"})


def give(
    parsed: Parsed, catalog: Catalog | None, relations: Sequence[str], functions: Sequence[str], listed: frozenset[str]
) -> Verdict:
    """Return the verdict on an accepted statement.

    Args:
        parsed: What its text says.
        catalog: The database; None leaves names as written.
        relations, functions: What it names and calls, resolved.
        listed: The names of the functions that the policy lists; a statement must not redefine them.

    Raises:
        Refused: It would change a system relation, a table outside of this database, or a listed function.
    """
    uses = _uses(parsed, catalog)
    _check(uses, catalog)
    change = _change(parsed, catalog, listed)
    command = change.command if change else parsed.kinds[0]
    return Verdict(
        readable=change is None,
        canonical=parsed.canonical,
        form=parsed.form,
        kinds=parsed.kinds,
        relations=tuple(relations),
        functions=tuple(functions),
        parameters=parsed.parameters,
        plannable=parsed.canonical,
        command=command,
        uses=uses,
        change=change,
    )


def _uses(parsed: Parsed, catalog: Catalog | None) -> tuple[Use, ...]:
    written: Iterable[Use] = parsed.uses or (Use("SELECT", name) for name in sorted(parsed.relations))
    if catalog is None:
        return tuple(written)
    found = (Use(use.operation, _meant(use, catalog)) for use in written)
    return tuple(dict.fromkeys(found))


def _meant(use: Use, catalog: Catalog) -> Name:
    if use.operation == "CREATE" and not use.relation.schema:
        return Name(next((schema for schema in catalog.path if schema not in _NO_NEW), ""), use.relation.name)
    return catalog.located(use.relation)


def _check(uses: Iterable[Use], catalog: Catalog | None) -> None:
    for use in uses:
        if use.operation == "SELECT":
            continue
        name = use.relation
        if name.schema in _SYSTEM or (not name.schema and name.name.startswith("pg_")):
            raise Refused("relation_not_allowed", f"{name} belongs to the system.", "Name a table of your own.")
        found = catalog.relation(name) if catalog else None
        if found and found.outside and use.operation in _TOUCHES_ROWS:
            raise Refused(
                "relation_not_allowed", f"{name} has rows in a foreign table, which is outside this database."
            )


def _change(parsed: Parsed, catalog: Catalog | None, listed: frozenset[str]) -> Change | None:
    if parsed.definition is not None:
        return _defined(parsed.definition, catalog, listed)
    if parsed.effect is None:
        return None
    if catalog is None:
        return parsed.effect.qualified()
    known = catalog
    return parsed.effect.qualified(known.located, lambda name: _kind(known, name))


def _kind(catalog: Catalog, name: Name) -> str:
    found = catalog.relation(name)
    return _WORDS.get(found.kind, "table") if found else "table"


def _defined(definition: Definition, catalog: Catalog | None, listed: frozenset[str]) -> Change:
    creates = {use.name for use in definition.relations if use.operation == "CREATE"}
    if definition.kinds[0] in ("CREATE", "ALTER"):
        for it in definition.objects:
            if it.kind in _CALLABLE and it.name.name in listed:
                raise Refused(
                    "function_not_allowed",
                    f"The policy lists functions named {it.name.name}; a statement must not redefine them.",
                    "Choose another name.",
                )

    def resolve(name: Name) -> Name:
        return _meant(Use("CREATE" if name in creates else "", name), catalog) if catalog else name

    return replace(
        definition.qualified(resolve),
        sweeps=definition.sweeps,
        secret=definition.secret,
        rewrites=definition.rewrites,
        note=definition.note,
    )
