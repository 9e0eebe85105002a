"""`pg://syntax_help`: what the guard refuses, for models that write SQL, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgwarden.resources.spec import Surroundings
from pgwarden.results import Report

_ALWAYS = (
    ("several statements in one call", "one statement a call; a semicolon only at its end"),
    ("values put into the text", "`$1`, `$2`, ... with `params`; a cast where the type is not plain: `$1::date`"),
    (
        "functions that change, wait or reach outside (pg_sleep, set_config, nextval, pg_read_file, dblink)",
        "built-in functions that only compute: nearly all of them pass",
    ),
    (
        "functions of this database's users, unless the policy names them",
        "write out what they do; the refusal has the signature that the owner would have to allow",
    ),
    ("SELECT ... FOR UPDATE, SELECT INTO, WITH that changes rows in a read", "the SELECT alone"),
    ("`U&'...'`, `N'...'`, strings continued on the next line", "plain `'...'`, `E'...\\n'` or `$$...$$`"),
    ("PREPARE, LISTEN, LOCK, DO", "nothing: there is no way"),
)
_POSTGRES = (
    'Names: unquoted ones fold to lower case; `"Order"` and whatever has capitals, blanks or is a key word needs double'
    " quotes. Strings take single quotes.",
    "`LIMIT n`, not TOP; `||` or concat(), not +; `ILIKE` ignores case; `IS NOT DISTINCT FROM` treats NULL as a value.",
    "Dates: `now() - interval '7 days'`, `date_trunc('month', t)`, `t >= '2026-01-01' AND t < '2026-02-01'`.",
    "Integer division cuts off: `a::numeric / b`, and `nullif(b, 0)` where b can be 0.",
    "First row of each group: `SELECT DISTINCT ON (g) ... ORDER BY g, t DESC`. Conditional counts:"
    " `count(*) FILTER (WHERE ...)`.",
    "JSON: `doc->>'key'` is text, `doc->'key'` is JSON, `doc @> '{\"key\": 1}'` can use an index."
    " Arrays: `x = ANY (list)`.",
    "Pages: `WHERE (t, id) < ($1, $2) ORDER BY t DESC, id DESC LIMIT n`, not OFFSET.",
)


async def read(around: Surroundings, _: Mapping[str, str]) -> Report:
    """Return the help; it names only tools that the caller has."""
    refused = [*_ALWAYS, *_by_tools(around)]
    table = "\n".join(f"| {what} | {instead} |" for what, instead in refused)
    advice = "\n".join(f"- {line}" for line in _POSTGRES)
    text = f"## Refused\n| not this | but |\n| --- | --- |\n{table}\n\n## PostgreSQL\n{advice}"
    data = {"refused": [{"not": what, "instead": instead} for what, instead in refused], "postgresql": [*_POSTGRES]}
    return Report(text, data, untrusted=False)


def _by_tools(around: Surroundings) -> Iterator[tuple[str, str]]:
    tools = around.tools
    own = "nothing: each call is a transaction of its own"
    inside = "begin_transaction, and its id as `transaction_id`"
    yield "BEGIN, COMMIT, SAVEPOINT", inside if "begin_transaction" in tools else own
    if "run_transaction" in tools:
        yield "several changes of rows that belong together", "run_transaction: all or nothing, in one call"
    yield "COPY", "export_query writes a file" if "export_query" in tools else "nothing: there is no way"
    if "explain_query" in tools:
        yield "EXPLAIN ANALYZE as SQL", "explain_query with `analyze: true`"
    if "execute_sql" in tools:
        yield "INSERT, UPDATE, DELETE, CREATE, ... in run_query", "execute_sql, which asks for a yes"
        yield (
            "a WHERE that keeps no row out (`true`, `id = id`, none at all)",
            "a real condition; else the table's name has to be typed by the person",
        )
    else:
        yield "INSERT, UPDATE, DELETE, CREATE, ...", "nothing: this caller has no tool for SQL that changes something"
    if "validate_query" in tools:
        yield "guessing", "validate_query says what a statement needs, and runs nothing"
