"""What a statement that changes rows does: its kinds, its relations with what is done to them, and its tier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from pgwarden.guard.dml import matching, operands
from pgwarden.guard.dml.conditions import Conditions
from pgwarden.guard.dml.insert import rows
from pgwarden.guard.dml.parts import NOWHERE, Layout, Part
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Name
from pgwarden.guard.spelling import spelled
from pgwarden.guard.stream import Stream
from pgwarden.guard.verdict import Change, Target, Use

LOCK: Final = "RowExclusiveLock"

_DOES: Final = {"update": "changes", "delete": "deletes"}


def _as_it_is(name: Name) -> Name:
    return name


def _table(_: Name) -> str:
    return "table"


@dataclass(frozen=True, slots=True)
class Effect:
    """What the text alone says of it.

    Attributes:
        kinds: Statement types by effect; the main statement's first.
        uses: Every relation with what is done to it, as written.
        change: As in a verdict; names are as written until `qualified` is asked.
        tables: What it changes, as written.
        every_row: The targets of which all rows may go or change, with the reason.
    """

    kinds: tuple[str, ...]
    uses: tuple[Use, ...]
    change: Change
    tables: tuple[Name, ...]
    every_row: tuple[tuple[Name, str], ...]

    def qualified(self, resolve: Callable[[Name], Name] = _as_it_is, kind: Callable[[Name], str] = _table) -> Change:
        """Return the change with the full names of its targets.

        Args:
            resolve: Returns the relation that PostgreSQL finds under a name.
            kind: Returns the kind of a relation that it found.
        """
        names = dict.fromkeys(map(resolve, self.tables))
        typed = dict.fromkeys(spelled(resolve(name)) for name, _ in self.every_row)
        reasons = dict.fromkeys(reason.format(spelled(resolve(name))) for name, reason in self.every_row)
        return replace(
            self.change,
            targets=tuple(Target(kind(name), spelled(name)) for name in names),
            typed_name=", ".join(typed),
            why=" ".join(reasons),
        )


def of(stream: Stream, names: Names, layout: Layout) -> Effect:
    """Return what a statement does that changes rows."""
    first = layout.parts[0]
    every_row = tuple((part.table.name, why) for part in layout.parts if (why := _every_row(stream, names, part)))
    is_main = first.span[0] == layout.main
    change = Change(
        tier="typed" if every_row else "confirm",
        command=first.verb.upper(),
        returning=first.returning if is_main else True,
        matching=matching.count(stream, layout),
        inserted=rows(stream, first.source) if first.verb == "insert" and len(layout.parts) == 1 else None,
        lock=LOCK,
    )
    tables = tuple(part.table.name for part in layout.parts)
    return Effect(_kinds(stream, names, layout, is_main=is_main), _uses(names, layout), change, tables, every_row)


def _kinds(stream: Stream, names: Names, layout: Layout, *, is_main: bool) -> tuple[str, ...]:
    found = [] if is_main else ["SELECT"]
    for part in layout.parts:
        found += [part.verb.upper(), *_operations(part)]
    reads = len(names.relations) > len(names.targets) or names.ctes
    if reads or "select" in stream.words or "table" in stream.words:
        found.append("SELECT")
    return tuple(dict.fromkeys(found))


def _operations(part: Part) -> Iterator[str]:
    """Yield what a part does to rows of its target."""
    if part.verb == "merge":
        yield from (action.verb.upper() for action in part.actions if action.verb != "nothing")
        return
    yield part.verb.upper()
    if part.updates:
        yield "UPDATE"


def _uses(names: Names, layout: Layout) -> tuple[Use, ...]:
    found: list[Use] = []
    for part in layout.parts:
        found += [Use(operation, part.table.name) for operation in _operations(part)]
        if part.verb != "insert" or part.arbiter or part.returning or part.updates:
            found.append(Use("SELECT", part.table.name))
    read = {name for index, name in names.relations.items() if index not in names.targets}
    found += [Use("SELECT", name) for name in sorted(read)]
    return tuple(dict.fromkeys(found))


def _every_row(stream: Stream, names: Names, part: Part) -> str:
    """Return why a part may reach every row of its target (`{}` stands for that), or nothing where it does not."""
    if part.verb == "insert":
        return ""
    conditions, verb = Conditions(operands.of(stream, names, part), stream), part.verb.upper()
    if part.verb == "merge":
        joins = conditions.restrict(part.condition)
        for action in part.actions:
            if action.verb in _DOES and not (action.joined and joins) and not conditions.restrict(action.condition):
                return f"MERGE {_DOES[action.verb]} rows of {{}} by a condition that may hold for every one of them."
        return ""
    if part.condition == NOWHERE:
        return f"{verb} without WHERE {_DOES[part.verb]} every row of {{}}."
    if not conditions.restrict(part.condition):
        return f"The WHERE of the {verb} may hold for every row of {{}}."
    return ""
