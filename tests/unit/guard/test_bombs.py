"""No statement takes the guard long, however it is built."""

from __future__ import annotations

import time

import pytest

from pgwarden.guard import judge, parse
from pgwarden.guard.parsed import Refused
from pgwarden.guard.rules.repetition import MAX_SUBSCRIPTS, MAX_TYPE_CALLS
from pgwarden.guard.stream import MAX_DEPTH, MAX_DOTS

BOMBS = {
    "arrays": "SELECT " + "ARRAY[" * 25 + "1" + "]" * 25,
    "arrays-within-depth": "SELECT " + "ARRAY[" * 23 + "1" + "]" * 23,
    "type-calls": "SELECT " + "int(" * 20 + "1" + ")" * 20,
    "brackets": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "subscripts": "SELECT a" + "[1]" * 3000,
    "dots": "SELECT a" + ".b" * 5000,
    "casts": "SELECT a" + "::int" * 5000,
    "not": "SELECT " + "NOT " * 5000 + "true",
    "signs": "SELECT " + "- " * 5000 + "1",
    "case": "SELECT " + "CASE WHEN a THEN " * 1000 + "1" + " END" * 1000,
    "unions": "SELECT 1" + " UNION SELECT 1" * 4000,
    "joins": "SELECT * FROM a" + " JOIN a ON true" * 3000,
    "open-cases": "SELECT " + "CASE " * 5000,
    "intervals": "SELECT " + "interval " * 5000,
    "with": "WITH " + "a AS (SELECT 1), " * 2000 + "b AS (SELECT 1) SELECT 1",
    "quotes": "SELECT " + "'" * 9999,
    "dollars": "SELECT " + "$a$ $b$ " * 5000,
    "comments": "SELECT " + "/*" * 9999,
    "identifiers": '"' * 99_999,
}


@pytest.mark.parametrize("sql", BOMBS.values(), ids=BOMBS)
def test_bombs(sql: str) -> None:
    """Whatever the verdict is, it comes within a second (0.2 s on an idle machine), without an exception."""
    judge("SELECT 1", None)
    start = time.process_time()
    judge(sql, None)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda n: "SELECT " + "(" * n + "1" + ")" * n, MAX_DEPTH),
        (lambda n: "SELECT " + "int(" * n + "1" + ")" * n, MAX_TYPE_CALLS),
        (lambda n: "SELECT a" + "[1]" * n, MAX_SUBSCRIPTS),
        (lambda n: "SELECT a" + ".b" * n, MAX_DOTS),
    ],
    ids=["depth", "type calls", "subscripts", "dots"],
)
def test_limits(make, limit: int) -> None:  # type: ignore[no-untyped-def]
    """Beyond each limit a statement is too complex; at the limit it is judged by its content."""
    with pytest.raises(Refused) as caught:
        parse.read(make(limit + 1))
    assert caught.value.code == "too_complex"
    assert judge(make(limit), None).code != "too_complex"
