"""Whether a condition can be told to keep some rows of the target out.

It is told from the text, and in doubt it cannot: then a person types the name of the table. A condition counts where a
column of the target is compared with something else, by itself, in every arm of an OR. `id = id`, `id > 0 OR id <= 0`,
`length(name) >= 0`, `$1`, and comparisons with what the statement reads from the same table do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pgwarden.guard.dml.operands import Operands
from pgwarden.guard.dml.parts import NOWHERE, Span, outside_case
from pgwarden.guard.keywords import words
from pgwarden.guard.lexer import Kind
from pgwarden.guard.stream import Stream

_ARITHMETIC: Final = frozenset(
    {"+", "-", "*", "/", "%", "^", "||", "->", "->>", "#>", "#>>", "&", "|", "#", "<<", ">>"}
)
_PATTERNS: Final = words("like ilike similar")
_COMPARISONS: Final = _PATTERNS | words("is isnull notnull in between")
_PATTERN_SIGNS: Final = frozenset({"~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "^@"})
_MATCH_ALL: Final = frozenset({"''", "'%'", "'%%'", "'.*'", "'^'", "'$'", "'^.*$'", "'{}'", "'[]'"})
"""Constants that patterns, containment and >= hold for whatever the column has."""
_TRUTH: Final = words("true false 't' 'f' 'true' 'false' 'y' 'n' 'yes' 'no' 'on' 'off' '1' '0'")
"""Of a boolean column two of them are all there is."""
_LITERAL: Final = re.compile(r"[^\W_]")
"""What a pattern has to have somewhere, so that it can keep a value out."""
_SET_OPERATIONS: Final = words("union intersect except having group limit offset fetch")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a condition tests: the columns in it, and whether it names values that they must have (not must not)."""

    columns: frozenset[str]
    names_values: bool = False


class Conditions:
    """The conditions of one part of a statement."""

    def __init__(self, operands: Operands, stream: Stream) -> None:
        """Take what tells columns of the target from other things."""
        self._operands = operands
        self._stream = stream

    def restrict(self, span: Span) -> bool:
        """Tell whether a condition can be told to keep some rows out."""
        return span != NOWHERE and self._kept(span, negated=False) is not None

    def _kept(self, span: Span, *, negated: bool) -> _Kept | None:
        start, end = span
        while start < end and (self._stream.words[start] == "not" or self._encloses(start, end)):
            if self._stream.words[start] == "not":
                if self._splits((start, end), "or") or self._splits((start, end), "and"):
                    break
                start, negated = start + 1, not negated
            else:
                start, end = start + 1, end - 1
        for word in ("or", "and"):
            if arms := self._splits((start, end), word):
                kept = [self._kept(arm, negated=negated) for arm in arms]
                return _any(kept) if (word == "or") is not negated else _all(kept)
        return self._atom((start, end), negated=negated) if start < end else None

    def _encloses(self, start: int, end: int) -> bool:
        stream = self._stream
        query = stream.words[start + 1] in ("select", "with", "values", "table")
        return stream.marks[start] == "(" and stream.partner[start] == end - 1 and not query

    def _splits(self, span: Span, word: str) -> list[Span]:
        """Return the operands of a logical operator, or nothing where there is none; the AND of BETWEEN is none."""
        cuts, between = [span[0] - 1], 0
        for index in outside_case(self._stream, *span):
            found = self._stream.words[index]
            between += found == "between"
            if found == "and" and between:
                between -= 1
            elif found == word:
                cuts.append(index)
        return [(a + 1, b) for a, b in zip(cuts, [*cuts[1:], span[1]], strict=True)] if len(cuts) > 1 else []

    def _atom(self, span: Span, *, negated: bool) -> _Kept | None:
        stream, start = self._stream, span[0]
        if stream.words[start] == "exists" and stream.marks[start + 1] == "(":
            return self._exists((start + 2, stream.partner[start + 1]), span)
        found = list(self._comparisons(span))
        if not found:
            column = self._operands.column(span)
            return _Kept(column) if column else None
        if len(found) > 1:
            return None
        at = found[0]
        before = at - (stream.words[at - 1] == "not")
        negated ^= before < at
        left, right = (start, before), (at + 1, span[1])
        if stream.words[at] in ("is", "isnull", "notnull"):
            return self._is(stream.words[at], left, right, negated=negated)
        return self._compared(at, left, right, negated=negated)

    def _comparisons(self, span: Span) -> Iterator[int]:
        for index in outside_case(self._stream, *span):
            token, word = self._stream.tokens[index], self._stream.words[index]
            if word in _COMPARISONS or (token.kind is Kind.OPERATOR and token.value not in _ARITHMETIC):
                yield index

    def _is(self, word: str, left: Span, right: Span, *, negated: bool) -> _Kept | None:
        stream, (start, end) = self._stream, right
        if stream.words[start] == "not":
            start, negated = start + 1, not negated
        if stream.words[start] == "distinct" and stream.words[start + 1] == "from":
            # IS DISTINCT FROM is <>.
            return self._sides(left, (start + 2, end), names_values=negated)
        column = self._operands.column(left)
        null = word == "isnull" or (stream.words[start] == "null" and end == start + 1)
        if word == "notnull":
            null, negated = True, not negated
        if null:
            return _Kept(column, names_values=True) if column and not negated else None
        plain = stream.words[start] in ("true", "false") and end == start + 1
        return _Kept(column) if column and plain else None

    def _compared(self, at: int, left: Span, right: Span, *, negated: bool) -> _Kept | None:
        stream = self._stream
        word, sign = stream.words[at], stream.value(at)
        equal = (sign == "=" or word in ("in", *_PATTERNS)) and not negated
        equal = equal or (sign == "<>" and negated)
        if stream.words[right[0]] in ("any", "some", "all") and not (equal and stream.words[right[0]] != "all"):
            return None  # `<> ANY (...)` and `= ALL ('{}')` hold for all rows
        if word == "between" and negated:
            return None  # nothing is between 2 and 1
        constants = {stream.tokens[index].text for index in range(right[0], right[1])}
        if sign not in ("=", "<>", "in") and not constants.isdisjoint(_MATCH_ALL):
            return None
        pattern = word in _PATTERNS or sign in _PATTERN_SIGNS
        if pattern and any(text.startswith("'") and not _LITERAL.search(text) for text in constants):
            return None  # '%%%', '()': nothing that a value would have to have
        if stream.words[at + 1] == "symmetric":
            return None
        return self._sides(left, right, names_values=equal)

    def _sides(self, left: Span, right: Span, *, names_values: bool) -> _Kept | None:
        """Return what a comparison tests: a column on one side, and on the other nothing that has the same one."""
        operands, stream = self._operands, self._stream
        for one, other in ((left, right), (right, left)):
            columns = operands.columns(one)
            if not columns or not operands.is_independent(other, columns):
                continue
            if {"null"} == {stream.words[index] for index in range(*other)}:
                return None
            texts = [stream.tokens[index].text.lower() for index in range(*other)]
            truth = any(text in _TRUTH for text in texts)
            several = (truth and len(texts) > 1) or any(map(_holds_truths, texts))
            return None if several else _Kept(columns | operands.mentioned(other), names_values and not truth)
        return None

    def _exists(self, query: Span, span: Span) -> _Kept | None:
        """Return what a subquery tests that is tied to a row of the target, and can be empty."""
        stream, (start, end) = self._stream, query
        if span[1] != end + 1 or stream.words[start] != "select":
            return None
        found = {stream.words[index]: index for index in outside_case(stream, start, end)}
        if "from" not in found or "where" not in found or not found.keys().isdisjoint(_SET_OPERATIONS):
            return None
        if any(stream.marks[index] == "(" for index in range(start, found["from"])):
            return None  # an aggregate always gives a row
        if self._operands.is_renamed((found["from"], found["where"])):
            return None
        tied = Conditions(self._operands.inside(), stream)._kept((found["where"] + 1, end), negated=False)
        return _Kept(self._operands.mentioned(query)) if tied else None


def _holds_truths(text: str) -> bool:
    """Tell whether a constant is an array of nothing but truth values: '{t,f}'."""
    parts = [part.strip(' "') for part in text.strip("'{} ").split(",")]
    return text.startswith("'{") and all(part in _TRUTH or f"'{part}'" in _TRUTH for part in parts)


def _any(arms: list[_Kept | None]) -> _Kept | None:
    """Return what OR tests: every arm has to keep rows out, and no two may complete each other."""
    kept = [arm for arm in arms if arm is not None]
    if len(kept) < len(arms):
        return None
    columns = frozenset().union(*(arm.columns for arm in kept))
    if all(arm.names_values for arm in kept):
        return _Kept(columns, names_values=True)
    return _Kept(columns) if len(columns) == sum(len(arm.columns) for arm in kept) else None


def _all(arms: list[_Kept | None]) -> _Kept | None:
    """Return what AND tests: one arm that keeps rows out is enough, and those that name values tell most."""
    kept = [arm for arm in arms if arm is not None]
    best = [arm for arm in kept if arm.names_values] or kept
    columns: frozenset[str] = frozenset().union(*(arm.columns for arm in best))
    return _Kept(columns, best[0].names_values) if best else None
