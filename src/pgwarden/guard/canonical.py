"""The text that runs: the caller's statement, spelt so that it can be read in one way only.

Comments become white space, every string constant is quoted so that it means the same whatever
standard_conforming_strings is, names outside ASCII are quoted so that they fold alike in every encoding, and one
trailing semicolon goes. Nothing is rendered from a tree: a bug of the lexer can break a query, it cannot smuggle one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgwarden.guard.lexer import Kind, Token

_GLUES = frozenset({Kind.WORD, Kind.QUOTED, Kind.NUMBER, Kind.PARAMETER})


def statement(tokens: list[Token]) -> list[Token]:
    """Return the tokens without one trailing semicolon."""
    return tokens[:-1] if tokens and tokens[-1].value == ";" and tokens[-1].kind is Kind.MARK else tokens


def render(tokens: Sequence[Token]) -> str:
    """Return the canonical text of the tokens."""
    parts: list[str] = []
    last: Kind | None = None
    for token in tokens:
        glued = not token.gap and (_opens_a_quote(token) if last in _GLUES else _was_quoted(token))
        parts.append(" " if glued else token.gap)
        parts.append(token.text)
        last = token.kind
    return "".join(parts).strip()


def _opens_a_quote(token: Token) -> bool:
    """Whether a word before it, without a gap, would run into it."""
    return token.text[0] in "'\"" or token.kind is Kind.STRING


def _was_quoted(token: Token) -> bool:
    """Whether it is a word that only the canonical text quotes: `u&é` must not become one identifier, `u&"é"`."""
    return token.kind is Kind.WORD and token.text[0] == '"'
