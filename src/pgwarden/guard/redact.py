"""SQL and other text as the audit log keeps it: without passwords, and without literals where they are not wanted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from pgwarden.guard.canonical import render
from pgwarden.guard.lexer import Kind, Token, lex
from pgwarden.guard.parsed import Refused

log = logging.getLogger(__name__)

_DROPPED: Final = "?"
_FIRST_WORD: Final = re.compile(r"\s*([A-Za-z]{1,30})")
_SECRET_WORDS: Final = frozenset({"password", "passwd", "passphrase", "sslpassword", "secret", "connection"})
"""Words right before a constant that is a secret, or a connection string with one."""
_CREDENTIALS: Final = re.compile(
    r"""(?:pass(?:word|wd|phrase)?|secret)(?:\s*(?:=|:=)|\s+['"$%eE])   # password=..., or code with PASSWORD '...'
    |://[^/\s@:]*:[^/\s@]*@                                             # scheme://user:password@host""",
    re.IGNORECASE | re.VERBOSE,
)
"""Linear in the text: no two of its repetitions can share characters."""
_LOGIN: Final = re.compile(r"://[^/\s@:]*:[^/\s@]*@")
_NAMED: Final = re.compile(r"""(?:pass(?:word|wd|phrase)?|secret)["']?\s*[:=]""", re.IGNORECASE)
"""A secret by its name, in JSON and the like."""
_MAY_HOLD_SECRET: Final = re.compile(r"pass|secret|connection|options|://", re.IGNORECASE)


def redact_sql(sql: str, *, literals: bool) -> str:
    """Return a statement as it may be logged. Never raises.

    Passwords, and the connection strings and options of subscriptions, servers and user mappings, always become `?`.
    Text that cannot be split into tokens is cut down to its first word where it could hold what has to go.

    Args:
        sql: The statement, whatever it is.
        literals: Whether other constants, and comments, may stay as they are.
    """
    if literals and not _MAY_HOLD_SECRET.search(sql):
        return sql
    shown = _redacted(sql, literals=literals)
    # Outside of every constant it is no SQL.
    return _first_word(sql) if _LOGIN.search(shown) else shown


def redact_text(text: str) -> str:
    """Return a text that need not be SQL as it may be logged. Never raises.

    A statement loses its passwords; what else looks as if it held one is cut down to its first word.
    """
    shown = redact_sql(text, literals=True)
    return _first_word(text) if _CREDENTIALS.search(shown) or _NAMED.search(shown) else shown


def _redacted(sql: str, *, literals: bool) -> str:
    try:
        tokens = lex(sql)
    except Refused:
        return _first_word(sql)
    except Exception:
        # A defect here must cost no line of the log, and no password.
        log.exception("a statement could not be redacted")
        return _first_word(sql)
    dropped = _secrets(tokens) if literals else _constants(tokens)
    if literals and not dropped and not _CREDENTIALS.search(sql):
        return sql
    # Comments go with it: they are not tokens, and what was taken out may stand in one of them too.
    return render([replace(token, text=_DROPPED) if at in dropped else token for at, token in enumerate(tokens)])


def _first_word(sql: str) -> str:
    match = _FIRST_WORD.match(sql)
    return f"{match.group(1)} {_DROPPED}" if match else _DROPPED


def _constants(tokens: Sequence[Token]) -> set[int]:
    return {at for at, token in enumerate(tokens) if token.kind in (Kind.STRING, Kind.NUMBER)}


def _secrets(tokens: Sequence[Token]) -> set[int]:
    """Return the places of the constants that are, or may hold, secrets."""
    strings = {at for at, token in enumerate(tokens) if token.kind is Kind.STRING}
    if any(_CREDENTIALS.search(tokens[at].text) for at in strings):
        # A connection string, or code that is put together from strings, any of which may be the password.
        return strings
    return {at for at in strings if _names_secret(tokens, at)} | set(_options(tokens))


def _names_secret(tokens: Sequence[Token], at: int) -> bool:
    """Tell whether what stands before a constant says that it is a secret: PASSWORD '...', or password = '...'."""
    word = at - 2 if at > 1 and tokens[at - 1].value == "=" else at - 1
    return word >= 0 and tokens[word].value.lower() in _SECRET_WORDS


def _options(tokens: Sequence[Token]) -> Iterator[int]:
    """Return the places of every OPTIONS (...) value: which of them a wrapper takes for a secret is not known."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind is Kind.MARK and token.value == "(":
            depth = depth + 1 if depth or (at and tokens[at - 1].value == "options") else 0
        elif token.kind is Kind.MARK and token.value == ")":
            depth = max(depth - 1, 0)
        elif depth and token.kind is Kind.STRING:
            yield at
