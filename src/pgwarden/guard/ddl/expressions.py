"""Expressions and types inside of a definition, judged by the rules for queries.

An expression is judged as `SELECT (expression)`. Its brackets match, so that nothing in it can end that SELECT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgwarden.guard import names, skeleton, tree, types
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.rules import TOKEN_RULES, TREE_RULES
from pgwarden.guard.stream import Stream

_SELECT: Final = Token(Kind.WORD, "SELECT", "select", "")
_OPEN: Final = Token(Kind.MARK, "(", "(", " ")
_CLOSE: Final = Token(Kind.MARK, ")", ")", "")
_CAST: Final = (Token(Kind.WORD, "NULL", "null", " "), Token(Kind.MARK, "::", "::", ""))


@dataclass(frozen=True, slots=True)
class Found:
    """The names in an expression; relations with their index among the tokens of the statement."""

    calls: frozenset[Name]
    attributes: frozenset[str]
    operators: frozenset[Name]
    types: frozenset[Name]
    relations: tuple[tuple[int, Name], ...]


def judge(stream: Stream, start: int, end: int) -> Found:
    """Judge the expression from one index to before another.

    Raises:
        Refused: It is empty, holds a parameter, or is nothing that a read may contain.
    """
    tokens = stream.tokens[start:end]
    if not tokens:
        raise Refused("invalid_sql", "An expression is missing.")
    if any(token.kind is Kind.PARAMETER for token in tokens):
        raise Refused("invalid_sql", "A definition takes no parameters.", "Write the values as constants.")
    inner, found = _judge([_SELECT, _OPEN, *tokens, _CLOSE])
    shift = start - 2
    return _found(inner, found, shift)


def judge_call(stream: Stream, start: int, end: int) -> Found:
    """Judge `name(arguments)` from one index to before another, as `SELECT name(arguments)`; parameters are fine.

    Raises:
        Refused: It is nothing that a read may contain, or not plainly a call.
    """
    inner, found = _judge([_SELECT, *stream.tokens[start:end]])
    if inner.chain_end(1) not in found.calls:
        raise Refused("not_understood", "CALL takes the name of a procedure and its arguments in brackets.")
    return _found(inner, found, start - 1)


def types_in(stream: Stream, start: int, end: int) -> frozenset[Name]:
    """Return the names of the type from one index to before another, as `Parsed.types` has them."""
    inner = Stream([*_CAST, *stream.tokens[start:end]])
    found = types.find(inner, [""] * inner.size)
    return types.named(inner, found, {})


def _judge(tokens: list[Token]) -> tuple[Stream, Names]:
    stream = Stream(tokens)
    found = names.find(stream)
    for rule in TOKEN_RULES:
        rule(stream, found)
    nodes = list(tree.parse(skeleton.build(stream, found)).walk())
    for tree_rule in TREE_RULES:
        tree_rule(nodes, found)
    return stream, found


def _found(stream: Stream, found: Names, shift: int) -> Found:
    return Found(
        calls=frozenset(found.calls.values()),
        attributes=found.attributes,
        operators=found.operators,
        types=types.named(stream, found.types, found.calls),
        relations=tuple((index + shift, name) for index, name in sorted(found.relations.items())),
    )
