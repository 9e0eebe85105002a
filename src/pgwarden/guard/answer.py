"""The verdict on a statement that nothing speaks against, in the names of the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pgwarden.guard import canonical, functions
from pgwarden.guard.parsed import Name, Parsed, Refused
from pgwarden.guard.verdict import Change, Use, Verdict

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.ddl import Definition

_SYSTEM: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})
_NO_NEW: Final = frozenset({"pg_catalog", "pg_temp", "information_schema"})
_WORDS: Final = {"v": "view", "f": "foreign table", "m": "materialized view", "S": "sequence"}
_TOUCHES_ROWS: Final = frozenset({"INSERT", "UPDATE", "DELETE", "TRUNCATE"})
_OUTSIDE: Final = _TOUCHES_ROWS | {"ALTER"}
"""ANALYZE of a foreign table reads it, from wherever it is."""
_CALLABLE: Final = frozenset({"function", "procedure", "routine", "aggregate"})
_REDEFINES: Final = ("CREATE", "ALTER")


def give(
    parsed: Parsed, catalog: Catalog | None, relations: Sequence[str], called: Sequence[str], allowed: frozenset[str]
) -> Verdict:
    """Return the verdict on an accepted statement.

    Args:
        parsed: What its text says.
        catalog: The database; None leaves names as written.
        relations, called: What it names and calls, resolved.
        allowed: The signatures that the policy lists; a statement must not redefine one, nor put another in its place.

    Raises:
        Refused: It would change a system relation, a table outside of this database, or a listed function.
    """
    uses = _uses(parsed, catalog)
    _check(uses, catalog, _OUTSIDE if _maintains(parsed) else _TOUCHES_ROWS)
    change = _change(parsed, catalog, allowed)
    command = change.command if change else parsed.kinds[0]
    return Verdict(
        readable=change is None,
        canonical=parsed.canonical,
        form=parsed.form,
        kinds=parsed.kinds,
        relations=tuple(relations),
        functions=tuple(called),
        parameters=parsed.parameters,
        plannable=_plannable(parsed),
        command=command,
        uses=uses,
        change=change,
    )


def _plannable(parsed: Parsed) -> str:
    """Return the text that EXPLAIN and PREPARE take: of a definition the query in it."""
    query = parsed.definition.query if parsed.definition else ()
    return canonical.render(list(query)) if query else parsed.canonical


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


def _maintains(parsed: Parsed) -> bool:
    return parsed.definition is not None and parsed.definition.change.object_class == "maintenance"


def _check(uses: Iterable[Use], catalog: Catalog | None, outside: frozenset[str]) -> None:
    """Refuse changes of the system's relations, and what needs the rows (`outside`) of tables elsewhere."""
    for use in uses:
        if use.operation == "SELECT":
            continue
        name = use.relation
        if name.schema in _SYSTEM or (not name.schema and name.name.startswith("pg_")):
            raise Refused("relation_not_allowed", f"{name} belongs to the system.", "Name a table of your own.")
        found = catalog.relation(name) if catalog else None
        if found and found.outside and use.operation in outside:
            raise Refused(
                "relation_not_allowed", f"{name} has rows in a foreign table, which is outside this database."
            )


def _change(parsed: Parsed, catalog: Catalog | None, allowed: frozenset[str]) -> Change | None:
    if parsed.definition is not None:
        return _defined(parsed.definition, catalog, allowed)
    if parsed.effect is None:
        return None
    if catalog is None:
        return parsed.effect.qualified()
    known = catalog
    return parsed.effect.qualified(known.located, lambda name: _kind(known, name))


def _kind(catalog: Catalog, name: Name) -> str:
    found = catalog.relation(name)
    return _WORDS.get(found.kind, "table") if found else "table"


def _check_functions(definition: Definition, catalog: Catalog | None, allowed: frozenset[str]) -> None:
    """Refuse to redefine functions that the guard lets through by name or by their extension, or to take their place.

    Raises:
        Refused: `function_not_allowed`.
    """
    if not definition.change.command.startswith(_REDEFINES):
        return
    listed, given = functions.names_of(allowed), definition.given
    for it in definition.objects:
        if it.kind == "schema" and given and allowed:
            _check_schema(given.name, catalog, allowed)
        if it.kind not in _CALLABLE:
            continue
        for name in (it.name.name, given.name if given else ""):
            if name in listed:
                raise _redefines(f"The policy lists functions named {name}")
        if catalog and any(each.trusted and each.name == it.name.name for each in catalog.functions.values()):
            raise _redefines(f"An extension that is trusted has functions named {it.name.name}")


def _check_schema(new: str, catalog: Catalog | None, allowed: frozenset[str]) -> None:
    if new in functions.schemas_of(allowed) or (catalog is not None and new in catalog.path):
        raise _redefines(f"The policy lists functions that would be looked for in the schema {new}")


def _redefines(why: str) -> Refused:
    return Refused("function_not_allowed", f"{why}; a statement must not redefine them.", "Choose another name.")


def _defined(definition: Definition, catalog: Catalog | None, allowed: frozenset[str]) -> Change:
    _check_functions(definition, catalog, allowed)
    creates = {use.name for use in definition.relations if use.operation == "CREATE"}

    def resolve(name: Name) -> Name:
        return _meant(Use("CREATE" if name in creates else "", name), catalog) if catalog else name

    return replace(
        definition.qualified(resolve),
        sweeps=definition.sweeps,
        secret=definition.secret,
        rewrites=definition.rewrites,
        moves=definition.moves,
        note=definition.note,
    )
