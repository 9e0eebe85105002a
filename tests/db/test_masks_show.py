"""A masked value made by the server and one made here are the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import pq

from fix_db import Server
from pgwarden.guard.masking import expressions
from pgwarden.guard.masks import show
from pgwarden.guard.shields import ShieldColumn
from pgwarden.policy.masks import Mask, MaskKind

KEY = b"\x00key\xff"
MASKS = [Mask(kind) for kind in get_args(MaskKind) if kind != "partial"] + [
    Mask("partial", first, last) for first, last in ((0, 0), (1, 0), (0, 2), (2, 3))
]


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[psycopg.Connection]:
    """A connection to an empty database."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        yield connection


def both(connection: psycopg.Connection, value: str | None, type_: str) -> list[tuple[str | None, str | None]]:
    """Return, for every mask, what the server shows of a value and what is shown of what the server sends."""
    items = [expressions.column(ShieldColumn("x", type_, 1, mask), 2).removesuffix(' AS "x"') for mask in MASKS]
    statement = f"SELECT x, {', '.join(items)}, CAST($2 AS text) FROM (SELECT CAST($1 AS {type_}) AS x) s"
    result = connection.pgconn.exec_params(
        statement.encode(), [None if value is None else value.encode(), KEY.hex().encode()]
    )
    assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
    cells = [result.get_value(0, column) for column in range(len(MASKS) + 1)]
    plain, *shown = [None if cell is None else cell.decode() for cell in cells]
    return list(zip(shown, (show(plain, mask, KEY) for mask in MASKS), strict=True))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
def test_text(connection: psycopg.Connection, value: str | None) -> None:
    """Any text, of any length, in any script."""
    for there, here in both(connection, value, "text"):
        assert there == here


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("ab", "char(5)"),
        ("true", "boolean"),
        ("10.0.0.1", "inet"),
        ("-12.50", "numeric"),
        ("2020-02-29", "date"),
        ("2020-02-29 12:00+02", "timestamptz"),
        ('{"a": 1}', "jsonb"),
        ("{1,NULL,3}", "integer[]"),
        (r"\xdeadbeef", "bytea"),
        ("(1,2)", "point"),
        (None, "integer"),
    ],
)
def test_types(connection: psycopg.Connection, value: str | None, type_: str) -> None:
    """Values count as the server prints them, whatever their type."""
    for there, here in both(connection, value, type_):
        assert there == here
