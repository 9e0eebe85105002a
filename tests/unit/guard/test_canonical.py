"""The canonical text means what the caller wrote, and can be read in one way only."""

from __future__ import annotations

import pytest

from pgwarden.guard import canonical
from pgwarden.guard.lexer import lex


def render(sql: str) -> str:
    """Return the canonical text of a statement."""
    return canonical.render(canonical.statement(lex(sql)))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 -- x\n", "SELECT 1"),
        ("SELECT/* a */1 ;", "SELECT 1"),
        ("SELECT 1 -- '\n, 2", "SELECT 1\n, 2"),
        ("SELECT  1\r\n\t, 2", "SELECT 1\n, 2"),
        ("SELECT'a\\b'", "SELECT E'a\\\\b'"),
        ("SELECT $$it's$$", "SELECT 'it''s'"),
        ("SELECT$$a$$", "SELECT$$a$$"),
        ("SELECT E'a\\'b\\\\'", "SELECT E'a''b\\\\'"),
        ("SELECT e'plain'", "SELECT 'plain'"),
        ("SELECT date'2020-01-01'", "SELECT date '2020-01-01'"),
        ("SELECT x'1F', B'01'", "SELECT x'1F', B'01'"),
        ("SELECT 2-/**/-1", "SELECT 2- -1"),
        ("SELECT É FROM ÄB", 'SELECT "É" FROM "Äb"'),
        ("SELECT u&é", 'SELECT u& "é"'),
        ('SELECT "a"é, é"b", é\'c\'', 'SELECT "a" "é", "é" "b", "é" \'c\''),
    ],
)
def test_render(sql: str, expected: str) -> None:
    """Comments go, strings are re-quoted, one semicolon is dropped; all else stays as it was."""
    assert render(sql) == expected


@pytest.mark.parametrize("sql", ["SELECT'a\\b'||$q$c'$q$ -- x", "SELECT E'\\n' /* y */ FROM \"T t\"", "SELECT 1 - - 1"])
def test_render_is_stable(sql: str) -> None:
    """The canonical text of a canonical text is itself."""
    once = render(sql)
    assert render(once) == once


def test_only_the_last_semicolon_goes() -> None:
    """A semicolon within the text stays for the rules to see."""
    assert render("SELECT 1; SELECT 2;") == "SELECT 1; SELECT 2"
