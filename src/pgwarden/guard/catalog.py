"""What the guard knows of a live database: a frozen snapshot, with the lookups that a verdict needs.

Only what can make a difference is in it: objects that users made (object ids from 16384), and of the relations those
that run something or leave the server when they are read. Plain tables appear by name alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from pgwarden.guard.extensions import is_trusted
from pgwarden.guard.functions import ALLOWED
from pgwarden.guard.keywords import CALLED_BY_SYNTAX
from pgwarden.guard.parsed import Name

FIRST_USER_OID = 16384
"""Object ids below it come with the server."""

TEMP = "pg_temp"


@dataclass(frozen=True, slots=True)
class Function:
    """A function, aggregate, window function or procedure that came with no server.

    Attributes:
        oid: Its object id.
        schema, name: Its name.
        arguments: The types of its input arguments.
        signature: `name(type, type)`, with the types as format_type() prints them.
        required: How many arguments a call must give at least.
        results: The types that a call can bring into a statement.
        volatility: "i", "s" or "v".
        language: "c", "internal", "sql", "plpgsql", ...
        kind: "f", "a", "w" or "p".
        extension: The extension that it belongs to; empty for none.
        definer: Whether it runs with the rights of its owner.
        superuser: Whether its owner is a superuser.
        homonym: Whether pg_catalog has a function of this name.
        twin: Whether it has one with the same arguments, too.
        parts: Of an aggregate: the functions that it calls.
    """

    oid: int
    schema: str
    name: str
    arguments: tuple[int, ...]
    signature: str
    required: int
    results: frozenset[int]
    volatility: str
    language: str
    kind: str
    extension: str
    definer: bool
    superuser: bool
    homonym: bool
    twin: bool
    parts: tuple[int, ...]

    @property
    def trusted(self) -> bool:
        """Whether it is known to do nothing but compute."""
        return is_trusted(self.extension, self.name, self.volatility, self.language)

    @property
    def takes_one(self) -> bool:
        """Whether it can be called with one argument, and so as an attribute: `x.name`."""
        return self.required <= 1 and bool(self.arguments)


@dataclass(frozen=True, slots=True)
class Operator:
    """A user's operator.

    Attributes:
        oid: Its object id.
        schema, name: Its name.
        operands: The types of its operands, one or two.
        result: The type of its result.
        function: The function that it calls.
        twin: Whether pg_catalog has an operator of this name with the same operands.
        shielded: Whether PostgreSQL selects it only where an operand has one of its user types. Else something without
            a type of its own may match it: a literal (which takes the type that is asked for), a row, a cast value.
    """

    oid: int
    schema: str
    name: str
    operands: tuple[int, ...]
    result: int
    function: int
    twin: bool
    shielded: bool


@dataclass(frozen=True, slots=True)
class Type:
    """A user's domain, enum, base, range or multirange type (`kind` as in pg_type.typtype).

    `array` is its array type; `base`, of a domain only, is the type below it, through all domains in between.
    """

    oid: int
    schema: str
    name: str
    kind: str
    array: int
    base: int = 0


@dataclass(frozen=True, slots=True)
class Hook:
    """Functions that run without being named wherever values of all of these types occur.

    Attributes:
        what: The thing as a message names it: `the cast from a to b`, `the domain public.email`.
        types: The types that must all be possible in a statement for it to run; none built-in, since those always are.
        functions: What it runs, with everything that those reach through stored expressions.
        spelled: Where it is not empty, it runs only if the statement casts to a built-in type of one of these names.
    """

    what: str
    types: frozenset[int]
    functions: frozenset[int]
    spelled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation whose reading does more than reading rows of this database.

    Attributes:
        oid: Its object id.
        schema, name: Its name.
        kind: pg_class.relkind.
        outside: Whether it is a foreign table or has one below it.
        functions: What its view definition and row security call, followed through views, operators and domains.
        relations: The relations that they read, likewise, by object id; only special ones.
        types: The types of users that they use, likewise.
    """

    oid: int
    schema: str
    name: str
    kind: str
    outside: bool = False
    functions: frozenset[int] = frozenset()
    relations: frozenset[int] = frozenset()
    types: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Catalog:
    """A database as the guard sees it.

    Attributes:
        version: server_version_num, for example 180006.
        path: The effective search path in order, with pg_catalog where it is searched implicitly, and "pg_temp" for the
            session's own temporary schema.
        functions, operators, types: The users' own, by object id.
        hooks: Everything that runs implicitly, for types that users made or attached something to.
        relations: The special ones, by object id.
        names: The names of all relations in each schema of the path.
        builtins: The names of the built-in functions that user objects call, by object id.
        type_names: The names of types, by object id, without row types.
        carriers: For a type, which of the types that matter (see `db.catalog`) its values may contain.
        carrier_names: The same by name; row types bear the names of their relations.
    """

    version: int
    path: tuple[str, ...]
    functions: Mapping[int, Function] = field(default_factory=dict)
    operators: Mapping[int, Operator] = field(default_factory=dict)
    types: Mapping[int, Type] = field(default_factory=dict)
    hooks: tuple[Hook, ...] = ()
    relations: Mapping[int, Relation] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    builtins: Mapping[int, str] = field(default_factory=dict)
    type_names: Mapping[int, str] = field(default_factory=dict)
    carriers: Mapping[int, frozenset[int]] = field(default_factory=dict)
    carrier_names: Mapping[Name, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def _functions_by_name(self) -> dict[str, list[Function]]:
        return _by_name(self.functions.values())

    @cached_property
    def _operators_by_name(self) -> dict[str, list[Operator]]:
        return _by_name(self.operators.values())

    @cached_property
    def _types_by_name(self) -> dict[str, list[Type]]:
        return _by_name(self.types.values())

    @cached_property
    def _relations_by_name(self) -> dict[Name, Relation]:
        return {Name(r.schema, r.name): r for r in self.relations.values()}

    @cached_property
    def _builtin_types(self) -> frozenset[str]:
        return frozenset(name for oid, name in self.type_names.items() if oid < FIRST_USER_OID)

    @cached_property
    def suspects(self) -> frozenset[int]:
        """The types whose presence in a statement can decide whether something untrusted runs."""
        dubious = [o for o in self.operators.values() if o.shielded and not self._trusts(o.function)]
        found = {t for o in dubious for t in o.operands} | {t for hook in self.dubious_hooks for t in hook.types}
        return frozenset(t for t in found if t >= FIRST_USER_OID)

    @cached_property
    def dubious_hooks(self) -> tuple[Hook, ...]:
        """The hooks that run something which only a policy could let through."""
        return tuple(hook for hook in self.hooks if not all(map(self._trusts, hook.functions)))

    @cached_property
    def called_by_syntax(self) -> tuple[Function, ...]:
        """The user functions that syntax, which always looks in pg_catalog, may find there."""
        named = (self.functions_named(Name("pg_catalog", name)) for name in sorted(CALLED_BY_SYNTAX))
        return tuple(function for functions in named for function in functions)

    def functions_named(self, name: Name) -> Iterator[Function]:
        """Yield the user functions that a call of this name can reach."""
        return (f for f in self._functions_by_name.get(name.name, ()) if self._callable(name.schema, f))

    def operators_named(self, name: Name) -> Iterator[Operator]:
        """Yield the user operators that this name can reach."""
        return (o for o in self._operators_by_name.get(name.name, ()) if self._callable(name.schema, o))

    def types_named(self, name: Name) -> Iterator[Type]:
        """Yield the user types that this name can reach."""
        return (t for t in self._types_by_name.get(name.name, ()) if t.schema in self._schemas(name.schema))

    def is_builtin_type(self, name: str) -> bool:
        """Tell whether a type name, spelled as format_type() does, is found in pg_catalog before all else."""
        first = next((schema for schema in self.path if schema != TEMP), "")
        return first == "pg_catalog" and name in self._builtin_types

    def may_be_row_type(self, name: Name) -> bool:
        """Tell whether a relation or composite type of this name may exist; off the search path any may."""
        if name.schema and name.schema not in self.names:
            return True
        spellings = {name.name, name.name.lstrip("_")}
        return any(not spellings.isdisjoint(self.names.get(schema, ())) for schema in self._schemas(name.schema))

    def carried(self, name: Name) -> frozenset[int]:
        """Return which types that matter are inside values of the type, or rows of the relation, of this name."""
        # `_x` is the array of x, unless that name was taken.
        plain = name.name.lstrip("_")
        found: frozenset[int] = frozenset()
        for schema in self._schemas(name.schema):
            for spelling in {name.name, plain}:
                found |= self.carrier_names.get(Name(schema, spelling), frozenset())
        return found

    def resolve(self, name: Name) -> Name | None:
        """Return the relation that PostgreSQL finds under a name, or None where no schema of the path has it."""
        if name.schema:
            return name
        return next((Name(s, name.name) for s in self.path if name.name in self.names.get(s, ())), None)

    def located(self, name: Name) -> Name:
        """Return the relation that PostgreSQL finds under a name, or the name where no schema of the path has it."""
        prefix, _, number = name.schema.rpartition("_")
        known = Name(TEMP, name.name) if prefix == TEMP and number.isdigit() else name
        return self.resolve(known) or known

    def relation(self, name: Name) -> Relation | None:
        """Return the special relation of this schema and name, or None for an ordinary one."""
        return self._relations_by_name.get(name)

    def _trusts(self, oid: int) -> bool:
        function = self.functions.get(oid)
        return function.trusted if function else self.builtins.get(oid) in ALLOWED

    def _schemas(self, schema: str) -> tuple[str, ...]:
        return (schema,) if schema else self.path

    def _callable(self, schema: str, it: Function | Operator) -> bool:
        """Tell whether a name reaches a function or operator: unqualified ones are never looked up in pg_temp."""
        if schema:
            return it.schema == schema
        if it.schema == TEMP or it.schema not in self.path:
            return False
        # With equal arguments the schema that comes first in the path hides the others.
        return not (it.twin and self.path.index("pg_catalog") < self.path.index(it.schema))


_T = TypeVar("_T", Function, Operator, Type)


def _by_name(items: Iterable[_T]) -> dict[str, list[_T]]:
    out: dict[str, list[_T]] = {}
    for item in items:
        out.setdefault(item.name, []).append(item)
    return out
