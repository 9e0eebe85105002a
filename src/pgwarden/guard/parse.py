"""From a statement's text to its names: lexer, canonical text, token rules, skeleton, sqlglot's tree, tree rules."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import canonical, explain, names, show, skeleton, tree, types
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Name, Parsed, Refused, Source
from pgwarden.guard.rules import TOKEN_RULES, TREE_RULES, first_verb, one_statement
from pgwarden.guard.stream import Stream
from pgwarden.guard.verdict import Form

MAX_PARAMETERS: Final = 65_535
"""What the protocol can carry."""


def read(sql: str) -> Parsed:
    """Read one statement.

    Args:
        sql: The statement, at most 100,000 characters; one trailing semicolon is accepted.

    Raises:
        Refused: It is not a read, or it is in doubt whether it is.
    """
    tokens = canonical.statement(lex(sql))
    one_statement.check(tokens)
    text = canonical.render(tokens)
    first = tokens[0].value if tokens[0].kind is Kind.WORD else ""
    if first == "show":
        show.check(tokens)
        return _parsed(text, "show", ("SHOW",), tokens, None)
    if first == "explain":
        query = explain.query(tokens)
        prefix = tuple(tokens[: len(tokens) - len(query)])
        return _parsed(text, "explain", ("EXPLAIN", "SELECT"), query, _judge(query), prefix)
    return _parsed(text, "select", ("SELECT",), tokens, _judge(tokens))


def _judge(tokens: list[Token]) -> tuple[Stream, names.Names]:
    first_verb.check(tokens)
    stream = Stream(tokens)
    found = names.find(stream)
    for rule in TOKEN_RULES:
        rule(stream, found)
    nodes = list(tree.parse(skeleton.build(stream, found)).walk())
    for tree_rule in TREE_RULES:
        tree_rule(nodes, found)
    return stream, found


def _parsed(
    text: str,
    form: Form,
    kinds: tuple[str, ...],
    tokens: list[Token],
    judged: tuple[Stream, names.Names] | None,
    prefix: tuple[Token, ...] = (),
) -> Parsed:
    numbers = [_number(token) for token in tokens if token.kind is Kind.PARAMETER]
    none: frozenset[Name] = frozenset()
    if judged is None:
        return Parsed(text, form, kinds, max(numbers, default=0), none, none, frozenset(), none, none)
    stream, found = judged
    return Parsed(
        canonical=text,
        form=form,
        kinds=kinds,
        parameters=max(numbers, default=0),
        relations=frozenset(found.relations.values()),
        calls=frozenset(found.calls.values()),
        attributes=found.attributes,
        operators=found.operators,
        types=types.named(stream, found.types, found.calls),
        source=Source(prefix, stream, found),
    )


def _number(parameter: Token) -> int:
    """Return the number of a `$n`. Whoever makes one value for each of them needs it bounded, as PostgreSQL does."""
    digits = parameter.text[1:].lstrip("0")
    if not digits or len(digits) > len(str(MAX_PARAMETERS)) or int(digits) > MAX_PARAMETERS:
        raise Refused("invalid_sql", f"Parameters are $1 to ${MAX_PARAMETERS}.", "Number them from $1 without gaps.")
    return int(digits)
