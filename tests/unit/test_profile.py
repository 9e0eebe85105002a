"""Estimators, verdicts and samples of profiles, without a database."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwarden.db.profile import BUCKETS, LOOKS, pairs
from pgwarden.format.plot import Chart, png
from pgwarden.tools import _profile_sample as samples
from pgwarden.tools._profile_stats import Stats, duj1, percent
from pgwarden.tools._profile_text import spark, table
from pgwarden.tools._rows_table import Column, Table


@pytest.mark.parametrize(
    ("sampled", "distinct", "once", "total", "expected"),
    [
        (100, 100, 100, 1000, 1000.0),  # all different: as many as rows
        (100, 10, 0, 1000, 10.0),  # none met once: all have been seen
        (100, 50, 20, 1000, 100 * 50 / (100 - 20 + 20 * 0.1)),  # 60.98, by the formula of the paper
        (100, 50, 20, 100, 50.0),  # the sample is the table
        (0, 0, 0, 1000, 0.0),
    ],
)
def test_duj1_against_hand_computed_values(
    sampled: int, distinct: int, once: int, total: float, expected: float
) -> None:
    """The estimate is n d / (n - f1 + f1 n / N)."""
    assert duj1(sampled, distinct, once, total) == pytest.approx(expected)


@given(st.lists(st.integers(0, 30), min_size=1), st.floats(1, 1000))
def test_duj1_stays_within_what_is_possible(values: list[int], times: float) -> None:
    """Never fewer than were seen, never more than there are rows."""
    seen = set(values)
    once = sum(values.count(value) == 1 for value in seen)
    total = len(values) * times
    assert len(seen) <= duj1(len(values), len(seen), once, total) <= total


def stats(kind: str = "text", type_: str = "text", order: float | None = None, **parts: dict[str, Any]) -> Stats:
    """A column of 100 different values in 100 rows, but for what is given."""
    base = {"rows": 100, "values": 100} | parts.get("base", {})
    groups = {"distinct": 100, "once": 100, "in": 100, "top": [["a", 1]], "folded": 100} | parts.get("groups", {})
    return Stats("c", type_, kind, {"base": base, "groups": groups}, True, None, order)


LOOKS_LIKE_DATES = [0, 98, 0, 0, 0]
FEW = {"distinct": 5, "once": 0, "folded": 5}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (stats(), ["unique, looks like a key"]),
        (stats("plain", "point"), ["unique"]),
        (stats(base={"rows": 0, "values": 0}), ["no rows"]),
        (stats(base={"values": 0}), ["all NULL"]),
        (stats(base={"values": 1}, groups={"distinct": 1, "in": 1, "folded": 1}), ["99 % null"]),
        (stats(groups={"distinct": 1, "once": 0, "folded": 1}), ["constant"]),
        (
            stats(base={"values": 90}, groups={"distinct": 1, "once": 0, "in": 90, "folded": 1}),
            ["constant where not NULL"],
        ),
        (stats(groups={**FEW, "top": [["a", 93]]}), ["skewed: one value is 93 %"]),
        (stats(groups=FEW, base={"looks": LOOKS_LIKE_DATES}), ["looks like dates in text"]),
        (stats(groups=FEW, base={"empty": 3, "padded": 2}), ["3 % empty", "2 % with spaces around"]),
        (stats(groups={**FEW, "folded": 4}), ["1 differ only in case or spaces"]),
        (
            stats("number", "integer", groups=FEW, base={"finite": 100, "quantiles": [*"0145679"[:6], "900"]}),
            ["outliers"],
        ),
        (stats("number", "integer", groups=FEW, base={"finite": 100, "quantiles": [*"0145679"]}), []),
        (stats("number", "real", groups=FEW, base={"finite": 97}), ["3 not finite or extreme"]),
        (stats("number", "integer", 1.0), ["unique, looks like a key", "stored in its order"]),
        (stats("date", "date", -0.995), ["unique", "stored in reverse order"]),
    ],
)
def test_verdicts(column: Stats, expected: list[str]) -> None:
    """One line says what a person would look for first."""
    assert column.verdicts() == expected


def test_an_estimate_needs_rows_of_the_table() -> None:
    """Without them only what was seen is told; the NULLs of the sample are taken off the table's rows."""
    groups = {"groups": {"distinct": 50, "once": 50, "in": 50}, "base": {"rows": 100, "values": 50}}
    assert Stats("c", "text", "text", groups, False, None).distinct_estimate is None
    assert Stats("c", "text", "text", groups, False, 10_000.0).distinct_estimate == 5_000


@given(st.floats(0, 1))
def test_percentages_never_round_to_all_or_nothing(share: float) -> None:
    """0 % and 100 % are said only where it is so."""
    assert (percent(share) == "0 %") == (share == 0)
    assert (percent(share) == "100 %") == (share == 1)


@given(st.lists(st.integers(0, 10**12), max_size=BUCKETS))
def test_spark_lines(counts: list[int]) -> None:
    """A bar for each count, a dot exactly where there is none."""
    line = spark(counts)
    assert [bar == "·" for bar in line] == [count == 0 for count in counts]


@given(st.text(), st.text())
def test_no_name_or_value_breaks_the_table(name: str, value: str) -> None:
    """A column is one line of seven cells, whatever it is called and holds."""
    parts = {"base": {"rows": 2, "values": 2}, "groups": {"distinct": 1, "once": 0, "in": 2, "top": [[value, 2]]}}
    lines = table([Stats(name, "text", "text", parts, True, None)]).split("\n")
    assert len(lines) == 3
    assert lines[2].replace("\\\\", "").replace("\\|", "").count("|") == 6


def relation(kind: str) -> Table:
    """A relation of a kind."""
    return Table("s", "t", kind, 28, False, {}, ())


@pytest.mark.parametrize(
    ("kind", "pages", "rows", "shielded", "method", "percentage"),
    [
        ("r", 10, 1e6, False, "", 100.0),  # few pages
        ("r", 5_000, 900, False, "", 100.0),  # few rows
        ("r", 5_000, 1e6, False, "BERNOULLI", 1.0),
        ("p", 100_000, 1e8, False, "SYSTEM", 0.01),
        ("r", 5_000, None, False, "SYSTEM", 10.0),  # 20 rows a page are assumed
        ("r", 5_000, 1e6, True, "", 100.0),
        ("v", 0, None, False, "", 100.0),
        ("f", 0, None, False, "", 100.0),
    ],
)
def test_samples(
    kind: str,
    pages: int,
    rows: float | None,
    shielded: bool,
    method: Literal["", "BERNOULLI", "SYSTEM"],
    percentage: float,
) -> None:
    """Small tables are read whole, middling ones drawn row by row, large ones page by page, the rest from the front."""
    facts = {"pages": pages, "rows": rows, "foreign": False}
    way = samples.sampling(facts, relation(kind), 10_000, shielded=shielded)
    assert way.method == method
    assert way.percent == pytest.approx(percentage)
    assert way.limit >= 10_000


def test_few_rows_are_drawn_with_some_to_spare() -> None:
    """A sample of 100 rows has more on average, so that chance seldom takes it below."""
    way = samples.sampling({"pages": 9_999, "rows": 1e6, "foreign": False}, relation("r"), 100, shielded=False)
    assert way.percent == pytest.approx(0.015)


def test_kinds_of_types() -> None:
    """What PostgreSQL does not bring is not looked into; enums and domains are what they are made of."""
    made = Column("c", "x", "int4", "N", False, None, (), False, False, False, "", True, True)
    for base, is_array, labels, kind in (
        ("int4", False, (), "number"),
        ("int4", True, (), "array"),
        ("", False, (), "opaque"),
        ("", True, (), "opaque"),
        ("", False, ("a",), "plain"),
        ("point", False, (), "plain"),
        ("interval", False, (), "time"),
    ):
        column = Column(**{**{name: getattr(made, name) for name in Column.__slots__}, "base": base})
        column = Column(
            **{**{name: getattr(column, name) for name in Column.__slots__}, "is_array": is_array, "labels": labels}
        )
        assert samples.kind(column) == kind


def test_pairs_are_bounded() -> None:
    """Correlations of at most ten number columns: within the arguments that a function may have."""
    assert pairs(["text", "number", "date", "money"]) == [(1, 3)]
    assert len(pairs(["number"] * 40)) == 45
    assert len(LOOKS) < 10


def test_a_picture_of_many_charts_is_bounded() -> None:
    """However many columns and whatever they are called, it is a small PNG."""
    pytest.importorskip("PIL")
    chart = Chart("n\u0000äme" * 50, "a" * 500, "b", (0, 1, 2))
    data = png("table", [chart] * 40)
    assert data.startswith(b"\x89PNG")
    assert len(data) < 30_000
