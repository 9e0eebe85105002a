"""References: where they are recognised, what they can mean, and which types go together."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from pgwarden.errors import ArgumentError, QueryError
from pgwarden.results import Later
from pgwarden.tools._rows_later import Reference, Source, bound, settled, understood
from pgwarden.tools._rows_table import Column

ID = Column("id", "bigint", "int8", "N", False, None, (), True, False, False, "", True, True)
INT = replace(ID, name="n", type="integer", base="int4")
PRICE = replace(ID, name="price", type="numeric(8,2)", base="numeric")
TEXT = replace(ID, name="t", type="text", base="text", category="S", not_null=False)
SHORT = replace(TEXT, name="v", type="character varying(5)", base="varchar", length=5)
DAY = replace(ID, name="d", type="date", base="date", category="D")
AT = replace(ID, name="at", type="timestamp with time zone", base="timestamptz", category="D")
FLAG = replace(ID, name="f", type="boolean", base="bool", category="B")
DOC = replace(ID, name="j", type="jsonb", base="jsonb", category="U")
OLD_DOC = replace(DOC, type="json", base="json")
KEY = replace(ID, name="u", type="uuid", base="uuid", category="U")
MOOD = replace(ID, name="m", type="mood", base="", category="E", labels=("ok",))
OTHER_MOOD = replace(MOOD, type="app.mood")
IDS = replace(ID, name="a", type="bigint[]", category="A", is_array=True)
OWN = replace(ID, name="own", type="sku", base="text", category="S")
WEIRD = replace(ID, name='a ."b', type="integer", base="int4")

SOURCES = (
    Source(0, "order", {"id": ID, WEIRD.name: WEIRD}, most=2),
    Source(1, "", {"t": TEXT}, others=("secret",), masked=("t",)),
)
REF = {"$ref": "order.rows[0].id"}
MEANT = Reference(0, 0, ID, "order.rows[0].id")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"rows": [{"a": REF, "b": 1}]}, {"rows": [{"a": MEANT, "b": 1}]}),
        ({"values": {"a": REF}}, {"values": {"a": MEANT}}),
        ({"values": {"a": {"$literal": REF}}}, {"values": {"a": REF}}),
        ({"values": {"a": {"$literal": {"$literal": 1}}}}, {"values": {"a": {"$literal": 1}}}),
        ({"values": {"a": {"x": {"$ref": "#/definitions/x"}}}}, {"values": {"a": {"x": {"$ref": "#/definitions/x"}}}}),
        ({"key": REF}, {"key": MEANT}),
        ({"key": "order.rows[0].id"}, {"key": "order.rows[0].id"}),
        ({"key": {"a": REF, "b": 2}}, {"key": {"a": MEANT, "b": 2}}),
        ({"filter": {"a": REF}}, {"filter": {"a": MEANT}}),
        ({"filter": {"a": {"in": [REF, 2]}}}, {"filter": {"a": {"in": [MEANT, 2]}}}),
        ({"filter": {"a": {"between": [1, REF]}}}, {"filter": {"a": {"between": [1, MEANT]}}}),
        (
            {"filter": {"or": [{"a": REF}, {"not": {"b": {">": REF}}}]}},
            {"filter": {"or": [{"a": MEANT}, {"not": {"b": {">": MEANT}}}]}},
        ),
        ({"filter": {"a": {"$literal": REF}}}, {"filter": {"a": {"=": REF}}}),
        ({"filter": {"a": {"contains": {"$literal": REF}}}}, {"filter": {"a": {"contains": REF}}}),
        ({"filter": {"a": {"contains": {"k": {"=": 1}}}}}, {"filter": {"a": {"contains": {"k": {"=": 1}}}}}),
        ({"filter": None, "columns": ["$ref"]}, {"filter": None, "columns": ["$ref"]}),
    ],
    ids=str,
)
def test_where_references_are_understood(given: dict[str, Any], meant: dict[str, Any]) -> None:
    """In the place of values, and nowhere else; a literal stays what it is."""
    assert understood(given, SOURCES) == meant


@pytest.mark.parametrize(
    "text",
    [
        "order",
        "order.id",
        "order.rows.id",
        "order.rows[-1].id",
        "order.rows[0]id",
        "order.rows[0].",
        "order.rows[٠].id",
        " order.rows[0].id",
        "steps.0.rows[0].id",
        "steps[0].rows[0].nothing",
        "steps[2].rows[0].id",
        "steps[1].rows[0].secret",
        "steps[1].rows[0].t",
        "order.rows[2].id",
        "Order.rows[0].id",
        "",
        None,
        7,
        ["order.rows[0].id"],
    ],
)
def test_what_is_no_reference(text: Any) -> None:
    """Whatever is not exactly one, or means nothing that may be shown, is refused and never stored as it is written."""
    with pytest.raises(ArgumentError) as caught:
        understood({"values": {"a": {"$ref": text}}}, SOURCES)
    assert caught.value.error_code in ("invalid_reference", "reference_masked")


@pytest.mark.parametrize("within", [{"x": REF}, [REF], {"x": [{"y": REF}]}, {"$ref": REF["$ref"], "more": 1}], ids=str)
def test_references_within_values_are_refused(within: Any) -> None:
    """Nobody would put a value there; as a literal it may stand."""
    with pytest.raises(ArgumentError, match="within a value"):
        understood({"rows": [{"a": within}]}, SOURCES)
    assert understood({"rows": [{"a": {"$literal": within}}]}, SOURCES) == {"rows": [{"a": within}]}


def test_names_and_columns_with_signs() -> None:
    """The column is everything behind the row, and a step may be called steps."""
    sources = (replace(SOURCES[0], name="steps"),)
    found = understood({"values": {"a": {"$ref": 'steps.rows[1].a ."b'}}}, sources)["values"]["a"]
    assert (found.row, found.column) == (1, WEIRD)


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (ID, ID, True),
        (INT, ID, True),
        (ID, INT, True),
        (ID, PRICE, True),
        (PRICE, INT, False),
        (TEXT, INT, False),
        (ID, TEXT, True),
        (KEY, TEXT, True),
        (MOOD, TEXT, True),
        (FLAG, TEXT, False),
        (DOC, TEXT, False),
        (IDS, TEXT, False),
        (SHORT, TEXT, True),
        (TEXT, OWN, True),
        (DAY, AT, True),
        (AT, DAY, True),
        (DAY, ID, False),
        (TEXT, DOC, False),
        (OLD_DOC, DOC, False),
        (DOC, DOC, True),
        (KEY, DOC, False),
        (MOOD, MOOD, True),
        (MOOD, OTHER_MOOD, False),
        (IDS, IDS, True),
        (ID, IDS, False),
        (FLAG, ID, False),
    ],
    ids=lambda each: each.type if isinstance(each, Column) else str(each),
)
def test_types_that_go_together(source: Column, target: Column, fits: bool) -> None:
    """A value that another type would read otherwise, or not at all, is refused before anything runs."""
    reference = Reference(0, 0, source, "x.rows[0].y")
    with nullcontext() if fits else pytest.raises(ArgumentError):
        assert reference.into(target, nullable=True) == Later(0, 0, source.name, "x.rows[0].y")


def test_values_are_put_in() -> None:
    """By step, row and column; a missing row and a NULL that cannot be meant are errors."""
    returned: list[list[dict[str, str | None]]] = [[{"id": "7"}, {"id": None}]]
    assert bound([None, "x", Later(0, 0, "id", "r"), Later(0, 1, "id", "r")], returned) == [None, "x", "7", None]
    for later, code in (
        (Later(0, 2, "id", "r"), "reference_missing"),
        (Later(0, 1, "id", "r", False), "reference_null"),
    ):
        with pytest.raises(QueryError) as caught:
            bound([later], returned)
        assert caught.value.error_code == code
    assert settled({"and": [{"a": MEANT}, {"b": {"in": [MEANT, 1]}}]}, returned) == {
        "and": [{"a": "7"}, {"b": {"in": ["7", 1]}}]
    }
