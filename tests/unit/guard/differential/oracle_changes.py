"""PostgreSQL's own parse tree against the guard's verdict on a statement that changes rows.

As in `oracle`, the tree is libpg_query's and the walk is this module's own; nothing is shared with the guard but the
list of allowed functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pglast import ast
from pglast.enums import BoolExprType, CmdType, OnConflictAction

from pgwarden.guard import Verdict, functions

from . import oracle

CHANGES: Final = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
ROOTS: Final = (*CHANGES, *oracle.READING_ROOTS)
OF_SEQUENCES: Final = frozenset({"nextval", "currval", "lastval"})
ALLOWED: Final = functions.ALLOWED
_VERBS: Final = {CmdType.CMD_INSERT: "INSERT", CmdType.CMD_UPDATE: "UPDATE", CmdType.CMD_DELETE: "DELETE"}


def is_change(statements: tuple[ast.RawStmt, ...]) -> bool:
    """Tell whether this is one statement that changes rows, or explains one that does."""
    if len(statements) != 1 or not isinstance(statements[0].stmt, ROOTS):
        return False
    return any(isinstance(node, CHANGES) for node in oracle.walk(statements[0].stmt))


def faults(statements: tuple[ast.RawStmt, ...], verdict: Verdict) -> list[str]:
    """Return what the verdict on an accepted statement leaves out; one line for each."""
    if len(statements) != 1 or not isinstance(statements[0].stmt, ROOTS):
        return ["it is not a statement that reads or changes rows"]
    root = statements[0].stmt
    nodes = list(oracle.walk(root))
    changes = [node for node in nodes if isinstance(node, CHANGES)]
    found = [*_kinds(root, changes, verdict), *_uses(nodes, changes, verdict), *_others(nodes, root)]
    if isinstance(root, ast.ExplainStmt):
        return found + ([] if verdict.readable else ["EXPLAIN is taken for a change"])
    if verdict.readable or verdict.change is None:
        return [*found, "a change is taken for a read"]
    everything = [each for change in changes if (each := _reaches_all(change))]
    if everything and verdict.change.tier != "typed":
        found.append(f"{everything} may reach every row without the name being typed")
    return [*found, *(f"{name} is not typed" for name in everything if name not in verdict.change.typed_name)]


def effects(change: ast.Node) -> set[str]:
    """Return what a statement does to the rows of its target."""
    match change:
        case ast.InsertStmt():
            clause = change.onConflictClause
            updates = clause is not None and clause.action == OnConflictAction.ONCONFLICT_UPDATE
            return {"INSERT", "UPDATE"} if updates else {"INSERT"}
        case ast.MergeStmt():
            return {_VERBS[w.commandType] for w in change.mergeWhenClauses or () if w.commandType in _VERBS}
        case ast.UpdateStmt():
            return {"UPDATE"}
    return {"DELETE"}


def _kinds(root: ast.Node, changes: list[Any], verdict: Verdict) -> Iterator[str]:
    needed = set[str]().union(*(effects(change) for change in changes))
    needed |= {"MERGE" for change in changes if isinstance(change, ast.MergeStmt)}
    extra = {"SELECT", "EXPLAIN"}
    if isinstance(root, ast.ExplainStmt):
        needed.add("EXPLAIN")
    if missing := needed - set(verdict.kinds):
        yield f"misses the kinds {sorted(missing)}"
    if more := set(verdict.kinds) - needed - extra:
        yield f"has kinds that it does not: {sorted(more)}"


def _uses(nodes: list[ast.Node], changes: list[Any], verdict: Verdict) -> Iterator[str]:
    said = {(use.operation, use.relation.name) for use in verdict.uses}
    targets = {id(change.relation) for change in changes}
    for change in changes:
        for effect in effects(change):
            if (effect, change.relation.relname) not in said:
                yield f"does not say {effect} on {change.relation.relname}"
    ctes = {str(node.ctename) for node in nodes if isinstance(node, ast.CommonTableExpr)}
    for node in nodes:
        if isinstance(node, ast.RangeVar) and id(node) not in targets:
            read = ("SELECT", node.relname) in said
            if not read and (node.schemaname or node.relname not in ctes):
                yield f"does not say that it reads {node.relname}"
            if read and "SELECT" not in verdict.kinds and node.relname not in {c.relation.relname for c in changes}:
                yield "reads without the kind SELECT"


def _others(nodes: list[ast.Node], root: ast.Node) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, CHANGES) or _is_of_sequence(node):
            continue
        yield from oracle.of_node(node, ALLOWED, set(), root)
    if isinstance(root, ast.ExplainStmt):
        yield from (f"EXPLAIN {o.defname} runs it" for o in root.options or () if str(o.defname).startswith("analy"))


def _is_of_sequence(node: ast.Node) -> bool:
    """Tell whether this calls what only reads and advances a sequence, which a change may do."""
    if not isinstance(node, ast.FuncCall):
        return False
    name = [part.sval for part in node.funcname or () if isinstance(part, ast.String)]
    return name[-1] in OF_SEQUENCES and name[:-1] in ([], ["pg_catalog"])


def _reaches_all(change: Any) -> str:
    """Return the target of an UPDATE or DELETE that is plain to reach all of its rows."""
    if isinstance(change, ast.UpdateStmt | ast.DeleteStmt) and change.relation and _is_always_true(change.whereClause):
        return str(change.relation.relname)
    return ""


def _is_always_true(condition: Any) -> bool:
    """Tell whether a condition is plain to hold for every row: no column in it, or the same on both sides."""
    if condition is None or not any(isinstance(node, ast.ColumnRef) for node in oracle.walk(condition)):
        return True
    match condition:
        case ast.BoolExpr(boolop=BoolExprType.OR_EXPR):
            return any(map(_is_always_true, condition.args or ()))
        case ast.BoolExpr(boolop=BoolExprType.AND_EXPR):
            return all(map(_is_always_true, condition.args or ()))
        case ast.A_Expr() if condition.lexpr is not None and condition.rexpr is not None:
            return bool(oracle.plain(condition.lexpr) == oracle.plain(condition.rexpr))
    return False
