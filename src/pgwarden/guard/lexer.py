"""PostgreSQL's lexer (scan.l), as far as it cannot be misread.

What is rare and easy to read in two ways is refused rather than modelled: `U&` and `N''` literals, literals that
continue on the next line, junk after a number or a parameter, control characters, and characters outside ASCII that
are no letters or digits in an identifier. Whatever passes is split into the same tokens as by every supported server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pgwarden.guard.parsed import Refused

MAX_CHARACTERS: Final = 100_000
MAX_TOKENS: Final = 20_000
MAX_NAME_BYTES: Final = 63


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    """An identifier or key word without quotes; `value` is folded."""
    QUOTED = auto()
    """A quoted identifier; `value` is the name."""
    STRING = auto()
    """A string or bit-string constant; `text` is its canonical spelling."""
    NUMBER = auto()
    PARAMETER = auto()
    OPERATOR = auto()
    MARK = auto()
    """One of `( ) [ ] , . ; : :: := =>`."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    Attributes:
        kind: What it is.
        text: How it is spelt in the canonical text.
        value: What it means: the folded or unquoted name, the operator, the mark; empty for constants.
        gap: White space before it, comments included: nothing, a space or a line end.
    """

    kind: Kind
    text: str
    value: str
    gap: str


_LETTER = r"A-Za-z_\x80-\U0010ffff"
_TOKEN = re.compile(
    rf"""(?P<gap>[ \t\n\r\f]++|--[^\n\r]*+)
    |(?P<comment>/\*)
    |(?P<refused>[uU]&['"]|[nN]')
    |(?P<escaped>[eE]'[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+')
    |(?P<bits>[bB]'[01]*+'|[xX]'[0-9a-fA-F]*+')
    |(?P<broken>[eEbBxX]')
    |(?P<word>[{_LETTER}][{_LETTER}0-9$]*+)
    |(?P<string>'[^']*+(?:''[^']*+)*+')
    |(?P<quoted>"[^"]*+(?:""[^"]*+)*+")
    |(?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*+)?\$)
    |(?P<parameter>\$[0-9]++)
    |(?P<number>(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+)
    |(?P<mark>::|:=|[,()\[\]:;]|\.(?!\.))
    |(?P<operator>[~!@\#^&|`?+\-*/%<>=]++)""",
    re.VERBOSE | re.DOTALL,
)
_JUNK = re.compile(rf"[{_LETTER}0-9$.]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LINE_END = re.compile(r"[\n\r]")
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_MAKES_OPERATOR = frozenset("~!@#^&|`?%")


def lex(sql: str) -> list[Token]:
    """Split a statement into tokens.

    Args:
        sql: The text, at most 100,000 characters and 20,000 tokens.

    Raises:
        Refused: The text is too long, is not lexically valid, or uses a spelling that could be misread.
    """
    if len(sql) > MAX_CHARACTERS:
        raise Refused("too_complex", "The statement is longer than 100,000 characters.", "Split it or shorten it.")
    if _CONTROL.search(sql):
        raise Refused("invalid_sql", "The statement contains control characters.", "Remove them; chr(n) makes one.")
    tokens: list[Token] = []
    position, gap, end = 0, "", len(sql)
    while position < end:
        match = _TOKEN.match(sql, position)
        if match is None or match.lastgroup is None:
            raise _unreadable(sql[position])
        group, start, position = match.lastgroup, position, match.end()
        if group == "gap" or group == "comment":
            if group == "comment":
                position = _end_of_comment(sql, start)
            gap = "\n" if gap == "\n" or _LINE_END.search(sql, start, position) else " "
            continue
        if group == "operator":
            position = start + _operator_length(match.group())
        elif group == "dollar":
            position = _end_of_dollar(sql, match.group(), position)
        token = _token(group, sql[start:position], gap)
        _check_neighbours(tokens, token, sql, position)
        tokens.append(token)
        gap = ""
        if len(tokens) > MAX_TOKENS:
            raise Refused("too_complex", "The statement has more than 20,000 tokens.", "Split it or shorten it.")
    return tokens


def fold(name: str) -> str:
    """Return a name as PostgreSQL folds it: ASCII letters only."""
    return name.translate(_FOLD)


def literal(value: str) -> str:
    """Return a string constant that means the same whatever standard_conforming_strings is."""
    quoted = value.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def _token(group: str, text: str, gap: str) -> Token:
    match group:
        case "word":
            _check_name(text)
            folded = fold(text)
            # Servers with a single-byte encoding fold more than ASCII, unless the name is quoted. Key words are ASCII.
            return Token(Kind.WORD, text if text.isascii() else f'"{folded}"', folded, gap)
        case "quoted":
            name = text[1:-1].replace('""', '"')
            _check_name(name)
            return Token(Kind.QUOTED, text, name, gap)
        case "string":
            return Token(Kind.STRING, literal(text[1:-1].replace("''", "'")), "", gap)
        case "escaped":
            return Token(Kind.STRING, _escaped(text[2:-1]), "", gap)
        case "dollar":
            width = text.index("$", 1) + 1
            return Token(Kind.STRING, literal(text[width:-width]), "", gap)
        case "bits":
            return Token(Kind.STRING, text, "", gap)
        case "number":
            return Token(Kind.NUMBER, text, "", gap)
        case "parameter":
            return Token(Kind.PARAMETER, text, "", gap)
        case "operator":
            return _operator(text, gap)
        case "mark":
            return Token(Kind.MARK, text, text, gap)
    raise Refused("not_understood", "The statement has a constant of a form that is not accepted.", _PLAIN)


_PLAIN: Final = "Write strings as '...', names as \"...\" and close every quote."


def _operator(text: str, gap: str) -> Token:
    if len(text) >= MAX_NAME_BYTES:
        raise Refused("invalid_sql", "An operator is too long.")
    if text == "=>":
        return Token(Kind.MARK, text, text, gap)
    return Token(Kind.OPERATOR, text, "<>" if text == "!=" else text, gap)


def _operator_length(run: str) -> int:
    """Return how much of a run of operator characters is one operator: up to a comment, without a trailing sign."""
    cuts = [cut for cut in (run.find("--"), run.find("/*")) if cut > 0]
    length = min(cuts, default=len(run))
    while length > 1 and run[length - 1] in "+-" and _MAKES_OPERATOR.isdisjoint(run[: length - 1]):
        length -= 1
    return length


def _end_of_comment(sql: str, start: int) -> int:
    depth, position = 0, start
    while match := _COMMENT_EDGE.search(sql, position):
        position = match.end()
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return position
    raise Refused("invalid_sql", "A comment is not closed.")


def _end_of_dollar(sql: str, tag: str, start: int) -> int:
    _check_name(tag.strip("$") or "x")
    close = sql.find(tag, start)
    if close < 0:
        raise Refused("invalid_sql", "A dollar-quoted string is not closed.")
    return close + len(tag)


def _escaped(body: str) -> str:
    if "\\" not in body:
        return f"'{body}'"
    return "E'" + _ESCAPE.sub(lambda match: "''" if match.group(1) == "'" else match.group(), body) + "'"


def _check_name(name: str) -> None:
    if not name:
        raise Refused("invalid_sql", "A quoted identifier is empty.")
    if name.isascii():
        if len(name) > MAX_NAME_BYTES or not name.isprintable():
            raise Refused("invalid_sql", "An identifier is longer than 63 bytes or contains a line end.")
    elif len(name.encode()) > MAX_NAME_BYTES or not all(c.isalnum() for c in name if not c.isascii()):
        raise Refused(
            "not_understood",
            "An identifier is longer than 63 bytes or contains characters that are neither letters nor digits.",
            "Spaces that are not plain spaces and typographic quotes are common culprits.",
        )


def _check_neighbours(tokens: list[Token], token: Token, sql: str, end: int) -> None:
    numeric = token.kind is Kind.NUMBER
    if (numeric and _JUNK.match(sql, end)) or (
        token.kind is Kind.PARAMETER and end < len(sql) and sql[end] != "." and _JUNK.match(sql, end)
    ):
        raise Refused("not_understood", "A number or parameter runs into what follows it.", "Put a space between them.")
    if not tokens:
        return
    last = tokens[-1]
    if numeric and last.kind is Kind.PARAMETER and not token.gap:
        raise Refused("not_understood", "A number or parameter runs into what follows it.", "Put a space between them.")
    if token.kind is Kind.STRING and last.kind is Kind.STRING:
        raise Refused("not_understood", "Two string constants stand side by side.", "Join them with ||.")


def _unreadable(character: str) -> Refused:
    if character in "'\"":
        return Refused("invalid_sql", "A quote is not closed.", _PLAIN)
    return Refused("invalid_sql", "The statement contains a character that SQL does not use.")
