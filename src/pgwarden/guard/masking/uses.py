"""How a statement uses the masked columns that it reads.

By name: an identifier that is a masked column's counts as one, unless it is qualified with the alias of another
relation. Names that a select list gives to masked columns count too. What is missed does no harm where relations are
substituted, as only masked values are there; this is about answers that would be wrong without saying so.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.masking.layout import Layout
from pgwarden.guard.masking.references import Reference
from pgwarden.guard.parsed import Source

_CARRIERS: Final = keywords.words("""
    json_build_object jsonb_build_object json_build_array jsonb_build_array json_agg jsonb_agg json_object_agg
    jsonb_object_agg array_agg string_agg to_json to_jsonb row_to_json row array""")
"""Calls that hand their arguments to the output as they are."""
_USES: Final = {
    "where": "filter",
    "having": "filter",
    "conflict": "filter",
    "on": "join",
    "using": "join",
    "order": "order",
    "group": "group",
    "distinct": "group",
    "window": "group",
    "select": "output",
    "returning": "output",
    "set": "store",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A masked column in a statement: where, its name, how it is used ("" as plain output), and what is permitted."""

    index: int
    name: str
    use: str
    permit: frozenset[str]


class Uses:
    """The uses of masked columns in one statement."""

    def __init__(self, source: Source, layout: Layout, references: Mapping[int, Reference]) -> None:
        """Take a statement and the relations in it; of those that are changed the shields are not looked at."""
        self._source = source
        self._stream = source.stream
        self._layout = layout
        self._lists = list(layout.lists())
        self._starts: dict[int, list[int]] = {}
        for start in self._lists:
            self._starts.setdefault(layout.home[start], []).append(start)
        self._references = references
        self._read = [each for at, each in references.items() if each.shield and at not in source.targets]
        self._names = self._masked_names()
        self._clear = self._clear_aliases()
        self._passed = self._passed_over()

    def find(self) -> list[Hit]:
        """Return every use, by name, star and ordinal."""
        if not self._names:
            return []
        found = list(self._by_name())
        while self._take_new_names(found):
            found = list(self._by_name())
        return [*found, *self._stars(), *self._ordinals(found), *self._natural_joins()]

    def _masked_names(self) -> dict[str, frozenset[str]]:
        names: dict[str, frozenset[str]] = {}
        for each in self._read:
            columns = each.shield.columns if each.shield else ()
            given = self._list(each.list)
            for place, column in enumerate(columns):
                if column.mask is not None:
                    name = given[place] if place < len(given) else column.name
                    names[name] = names.get(name, column.permit) & column.permit
        return names

    def _list(self, bracket: int) -> list[str]:
        if bracket < 0:
            return []
        stream = self._stream
        return [stream.value(i) for i in range(bracket + 1, stream.partner[bracket]) if stream.is_name(i)]

    def _clear_aliases(self) -> frozenset[str]:
        """Return the aliases that stand for relations without masks, wherever they are in the statement."""
        shielded = {each.alias for each in self._references.values() if each.shield}
        plain = {each.alias for each in self._references.values() if not each.shield}
        return frozenset(plain - shielded - self._source.names.ctes)

    def _passed_over(self) -> frozenset[int]:
        """Return the tokens that are no columns: relations with their aliases, calls, types, lists of names."""
        stream, names = self._stream, self._source.names
        found = {i for each in self._references.values() for i in range(each.start, each.after)}
        found.update(names.calls)
        found.update(i for start, end in names.types.items() for i in range(start, end + 1))
        for index in range(1, stream.size):
            if stream.marks[index] == "(" and self._is_list(index):
                found.update(range(index, stream.partner[index]))
        return frozenset(found)

    def _is_list(self, opener: int) -> bool:
        """Tell whether a bracket holds names for columns, as behind an alias, a CTE's name or INTO t."""
        stream = self._stream
        named = stream.is_name(opener - 1) and stream.words[opener - 1] not in keywords.RESERVED
        if not (named or stream.words[opener - 1] == "set") or opener - 1 in self._source.names.calls:
            return False
        inner = range(opener + 1, stream.partner[opener])
        return all(
            (stream.is_name(i) and stream.words[i] not in keywords.RESERVED) or stream.marks[i] == "," for i in inner
        )

    def _by_name(self) -> Iterator[Hit]:
        stream = self._stream
        for index in range(stream.size):
            name = stream.value(index)
            if name not in self._names or not stream.is_name(index) or index in self._passed:
                continue
            if stream.tokens[index].kind is Kind.WORD and stream.words[index] in keywords.RESERVED:
                continue
            start = stream.chain_start(index)
            if stream.words[start - 1] == "as" or stream.marks[index + 1] == "." or self._is_clear(start, index):
                continue
            if self._sets(index):
                continue
            yield Hit(index, name, self._use(start, index), self._names[name])

    def _is_clear(self, start: int, end: int) -> bool:
        return end > start and self._stream.value(end - 2) in self._clear | {"excluded"}

    def _sets(self, index: int) -> bool:
        """Tell whether a column is assigned to: `SET name =`."""
        stream = self._stream
        begins = stream.words[index - 1] == "set" or stream.marks[index - 1] == ","
        assigned = self._layout.clause[index] == "set" and not self._layout.nested[index]
        return assigned and begins and stream.marks[index + 1] == "="

    def _use(self, start: int, end: int) -> str:
        if not self._is_output(start, end):
            return _USES.get(self._layout.clause[start], "other")
        return self._hindrance(start)

    def _is_output(self, start: int, end: int) -> bool:
        """Tell whether tokens stand by themselves in a select list, or in a call that hands them on."""
        stream, layout = self._stream, self._layout
        if layout.clause[start] not in ("select", "returning"):
            return False
        if not layout.nested[start]:
            return self._item(start, end) is not None
        opener = stream.opener[start]
        before, after = stream.marks[start - 1], stream.marks[end + 1]
        if before not in ("(", "[", ",") or after not in (")", "]", ","):
            return False
        if stream.value(opener - 1) not in _CARRIERS or not stream.is_name(opener - 1):
            return False
        return self._is_output(stream.chain_start(opener - 1), stream.partner[opener])

    def _item(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the item of a select list that tokens are, but for an alias behind them."""
        item = self._layout.item_at(start)
        return item if item and ends_item(self._layout, end + 1, item[1]) else None

    def _hindrance(self, index: int) -> str:
        """Return how the query of a token uses what it selects: "" where its rows are shown as they are."""
        layout = self._layout
        starts = self._starts.get(layout.home[index], [])
        place = bisect(starts, index)
        if place and layout.is_distinct(starts[place - 1]):
            return "group"
        return "" if self._is_shown(layout.home[index]) else "filter"

    def _is_shown(self, home: int) -> bool:
        stream, layout = self._stream, self._layout
        if home < 0:
            return True
        place = layout.clause[home]
        if not layout.nested[home] and place not in ("select", "returning"):
            return place in ("", "from", "insert") and self._is_shown(layout.home[home])
        start = home - 1 if stream.value(home - 1) == "array" else home
        return self._is_output(start, stream.partner[home]) and self._is_shown(layout.home[home])

    def _take_new_names(self, hits: list[Hit]) -> bool:
        """Add the names that select lists give to masked columns. Returns whether there were new ones."""
        before = len(self._names)
        for hit in hits:
            item = None if hit.use else self._item(self._stream.chain_start(hit.index), hit.index)
            if item is not None and item[1] - 1 > hit.index:
                self._names.setdefault(self._stream.value(item[1] - 1), hit.permit)
        return len(self._names) > before

    def _stars(self) -> Iterator[Hit]:
        """Yield the masked columns behind stars that are not plain output."""
        stream, layout = self._stream, self._layout
        for first in self._lists:
            home = layout.home[first]
            stars = [e for s, e in layout.items(first) if stream.marks[e - 1] == "*" and e - s in (1, 3)]
            near = [each for each in self._read if layout.home[each.start] == home]
            exists = home > 0 and stream.words[home - 1] == "exists"
            if not stars or not near or exists:
                continue
            use = "group" if layout.is_distinct(first) else "" if self._is_shown(home) else "filter"
            for each in near:
                for column in each.shield.masked.values() if each.shield else ():
                    yield Hit(first, column.name, use, column.permit)

    def _natural_joins(self) -> Iterator[Hit]:
        for index in (i for i in range(self._stream.size) if self._stream.words[i] == "natural"):
            for name, permit in self._names.items():
                yield Hit(index, name, "join", permit)

    def _ordinals(self, hits: list[Hit]) -> Iterator[Hit]:
        """Yield the masked columns that ORDER BY 2 and GROUP BY 2 mean."""
        stream, layout = self._stream, self._layout
        shown = {hit.index: hit for hit in hits if not hit.use}
        for index in range(stream.size):
            number = stream.is_kind(index, Kind.NUMBER) and not layout.nested[index]
            if not number or layout.clause[index] not in ("order", "group"):
                continue
            if not (stream.words[index - 1] == "by" or stream.marks[index - 1] == ","):
                continue
            for first in (i for i in self._lists if layout.home[i] == layout.home[index] and i < index):
                for hit in self._meant(first, stream.tokens[index].text, shown):
                    yield Hit(index, hit.name, layout.clause[index], hit.permit)

    def _meant(self, first: int, ordinal: str, shown: Mapping[int, Hit]) -> list[Hit]:
        items = self._layout.items(first)
        if any(self._stream.marks[end - 1] == "*" for _, end in items):
            return [Hit(first, name, "", permit) for name, permit in self._names.items()]
        place = int(ordinal) - 1 if ordinal.isdigit() and len(ordinal) < 6 else -1
        start, end = items[place] if 0 <= place < len(items) else (0, 0)
        return [shown[i] for i in range(start, end) if i in shown]


def ends_item(layout: Layout, index: int, end: int) -> bool:
    """Tell whether an item of a list ends at an index, but for an alias.

    Args:
        layout: The statement.
        index: What stands behind the expression.
        end: The index behind the item.
    """
    stream = layout.stream
    if index == end:
        return True
    if stream.words[index] == "as":
        return index + 2 == end and stream.is_name(index + 1)
    return index + 1 == end and stream.is_name(index) and not stream.words[index]
