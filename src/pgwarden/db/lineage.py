"""Which columns are masked: those that rules match, and what takes its values from them.

A mask goes to children and partitions, up to parents (reading those reads the children), to generated columns, and to
views. Where a view's column comes from is what PostgreSQL itself noted when the view was made: its stored query names
table and column of every output column that is a plain column, through subqueries and joins. What has no such origin,
in a view that uses a masked column anywhere, is redacted. A rule that matches a column itself always wins.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pgwarden.db.graph import Graph, Sections
from pgwarden.guard.parsed import Name
from pgwarden.guard.shields import Shield, ShieldColumn
from pgwarden.policy.masks import Mask, MaskRule, rule_for, stricter

Place = tuple[int, int]
"""A column: object id of its relation, and pg_attribute.attnum."""

_REDACT = Mask("redact")


@dataclass(frozen=True, slots=True)
class _Masked:
    mask: Mask
    permit: frozenset[str] = frozenset()


class Lineage:
    """The masked columns of a database."""

    def __init__(self, graph: Graph, sections: Sections, rules: Iterable[MaskRule]) -> None:
        """Match rules with columns.

        Args:
            graph: The relations.
            sections: Those of the block `objects_columns`; one that is missing counts as empty.
            rules: The policy's, in their order.
        """
        self._graph = graph
        self._columns: dict[int, list[tuple[int, str, str, bool]]] = defaultdict(list)
        self._numbers: dict[int, dict[str, int]] = defaultdict(dict)
        self._fixed: dict[Place, _Masked] = {}
        self._derived: dict[Place, _Masked] = {}
        self._used: dict[int, set[Place]] = defaultdict(set)
        self._generated: list[tuple[int, int, int]] = [(r, to, of) for r, to, of in sections.get("generated", [])]
        self._origins: dict[int, dict[int, Place]] = {}
        rules = tuple(rules)
        for oid, number, name, type_, readable in sections.get("columns", []):
            self._columns[oid].append((number, name, type_, readable))
            self._numbers[oid][name] = number
            if rule := rule_for(rules, *graph.names.get(oid, ("", "")), name):
                # A rule of a role may not undo what the file's rules mask below a view.
                found = self._fixed if rule.layer == 0 else self._derived
                found[oid, number] = _Masked(rule.mask, rule.permit)
        for view, oid, number in sections.get("used", []):
            self._used[view].add((oid, number))

    def views(self) -> frozenset[int]:
        """Return the views whose stored query is needed: those that may take values from a masked column."""
        touched: set[int] = set()
        while True:
            self._spread_all()
            new = {view for view in self._graph.views if self._may_read(view, touched)} - touched
            if not new:
                return frozenset(touched)
            touched |= new

    def learn(self, trees: Mapping[int, str]) -> None:
        """Take the stored queries of views, by object id, and mask what they output."""
        self._origins = {oid: origins(tree) for oid, tree in trees.items()}
        while self._spread_all() or self._spread_to_views():
            pass

    def shields(self) -> Iterator[Shield]:
        """Yield the relations with masked columns, and the views that use such columns."""
        for oid, columns in self._columns.items():
            if oid not in self._graph.names:
                continue
            made = [self._column(oid, *column) for column in columns]
            if any(column.mask for column in made) or self._uses_masked(oid):
                # A column that the role may not read would make the whole relation unreadable; a mask may not read it.
                readable = [
                    column
                    for column, (_, _, _, readable) in zip(made, columns, strict=True)
                    if readable or (column.mask and column.mask.kind in ("redact", "null"))
                ]
                yield Shield(oid, Name(*self._graph.names[oid]), tuple(readable or made))

    def _column(self, oid: int, number: int, name: str, type_: str, _: bool) -> ShieldColumn:
        masked = self._masked((oid, number))
        return (
            ShieldColumn(name, type_, number, masked.mask, masked.permit)
            if masked
            else ShieldColumn(name, type_, number)
        )

    def _masked(self, place: Place) -> _Masked | None:
        found = self._fixed.get(place) or self._derived.get(place)
        return None if found is None or found.mask.kind == "clear" else found

    def _mask(self, place: Place, masked: _Masked) -> bool:
        """Mask a column as strictly as all that its values come from. Returns whether that was new."""
        if place in self._fixed:
            return False
        known = self._derived.get(place)
        new = _Masked(stricter(known.mask, masked.mask), known.permit & masked.permit) if known else masked
        self._derived[place] = new
        return new != known

    def _spread_all(self) -> bool:
        changed = False
        while self._spread_to_family() or self._spread_to_generated():
            changed = True
        return changed

    def _spread_to_family(self) -> bool:
        changed = False
        for child, parent in self._graph.inherits:
            for name, number in self._numbers.get(child, {}).items():
                above = self._numbers.get(parent, {}).get(name)
                if above is None:
                    continue
                for source, target in (((child, number), (parent, above)), ((parent, above), (child, number))):
                    if masked := self._masked(source):
                        changed |= self._mask(target, masked)
        return changed

    def _spread_to_generated(self) -> bool:
        return any(self._mask((r, to), _Masked(_REDACT)) for r, to, of in self._generated if self._masked((r, of)))

    def _spread_to_views(self) -> bool:
        changed = False
        for view, places in self._origins.items():
            if not self._uses_masked(view):
                continue
            for number, *_ in self._columns.get(view, []):
                origin = places.get(number)
                masked = self._masked(origin) if origin else _Masked(_REDACT)
                if masked is not None:
                    changed |= self._mask((view, number), masked)
        return changed

    def _uses_masked(self, view: int) -> bool:
        """Tell whether a view uses a masked column by name, or a whole row with one."""
        if any(self._masked(place) for place in self._used.get(view, ())):
            return True
        return self._graph.views.get(view, False) and any(map(self._has_masks, self._graph.direct(view)))

    def _has_masks(self, oid: int) -> bool:
        return any(self._masked((oid, number)) for number, *_ in self._columns.get(oid, []))

    def _may_read(self, view: int, touched: set[int]) -> bool:
        return self._uses_masked(view) or not touched.isdisjoint(self._graph.direct(view))


_NODE = re.compile(r"\\.|[(){}]|:targetList |:(resno|resorigtbl|resorigcol|resjunk) (\S+?)(?=[ }])", re.DOTALL)
_QUERY_DEPTH = 2
"""Brackets around the fields of the one query of a view: a list, and the query's own."""


def origins(tree: str) -> dict[int, Place]:
    """Return where the output columns of a stored query come from, by number, for those that are plain columns.

    Args:
        tree: pg_rewrite.ev_action of a view.
    """
    found: dict[int, Place] = {}
    depth, listed = 0, False
    fields: dict[str, str] = {}
    for match in _NODE.finditer(tree):
        text = match.group()
        if text in ("(", "{"):
            depth += 1
        elif text in (")", "}"):
            if listed and depth == _QUERY_DEPTH + 2 and fields.get("resjunk") == "false":
                found[int(fields["resno"])] = (int(fields["resorigtbl"]), int(fields["resorigcol"]))
            fields = {} if depth == _QUERY_DEPTH + 2 else fields
            depth -= 1
            listed = listed and depth > _QUERY_DEPTH
        elif text == ":targetList " and depth == _QUERY_DEPTH:
            listed = True
        elif match[1] and listed and depth == _QUERY_DEPTH + 2:
            fields[match[1]] = match[2]
    # A whole row has column number 0: it has an origin, and all columns in it.
    return {number: (oid, column) for number, (oid, column) in found.items() if oid and column}
