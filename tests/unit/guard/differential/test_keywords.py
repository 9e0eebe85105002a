"""Every key word of PostgreSQL, as a name, an alias and a call, wherever a parser could take it for syntax."""

from __future__ import annotations

import pytest
from pglast import keywords

from .compare import compare

WORDS = sorted(
    {
        *keywords.UNRESERVED_KEYWORDS,
        *keywords.COL_NAME_KEYWORDS,
        *keywords.TYPE_FUNC_NAME_KEYWORDS,
        *keywords.RESERVED_KEYWORDS,
        *(
            "nextval",
            "treat",
            "struct",
            "map",
            "try_cast",
            "safe_cast",
            "convert",
            "if",
            "pivot",
            "unpivot",
            "qualify",
            "prewhere",
        ),
        *(
            "top",
            "lateral view",
            "cluster by",
            "sample",
            "replace",
            "except",
            "apply",
            "glob",
            "rlike",
            "regexp",
            "div",
            "xor",
        ),
        *(
            "kill",
            "use",
            "describe",
            "pragma",
            "unload",
            "matched",
            "connect_by_root",
            "prior",
            "next value for",
            "any_value",
        ),
        *(
            "date_add",
            "date_diff",
            "decode",
            "group_concat",
            "log",
            "predict",
            "string_agg",
            "openjson",
            "match_recognize",
        ),
    }
)
PLACES = (
    *(
        "SELECT {w}(1)",
        'SELECT "{w}"(1)',
        "SELECT {w} (a, b)",
        "SELECT {w}/**/(SELECT 1)",
        "SELECT {w}('a')",
        "SELECT {w}()",
    ),
    *(
        "SELECT a {w}(1)",
        "SELECT a AS {w}, {w}(1)",
        "SELECT a.{w}(1)",
        "SELECT a.{w} (1)",
        "SELECT pg_catalog.{w}(1)",
        "SELECT (a).{w}",
    ),
    *(
        "SELECT a AND {w}(1)",
        "SELECT NOT {w}(1)",
        "SELECT 1 + {w}(1)",
        "SELECT a = {w}(1)",
        "SELECT -{w}(1)",
        "SELECT a {w} b (1)",
    ),
    *(
        "SELECT a IS {w}(1)",
        "SELECT a LIKE {w}(1)",
        "SELECT a IN ({w}(1))",
        "SELECT a {w} (1)",
        "SELECT a BETWEEN {w}(1) AND {w}(2)",
    ),
    *(
        "SELECT CASE {w}(1) WHEN {w}(2) THEN {w}(3) END",
        "SELECT CASE WHEN {w}(1) THEN 1 ELSE {w}(1) END",
        "SELECT ARRAY[{w}(1)]",
    ),
    *(
        "SELECT f({w}(1))",
        "SELECT count({w}(1))",
        "SELECT count(DISTINCT {w}(1))",
        "SELECT count(ALL {w}(1))",
        "SELECT ROW({w}(1))",
    ),
    *(
        "SELECT a::{w}(1)",
        "SELECT CAST(a AS {w}(1))",
        "SELECT {w} 'a'",
        "SELECT {w}(1) 'a'",
        "SELECT a::{w}",
        "SELECT a::{w}[{w}(1)]",
    ),
    *(
        "SELECT a[{w}(1)]",
        "SELECT (a)[1:{w}(1)]",
        "SELECT (a).b.{w}",
        "SELECT (f(1)).{w}",
        "SELECT a COLLATE {w}",
        "SELECT DISTINCT {w}(1)",
    ),
    *(
        "SELECT * FROM {w}(1)",
        "SELECT * FROM {w} (1) AS a",
        "SELECT * FROM a, {w}(1)",
        "SELECT * FROM a {w}(1)",
        "SELECT * FROM a AS {w}(b)",
    ),
    *(
        "SELECT * FROM a JOIN {w}(1) ON true",
        "SELECT * FROM a {w} JOIN b ON true",
        "SELECT * FROM a JOIN b ON {w}(1)",
        "SELECT * FROM a.{w}(1)",
    ),
    *(
        "SELECT * FROM LATERAL {w}(1)",
        "SELECT * FROM ROWS FROM ({w}(1))",
        "SELECT * FROM a TABLESAMPLE {w}(1)",
        "SELECT * FROM ONLY {w}",
    ),
    *(
        "SELECT * FROM a JOIN b USING ({w})",
        "SELECT * FROM a JOIN b {w} (c)",
        "SELECT * FROM ({w}(1)) a",
        "SELECT * FROM a LEFT JOIN {w} (1) ON b",
    ),
    *(
        "SELECT 1 WHERE {w}(1)",
        "SELECT 1 FROM a WHERE b {w}(1)",
        "SELECT 1 GROUP BY {w}(1)",
        "SELECT 1 GROUP BY {w} (a, b)",
        "SELECT 1 HAVING {w}(1)",
    ),
    *(
        "SELECT 1 ORDER BY {w}(1)",
        "SELECT 1 ORDER BY a {w}(1)",
        "SELECT 1 LIMIT {w}(1)",
        "SELECT 1 OFFSET {w}(1)",
        "SELECT 1 LIMIT a {w} (1)",
    ),
    *(
        "SELECT sum(1) OVER ({w}(1))",
        "SELECT sum(1) OVER (PARTITION BY {w}(1))",
        "SELECT sum(1) OVER {w}",
        "SELECT sum(1) {w} (WHERE a)",
    ),
    *(
        "SELECT sum(1) OVER (ROWS {w}(1) PRECEDING)",
        "SELECT 1 FROM a WINDOW {w} AS (ORDER BY {w}(1))",
        "SELECT sum(1) {w} (ORDER BY f(1))",
    ),
    *(
        "WITH {w}(a) AS (SELECT 1) SELECT {w}(1)",
        "WITH {w} AS (SELECT 1) TABLE {w}",
        "WITH a AS {w} (SELECT 1) TABLE a",
        "WITH {w} (SELECT 1)",
    ),
    *(
        "VALUES ({w}(1))",
        "TABLE {w}",
        "{w} a",
        "{w} SELECT 1",
        "{w} (SELECT 1)",
        "SELECT {w} FROM a",
        "SELECT 1 {w} SELECT 2",
        "SELECT 1 {w} a",
    ),
    *(
        "EXPLAIN {w} SELECT 1",
        "EXPLAIN ({w}) SELECT 1",
        "EXPLAIN (COSTS {w}) SELECT 1",
        "EXPLAIN {w}",
        "SHOW {w}",
        "SHOW {w} a",
        "SELECT 1 FOR {w}",
    ),
    *(
        "SELECT {w} a",
        "SELECT {w} (a) FROM b",
        "SELECT a, {w} FROM b",
        "SELECT a {w} FROM b",
        "SELECT a FROM b {w} c",
        "SELECT a FROM b {w} c (d)",
    ),
    *(
        "SELECT extract({w} FROM a)",
        "SELECT extract({w}(1) FROM a)",
        "SELECT trim({w}(1) FROM a)",
        "SELECT substring(a FROM {w}(1))",
        "SELECT 1 {w}",
    ),
    *(
        "SELECT position({w}(1) IN a)",
        "SELECT overlay(a {w} b FROM 1)",
        "SELECT json_object({w}(1): 1)",
        "SELECT interval '1' {w}",
        "SELECT a {w}.b(1)",
    ),
    *(
        "SELECT json_table(a, '$' {w} (b int))",
        "SELECT * FROM json_table(a, '$' COLUMNS (b {w} PATH '$'))",
        "SELECT xmlelement(name {w}, {w}(1))",
    ),
    *(
        "SELECT a OPERATOR({w}.+) b",
        "SELECT a {w} ANY (SELECT f(1))",
        "SELECT a IS {w} DISTINCT FROM f(1)",
        "SELECT a NOT {w} (f(1))",
        "SELECT treat(a AS {w})",
    ),
)


def test_places_are_sql_for_some_word() -> None:
    """The word lists of the tested release are not empty, so that the test below tests something."""
    assert len(WORDS) > 480
    assert len(PLACES) > 100


@pytest.mark.parametrize("number", range(len(PLACES)), ids=PLACES)
def test_key_word(number: int, fuzz_seconds: float) -> None:
    """Whatever key word stands in the place, the guard accepts nothing that the oracle objects to."""
    # A default run tries every word, but each in a sixth of the places; a long run tries them all.
    words = WORDS if fuzz_seconds > 60 else WORDS[number % 6 :: 6]
    outcomes = {text: compare(text) for text in (PLACES[number].format(w=word) for word in words)}
    assert {text: outcome.faults for text, outcome in outcomes.items() if outcome.faults} == {}
