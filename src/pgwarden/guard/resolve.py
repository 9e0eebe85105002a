"""The names of a statement against the live catalog.

The text alone says which names are harmless in a fresh database. Here each is looked up as PostgreSQL would: what users
made may hide behind it, or run without being named at all (views, row security, domains, casts, operator classes).

PostgreSQL picks functions and operators by the types of their arguments, which the guard does not infer. A literal or
a row can become whatever a candidate asks for, so of functions every candidate counts: one that is not acceptable takes
the name away from unqualified calls (`pg_catalog.lower(x)` stays). An operator counts likewise, unless only a value of
a user's type can select it (`Operator.shielded`) and the statement can have none. The same goes for what runs without a
name. The types that a statement can have are those that it names, those of its relations' columns, and what its
candidates take and return, each with everything inside of it (`Catalog.carriers`); built-in ones it can always have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pgwarden.guard.catalog import TEMP, Catalog, Function, Relation
from pgwarden.guard.functions import ALLOWED, ALLOWED_IN_WRITES
from pgwarden.guard.parsed import Name, Parsed, Refused
from pgwarden.guard.relations import DENIED

_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "varchar": "character varying",
    "bpchar": "character",
    "char": "character",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varbit": "bit varying",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the names of an accepted statement mean: `schema.name` where the catalog has them, else as written."""

    relations: tuple[str, ...]
    functions: tuple[str, ...]


def check(parsed: Parsed, catalog: Catalog, allowed_functions: frozenset[str] = frozenset()) -> Resolved:
    """Judge a statement's names.

    Args:
        parsed: What its text says.
        catalog: The database that it will run in.
        allowed_functions: Signatures that the policy lets through, such as `public.total(integer)`. Without a schema
            one stands for functions on the search path. Of a built-in function any signature admits the name.

    Returns:
        The relations and functions that it uses.

    Raises:
        Refused: `function_not_allowed` or `relation_not_allowed`, where it could run a function that is not known to be
            harmless, or read a relation that leaves the database or shows secrets.
    """
    return _Check(parsed, catalog, _signatures(allowed_functions)).run()


@lru_cache(maxsize=8)
def _signatures(texts: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_normal, texts))


def _normal(signature: str) -> str:
    """Return a signature with its types spelled as format_type() does."""
    name, _, rest = signature.strip().rstrip(")").partition("(")
    types = (" ".join(part.split()) for part in rest.split(",") if part.strip())
    return f"{name.strip()}({', '.join(map(_type, types))})"


def _type(text: str) -> str:
    base, brackets, _ = text.partition("[")
    return _ALIASES.get(base, base) + ("[]" if brackets else "")


class _Check:
    """One statement, one catalog, one policy."""

    def __init__(self, parsed: Parsed, catalog: Catalog, listed: frozenset[str]) -> None:
        self._parsed = parsed
        self._catalog = catalog
        self._listed = listed
        self._listed_names = {text.partition("(")[0].removeprefix("pg_catalog.") for text in listed}
        if parsed.changing:
            self._listed_names |= ALLOWED_IN_WRITES
        self._judged: dict[int, bool] = {}
        self._special_relations: list[Relation] = []

    def run(self) -> Resolved:
        relations = [self._relation(name) for name in sorted(self._parsed.relations)]
        called = [self._call(name) for name in sorted(self._parsed.calls)]
        self._attributes()
        self._operators()
        self._hooks()
        self._syntax()
        return Resolved(tuple(sorted(set(relations))), tuple(sorted(set(called))))

    # Which functions may run

    def _acceptable(self, oid: int) -> bool:
        if oid not in self._judged:
            # An aggregate that leads back to itself through its parts cannot exist; should it, it is refused.
            self._judged[oid] = False
            self._judged[oid] = self._decide(oid)
        return self._judged[oid]

    def _decide(self, oid: int) -> bool:
        function = self._catalog.functions.get(oid)
        if function is None:
            return self._builtin(self._catalog.builtins.get(oid, ""))
        if function.trusted or self._is_listed(function):
            return True
        return function.kind == "a" and all(map(self._acceptable, function.parts))

    def _builtin(self, name: str) -> bool:
        return name in ALLOWED or name in self._listed_names

    def _is_listed(self, function: Function) -> bool:
        if f"{function.schema}.{function.signature}" in self._listed:
            return True
        return function.schema in self._catalog.path and function.signature in self._listed

    def _refuse_function(self, oid: int, reached: str, instead: str = "") -> None:
        function = self._catalog.functions.get(oid)
        if function is None:
            name = self._catalog.builtins.get(oid, "a built-in function")
            raise Refused("function_not_allowed", f"{reached} {name}(), which is not allowed.")
        full = f"{function.schema}.{function.signature}"
        rights = ""
        if function.definer:
            rights = f" It runs with the rights of its owner{', a superuser' if function.superuser else ''}."
        raise Refused(
            "function_not_allowed",
            f"{reached} {full}, which is not known to be harmless.{rights}",
            f'{instead}Once its owner has read it, the policy can name "{full}" under functions.allow.',
        )

    # Names in the statement

    def _relation(self, written: Name) -> str:
        name = self._catalog.resolve(_without_number(written))
        if name is None:
            # PostgreSQL answers that it does not exist, and nothing has run.
            self._refuse_system(written)
            return str(written)
        self._refuse_system(name)
        relation = self._catalog.relation(name)
        if relation is not None:
            self._special_relations.append(relation)
            self._special(relation)
        return str(name)

    def _special(self, relation: Relation) -> None:
        this = f"{relation.schema}.{relation.name}"
        inner = [self._catalog.relations[oid] for oid in sorted(relation.relations) if oid in self._catalog.relations]
        for each in (relation, *inner):
            if each.outside:
                raise Refused("relation_not_allowed", f"{this} reads a foreign table, which leaves this database.")
            self._refuse_system(Name(each.schema, each.name))
        for oid in sorted(relation.functions):
            if not self._acceptable(oid):
                self._refuse_function(oid, f"Reading {this} calls")

    def _refuse_system(self, name: Name) -> None:
        if name.name in DENIED and name.schema in ("", "pg_catalog", "information_schema"):
            raise Refused("relation_not_allowed", f"{name} shows secrets or files of the server.")

    def _call(self, written: Name) -> str:
        name = _without_number(written)
        candidates = list(self._catalog.functions_named(name))
        for function in candidates:
            if not self._acceptable(function.oid):
                builtin = not name.schema and name.name in ALLOWED
                instead = f"Write pg_catalog.{name.name}(...) for the built-in function. " if builtin else ""
                self._refuse_function(function.oid, "The call may reach", instead)
        if name.schema in ("", "pg_catalog") and self._builtin(name.name):
            return str(written)
        if not candidates or (not name.schema and any(f.homonym for f in candidates)):
            raise Refused(
                "function_not_allowed",
                f"{name}() is not a function that is known to be harmless.",
                "Where a type is meant, write CAST(... AS type).",
            )
        return f"{candidates[0].schema}.{name.name}"

    def _attributes(self) -> None:
        """Refuse `x.name` that may call name(x): where x has no such column it is a call, whatever the type of x."""
        for attribute in sorted(self._parsed.attributes):
            for function in self._catalog.functions_named(Name("", attribute)):
                if function.takes_one and not self._acceptable(function.oid):
                    self._refuse_function(
                        function.oid, f"{attribute} behind a dot may call", "Write a column without the dot. "
                    )

    def _operators(self) -> None:
        for name in sorted(self._parsed.operators):
            for operator in self._catalog.operators_named(name):
                if self._acceptable(operator.function) or (operator.shielded and not self._occurs(operator.operands)):
                    continue
                instead = f"Write OPERATOR(pg_catalog.{operator.name}) for the built-in operator. "
                self._refuse_function(operator.function, f"The operator {operator.name} may call", instead)

    def _hooks(self) -> None:
        for hook in self._catalog.dubious_hooks:
            bad = next((oid for oid in sorted(hook.functions) if not self._acceptable(oid)), None)
            if bad is not None and hook.types <= self._occurring and self._is_spelled(hook.spelled):
                self._refuse_function(bad, f"{hook.what[0].upper()}{hook.what[1:]} calls")

    def _syntax(self) -> None:
        """Refuse everything where syntax, which always looks in pg_catalog, may find what a superuser put there."""
        for function in self._catalog.called_by_syntax:
            if not self._acceptable(function.oid):
                self._refuse_function(function.oid, "Syntax may call")

    def _is_spelled(self, spelled: frozenset[str]) -> bool:
        # To the type of a column a value is cast without a word.
        return (
            self._parsed.changing or not spelled or any(self._may_cast_to(name, spelled) for name in self._parsed.types)
        )

    def _may_cast_to(self, name: Name, spelled: frozenset[str]) -> bool:
        """Tell whether a cast to a type can be one to a built-in type of these names, as a whole or in a part."""
        catalog = self._catalog
        own = list(catalog.types_named(name))
        if any(catalog.type_names.get(t.base, "").removesuffix("[]") in spelled for t in own):
            return True
        if name.schema in ("", "pg_catalog"):
            element = name.name.lstrip("_")  # `_x` is the array of x.
            if not spelled.isdisjoint({name.name, element, _ALIASES.get(name.name), _ALIASES.get(element)}):
                return True
            if catalog.is_builtin_type(_ALIASES.get(element, element)):
                return False
        # The fields of a row type are cast one by one. What is neither does not exist.
        return not own and catalog.may_be_row_type(name)

    # Which types may occur

    def _occurs(self, types: Iterable[int]) -> bool:
        return not self._occurring.isdisjoint(types)

    @cached_property
    def _occurring(self) -> frozenset[int]:
        """The types of users that values of this statement can have, of those that make a difference."""
        parsed, catalog = self._parsed, self._catalog
        unqualified = {Name("", attribute) for attribute in parsed.attributes}
        found: set[int] = set()
        named = parsed.types | parsed.relations | parsed.calls | unqualified
        for name in named.union(use.relation for use in parsed.uses) if parsed.uses else named:
            found |= catalog.carried(_without_number(name))
        for relation in self._special_relations:
            found.update(*(catalog.carriers.get(t, ()) for t in relation.types))
        for name in parsed.calls | unqualified:
            for function in catalog.functions_named(name):
                if self._acceptable(function.oid):
                    found.update(*(catalog.carriers.get(t, ()) for t in (*function.arguments, *function.results)))
        for name in parsed.operators:
            for operator in catalog.operators_named(name):
                if self._acceptable(operator.function):
                    found.update(*(catalog.carriers.get(t, ()) for t in (*operator.operands, operator.result)))
        return frozenset(found)


def _without_number(name: Name) -> Name:
    """Return a name with `pg_temp` for `pg_temp_3`, as the snapshot has them."""
    prefix, _, number = name.schema.rpartition("_")
    return Name(TEMP, name.name) if prefix == TEMP and number.isdigit() else name
