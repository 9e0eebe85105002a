"""The one statement that profiles a table: a sample, kept as a materialized WITH query, and aggregates over it.

The sample has columns of its own names: `pw_c0` the value (texts cut short), `pw_x0` the same as a finite double
precision, `pw_l0` its size in bytes, `pw_e0` its number of elements, `pw_t0` its JSON type. Every branch of the UNION
reads only those; the answer is one JSON array of `[column, part, object]`. What is named here begins with `pw_`: the
guard would take a name that a masked column of the table has too for that column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from psycopg import sql

from pgwarden.db.compose import Table

Kind = Literal["number", "money", "date", "time", "text", "bool", "plain", "json", "jsonb", "array", "opaque"]
"""What can be asked of a type. "plain" is compared by its text; of "opaque" only its size is known."""

BUCKETS: Final = 12
QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
MOST_CORRELATED: Final = 10
"""Number columns of which pairs are looked at: 45 pairs, within the 100 arguments of a function."""
LOOKS: Final = {
    "numbers": "^[+-]?[0-9]+([.][0-9]+)?$",
    "dates": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}.*)?$",
    "UUIDs": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "JSON": "^[[{].*[]}]$",
    "booleans": "^(true|false|t|f|yes|no|TRUE|FALSE|True|False|Yes|No)$",
}
"""What texts may be in disguise, by the pattern of it."""
_SEED = "1"
"""Of REPEATABLE: the same call gives the same answer."""

_VALUE: Final[dict[Kind, str]] = {
    "money": "{c}::numeric",
    "text": """(CASE WHEN octet_length({c}::text) <= 200 THEN {c}::text
        ELSE left({c}::text, 200) || ' ... ' || octet_length({c}::text) END) COLLATE "C\"""",
    "plain": 'left({c}::text, 200) COLLATE "C"',
    **dict.fromkeys(
        ("json", "jsonb", "array"),
        'CASE WHEN pg_column_size({c}) <= 4000 THEN left({c}::text, 200) END COLLATE "C"',
    ),
}
_FLOAT: Final[dict[Kind, str]] = {
    # Squares of what is kept still fit, and comparing with NaN and infinity is false.
    "number": "CASE WHEN {c}::numeric = 0 THEN 0 WHEN abs({c}::numeric) BETWEEN 1e-140 AND 1e140 THEN {c}::float8 END",
    "money": "{c}::numeric::float8",
    "date": "CASE WHEN isfinite({c}) THEN extract(epoch FROM {c})::float8 END",
    "time": "extract(epoch FROM {c})::float8",
}
_SIZE: Final[dict[Kind, str]] = {
    "text": "octet_length({c}::text)",
    **dict.fromkeys(("plain", "json", "jsonb", "array", "opaque"), "pg_column_size({c})"),
}
_ELEMENTS: Final[dict[Kind, str]] = {
    "array": "cardinality({c})",
    "json": "CASE WHEN json_typeof({c}) = 'array' THEN json_array_length({c}) END",
    "jsonb": "CASE WHEN jsonb_typeof({c}) = 'array' THEN jsonb_array_length({c}) END",
}
_TYPEOF: Final[dict[Kind, str]] = {"json": "json_typeof({c})", "jsonb": "jsonb_typeof({c})"}
_SAMPLED: Final = (("c", _VALUE), ("x", _FLOAT), ("l", _SIZE), ("e", _ELEMENTS), ("t", _TYPEOF))

_COUNTS = """SELECT {i} AS pw_i, 'base' AS pw_part,
json_build_object('rows', count(*), 'values', count({present}){more}) AS pw_d FROM pw_s"""
_NUMERIC = """, 'finite', count({x}), 'mean', avg({x}), 'stddev', stddev_samp({x}), 'quantiles',
percentile_disc({quantiles}) WITHIN GROUP (ORDER BY {c})::text[]"""
_TEXT = """, 'empty', count(*) FILTER (WHERE {c} = ''), 'padded', count(*) FILTER (WHERE {c} <> btrim({c})),
'looks', json_build_array({looks})"""
_BYTES = ", 'bytes', json_build_array(min({l}), avg({l}), max({l}))"
_COUNTED = ", 'elements', json_build_array(min({e}), avg({e}), max({e}))"
_TRUE = ", 'true', count(*) FILTER (WHERE {c})"
# Kept, so that the most frequent ones are found by a short sort instead of a long one.
_GROUPED = "{g} AS MATERIALIZED (SELECT {c} AS pw_v, count(*) AS pw_n FROM pw_s WHERE {c} IS NOT NULL GROUP BY {c})"
_GROUPS = """SELECT {i}, 'groups', json_build_object('distinct', count(*), 'once', count(*) FILTER (WHERE pw_n = 1),
'in', sum(pw_n), 'top', (SELECT json_agg(json_build_array(f.pw_v::text, f.pw_n) ORDER BY f.pw_n DESC, f.pw_v)
FROM (SELECT pw_v, pw_n FROM {g} ORDER BY pw_n DESC, pw_v LIMIT {top}) AS f){folded}) FROM {g}"""
_FOLDED = """, 'folded', (SELECT count(*) FROM (
SELECT lower(btrim(pw_v COLLATE "default")) AS pw_v FROM {g} GROUP BY 1) AS d)"""
_HISTOGRAM = """SELECT {i}, 'histogram', json_build_object('low', min(h.pw_lo), 'high', max(h.pw_hi),
'counts', json_agg(json_build_array(h.pw_bucket, h.pw_n))) FROM (
SELECT least(width_bucket({x}, b.pw_lo, b.pw_hi, {buckets}), {buckets}) AS pw_bucket, count(*) AS pw_n,
min(b.pw_lo) AS pw_lo, max(b.pw_hi) AS pw_hi
FROM pw_s CROSS JOIN (SELECT min({x}) AS pw_lo, max({x}) AS pw_hi FROM pw_s) AS b
WHERE {x} IS NOT NULL AND b.pw_lo < b.pw_hi GROUP BY 1) AS h"""
_JSON_TYPES = """SELECT {i}, 'kinds', json_agg(json_build_array(k.pw_kind, k.pw_n) ORDER BY k.pw_n DESC, k.pw_kind)
FROM (SELECT {t} AS pw_kind, count(*) AS pw_n FROM pw_s WHERE {t} IS NOT NULL GROUP BY {t}) AS k"""
_PAIRS = "SELECT -1, 'correlations', json_build_array({pairs}) FROM pw_s"
_WHOLE = """WITH pw_s AS MATERIALIZED (SELECT {columns} FROM {table}{sampling} LIMIT {limit}){grouped}
SELECT json_agg(json_build_array(q.pw_i, q.pw_part, q.pw_d)) AS profile FROM (
{branches}
) AS q"""
_SAMPLING = " TABLESAMPLE {method} ({percent}) REPEATABLE ({seed})"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How rows are taken: `method` empty for the first `limit` rows, else of `percent` of the table."""

    limit: int
    method: Literal["", "BERNOULLI", "SYSTEM"] = ""
    percent: float = 100.0


def pairs(kinds: Sequence[Kind]) -> list[tuple[int, int]]:
    """Return the pairs of columns whose correlation is asked for, in the order of the answer."""
    numbers = [at for at, kind in enumerate(kinds) if kind in ("number", "money")]
    return list(combinations(numbers[:MOST_CORRELATED], 2))


def statement(
    table: Table, columns: Sequence[tuple[str, Kind]], sampling: Sampling, top: int
) -> tuple[str, tuple[str, ...]]:
    """Return a statement and the values of its parameters.

    Args:
        table: Schema and name.
        columns: At least one; its name, and what can be asked of it.
        sampling: How rows are taken.
        top: Values of each column to return, the most frequent ones.
    """
    sampled = [part for at, column in enumerate(columns) for part in _sampled(at, *column)]
    branches = [part for at, (_, kind) in enumerate(columns) for part in _branches(at, kind, top)]
    if chosen := pairs([kind for _, kind in columns]):
        each = [sql.SQL("corr({}, {})").format(_own("x", a), _own("x", b)) for a, b in chosen]
        branches.append(sql.SQL(_PAIRS).format(pairs=sql.SQL(", ").join(each)))
    values = [str(sampling.limit)]
    method: sql.Composable = sql.SQL("")
    if sampling.method:
        values += [f"{sampling.percent:.6g}", _SEED]
        parts = {"method": sql.SQL(sampling.method), "percent": sql.SQL("$2"), "seed": sql.SQL("$3")}
        method = sql.SQL(_SAMPLING).format(**parts)
    whole = sql.SQL(_WHOLE).format(
        columns=sql.SQL(", ").join(sampled),
        table=sql.Identifier(*table),
        sampling=method,
        limit=sql.SQL("$1"),
        grouped=sql.Composed([_grouped(at) for at, (_, kind) in enumerate(columns) if kind != "opaque"]),
        branches=sql.SQL("\nUNION ALL\n").join(branches),
    )
    return whole.as_string(None), tuple(values)


def _sampled(at: int, name: str, kind: Kind) -> list[sql.Composable]:
    column = sql.Identifier(name)
    made: list[sql.Composable] = []
    for letter, expressions in _SAMPLED:
        template = expressions.get(kind, "{c}" if letter == "c" and kind != "opaque" else None)
        if template is not None:
            made.append(sql.SQL("{} AS {}").format(_of(template, c=column), _own(letter, at)))
    return made


def _branches(at: int, kind: Kind, top: int) -> list[sql.Composable]:
    names = {letter: _own(letter, at) for letter, _ in _SAMPLED} | {"i": sql.Literal(at)}
    more: list[sql.Composable] = []
    if kind in _FLOAT:
        more.append(_of(_NUMERIC, **names, quantiles=sql.SQL("ARRAY[{}]").format(_list(QUANTILES))))
    if kind == "text":
        tests = [sql.SQL("count(*) FILTER (WHERE {} ~ {})").format(names["c"], sql.Literal(p)) for p in LOOKS.values()]
        more.append(_of(_TEXT, **names, looks=sql.SQL(", ").join(tests)))
    more += [_of(_TRUE, **names)] if kind == "bool" else []
    more += [_of(_BYTES, **names)] if kind in _SIZE else []
    more += [_of(_COUNTED, **names)] if kind in _ELEMENTS else []
    present = names["l" if kind in _SIZE else "c"]
    found = [_of(_COUNTS, **names, present=present, more=sql.Composed(more))]
    if kind != "opaque":
        group = _own("g", at)
        folded = _of(_FOLDED if kind == "text" else "", g=group)
        found.append(_of(_GROUPS, **names, g=group, top=sql.Literal(top), folded=folded))
    if kind in _FLOAT:
        found.append(_of(_HISTOGRAM, **names, buckets=sql.Literal(BUCKETS)))
    if kind in _TYPEOF:
        found.append(_of(_JSON_TYPES, **names))
    return found


def _grouped(at: int) -> sql.Composable:
    return sql.SQL(", ") + _of(_GROUPED, g=_own("g", at), c=_own("c", at))


def _of(template: str, **parts: sql.Composable) -> sql.Composable:
    return sql.SQL(template).format(**parts)


def _list(numbers: Sequence[float]) -> sql.Composable:
    return sql.SQL(", ").join([sql.Literal(number) for number in numbers])


def _own(letter: str, at: int) -> sql.Identifier:
    return sql.Identifier(f"pw_{letter}{at}")
