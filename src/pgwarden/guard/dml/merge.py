"""MERGE."""

from __future__ import annotations

from pgwarden.guard.dml.insert import behind_overriding
from pgwarden.guard.dml.parts import (
    NOWHERE,
    Action,
    Marks,
    Part,
    Span,
    level,
    outside_case,
    read_returning,
    read_table,
    unclear,
)
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def read_merge(stream: Stream, span: Span, marks: Marks) -> Part:
    """Read `MERGE INTO table USING source ON condition WHEN ... [RETURNING ...]`.

    Raises:
        Refused: It is not of this form, or its source is a join without brackets.
    """
    at, end = span
    table = read_table(stream, at + 2)
    using = table.span[1]
    if stream.words[at + 1] != "into" or stream.words[using] != "using":
        raise unclear("MERGE")
    returning = next((index for index in level(stream, using, end) if stream.words[index] == "returning"), end)
    on = next((index for index in level(stream, using, returning) if stream.words[index] == "on"), returning)
    if any(stream.words[index] == "join" for index in level(stream, using, on)):
        raise Refused("not_understood", "The source of the MERGE is a join.", "Write USING (SELECT ...) AS s.")
    whens = [index for index in outside_case(stream, on, returning) if stream.words[index] == "when"]
    if not whens:
        raise unclear("MERGE")
    marks.syntax |= {at, at + 1, using}
    marks.clauses |= {at: "", using: "from", on: ""}
    bounds = zip(whens, [*whens[1:], returning], strict=True)
    return Part(
        verb="merge",
        span=span,
        table=table,
        source=(using + 1, on),
        condition=(on + 1, whens[0]),
        returning=read_returning(stream, {"returning": (returning + 1, end)} if returning < end else {}, marks),
        actions=tuple(_action(stream, when, stop, marks) for when, stop in bounds),
    )


def _action(stream: Stream, when: int, end: int, marks: Marks) -> Action:
    """Read `WHEN [NOT] MATCHED [BY SOURCE | BY TARGET] [AND condition] THEN action`."""
    index = when + 1
    negated = stream.words[index] == "not"
    index += negated
    if stream.words[index] != "matched":
        raise unclear("WHEN")
    marks.syntax.add(index)
    index += 1
    if stream.words[index] == "by":
        if not negated or stream.value(index + 1) not in ("source", "target"):
            raise unclear("WHEN")
        marks.syntax |= {index, index + 1}
        index += 2
    then = next((i for i in outside_case(stream, index, end) if stream.words[i] == "then"), end)
    condition = (index + 1, then) if stream.words[index] == "and" else NOWHERE
    if condition == NOWHERE and index != then:
        raise unclear("WHEN")
    return Action(_verb(stream, then + 1, end, marks), joined=not negated, condition=condition)


def _verb(stream: Stream, at: int, end: int, marks: Marks) -> str:
    """Return what the action does."""
    marks.syntax |= {at, at + 1}
    match stream.words[at]:
        case "do" if stream.value(at + 1) == "nothing" and at + 2 == end:
            return "nothing"
        case "delete" if at + 1 == end:
            marks.syntax.discard(at + 1)
            return "delete"
        case "update" if stream.words[at + 1] == "set":
            marks.plain.add(at + 1)
            return "update"
        case "insert" if _is_insert(stream, at, end, marks):
            return "insert"
    raise unclear("THEN")


def _is_insert(stream: Stream, at: int, end: int, marks: Marks) -> bool:
    """Tell whether this is `INSERT [(columns)] [OVERRIDING ... VALUE] {VALUES (...) | DEFAULT VALUES}`."""
    marks.syntax.discard(at + 1)
    index = at + 1
    if stream.marks[index] == "(":
        marks.plain.add(at)
        index = stream.partner[index] + 1
    index = behind_overriding(stream, index, marks)
    if stream.words[index] == "default":
        marks.syntax |= {index, index + 1}
        return stream.words[index + 1] == "values" and index + 2 == end
    return stream.words[index] == "values" and stream.marks[index + 1] == "(" and stream.partner[index + 1] + 1 == end
