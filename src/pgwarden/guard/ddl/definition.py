"""What one definition says: the contract between the grammar and the guard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pgwarden.guard.parsed import Name
from pgwarden.guard.spelling import quoted, spelled
from pgwarden.guard.verdict import Change, Target

if TYPE_CHECKING:
    from pgwarden.guard.lexer import Token

Resolve = Callable[[Name], Name | None]
"""Finds the relation that a name means, as `Catalog.resolve` does."""


CALLABLE: Final = frozenset({"function", "procedure", "routine", "aggregate"})
"""Kinds of objects that are called."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object that a statement names as its target.

    Attributes:
        kind: PostgreSQL's word for it, lower case: "table", "function", "text search parser".
        name: Its name as written and folded.
        is_relation: Whether the name is one of a relation, which the catalog can qualify.
        detail: What belongs to the name: "(integer)" of a function, " USING btree" of an operator class.
        on: The relation that it belongs to, for triggers, rules, policies and constraints.
    """

    kind: str
    name: Name
    is_relation: bool = False
    detail: str = ""
    on: Name | None = None

    def text(self, resolve: Resolve | None = None) -> str:
        """Return its full name, schema-qualified as far as `resolve` knows it."""
        if self.kind == "operator":
            name = f"{quoted(self.name.schema)}.{self.name.name}" if self.name.schema else self.name.name
        else:
            name = spelled(_resolved(self.name, resolve) if self.is_relation else self.name)
        on = f" ON {spelled(_resolved(self.on, resolve))}" if self.on else ""
        return f"{name}{self.detail}{on}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A relation that a statement names.

    Attributes:
        operation: What the statement does with it: SELECT, INSERT, CREATE, ALTER, DROP, TRUNCATE, GRANT or REVOKE.
        name: Its name as written and folded.
        index: Where the first part of the name stands among the statement's tokens.
    """

    operation: str
    name: Name
    index: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition, read from its text alone.

    Attributes:
        kinds: Statement types by effect.
        change: What it changes; names are as written until `qualified` is asked.
        objects: Its targets.
        relations: Every relation that it names outside of `query`.
        sweeps: Targets that stand for relations which are not named: a schema, or everything ("database").
        calls, attributes, operators, types: As in `Parsed`, for everything outside of `query`.
        query: The query of CREATE VIEW, MATERIALIZED VIEW or TABLE AS; to be judged as a read.
        prefix, suffix: The tokens before and behind `query`.
        typed_as: What the typed name starts with, for commands that the policy lists as unsafe.
        secret: Whether its text holds a password or a connection string: never to be shown or recorded.
        rewrites: Whether it may rewrite a table, as far as its text tells; in doubt true.
        moves: Whether it takes something out from under the name, or the parent, that rules know it by.
        given: The name, or with an empty name the schema, that its target gets; None where it keeps both.
        note: What a person should know of it beside its effect; empty for most.
    """

    kinds: tuple[str, ...]
    change: Change
    objects: tuple[Object, ...] = ()
    relations: tuple[Reference, ...] = ()
    sweeps: tuple[Target, ...] = ()
    calls: frozenset[Name] = frozenset()
    attributes: frozenset[str] = frozenset()
    operators: frozenset[Name] = frozenset()
    types: frozenset[Name] = frozenset()
    query: tuple[Token, ...] = ()
    prefix: tuple[Token, ...] = ()
    suffix: tuple[Token, ...] = ()
    typed_as: str = ""
    secret: bool = False
    rewrites: bool = False
    moves: bool = False
    given: Name | None = None
    note: str = ""

    def qualified(self, resolve: Resolve | None = None) -> Change:
        """Return the change with the full names of its targets, and for the tier "typed" the name to type.

        Args:
            resolve: Qualifies the name of a relation, as `Catalog.resolve` does. None, or what it does not know,
                leaves a name as written.
        """
        targets = tuple(Target(it.kind, it.text(resolve)) for it in self.objects)
        if self.change.tier != "typed":
            return replace(self.change, targets=targets)
        names = ", ".join(target.name for target in targets)
        typed_name = f"{self.typed_as} {names}".strip() or self.change.command
        return replace(self.change, targets=targets, typed_name=typed_name)


def _resolved(name: Name, resolve: Resolve | None) -> Name:
    return (resolve(name) if resolve else None) or name
