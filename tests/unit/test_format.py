"""Rendering: faithful, capped, and impossible to break out of."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwarden.format import Caps, render_rows
from pgwarden.results import Cell, Column, Rows

CAPS = Caps(1_000_000, 10_000)
CELLS = st.one_of(
    st.none(), st.text(max_size=30), st.sampled_from(["NULL", "", "\\N", "|", '"', "a\\|b", "\r\n", "\\"])
)


def table(*rows: tuple[Cell, ...], types: tuple[str, ...] = ()) -> Rows:
    """A table whose columns are called a, b, c, ..."""
    width = len(rows[0]) if rows else 1
    kinds = types or ("text",) * width
    return Rows(tuple(Column(name, kind) for name, kind in zip("abcdefgh", kinds, strict=False)), list(rows))


def test_markdown_is_a_pipe_table() -> None:
    """A header, a rule, one line a row."""
    assert render_rows(table(("1", None), ("x", "")), "markdown", CAPS).body == "a|b\n-|-\n1|NULL\nx|"


def unescape(cell: str) -> Cell:
    """What a reader makes of a Markdown cell."""
    if cell == "NULL":
        return None
    if cell == '"NULL"':
        return "NULL"
    names = {"n": "\n", "r": "\r", "t": "\t"}
    out, at = "", 0
    while at < len(cell):
        if cell[at] != "\\":
            out, at = out + cell[at], at + 1
        elif cell[at + 1] in ("x", "u"):
            width = 2 if cell[at + 1] == "x" else 4
            out, at = out + chr(int(cell[at + 2 : at + 2 + width], 16)), at + 2 + width
        else:
            out, at = out + names.get(cell[at + 1], cell[at + 1]), at + 2
    return out


def split(line: str) -> list[str]:
    """Split a table line at the pipes that are not escaped."""
    cells, at, start = [], 0, 0
    while at < len(line):
        if line[at] == "\\":
            at += 2
            continue
        if line[at] == "|":
            cells.append(line[start:at])
            start = at + 1
        at += 1
    return [*cells, line[start:]]


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5))
def test_markdown_can_be_read_back(rows: list[tuple[Cell, ...]]) -> None:
    """No value can pose as another cell or row, and none is changed; `"NULL"` alone reads as the text NULL."""
    body = render_rows(table(*rows) if rows else table(("x", "y", "z")), "markdown", CAPS).body
    lines = body.split("\n")[2:]
    assert all(len(line.splitlines()) <= 1 for line in lines)
    if rows:
        expected = [tuple("NULL" if cell == '"NULL"' else cell for cell in row) for row in rows]
        assert [tuple(unescape(cell) for cell in split(line)) for line in lines] == expected


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_json_can_be_read_back(rows: list[tuple[Cell, ...]]) -> None:
    """JSON text gives back exactly the rows."""
    body = render_rows(table(*rows), "json", CAPS).body
    assert [tuple(row) for row in json.loads(f"{{{body}}}")["rows"]] == rows


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=5))
def test_csv_can_be_read_back(rows: list[tuple[Cell, ...]]) -> None:
    """A CSV reader gives back exactly the rows."""
    body = render_rows(table(*rows), "csv", CAPS).body
    assert [tuple(row) for row in csv.reader(io.StringIO(body, newline=""))][1:] == rows


def test_csv_tells_null_from_empty() -> None:
    """NULL is nothing, an empty text is two quotes."""
    assert render_rows(table((None, "")), "csv", CAPS).body == 'a,b\n,""'


def test_json_spends_nothing_on_the_indentation_of_json() -> None:
    """Line breaks and what is around them go; blanks in strings and between tokens of a line stay as written."""
    cell = '{\n  "a  b" : [1,\r\n\t2],\n  "c": " "\n}\n'
    body = render_rows(table((cell,), types=("json",)), "json", CAPS).body
    assert '[{"a  b" : [1,2],"c": " "}]' in body


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        ("integer", "42", 42),
        ("bigint", "9007199254740992", 9007199254740992),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("numeric", "0.10", "0.10"),
        ("numeric", "NaN", "NaN"),
        ("double precision", "1e+300", 1e300),
        ("double precision", "Infinity", "Infinity"),
        ("boolean", "t", True),
        ("boolean", "f", False),
        ("jsonb", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", '{"a":\n 1}', {"a": 1}),
        ("timestamp with time zone", "2026-01-02 03:04:05.000006+00", "2026-01-02 03:04:05.000006+00"),
        ("integer[]", "{1,NULL,3}", "{1,NULL,3}"),
        ("bytea", "\\xdeadbeef", "\\xdeadbeef"),
        ("int4range", "[1,5)", "[1,5)"),
    ],
)
def test_json_keeps_values_exact(kind: str, cell: str, expected: object) -> None:
    """What JSON can carry is native; what it cannot is PostgreSQL's text."""
    body = render_rows(table((cell,), types=(kind,)), "json", CAPS).body
    assert json.loads(f"{{{body}}}")["rows"] == [[expected]]


@pytest.mark.parametrize("form", ["markdown", "json", "csv"])
def test_the_byte_cap_ends_at_a_whole_row(form: str) -> None:
    """The text stays under the cap and says how many rows it shows."""
    rows = table(*[("é" * 40, "x")] * 100)
    rendered = render_rows(rows, form, Caps(1_000, 10_000))
    assert 0 < rendered.shown < 100
    assert 800 < len(rendered.body.encode()) <= 1_000


@pytest.mark.parametrize("form", ["markdown", "json", "csv"])
def test_the_first_row_is_always_shown(form: str) -> None:
    """Otherwise a page could be empty for ever."""
    assert render_rows(table(("x" * 5_000,), ("y",)), form, Caps(1_000, 10_000)).shown == 1


@pytest.mark.parametrize("form", ["markdown", "json", "csv"])
def test_a_row_wider_than_the_cap_is_cut_short(form: str) -> None:
    """Values are cut until the row fits, and counted."""
    row = tuple("é" * 1_999 for _ in range(200))
    rows = Rows(tuple(Column("c") for _ in row), [row, row])
    rendered = render_rows(rows, form, Caps(50_000, 2_000))
    assert (rendered.shown, rendered.cut) == (1, 200)
    assert len(rendered.body.encode()) < 60_000


@pytest.mark.parametrize("form", ["markdown", "json", "csv"])
def test_a_long_value_is_cut_and_counted(form: str) -> None:
    """The cut says how long the value was."""
    rendered = render_rows(table(("x" * 500, "y")), form, Caps(100_000, 100))
    assert rendered.cut == 1
    assert "[500 characters]" in rendered.body
    assert "x" * 101 not in rendered.body


def test_duplicate_and_absent_columns() -> None:
    """Names may repeat; a result may have rows and no column."""
    rows = Rows((Column("a"), Column("a")), [("1", "2")])
    assert render_rows(rows, "markdown", CAPS).body == "a|a\n-|-\n1|2"
    assert [column["name"] for column in json.loads(f"{{{render_rows(rows, 'json', CAPS).body}}}")["columns"]] == [
        "a",
        "a",
    ]
    assert render_rows(Rows((), [()]), "markdown", CAPS).shown == 1
