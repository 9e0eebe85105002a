"""Changes to relations with masked columns: their rows are real there.

Masked columns can be written: in a column list, as what SET assigns to, in VALUES. They can be read only by RETURNING,
as they are, and their output is masked by origin; and in WHERE where a rule permits to filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pgwarden.guard.masking import plain, refusals
from pgwarden.guard.masking.layout import Layout
from pgwarden.guard.masking.references import Reference
from pgwarden.guard.masking.strict import Mention, Strict
from pgwarden.guard.parsed import Source
from pgwarden.guard.shields import Shield

_VERBS: Final = frozenset({"insert", "update", "delete", "merge"})


def check(source: Source, layout: Layout, references: Mapping[int, Reference]) -> plain.Outputs:
    """Judge what a statement does with the shielded relations that it changes, and return the masks of its output.

    Raises:
        Refused: It reads a masked column of one.
    """
    found: plain.Outputs = {}
    for index in sorted(source.targets):
        reference = references.get(index)
        if reference is None:
            # PostgreSQL changes a relation even where a CTE of its name could be read.
            raise refusals.changed("Which relation the statement changes is not clear.")
        if reference.shield is not None:
            _Part(source, layout, references, reference, reference.shield).check()
            found |= plain.outputs([reference.shield])
    return found


class _Part:
    """One INSERT, UPDATE, DELETE or MERGE on a shielded relation."""

    def __init__(
        self,
        source: Source,
        layout: Layout,
        references: Mapping[int, Reference],
        target: Reference,
        shield: Shield,
    ) -> None:
        self._layout = layout
        self._stream = source.stream
        self._home = layout.home[target.start]
        self._verb_at = self._find_verb(target.start)
        self._verb = self._stream.words[self._verb_at]
        self._masked = shield.masked
        others = {each.alias for each in references.values() if each is not target}
        names = {target.alias} | ({"old", "new"} - others) | ({"excluded"} if self._verb == "insert" else set())
        self._strict = Strict(source, layout, dict.fromkeys(names, shield), references.values(), self._home)

    def check(self) -> None:
        region = self._region()
        for mention in self._strict.mentions(region):
            if not self._accepts(mention):
                raise refusals.changed(
                    f"The column {mention.column.name} is masked; the {self._verb.upper()} reads it."
                )
        if self._home >= 0 and self._masked and any(self._is_returned(i) for i in self._strict.stars(region)):
            raise refusals.changed("A change inside a query returns masked columns.")
        if self._meets_by_constraint(region):
            raise refusals.changed("Which columns the constraint of ON CONFLICT has is not known; some are masked.")
        if any(self._is_renaming(index) for index in region):
            raise refusals.changed("RETURNING WITH is not accepted where columns are masked.")

    def _find_verb(self, index: int) -> int:
        while self._stream.words[index] not in _VERBS or self._layout.home[index] != self._home:
            if index <= 0:
                raise refusals.changed("The change of a relation with masked columns is not understood.")
            index -= 1
        return index

    def _region(self) -> range:
        """Return the tokens that can see rows of the target: of an INSERT those from ON CONFLICT or RETURNING on."""
        start, end = self._verb_at, self._layout.end(self._home)
        if self._verb != "insert":
            return range(start, end)
        seen = (i for i in self._layout.top(self._home) if i > start and self._begins_sight(i))
        return range(next(seen, end), end)

    def _begins_sight(self, index: int) -> bool:
        words = self._stream.words
        return words[index] == "returning" or (words[index] == "on" and self._stream.value(index + 1) == "conflict")

    def _accepts(self, mention: Mention) -> bool:
        layout, start = self._layout, mention.start
        if layout.home[start] != self._home:
            return False
        match layout.clause[start]:
            case "set":
                return self._is_assigned(start, mention.end) or self._takes_over(mention)
            case "conflict":
                # The row that is met is then changed and returned: a way to find the row of a value.
                met = "filter" in mention.column.permit or not self._updates_met()
                return met and self._is_in_column_list(start, mention.end)
            case "insert":
                return self._is_in_column_list(start, mention.end)
            case "returning":
                return self._home < 0 and self._strict.is_item(start, mention.end)
            case "where":
                return "filter" in mention.column.permit and self._strict.compares(start, mention.end)
        return False

    def _is_assigned(self, start: int, end: int) -> bool:
        """Tell whether SET assigns to a column: `SET name =` or `SET (name, ...) =`."""
        stream, layout = self._stream, self._layout
        if layout.nested[start]:
            opener = stream.opener[start]
            listed = stream.opener[opener] == self._home and self._begins_assignment(opener)
            return listed and stream.marks[stream.partner[opener] + 1] == "=" and self._is_listed(start, end)
        return start == end and self._begins_assignment(start) and stream.marks[end + 1] == "="

    def _begins_assignment(self, index: int) -> bool:
        return self._stream.words[index - 1] == "set" or self._stream.marks[index - 1] == ","

    def _is_listed(self, start: int, end: int) -> bool:
        """Tell whether a column is an element of a list of columns."""
        stream = self._stream
        return start == end and stream.marks[start - 1] in ("(", ",") and stream.marks[end + 1] in (")", ",")

    def _is_in_column_list(self, start: int, end: int) -> bool:
        """Tell whether a column is in the list of ON CONFLICT (...), or of MERGE's THEN INSERT (...)."""
        stream, opener = self._stream, self._stream.opener[start]
        conflict = stream.words[opener - 2] == "on" and stream.value(opener - 1) == "conflict"
        insert = stream.words[opener - 2] == "then" and stream.words[opener - 1] == "insert"
        return (conflict or insert) and stream.opener[opener] == self._home and self._is_listed(start, end)

    def _updates_met(self) -> bool:
        """Tell whether an INSERT updates the rows that it meets."""
        words, top = self._stream.words, self._layout.top(self._home)
        return any(words[i] == "do" and words[i + 1] == "update" for i in top if i > self._verb_at)

    def _meets_by_constraint(self, region: range) -> bool:
        """Tell whether ON CONFLICT ON CONSTRAINT finds rows to update, perhaps by a masked column."""
        if self._verb != "insert" or all("filter" in column.permit for column in self._masked.values()):
            return False
        stream, home = self._stream, self._layout.home
        named = (
            stream.words[i] == "on" and stream.value(i + 1) == "conflict" and stream.words[i + 2] == "on"
            for i in region
            if home[i] == self._home and i + 2 < stream.size
        )
        return any(named) and self._updates_met()

    def _takes_over(self, mention: Mention) -> bool:
        """Tell whether this is `SET name = EXCLUDED.name`: the caller's own value, for the same column."""
        stream, start = self._stream, mention.start
        if mention.qualifier != "excluded" or self._layout.nested[start] or stream.marks[start - 1] != "=":
            return False
        same = stream.value(start - 2) == mention.column.name and self._begins_assignment(start - 2)
        behind = mention.end + 1
        ends = stream.marks[behind] in (",", ")") or stream.words[behind] in ("where", "returning")
        return same and (ends or behind >= stream.size)

    def _is_returned(self, index: int) -> bool:
        return self._layout.home[index] == self._home and self._layout.clause[index] == "returning"

    def _is_renaming(self, index: int) -> bool:
        stream = self._stream
        return stream.words[index] == "returning" and "with" in (stream.words[index + 1], stream.value(index + 1))


def stores_masked(source: Source, layout: Layout, references: Mapping[int, Reference]) -> bool:
    """Tell whether an INSERT into a shielded relation takes rows from one: it would store what is shown."""
    stream = source.stream
    for index in source.targets:
        target = references.get(index)
        if target is None or target.shield is None or not target.shield.masked or stream.words[index - 2] != "insert":
            continue
        # From the start: a WITH list before it can hand the rows over.
        inside = range(layout.end(layout.home[index]))
        if any(_is_read(each, source.targets, inside) for each in references.values()):
            return True
    return False


def _is_read(reference: Reference, targets: Iterable[int], inside: range) -> bool:
    masked = reference.shield is not None and bool(reference.shield.masked)
    return masked and reference.start in inside and reference.start not in frozenset(targets)
