"""A definition while it is being read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pgwarden.guard.ddl import expressions, system
from pgwarden.guard.ddl.definition import Definition, Object, Reference
from pgwarden.guard.parsed import Name
from pgwarden.guard.verdict import Change, ObjectClass, Target

if TYPE_CHECKING:
    from pgwarden.guard.ddl.reader import Reader

LOCKS: Final = (
    "",
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""Lock modes from none to the strongest, as pg_locks calls them."""

_CLASSES: Final[tuple[ObjectClass, ...]] = ("rows", "session", "maintenance", "schema", "code", "power")
"""From what most profiles allow to what the fewest do."""


@dataclass(slots=True)
class Draft:
    """What has been read so far.

    Attributes:
        command: The command in PostgreSQL's words.
        unsafe_list: What the policy allows of what is never allowed otherwise.
        kinds: Statement types, in order.
        reasons: Why it is of the tier "typed"; empty: it is "confirm".
        moves: Whether it takes something out from under its name, or out of its parent.
        given: The name, or with an empty name the schema, that its target gets.
    """

    command: str = ""
    unsafe_list: frozenset[str] = frozenset()
    kinds: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    relations: list[Reference] = field(default_factory=list)
    sweeps: list[Target] = field(default_factory=list)
    calls: set[Name] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    operators: set[Name] = field(default_factory=set)
    types: set[Name] = field(default_factory=set)
    object_class: ObjectClass = "rows"
    lock: str = ""
    query: tuple[int, int] = (0, 0)
    in_transaction: bool = True
    cascade: bool = False
    secret: bool = False
    rewrites: bool = False
    moves: bool = False
    given: Name | None = None
    unsafe: str = ""
    typed_as: str = ""
    note: str = ""

    def does(self, *kinds: str) -> None:
        """Add statement types."""
        self.kinds += [kind for kind in kinds if kind not in self.kinds]

    def typed(self, why: str) -> None:
        """Make it a statement whose target's name has to be typed; `why` is a sentence."""
        if why not in self.reasons:
            self.reasons.append(why)

    def rewrite(self, why: str) -> None:
        """Note that it may rewrite a table."""
        self.rewrites = True
        self.typed(why)

    def classify(self, object_class: ObjectClass) -> None:
        """Raise the object class; a statement of two classes has the one that fewer profiles allow."""
        self.object_class = max(self.object_class, object_class, key=_CLASSES.index)

    def locks(self, lock: str) -> None:
        """Note a lock on a relation that exists; the strongest counts."""
        self.lock = max(self.lock, lock, key=LOCKS.index)

    def target(self, target: Object) -> None:
        """Add a target."""
        self.objects.append(target)

    def rename(self, name: str) -> None:
        """Note the new name of what is renamed."""
        self.moves, self.given = True, Name("", name)

    def set_schema(self, schema: str) -> None:
        """Note the new schema of what is moved: other rules can count there."""
        self.moves, self.given = True, Name(schema, "")
        self.sweeps.append(Target("schema", schema))

    def uses(self, operation: str, name: Name, index: int) -> None:
        """Add a relation that the statement names, by where its name starts."""
        self.relations.append(Reference(operation, name, index))

    def relation(self, reader: Reader, kind: str, *operations: str) -> Name:
        """Read the name of a relation that is a target, with what is done to it."""
        index, name = reader.at, reader.name()
        self.target(Object(kind, name, is_relation=True))
        for operation in operations:
            self.uses(operation, name, index)
        return name

    def read_relation(self, reader: Reader, *operations: str) -> Name:
        """Read the name of a relation that is no target."""
        index, name = reader.at, reader.name()
        for operation in operations:
            self.uses(operation, name, index)
        return name

    def expression(self, reader: Reader, start: int, end: int) -> None:
        """Judge the expression between two indexes as one of a query, and keep its names.

        Raises:
            Refused: A read must not contain it.
        """
        self.add(expressions.judge(reader.stream, start, end))

    def add(self, found: expressions.Found) -> None:
        """Keep the names of a judged expression."""
        self.calls |= found.calls
        self.attributes |= found.attributes
        self.operators |= found.operators
        self.types |= found.types
        self.relations += [Reference("SELECT", name, index) for index, name in found.relations]

    def in_brackets(self, reader: Reader) -> None:
        """Read an expression in brackets."""
        start, end = reader.inside()
        self.expression(reader, start, end)

    def behaviour(self, reader: Reader) -> None:
        """Read CASCADE or RESTRICT, if one of them comes next."""
        if reader.take("cascade", "restrict") == "cascade":
            self.cascade = True
            self.typed("CASCADE takes what depends on it along.")

    def finish(self, reader: Reader) -> Definition:
        """Return the definition; the whole statement has to be read."""
        reader.finish()
        system.check(self)
        tier: Literal["confirm", "typed"] = "typed" if self.reasons else "confirm"
        start, end = self.query
        tokens = reader.stream.tokens
        change = Change(
            tier=tier,
            command=self.command,
            why=" ".join(self.reasons),
            object_class=self.object_class,
            in_transaction=self.in_transaction,
            cascade=self.cascade,
            lock=self.lock,
            unsafe=self.unsafe,
        )
        return Definition(
            kinds=tuple(self.kinds),
            change=change,
            objects=tuple(self.objects),
            relations=tuple(self.relations),
            sweeps=tuple(self.sweeps),
            calls=frozenset(self.calls),
            attributes=frozenset(self.attributes),
            operators=frozenset(self.operators),
            types=frozenset(self.types),
            query=tuple(tokens[start:end]),
            prefix=tuple(tokens[:start]) if end else (),
            suffix=tuple(tokens[end:]) if end else (),
            typed_as=self.typed_as,
            secret=self.secret,
            rewrites=self.rewrites,
            moves=self.moves,
            given=self.given,
            note=self.note,
        )
