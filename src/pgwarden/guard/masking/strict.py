"""Statements that see real values: every mention of a masked column is of a form that is known, or refused.

This is where masks hold by analysis alone, so nothing is inferred: a form that is not listed is refused, also where it
would do no harm. `mentions` finds what can read a real value: a masked column's name, and the name of a whole row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.masking.layout import Layout
from pgwarden.guard.masking.references import Reference
from pgwarden.guard.masking.uses import ends_item
from pgwarden.guard.parsed import Refused, Source
from pgwarden.guard.shields import Shield, ShieldColumn

_OPERATORS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_WORDS_BEHIND: Final = keywords.words("is in like ilike between not")
_EDGES: Final = keywords.words("where and or not on having between")
_ENDS_ORDER: Final = keywords.words("asc desc nulls")


@dataclass(frozen=True, slots=True)
class Mention:
    """A masked column, from the first token of its dotted name to its last; `qualifier` is empty without one."""

    start: int
    end: int
    column: ShieldColumn
    qualifier: str


class Strict:
    """The real rows that a statement sees.

    Attributes:
        layout: The statement.
        owners: The shields of the relations that are seen, by the names that qualify their columns.
    """

    def __init__(
        self,
        source: Source,
        layout: Layout,
        owners: Mapping[str, Shield],
        references: Collection[Reference],
        home: int = -1,
    ) -> None:
        """Take a statement.

        Args:
            source: The statement.
            layout: Where its tokens stand.
            owners: see the attributes.
            references: All relations that it names.
            home: The query whose list may have stars, as in `Layout.home`.
        """
        self._home = home
        self.layout = layout
        self.owners = owners
        self._stream = source.stream
        self._others = {each.alias for each in references} - owners.keys()
        # Types are looked at as well: one that bears the name of a column or alias is not worth a doubt.
        self._skipped = {i for each in references for i in range(each.start, each.after)}
        self._columns: dict[str, ShieldColumn] = {}
        for shield in owners.values():
            for name, column in shield.masked.items():
                known = self._columns.get(name, column)
                self._columns[name] = column if column.permit <= known.permit else known

    def mentions(self, region: Iterable[int]) -> Iterator[Mention]:
        """Yield the masked columns that tokens name.

        Raises:
            Refused: A whole row is read, or something that may be one.
        """
        for index in region:
            if not self._stream.is_name(index) or index in self._skipped or self._follows_dot(index):
                continue
            if self._stream.words[index - 1] == "as" or self._is_reserved(index):
                continue
            if mention := self._mention(index):
                yield mention

    def learn_aliases(self, items: Iterable[tuple[int, int]]) -> None:
        """Take the names that a select list gives to masked columns for masked columns, too.

        Args:
            items: The items of the list, as `Layout.items` returns them.
        """
        for start, end in items:
            mention = self._mention(start) if end - start > 1 and self._stream.is_name(start) else None
            if mention and self._stream.is_name(end - 1) and mention.end < end - 1:
                self._columns.setdefault(self._stream.value(end - 1), mention.column)

    def stars(self, region: Iterable[int]) -> Iterator[int]:
        """Yield the stars that stand for columns: `*` and `x.*`, not that of a product or of count(*)."""
        stream = self._stream
        for index in region:
            if stream.marks[index] != "*":
                continue
            if stream.marks[index - 1] == "." or not (stream.is_operand(index - 1) or stream.marks[index - 1] == "("):
                yield index

    def is_item(self, start: int, end: int) -> bool:
        """Tell whether tokens are a whole item of a select or RETURNING list, but for an alias."""
        layout = self.layout
        if layout.nested[start] or layout.clause[start] not in ("select", "returning"):
            return False
        item = layout.item_at(start)
        return item is not None and ends_item(layout, end + 1, item[1])

    def compares(self, start: int, end: int) -> bool:
        """Tell whether a column is one side of a comparison that gives nothing but true, false or NULL."""
        stream, left, right = self._stream, start - 1, end + 1
        before = stream.marks[left] in _OPERATORS or stream.words[left] == "between"
        after = stream.marks[right] in _OPERATORS or stream.words[right] in _WORDS_BEHIND
        if not before and not (stream.words[left] in _EDGES or stream.marks[left] == "("):
            return False
        if not after and not (self._ends_condition(right) or stream.marks[right] == ")"):
            return False
        return (before or after) and self._grouped(start)

    def sorts(self, start: int, end: int) -> bool:
        """Tell whether a column is a whole item of ORDER BY or GROUP BY."""
        stream = self._stream
        begins = stream.words[start - 1] == "by" or stream.marks[start - 1] == ","
        behind = end + 1
        ends = stream.marks[behind] == "," or stream.words[behind] in _ENDS_ORDER or self._ends_clause(behind, start)
        return begins and ends and not self.layout.nested[start]

    def _mention(self, start: int) -> Mention | None:
        stream, end = self._stream, self._stream.chain_end(start)
        parts = [stream.value(i) for i in range(start, end + 1, 2)]
        star = stream.marks[end + 1] == "." and stream.marks[end + 2] == "*"
        if star:
            if parts[-1] in self.owners and not (
                self.layout.home[start] == self._home and self.is_item(start, end + 2)
            ):
                raise self._whole(parts[-1])
            return None
        if len(parts) > 2:
            if not self.owners.keys().isdisjoint(parts) or not self._columns.keys().isdisjoint(parts):
                raise Refused(
                    "mask_violation", "A name of three parts could mean a masked column.", "Qualify it with an alias."
                )
            return None
        if len(parts) == 2:
            return self._qualified(start, end, *parts)
        if parts[0] in self.owners:
            raise self._whole(parts[0])
        column = self._columns.get(parts[0])
        return Mention(start, end, column, "") if column else None

    def _qualified(self, start: int, end: int, qualifier: str, name: str) -> Mention | None:
        shield = self.owners.get(qualifier)
        if shield is None:
            # A qualifier that no relation bears could be another name of an owner.
            unknown = self._columns.get(name) if qualifier not in self._others else None
            return Mention(start, end, unknown, qualifier) if unknown else None
        column = next((each for each in shield.columns if each.name == name), None)
        if column is None:
            # Where there is no such column, PostgreSQL calls the function of that name with the whole row.
            raise self._whole(f"{qualifier}.{name}")
        return Mention(start, end, column, qualifier) if column.mask else None

    def _whole(self, what: str) -> Refused:
        return Refused(
            "mask_violation",
            f"{what} could be a whole row with masked columns in it.",
            "Name the columns; give the table another alias where a column of this name is meant.",
        )

    def _follows_dot(self, index: int) -> bool:
        return index > 0 and self._stream.marks[index - 1] == "."

    def _is_reserved(self, index: int) -> bool:
        return self._stream.tokens[index].kind is Kind.WORD and self._stream.words[index] in keywords.RESERVED

    def _grouped(self, index: int) -> bool:
        """Tell whether every bracket around a token, up to its query, only groups conditions."""
        stream, opener = self._stream, self._stream.opener[index]
        while opener >= 0 and opener != self.layout.home[index]:
            grouping = stream.words[opener - 1] in ("where", "and", "or", "not", "on", "having")
            if stream.marks[opener] != "(" or not (grouping or stream.marks[opener - 1] == "("):
                return False
            opener = stream.opener[opener]
        return True

    def _ends_condition(self, index: int) -> bool:
        return self._stream.words[index] in ("and", "or") or self._ends_clause(index, index - 1)

    def _ends_clause(self, index: int, inside: int) -> bool:
        """Tell whether the clause of a token ends before an index."""
        if index >= self._stream.size or self._stream.marks[index] == ")":
            return True
        return self.layout.clause[index] != self.layout.clause[inside] and bool(self._stream.words[index])
