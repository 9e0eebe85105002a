"""The lexer splits like PostgreSQL's, or refuses."""

from __future__ import annotations

import pytest

from pgwarden.guard.lexer import MAX_CHARACTERS, MAX_TOKENS, Kind, fold, lex, literal
from pgwarden.guard.parsed import Refused


def values(sql: str) -> list[str]:
    """Return what the tokens mean, and for constants how they are spelt."""
    return [token.value or token.text for token in lex(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a#--'\n f()", ["a", "#", "f", "(", ")"]),
        ("a@/* ' */b", ["a", "@", "b"]),
        ("1+-2", ["1", "+", "-", "2"]),
        ("a<=-1", ["a", "<=", "-", "1"]),
        ("a@-1", ["a", "@-", "1"]),
        ("a!=b", ["a", "<>", "b"]),
        ("x::int[1:2]", ["x", "::", "int", "[", "1", ":", "2", "]"]),
        ("f(a=>1, b:=2)", ["f", "(", "a", "=>", "1", ",", "b", ":=", "2", ")"]),
        ("$1.x", ["$1", ".", "x"]),
        (".5 5. 1.5e-3", [".5", "5.", "1.5e-3"]),
        ("a$b$c", ["a$b$c"]),
        ('SELECT "A ""b"" c.d"', ["select", 'A "b" c.d']),
        ("/* a /* b */ ' */ x", ["x"]),
        ("$$a $x$ b$$", ["'a $x$ b'"]),
        ("$x$a $$ b$x$", ["'a $$ b'"]),
    ],
)
def test_tokens(sql: str, expected: list[str]) -> None:
    """Operators end at comments and signs, dollar quotes at their own tag, comments nest."""
    assert values(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "U&'a'", 'u&"a"', "N'a'", "'a'\n'b'", "'a' 'b'", "1a", "1_000", "0x1F", "1..2", "$1a", "$1$x$y$x$", "$1.5",
        "'a", '"a', '""', "$x$a", "/* a", "/* /* */", "a\u00a0b", "a\u200bb", "a\0b", "a\vb", "'\x01'", "\ud800",
        "x" * 64, '"' + "é" * 32 + '"', '"a\nb"', "{", "\\d", "b'2'", "x'g'", "E'a\\'", "“a”", "a ..b",
    ],
)  # fmt: skip
def test_refused_spelling(sql: str) -> None:
    """What could be read in two ways, or is not lexically valid, is refused."""
    with pytest.raises(Refused):
        lex(sql)


def test_folding_is_ascii_only() -> None:
    """Names fold like PostgreSQL's: other alphabets keep their case."""
    assert fold("ÀÉSelectİ") == "ÀÉselectİ"
    assert lex("Größe")[0].value == "größe"
    assert lex('"Größe"')[0].value == "Größe"


@pytest.mark.parametrize(("value", "text"), [("a", "'a'"), ("it's", "'it''s'"), ("a\\b'", "E'a\\\\b'''"), ("", "''")])
def test_literal(value: str, text: str) -> None:
    """A constant with a backslash is an escape string, so that no setting changes its meaning."""
    assert literal(value) == text


def test_any_text_fits_in_a_constant() -> None:
    """Letters of every script, typographic quotes and emoji are ordinary in a string."""
    assert lex("'日本 “x” 🎉\n\t'")[0].kind is Kind.STRING


def test_limits() -> None:
    """100,000 characters and 20,000 tokens are accepted, one more of either is not."""
    assert len(lex("1 " * MAX_TOKENS)) == MAX_TOKENS
    with pytest.raises(Refused, match="tokens"):
        lex("1 " * (MAX_TOKENS + 1))
    assert len(lex("'" + "x" * (MAX_CHARACTERS - 2) + "'")) == 1
    with pytest.raises(Refused, match="characters"):
        lex(" " * (MAX_CHARACTERS + 1))
