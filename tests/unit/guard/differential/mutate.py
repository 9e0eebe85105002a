"""Change statements at random, in the ways that make two parsers disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

PIECE = re.compile(r"\s+|\w+|'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|[^\w\s]", re.S)

LEXICAL: Final = (
    *(
        "'",
        "''",
        '"',
        '""',
        "$",
        "$$",
        "$1",
        "$a$",
        "$1$",
        "$$;$$",
        "\\",
        "\\'",
        "`",
        "E'",
        "e'\\''",
        "U&'",
        'U&"a"',
        "N'",
    ),
    *(
        "B'",
        "X'1'",
        "--",
        "-- '\n",
        "--\n",
        "--\r",
        "/*",
        "*/",
        "/**/",
        "/* ' */",
        "/*/**/*/",
        "#",
        "#--'\n",
        "{#",
        "#}",
    ),
    *(
        "//",
        "\0",
        "\u00a0",
        "\u2028",
        "\u200b",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x85",
        "\ufeff",
        "\ud800",
        "é",
        "ſ",
        "İ",
        "１",
        "；",
    ),
    *(
        "1e",
        "0x",
        "1.",
        ".5",
        "1_0",
        "1..2",
        "::",
        ":=",
        "=>",
        ":",
        ":a",
        "?",
        "?|",
        "%s",
        "{}",
        "@",
        "@@",
        "->>",
        "+-",
        "<!--",
    ),
)
MARKS: Final = ("(", ")", "[", "]", ",", ";", ".", "*", "((", "))", "()", "[1]", "[:]", "{", "}")
CALLS: Final = (
    *("pg_sleep(1)", ", nextval('s')", "nextval ('s')", "pg_catalog.pg_sleep(1)", '"pg_sleep"(1)', "pg_sleep/**/(1)"),
    *(
        "(x).nextval",
        ".nextval",
        "t.pg_read_file",
        "TREAT(1 AS pg_sleep)",
        "treat",
        "f(",
        "my_function(1)",
        "public.f()",
    ),
    *(
        "pg_sleep",
        "nextval",
        "lo_import(",
        "OPERATOR(public.+)",
        "operator",
        "query_to_xml('a', true, true, '')",
        "set_config(",
    ),
    *(
        "TABLESAMPLE f(1)",
        "ROWS FROM (f())",
        "interval(",
        "date(1)",
        "int4(",
        "numeric(",
        "timestamp(",
        "xmltable(",
        "json_table(",
    ),
)
CLAUSES: Final = (
    *(
        "FOR UPDATE",
        "FOR SHARE",
        "for key share of t",
        "INTO t",
        "into temp t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
    ),
    *(
        "DELETE FROM t",
        "(DELETE FROM t RETURNING *)",
        "WITH x AS (DELETE FROM t RETURNING *)",
        "MERGE INTO t",
        "DROP TABLE t",
    ),
    *(
        "; DELETE FROM t",
        "; SELECT 1",
        "EXPLAIN",
        "EXPLAIN ANALYZE",
        "EXPLAIN (ANALYZE)",
        "SHOW",
        "COPY",
        "TABLE",
        "VALUES (1)",
    ),
    *(
        "WITH",
        "WITH x AS (SELECT 1)",
        "AS",
        "SELECT",
        "FROM",
        "UNION",
        "WHERE",
        "WINDOW w AS (",
        "OVER (",
        "FILTER (WHERE",
    ),
    *(
        "AS MATERIALIZED (",
        "LATERAL",
        "ONLY",
        "CAST(",
        "CASE",
        "END",
        "ARRAY[",
        "ROW(",
        "VARIADIC",
        "DISTINCT",
        "COLLATE",
    ),
    *(
        "AT TIME ZONE",
        "IS",
        "NOT",
        "NULL",
        "IN (",
        "LIKE",
        "ESCAPE",
        "SIMILAR TO",
        "BETWEEN",
        "SYMMETRIC",
        "ANY (",
        "LIMIT",
    ),
    *(
        "pg_authid",
        "pg_catalog.pg_authid",
        "set",
        "execute",
        "lock",
        "do",
        "begin",
        "analyze",
        "current_user",
        "default",
    ),
)
HOSTILE: Final = LEXICAL + MARKS + CALLS + CLAUSES

Step = Callable[[list[str], Random, Sequence[str]], None]


def mutate(sql: str, random: Random, others: Sequence[str]) -> str:
    """Return the statement with one to six changes.

    Args:
        sql: Where to start.
        random: Decides every change, so that a seed repeats a run.
        others: Statements to take pieces from; at least one.
    """
    pieces = PIECE.findall(sql)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 6))):
        random.choice(STEPS)(pieces, random, others)
    return "".join(pieces)


def _insert(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    space = random.choice(("", " "))
    pieces.insert(random.randint(0, len(pieces)), f"{space}{random.choice(HOSTILE)}{space}")


def _replace(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    if pieces:
        pieces[random.randrange(len(pieces))] = random.choice(HOSTILE)


def _delete(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    if pieces:
        start = random.randrange(len(pieces))
        del pieces[start : start + random.choice((1, 1, 2, 5))]


def _swap(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    if pieces:
        one, other = random.randrange(len(pieces)), random.randrange(len(pieces))
        pieces[one], pieces[other] = pieces[other], pieces[one]


def _repeat(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    if pieces:
        start = random.randrange(len(pieces))
        pieces[start:start] = pieces[start : start + random.randint(1, 8)]


def _splice(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    other = PIECE.findall(random.choice(others)[:2000])
    if other:
        start = random.randrange(len(other))
        place = random.randint(0, len(pieces))
        pieces[place:place] = other[start : start + random.randint(1, 12)]


def _wrap(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    start = random.randint(0, len(pieces))
    end = random.randint(start, min(len(pieces), start + 20))
    opened, closed = random.choice(
        (("(", ")"), ("[", "]"), ("'", "'"), ('"', '"'), ("/*", "*/"), ("$$", "$$"), ("--", "\n"))
    )
    pieces.insert(end, closed)
    pieces.insert(start, opened)


def _character(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    if pieces:
        index = random.randrange(len(pieces))
        place = random.randint(0, len(pieces[index]))
        new = random.choice("'\"$\\;()[]{}#-/*.,:=<>!@%^&|~`?_0aEeU \n\t\r\x00\xa0é")
        pieces[index] = pieces[index][:place] + new + pieces[index][place + random.randint(0, 1) :]


def _quote_word(pieces: list[str], random: Random, others: Sequence[str]) -> None:
    words = [index for index, piece in enumerate(pieces) if piece.isidentifier()]
    if words:
        index = random.choice(words)
        pieces[index] = random.choice(
            (f'"{pieces[index]}"', pieces[index].upper(), f'U&"{pieces[index]}"', f"{pieces[index]}(")
        )


STEPS: Final[tuple[Step, ...]] = (
    *(_insert, _insert, _insert, _replace, _replace, _delete, _swap, _repeat, _splice, _splice),
    *(_wrap, _character, _character, _quote_word),
)
