"""A second opinion on a statement, over PostgreSQL's own parse tree.

It shares nothing with the guard but the list of allowed functions: the tree is libpg_query's, the walk and the lists of
this module are its own. It is one-sided: an objection means that the statement must not run as a read; no objection
does not mean that the guard must let it run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import pglast
from pglast import ast
from pglast.parser import ParseError

HARMFUL: Final = frozenset((Path(__file__).parent / "harmful_functions.txt").read_text().split())
"""Built-in functions that change, wait, leak or run SQL: never to be reached, by call or by attribute notation."""

SECRET_RELATIONS: Final = frozenset(
    ["pg_authid", "pg_shadow", "pg_user_mapping", "pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings"]
)
SAMPLERS: Final = frozenset({"system", "bernoulli"})
"""Found by name among the functions, but no functions that a read can call."""
READING_ROOTS: Final = (ast.SelectStmt, ast.VariableShowStmt, ast.ExplainStmt)
POSITIONS: Final = ("location", "list_start", "list_end", "stmt_len")


def parse(sql: str) -> tuple[ast.RawStmt, ...] | None:
    """Return PostgreSQL's trees of the text, or None where it is not SQL."""
    try:
        return tuple(pglast.parse_sql(sql))
    except (ParseError, UnicodeEncodeError, ValueError):
        return None


def shape(statements: tuple[ast.RawStmt, ...]) -> Any:
    """Return the trees as plain values without positions: equal shapes mean the same to PostgreSQL."""
    return [plain(statement.stmt) for statement in statements]


def objections(statements: tuple[ast.RawStmt, ...], allowed: Collection[str]) -> list[str]:
    """Return why the statements may not run as one read.

    Args:
        statements: PostgreSQL's trees.
        allowed: The built-in functions that a read may call.

    Returns:
        One line for each objection; empty where there is none.
    """
    if len(statements) != 1:
        return [f"{len(statements)} statements"]
    root = statements[0].stmt
    if not isinstance(root, READING_ROOTS):
        return [f"a {type(root).__name__}"]
    nodes = list(walk(root))
    ctes = {str(node.ctename) for node in nodes if isinstance(node, ast.CommonTableExpr)}
    found = [line for node in nodes for line in of_node(node, allowed, ctes, root)]
    return found + _of_explain(root)


def _of_explain(root: ast.Node) -> list[str]:
    if not isinstance(root, ast.ExplainStmt):
        return []
    found = ["EXPLAIN runs it" for option in root.options or () if option.defname in {"analyze", "analyse"}]
    if not isinstance(root.query, ast.SelectStmt):
        found.append(f"EXPLAIN of a {type(root.query).__name__}")
    return found


def of_node(node: ast.Node, allowed: Collection[str], ctes: Collection[str], root: ast.Node) -> Iterator[str]:
    match node:
        case ast.SelectStmt():
            if node.intoClause:
                yield "SELECT INTO"
            if node.lockingClause:
                yield "locks rows"
        case ast.FuncCall():
            yield from _of_call(_names(node.funcname), allowed)
        case ast.RangeVar():
            if node.relname in SECRET_RELATIONS and (node.schemaname or node.relname not in ctes):
                yield f"reads {node.relname}"
        case ast.RangeTableSample():
            yield from _of_call(_names(node.method), SAMPLERS | frozenset(allowed))
        case ast.A_Expr():
            yield from _of_operator(node.name)
        case ast.SubLink():
            yield from _of_operator(node.operName)
        case ast.SortBy():
            yield from _of_operator(node.useOp)
        case ast.ColumnRef():
            yield from _of_attribute((node.fields or ())[1:])
        case ast.A_Indirection():
            yield from _of_attribute(node.indirection or ())
        case _ if type(node).__name__.endswith("Stmt") and node is not root:
            yield f"contains a {type(node).__name__}"


def _of_call(name: list[str], allowed: Collection[str]) -> Iterator[str]:
    schema, function = name[:-1], name[-1]
    if schema not in ([], ["pg_catalog"]):
        yield f"calls {'.'.join(name)}"
    elif function not in allowed:
        yield f"calls {function}, which is not on the list"
    elif function in HARMFUL:
        yield f"calls {function}, which is on the list and does harm"


def _of_operator(name: tuple[ast.Node, ...] | None) -> Iterator[str]:
    if name and _names(name)[:-1] not in ([], ["pg_catalog"]):
        yield "uses an operator of another schema"


def _of_attribute(fields: tuple[ast.Node, ...]) -> Iterator[str]:
    for field in fields:
        if isinstance(field, ast.String) and field.sval in HARMFUL:
            yield f"may call {field.sval} by attribute notation"


def _names(parts: tuple[ast.Node, ...] | None) -> list[str]:
    return [str(part.sval) for part in parts or () if isinstance(part, ast.String)]


def walk(value: Any) -> Iterator[ast.Node]:
    """Yield every node once, without recursion: a statement may nest deeper than Python does."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, tuple):
            pending.extend(current)
        elif isinstance(current, ast.Node):
            yield current
            pending.extend(getattr(current, slot) for slot in current)


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, ast.Node):
        slots = (slot for slot in value if not slot.endswith(POSITIONS))
        return type(value).__name__, [(slot, plain(getattr(value, slot))) for slot in slots]
    return value
