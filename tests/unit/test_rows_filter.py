"""Filters and values against a table, without a database."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from pgwarden.db.compose import Draft, Order
from pgwarden.errors import ArgumentError
from pgwarden.record import Record
from pgwarden.results import Bindable
from pgwarden.tools import _rows_filter, _rows_values
from pgwarden.tools._rows_table import Column, Key, Table

INT = Column("id", "integer", "int4", "N", False, None, (), True, False, False, "", True, True)
TEXT = replace(INT, name="name", type="text", base="text", category="S", not_null=False)
FLAG = replace(INT, name="flag", type="boolean", base="bool", category="B", not_null=False)
TAGS = replace(TEXT, name="tags", type="text[]", category="A", is_array=True)
DOC = replace(TEXT, name="doc", type="jsonb", base="jsonb", category="U")
WORD = replace(TEXT, name="not")
COLUMNS = {each.name: each for each in (INT, TEXT, FLAG, TAGS, DOC)}
TABLE = Table("s", "t", "r", 28, False, COLUMNS, (Key("t_pkey", True, True, True, ("id",)),))


def compiled(given: dict[str, Any], table: Table = TABLE) -> tuple[str, list[Bindable]]:
    """The SQL of a filter, and its values."""
    condition = _rows_filter.parse(table, given)
    assert condition is not None
    draft = Draft()
    return _rows_filter.compile_into(draft, condition).as_string(None), draft.values


@pytest.mark.parametrize(
    ("given", "sql", "values"),
    [
        ({"id": 1}, '"id" = $1', ["1"]),
        ({"id": {">": 1, "<=": 5}}, '("id" > $1 AND "id" <= $2)', ["1", "5"]),
        ({"or": [{"id": 1}, {"not": {"name": "x"}}]}, '("id" = $1 OR (NOT ("name" = $2)))', ["1", "x"]),
        ({"id": {"in": [1, 2]}}, '"id" IN ($1, $2)', ["1", "2"]),
        ({"id": {"between": [1, 2]}}, '("id" BETWEEN $1 AND $2)', ["1", "2"]),
        ({"name": {"is_null": False}}, '"name" IS NOT NULL', []),
        ({"tags": {"contains": ['a"b', None]}}, '"tags" @> $1', ['{"a\\"b",NULL}']),
        ({"doc": {"contains": {"a": "ü"}}}, '"doc" @> $1', ['{"a": "ü"}']),
        ({"and": [{"flag": True}]}, '"flag" = $1', ["true"]),
    ],
    ids=str,
)
def test_filters_become_conditions(given: dict[str, Any], sql: str, values: list[str]) -> None:
    """Names are quoted, values are parameters in their order."""
    assert compiled(given) == (sql, values)


def test_a_column_called_not_can_be_named() -> None:
    """What is no list means the column, where there is one."""
    table = replace(TABLE, columns={**COLUMNS, "not": WORD})
    assert compiled({"not": "x"}, table) == ('"not" = $1', ["x"])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"idd": 1}, "unknown_column"),
        ({"id": {"~": 1}}, "invalid_filter"),
        ({"id": {}}, "invalid_filter"),
        ({"id": {"in": []}}, "invalid_filter"),
        ({"id": {"in": [None]}}, "invalid_filter"),
        ({"id": {"in": list(range(1001))}}, "invalid_filter"),
        ({"id": {"between": [1]}}, "invalid_filter"),
        ({"id": {"like": "1"}}, "invalid_filter"),
        ({"id": {"is_null": "yes"}}, "invalid_filter"),
        ({"id": {"contains": 1}}, "invalid_filter"),
        ({"and": {"id": 1}}, "invalid_filter"),
        ({"or": []}, "invalid_filter"),
        ({"not": {}}, "invalid_filter"),
        ({"or": [{"id": 1}] * 201}, "invalid_filter"),
        ({"id": 1.5}, "invalid_value"),
        ({"id": True}, "invalid_value"),
        ({"name": "a\0"}, "invalid_value"),
        ({"name": "\ud800"}, "invalid_value"),
        ({"flag": "maybe"}, "invalid_value"),
    ],
    ids=str,
)
def test_what_is_no_filter_is_refused(given: dict[str, Any], code: str) -> None:
    """By a code, whatever is wrong."""
    with pytest.raises(ArgumentError) as found:
        _rows_filter.parse(TABLE, given)
    assert found.value.error_code == code


MOOD = replace(INT, name="mood", type="mood", base="", category="E", labels=("sad", "ok", "Happy"))
SPAN = replace(TEXT, name="span", type="int4range", base="int4range", category="R")
SPANS = replace(SPAN, name="spans", type="int4multirange", base="int4multirange")
SORTS = {
    each.name: each
    for each in (
        MOOD,
        SPAN,
        SPANS,
        replace(INT, name="number", type="numeric", base="numeric"),
        replace(INT, name="when", type="timestamptz", base="timestamptz", category="D"),
        replace(INT, name="uid", type="uuid", base="uuid", category="U"),
        replace(INT, name="raw", type="bytea", base="bytea", category="U"),
        replace(INT, name="bits", type="bit(3)", base="bit", category="V"),
        replace(TEXT, name="code", type="character(3)", base="bpchar"),
    )
}
SORTED = replace(TABLE, columns={**COLUMNS, **SORTS})


@pytest.mark.parametrize(
    "given",
    [
        {"id": {">=": -(2**31)}},
        {"id": {"<=": 2**31 - 1}},
        {"id": {"between": [-(2**31), 2**31 - 1]}},
        {"not": {"id": {"<": -(2**31)}}},
        {"not": {"id": {">": 2**31 - 1}}},
        {"number": {"<=": "NaN"}},
        {"number": {">=": "-Infinity"}},
        {"when": {"<=": " Infinity"}},
        {"uid": {">=": "0" * 32}},
        {"raw": {">=": "\\x"}},
        {"bits": {">=": "000"}},
        {"code": {">=": "  "}},
        {"name": {">=": ""}},
        {"mood": {"in": ["sad", "ok", "Happy"]}},
        {"mood": {">=": "sad"}},
        {"mood": {"<=": "Happy"}},
        {"or": [{"mood": "sad"}, {"mood": "ok"}, {"mood": "Happy"}]},
        {"or": [{"mood": "sad"}, {"not": {"mood": "sad"}}]},
        {"or": [{"flag": True}, {"and": [{"flag": False}, {"flag": False}]}]},
        {"or": [{"flag": True}, {"flag": {"<>": "on"}}]},
        {"flag": {">=": False}},
        {"span": {"contains": "[1,1)"}},
        {"span": {"contains": " EMPTY"}},
        {"spans": {"contains": "{empty, (2,2]}"}},
        {"tags": {"contains": [[], []]}},
        {"or": [{"id": 1}, {"mood": {"<=": "Happy"}}]},
    ],
    ids=str,
)
def test_what_holds_for_every_value_keeps_nothing_out(given: dict[str, Any]) -> None:
    """Ends of a type, all labels of an enum, both booleans however they are joined, and what anything contains."""
    with pytest.raises(ArgumentError) as found:
        _rows_filter.check_real(_rows_filter.parse(SORTED, given))
    assert found.value.error_code == "condition_missing"


@pytest.mark.parametrize(
    "given",
    [
        {"id": {">": -(2**31)}},
        {"id": {"between": [-(2**31), 5]}},
        {"id": {"<=": -(2**31)}},
        {"not": {"id": {">": 5}}},
        {"number": {"<=": "-Infinity"}},
        {"mood": {"<>": "sad"}},
        {"mood": {"between": ["ok", "Happy"]}},
        {"mood": {"<": "Happy"}},
        {"or": [{"mood": "sad"}, {"mood": "ok"}]},
        {"or": [{"mood": "sad", "flag": True}, {"mood": {"<>": "sad"}, "flag": False}]},
        {"flag": {"<": True}},
        {"not": {"flag": True}},
        {"span": {"contains": "[1,1]"}},
        {"spans": {"contains": "{empty, [2,3)}"}},
        {"name": {"<=": "Infinity"}},
        {"name": {">=": "{}"}},
        {"and": [{"mood": {"<=": "Happy"}}, {"id": 1}]},
    ],
    ids=str,
)
def test_what_may_keep_a_row_out_is_taken(given: dict[str, Any]) -> None:
    """Bounds within the type, and conditions of which some label, or some pair of them, does not hold."""
    assert _rows_filter.check_real(_rows_filter.parse(SORTED, given))


@pytest.mark.parametrize("wanted", [0, 19])
@pytest.mark.parametrize("operator", ["=", "<>"])
@pytest.mark.parametrize("word", ["and", "or"])
def test_many_enums_are_tried_in_time(word: str, operator: str, wanted: int) -> None:
    """Columns of many labels have more combinations than can be tried, and the row that fails is found."""
    labels = tuple(f"l{n}" for n in range(20))
    columns = {f"e{n}": replace(MOOD, name=f"e{n}", labels=labels) for n in range(8)}
    table = replace(TABLE, columns=columns)
    tests: list[dict[str, Any]] = [{name: {operator: labels[wanted]}} for name in columns]
    assert _rows_filter.check_real(_rows_filter.parse(table, {word: tests}))
    whatever = _rows_filter.parse(table, {"or": [{word: tests}, {"e0": {"in": [*labels]}}]})
    with pytest.raises(ArgumentError):
        _rows_filter.check_real(whatever)


def test_depth_is_bounded() -> None:
    """A filter is not nested without end."""
    given: dict[str, Any] = {"id": 1}
    for _ in range(10):
        given = {"not": given}
    with pytest.raises(ArgumentError):
        _rows_filter.parse(TABLE, given)


@pytest.mark.parametrize(
    ("base", "value", "text"),
    [
        ("numeric", "12.50", "12.50"),
        ("numeric", float("nan"), "NaN"),
        ("int8", str(2**63 - 1), str(2**63 - 1)),
        ("uuid", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("jsonb", "x", '"x"'),
        ("jsonb", [1, {"a": None}], '[1, {"a": null}]'),
        ("vector", [1, 2.5], "[1, 2.5]"),
        ("inet", "10.0.0.1", "10.0.0.1"),
        ("int4", 7.0, "7"),
        ("float8", "-Infinity", "-Infinity"),
    ],
)
def test_values_are_written_as_postgresql_reads_them(base: str, value: Any, text: str) -> None:
    """By the type of the column."""
    assert _rows_values.stored(replace(TEXT, base=base), value) == text


@pytest.mark.parametrize(
    ("base", "value"),
    [
        ("numeric", float("inf")),
        ("float8", float("-inf")),
        ("int4", 7.5),
        ("int8", 2.0**60),
        ("jsonb", float("nan")),
        ("json", {"a": [float("inf")]}),
    ],
)
def test_numbers_that_were_not_meant(base: str, value: Any) -> None:
    """JSON's reader makes infinity of 1e400; what is stored must be what was written."""
    with pytest.raises(ArgumentError) as found:
        _rows_values.stored(replace(TEXT, base=base), value)
    assert found.value.error_code == "invalid_value"


@pytest.mark.parametrize("base", ["numeric", "int4", "uuid", "bool"])
@pytest.mark.parametrize("value", ["1" * 140_000 + "x", " " * 140_000 + "x", "1." * 70_000, "1" * 5_000_000 + "x"])
def test_long_nonsense_is_refused_at_once(base: str, value: str) -> None:
    """No pattern tries every way to read it: a single argument must not hold up the server."""
    started = time.perf_counter()
    with pytest.raises(ArgumentError):
        _rows_values.compared(replace(TEXT, base=base), value)
    spans = _rows_filter.parse(SORTED, {"span": {"contains": "[" * 1_000_000}})
    with pytest.raises(ArgumentError):
        _rows_filter.check_real(spans)
    assert time.perf_counter() - started < 2


def test_the_next_page_is_found_by_values() -> None:
    """One comparison of rows where an index can serve it; NULLs have a place where there may be some."""
    draft = Draft()
    same = draft.after([Order("a", nullable=False), Order("b", nullable=False)], ["1", "2"])
    assert same.as_string(None) == '("a", "b") > ($1, $2)'
    mixed = Draft().after([Order("a"), Order("id", descending=True, nullable=False)], [None, "2"])
    assert mixed.as_string(None) == '("a" IS NULL AND "id" < $1)'
    mixed = Draft().after([Order("a"), Order("id", nullable=False)], ["1", "2"])
    assert mixed.as_string(None) == '(("a" > $1 OR "a" IS NULL) OR ("a" = $2 AND "id" > $3))'


def test_records_have_shapes_of_rows_only() -> None:
    """No value of a row is in the line, however it is wrapped."""
    secret = "sesame"
    given = {
        "rows": [{"a": secret}, {"a": secret, "b": [secret]}, {"a": secret}],
        "values": {"a": {secret: secret}, "b": {"deep": {secret: 1}}},
        "key": secret,
        "filter": {
            "or": [{"a": {"in": [secret]}}, {"b": True}, {"not": {"a": {"contains": {secret: [secret]}, secret: 1}}}]
        },
        "expected_version": secret,
    }
    line = Record("update_rows", given, known=given).line("test")
    assert secret not in str(line)
    assert "true" not in str(line).lower()
    assert "3 of" in line["arguments"]["rows"]
    assert '"in"' in line["arguments"]["filter"]
