"""Statements that hypothesis builds from PostgreSQL's grammar, and text that nobody built at all."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgwarden.guard import judge

from .compare import compare

GENERATION = settings(
    max_examples=500,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

GAPS = st.sampled_from([" ", " ", " ", "\n", "\t", "/**/", " /* ' */ ", "--'\n", " /* /* */ */ "])
NAMES = st.sampled_from(
    ["a", "id", "t", "orders", '"order"', '"a""b"', '"x y"', "value", "type", "name", "é", "a$b", "nextval"]
)
LITERALS = st.sampled_from(
    [
        "1",
        "1.5",
        ".5",
        "1e3",
        "NULL",
        "true",
        "'a'",
        "'it''s'",
        "'\\'",
        "E'\\''",
        "$$a$$",
        "$x$ $$ $x$",
        "''",
        "$1",
        "'--'",
        "date '2024-01-01'",
        "interval '1 day'",
        "interval '1' hour",
        "B'1'",
        "'/*'",
        "'{1}'::int[]",
        "current_date",
        "DEFAULT",
    ]
)
FUNCTIONS = st.sampled_from(
    [
        "lower",
        "count",
        "sum",
        "coalesce",
        "greatest",
        "date_trunc",
        "pg_catalog.abs",
        "json_build_object",
        '"lower"',
        "LOWER",
        "pg_sleep",
        "nextval",
        "pg_catalog.nextval",
        "public.f",
        "f",
        '"pg_sleep"',
        "pg_read_file",
        "treat",
        "set_config",
    ]
)
OPERATORS = st.sampled_from(
    [
        "+",
        "-",
        "*",
        "/",
        "=",
        "<>",
        "||",
        "->",
        "->>",
        "@>",
        "~*",
        "AND",
        "OR",
        "LIKE",
        "IS DISTINCT FROM",
        "::text ||",
        "OPERATOR(pg_catalog.+)",
        "OPERATOR(public.+)",
        "<@",
        "#>",
        "#-",
        "^@",
        "?|",
        "- -",
        "!~~",
        'COLLATE "C" ||',
    ]
)
TYPES = st.sampled_from(
    ["int", "text", "numeric(5, 2)", "timestamptz", "int[]", "public.d", "double precision", "nextval"]
)
TAILS = st.sampled_from(
    [
        "",
        "",
        "",
        "",
        " LIMIT 1",
        " ORDER BY 1",
        " FOR UPDATE",
        " FOR SHARE",
        " INTO t",
        "; SELECT 1",
        ";",
        " FETCH FIRST ROW ONLY",
    ]
)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("{}{}{}{}{}".format, inner, GAPS, OPERATORS, GAPS, inner),
        st.builds("{}{}({})".format, FUNCTIONS, GAPS.map(lambda gap: gap.strip(" ")), lists),
        st.builds("sum({}) OVER (PARTITION BY {} ORDER BY {})".format, inner, inner, inner),
        st.builds("count(*) FILTER (WHERE {})".format, inner),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, inner, inner, inner),
        st.builds("CAST({} AS {})".format, inner, TYPES),
        st.builds("TREAT({} AS {})".format, inner, TYPES),
        st.builds("({})::{}".format, inner, TYPES),
        st.builds("({}).{}".format, inner, NAMES),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("ARRAY[{}]".format, lists),
        st.builds("ROW({})".format, lists),
        st.builds("({} BETWEEN {} AND {})".format, inner, inner, inner),
        st.builds("extract(year FROM {})".format, inner),
        st.builds("substring({} FROM {} FOR {})".format, inner, inner, inner),
        st.builds("{} IN ({})".format, inner, inner),
        st.builds("(SELECT {} FROM {})".format, inner, NAMES),
        st.builds("EXISTS (SELECT {} WHERE {})".format, inner, inner),
        st.builds("(DELETE FROM {} RETURNING {})".format, NAMES, inner),
    )


EXPRESSIONS = st.recursive(LITERALS | NAMES, _expressions, max_leaves=8)
SOURCES = st.one_of(
    NAMES,
    st.builds("{} AS {}".format, NAMES, NAMES),
    st.builds("(SELECT {}) AS {}".format, EXPRESSIONS, NAMES),
    st.builds("{} JOIN {} ON {}".format, NAMES, NAMES, EXPRESSIONS),
    st.builds("{}({}) AS {}".format, FUNCTIONS, EXPRESSIONS, NAMES),
    st.builds("ROWS FROM ({}({})) AS {} (a)".format, FUNCTIONS, EXPRESSIONS, NAMES),
    st.builds("LATERAL (SELECT {}) AS {}".format, EXPRESSIONS, NAMES),
)
SELECTS = st.builds("SELECT{}{} FROM {} WHERE {}{}".format, GAPS, EXPRESSIONS, SOURCES, EXPRESSIONS, TAILS)
STATEMENTS = st.one_of(
    SELECTS,
    st.builds("SELECT {}{}".format, EXPRESSIONS, TAILS),
    st.builds(
        "SELECT {} AS {}, {} GROUP BY {} HAVING {}".format, EXPRESSIONS, NAMES, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS
    ),
    st.builds("WITH {} AS ({}) SELECT * FROM {}".format, NAMES, SELECTS, NAMES),
    st.builds("WITH {} AS (UPDATE t SET a = {} RETURNING *) {}".format, NAMES, EXPRESSIONS, SELECTS),
    st.builds("VALUES ({}), ({})".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("({}) UNION ALL ({})".format, SELECTS, SELECTS),
    st.builds(
        "EXPLAIN {}{}".format, st.sampled_from(["", "(COSTS off) ", "ANALYZE ", "(ANALYZE) ", "VERBOSE "]), SELECTS
    ),
    st.builds("{} {}".format, st.sampled_from(["TABLE", "SHOW", "DELETE FROM", "TRUNCATE"]), NAMES),
)


@GENERATION
@given(STATEMENTS)
def test_generated_statements(sql: str) -> None:
    """Of statements built from the grammar, nothing that the guard accepts does more than read."""
    assert compare(sql).faults == ()


@GENERATION
@given(st.text(max_size=200))
def test_any_text_has_a_verdict(text: str) -> None:
    """No text makes the guard raise, and no refusal is without a code."""
    verdict = judge(text, None)
    assert verdict.readable or (verdict.code and verdict.message and not verdict.canonical)


@GENERATION
@given(st.text(max_size=100).filter(lambda text: "\0" not in text), st.sampled_from(["'{}'", "$q${}$q$", "/*{}*/ 1"]))
def test_any_text_in_a_constant(text: str, form: str) -> None:
    """Whatever stands in a string or a comment, the statement runs as written or not at all."""
    quoted = text.replace("'", "''") if form == "'{}'" else text
    assert compare(f"SELECT {form.format(quoted)}").faults == ()
