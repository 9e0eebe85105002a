"""A real server plans what the corpus calls reads: they are SQL, not just text that parses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import psycopg
import pytest

from corpus.cases import FOLDER, load
from corpus.queries.suites import suites
from pgwarden.guard import judge

NOT_BUILT_IN = psycopg.errors.FeatureNotSupported
"""What a server says of a feature that it was built without, such as XML."""


@pytest.mark.parametrize("name", suites())
def test_suite_is_planned(name: str, database_url: str) -> None:
    """Every query of the suite has a plan, and its canonical text the same one."""
    suite = suites()[name]
    with _planner(database_url, suite.schema) as cursor:
        for query, sql in suite.queries.items():
            plan = _plan(cursor, sql)
            assert plan, query
            assert _plan(cursor, judge(sql, None).canonical) == plan, query


def test_allowed_cases_are_planned(database_url: str) -> None:
    """Every read of the corpus runs through the planner, or is answered, by its canonical text."""
    with _planner(database_url, (FOLDER / "schema.sql").read_text(encoding="utf-8")) as cursor:
        for case in load():
            if case.readable and "$1" not in case.sql:
                try:
                    assert _plan(cursor, judge(case.sql, None).canonical), case.id
                except NOT_BUILT_IN:
                    assert case.id.startswith("xml/"), case.id


def test_constants_mean_the_same_under_any_setting(any_database_url: str) -> None:
    """Canonical constants have the values that the caller wrote, whatever standard_conforming_strings is."""
    written = [sql for sql in _constants(Random(0), 2000) if judge(sql, None).readable]
    assert len(written) > 500
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        expected = [_value(connection, sql) for sql in written]
        connection.execute("SET backslash_quote = on")
        for setting in ("on", "off"):
            connection.execute(f"SET standard_conforming_strings = {setting}".encode())
            assert [_value(connection, judge(sql, None).canonical) for sql in written] == expected


def _constants(random: Random, count: int) -> Iterator[str]:
    parts = [
        "'",
        "''",
        "\\",
        "\\\\",
        "\\'",
        "$",
        "$$",
        "a",
        "é",
        "\n",
        "--",
        "/*",
        "*/",
        "%s",
        ";",
        "\\n",
        "\\x41",
        "\\u00e9",
        "\\101",
    ]
    forms = ["'{}'", "E'{}'", "$${}$$", "$a${}$a$", "e'{}'", "B'{}'", "x'{}'", '"{}"', "{}"]
    for _ in range(count):
        constants = [
            random.choice(forms).format("".join(random.choices(parts, k=random.randint(0, 6))))
            for _ in range(random.randint(1, 3))
        ]
        yield f"SELECT {random.choice([', ', ' || ', ' -- ' + chr(10) + ', ', '/* */, ', ' = ']).join(constants)}"


def _value(connection: psycopg.Connection, sql: str) -> object:
    try:
        return psycopg.RawCursor(connection).execute(sql.encode()).fetchall()
    except (psycopg.DataError, psycopg.ProgrammingError) as error:
        return error.sqlstate


@contextmanager
def _planner(url: str, schema: str) -> Iterator[psycopg.RawCursor[tuple[str, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(schema.encode())
        # An exhaustive search of joins of 17 tables takes seconds; the plan itself is not what is tested.
        connection.execute("SET geqo_threshold = 8")
        connection.execute("SET geqo_seed = 0")
        yield psycopg.RawCursor(connection)


def _plan(cursor: psycopg.RawCursor[tuple[str, ...]], sql: str) -> list[tuple[str, ...]]:
    own = re.match(r"\s*(EXPLAIN|SHOW)\b", sql, re.I)
    cursor.execute((sql if own else f"EXPLAIN {sql}").encode())
    return cursor.fetchall()
