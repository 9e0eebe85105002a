"""From a statement's text to its names: lexer, canonical text, token rules, skeleton, sqlglot's tree, tree rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pgwarden.guard import canonical, explain, names, show, skeleton, tree, types
from pgwarden.guard.functions import ALLOWED_IN_WRITES
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Name, Parsed, Refused, Source
from pgwarden.guard.rules import DEFINITION_RULES, TOKEN_RULES, TREE_RULES, first_verb, one_statement
from pgwarden.guard.rules.data_modifying import VERBS
from pgwarden.guard.stream import Stream
from pgwarden.guard.verdict import Form, Use

if TYPE_CHECKING:
    from pgwarden.guard.ddl import Definition
    from pgwarden.guard.dml import Effect

MAX_PARAMETERS: Final = 65_535
"""What the protocol can carry."""
_NO_DEFINITION: Final = first_verb.READS | VERBS


@dataclass(frozen=True, slots=True)
class _Body:
    """A query, or a change of rows: its tokens, its names and what it changes."""

    stream: Stream
    names: names.Names
    effect: Effect | None = None


def read(sql: str, writes: bool = False, unsafe: frozenset[str] = frozenset()) -> Parsed:
    """Read one statement.

    Args:
        sql: The statement, at most 100,000 characters; one trailing semicolon is accepted.
        writes: Whether it may change something.
        unsafe: The commands that are accepted though they are never allowed by themselves.

    Raises:
        Refused: It is not a read, or not a known change where it may be one, or it is in doubt what it is.
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
        body = _judge(query, writes)
        kinds = ("EXPLAIN", *(body.effect.kinds if body.effect else ("SELECT",)))
        return _parsed(text, "explain", kinds, query, body, tuple(tokens[: len(tokens) - len(query)]))
    if writes and first and first not in _NO_DEFINITION:
        return _definition(text, tokens, unsafe)
    body = _judge(tokens, writes)
    if body.effect is None:
        return _parsed(text, "select", ("SELECT",), tokens, body)
    effect = replace(body.effect, change=replace(body.effect.change, matching=_readable(body.effect.change.matching)))
    return replace(_parsed(text, "change", effect.kinds, tokens, body), effect=effect)


def _judge(tokens: list[Token], writes: bool = False) -> _Body:
    if not (writes and tokens and tokens[0].kind is Kind.WORD and tokens[0].value in VERBS):
        first_verb.check(tokens)
    stream = Stream(tokens)
    body = _change(stream) if writes else None
    body = body or _Body(stream, names.find(stream))
    for rule in TOKEN_RULES:
        rule(stream, body.names)
    nodes = list(tree.parse(skeleton.build(stream, body.names)).walk())
    for tree_rule in TREE_RULES:
        tree_rule(nodes, body.names)
    return body


def _change(stream: Stream) -> _Body | None:
    """Return a statement that changes rows; None for a query."""
    from pgwarden.guard import dml

    layout = dml.find(stream)
    if layout is None:
        return None
    found = names.find_in_change(stream, layout)
    return _Body(stream, found, dml.of(stream, found, layout))


def _readable(sql: str) -> str:
    """Return a query if it is a read, else nothing: counting must not advance a sequence."""
    if not sql:
        return ""
    try:
        parsed = read(sql)
    except Refused:
        return ""
    return "" if any(call.name in ALLOWED_IN_WRITES for call in parsed.calls) else parsed.canonical


def _parsed(
    text: str,
    form: Form,
    kinds: tuple[str, ...],
    tokens: Sequence[Token],
    body: _Body | None,
    prefix: tuple[Token, ...] = (),
) -> Parsed:
    numbers = [_number(token) for token in tokens if token.kind is Kind.PARAMETER]
    none: frozenset[Name] = frozenset()
    if body is None:
        return Parsed(text, form, kinds, max(numbers, default=0), none, none, frozenset(), none, none)
    found = body.names
    return Parsed(
        canonical=text,
        form=form,
        kinds=kinds,
        parameters=max(numbers, default=0),
        relations=frozenset(found.relations.values()),
        calls=frozenset(found.calls.values()),
        attributes=found.attributes,
        operators=found.operators,
        types=types.named(body.stream, found.types, found.calls),
        source=Source(prefix, body.stream, found, found.targets),
        uses=body.effect.uses if body.effect else (),
        changing=body.effect is not None,
    )


def _definition(text: str, tokens: list[Token], unsafe: frozenset[str]) -> Parsed:
    """Read what neither queries nor changes rows, with the query that it may contain."""
    from pgwarden.guard import ddl

    found = ddl.read(tokens, unsafe)
    _check_definition(tokens, found)
    query = list(found.query)
    inner = _parsed(text, "change", found.kinds, tokens, _judge(query) if query else None, found.prefix)
    return replace(
        inner,
        relations=inner.relations | {it.name for it in found.relations if it.operation == "SELECT"},
        calls=inner.calls | found.calls,
        attributes=inner.attributes | found.attributes,
        operators=inner.operators | found.operators,
        types=inner.types | found.types,
        source=replace(inner.source, suffix=found.suffix) if inner.source else None,
        uses=(*(Use(it.operation, it.name) for it in found.relations), *_reads(inner.relations)),
        changing=True,
        definition=found,
    )


def _check_definition(tokens: list[Token], found: Definition) -> None:
    """Apply the token rules that do not need to know where the expressions of a definition are."""
    none: frozenset[Name] = frozenset()
    known = names.Names({}, {}, {}, found.attributes, none, frozenset(), {})
    stream = Stream(tokens)
    for rule in DEFINITION_RULES:
        rule(stream, known)


def _reads(relations: frozenset[Name]) -> list[Use]:
    return [Use("SELECT", name) for name in sorted(relations)]


def _number(parameter: Token) -> int:
    """Return the number of a `$n`. Whoever makes one value for each of them needs it bounded, as PostgreSQL does."""
    digits = parameter.text[1:].lstrip("0")
    if not digits or len(digits) > len(str(MAX_PARAMETERS)) or int(digits) > MAX_PARAMETERS:
        raise Refused("invalid_sql", f"Parameters are $1 to ${MAX_PARAMETERS}.", "Number them from $1 without gaps.")
    return int(digits)
