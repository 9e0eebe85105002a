"""What stands on either side of a comparison: a column of the table that is changed, or something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.dml.parts import NOWHERE, Part, Span, level
from pgwarden.guard.lexer import Kind
from pgwarden.guard.names import Names
from pgwarden.guard.stream import Stream

_NO_COLUMN: Final = (keywords.RESERVED | keywords.NAMES_FUNCTION) | {"tableoid", "system_user"}
_KEEPS_VALUES_APART: Final = keywords.words("lower upper btrim ltrim rtrim trim date date_trunc cast extract date_part")
"""Calls of which the result tells about as much as the column itself."""
_JSON: Final = frozenset({"->", "->>", "#>", "#>>"})


@dataclass(frozen=True, slots=True)
class Operands:
    """Tells columns of the target in one part of a statement.

    Attributes:
        stream, names: The statement.
        called: What it calls the target.
        alone: Whether a name without a dot can only be a column of the target.
        reads_again: Whether the statement also reads the target elsewhere: then a row can be compared with itself.
    """

    stream: Stream
    names: Names
    called: str
    alone: bool
    reads_again: bool

    def inside(self) -> Operands:
        """Return the same for a subquery, which has columns of its own."""
        return replace(self, alone=False)

    def is_renamed(self, source: Span) -> bool:
        """Tell whether a FROM list can give the name of the target to something else."""
        stream = self.stream
        return any(stream.value(i) == self.called and stream.marks[i + 1] != "." for i in range(*source))

    def column(self, span: Span) -> frozenset[str]:
        """Return the column of the target that an operand is, plain or in a form that tells as much, or nothing."""
        start, end = self._bare(span)
        if start < end and self.stream.marks[start] == "(":
            closer = self.stream.partner[start]
            return self.column((start + 1, closer)) if self._is_accessed(closer + 1, end) else frozenset()
        if start >= end or not self.stream.is_name(start):
            return frozenset()
        last = self.stream.chain_end(start)
        opens = self.stream.marks[last + 1] == "("
        if opens and self.stream.partner[last + 1] == end - 1:
            return self._wrapped(start, (last + 2, end - 1))
        if not opens and self._is_accessed(last + 1, end) and self._is_target(start, last):
            return frozenset({self.stream.value(last)})
        return frozenset()

    def columns(self, span: Span) -> frozenset[str]:
        """Return the column that an operand is, or the columns of a row `(a, b)`; nothing for something else."""
        start, end = span
        if column := self.column(span):
            return column
        if start >= end or self.stream.marks[start] != "(" or self.stream.partner[start] != end - 1:
            return frozenset()
        commas = [i for i in level(self.stream, start + 1, end - 1) if self.stream.marks[i] == ","]
        cuts = [start, *commas, end - 1]
        found = [self.column((a + 1, b)) for a, b in pairwise(cuts)]
        return frozenset().union(*found) if all(found) else frozenset()

    def mentioned(self, span: Span) -> frozenset[str]:
        """Return every name in a span that can be a column's, of whatever table."""
        return frozenset(self.stream.value(last) for _, last in self._names(span))

    def is_independent(self, span: Span, columns: frozenset[str]) -> bool:
        """Tell whether an operand has none of these columns in it, and no rows of the same table."""
        stream, names = self.stream, list(self._names(span))
        # In a subquery a name without a dot means the target's column where nothing nearer has one of that name.
        if any(
            stream.value(last) in columns and (first == last or stream.value(last - 2) == self.called)
            for first, last in names
        ):
            return False
        found = {stream.words[index] for index in range(*span)}
        if self.reads_again and (names or not found.isdisjoint({"select", "table"})):
            return False
        return span[0] < span[1] and "case" not in found

    def _bare(self, span: Span) -> Span:
        start, end = span
        while start < end and self.stream.marks[start] == "(" and self.stream.partner[start] == end - 1:
            start, end = start + 1, end - 1
        return start, end

    def _wrapped(self, name: int, arguments: Span) -> frozenset[str]:
        if self.stream.value(name) not in _KEEPS_VALUES_APART or self.stream.marks[name + 1] != "(":
            return frozenset()
        inside = list(self._names(arguments))
        inside = [each for each in inside if not self._is_field(name, each[0])]
        if len(inside) != 1 or not self._is_target(*inside[0]):
            return frozenset()
        plain = all(self.stream.marks[index] not in ("(", "[") for index in range(*arguments))
        return frozenset({self.stream.value(inside[0][1])}) if plain else frozenset()

    def _is_field(self, name: int, index: int) -> bool:
        return self.stream.value(name) == "extract" and index == name + 2

    def _is_accessed(self, index: int, end: int) -> bool:
        """Tell whether what follows a column only casts it, collates it or takes a field of its JSON."""
        stream = self.stream
        while index < end:
            if stream.marks[index] == "::" and index + 1 in self.names.types:
                index = self.names.types[index + 1] + 1
                while index < end and stream.value(index) in keywords.ENDS_TYPE:
                    index += 1
                while index < end and stream.marks[index] in ("(", "["):
                    index = stream.partner[index] + 1
            elif stream.words[index] == "collate" and stream.is_name(index + 1):
                index = stream.chain_end(index + 1) + 1
            elif stream.value(index) in _JSON and (
                stream.is_kind(index + 1, Kind.STRING) or stream.is_kind(index + 1, Kind.NUMBER)
            ):
                index += 2
            else:
                return False
        return index == end

    def _is_target(self, first: int, last: int) -> bool:
        if self.stream.value(last) in _NO_COLUMN and not self.stream.is_kind(last, Kind.QUOTED):
            return False
        return self.alone if first == last else self.stream.value(last - 2) == self.called

    def _names(self, span: Span) -> Iterator[tuple[int, int]]:
        """Yield the dotted names in a span that can be columns, by the indices of their first and last parts."""
        stream, names = self.stream, self.names
        type_at = {index for start, end in names.types.items() for index in range(start, end + 1)}
        for index in range(*span):
            if not stream.is_name(index) or stream.marks[index - 1] == "." or index in type_at:
                continue
            last = stream.chain_end(index)
            if last in names.calls or stream.words[index] in keywords.RESERVED:
                continue
            syntax = stream.words[last] in keywords.SYNTAX_CALLS and stream.marks[last + 1] == "("
            if index in names.relations or syntax:
                continue
            yield index, last


def of(stream: Stream, names: Names, part: Part) -> Operands:
    """Return what tells columns of a part's target."""
    table = part.table
    again = any(at != table.index and name.name == table.name.name for at, name in names.relations.items())
    return Operands(stream, names, table.called, alone=part.source == NOWHERE, reads_again=again)
