"""A second opinion on definitions, over PostgreSQL's own parse tree. It shares nothing with the grammar under test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pglast import ast, enums

KINDS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(kinds.split())
    for name, kinds in {
        "CreateStmt": "CREATE",
        "CreateTableAsStmt": "CREATE SELECT",
        "CreateForeignTableStmt": "CREATE",
        "ViewStmt": "CREATE SELECT",
        "IndexStmt": "CREATE",
        "CreateSeqStmt": "CREATE",
        "CreateSchemaStmt": "CREATE",
        "CreateEnumStmt": "CREATE",
        "CompositeTypeStmt": "CREATE",
        "CreateRangeStmt": "CREATE",
        "DefineStmt": "CREATE",
        "CreateDomainStmt": "CREATE",
        "CreateStatsStmt": "CREATE",
        "CreateFunctionStmt": "CREATE",
        "CreateTrigStmt": "CREATE",
        "CreateEventTrigStmt": "CREATE",
        "RuleStmt": "CREATE",
        "CreatePolicyStmt": "CREATE",
        "CreateExtensionStmt": "CREATE",
        "CreatePLangStmt": "CREATE",
        "CreateCastStmt": "CREATE",
        "CreateConversionStmt": "CREATE",
        "CreateOpClassStmt": "CREATE",
        "CreateOpFamilyStmt": "CREATE",
        "CreateTransformStmt": "CREATE",
        "CreateAmStmt": "CREATE",
        "CreateRoleStmt": "CREATE",
        "CreatedbStmt": "CREATE",
        "CreateTableSpaceStmt": "CREATE",
        "CreateForeignServerStmt": "CREATE",
        "CreateFdwStmt": "CREATE",
        "CreateUserMappingStmt": "CREATE",
        "CreatePublicationStmt": "CREATE",
        "CreateSubscriptionStmt": "CREATE",
        "DropStmt": "DROP",
        "DropRoleStmt": "DROP",
        "DropdbStmt": "DROP",
        "DropOwnedStmt": "DROP",
        "DropTableSpaceStmt": "DROP",
        "DropUserMappingStmt": "DROP",
        "DropSubscriptionStmt": "DROP",
        "TruncateStmt": "TRUNCATE",
        "VariableSetStmt": "SET",
        "CallStmt": "CALL",
    }.items()
}
"""Statement types by the class of the root node; ALTER for the rest, GRANT and REVOKE by their flag."""

_DROPPING: Final = frozenset(
    {
        enums.AlterTableType.AT_DropColumn,
        enums.AlterTableType.AT_DropConstraint,
        enums.AlterTableType.AT_DropExpression,
        enums.AlterTableType.AT_DropIdentity,
    }
)
_REWRITING: Final = frozenset(
    {
        enums.AlterTableType.AT_AlterColumnType,
        enums.AlterTableType.AT_SetLogged,
        enums.AlterTableType.AT_SetUnLogged,
        enums.AlterTableType.AT_SetAccessMethod,
        enums.AlterTableType.AT_SetTableSpace,
        enums.AlterTableType.AT_SetExpression,
        enums.AlterTableType.AT_DetachPartition,
        enums.AlterTableType.AT_DropInherit,
        enums.AlterTableType.AT_DisableTrig,
        enums.AlterTableType.AT_DisableTrigAll,
        enums.AlterTableType.AT_DisableTrigUser,
        enums.AlterTableType.AT_DisableRule,
        enums.AlterTableType.AT_DisableRowSecurity,
        enums.AlterTableType.AT_NoForceRowSecurity,
        enums.AlterTableType.AT_ChangeOwner,
    }
)
_ALWAYS_TYPED: Final = (
    ast.DropStmt,
    ast.DropRoleStmt,
    ast.DropdbStmt,
    ast.DropOwnedStmt,
    ast.DropTableSpaceStmt,
    ast.DropUserMappingStmt,
    ast.DropSubscriptionStmt,
    ast.TruncateStmt,
    ast.ReassignOwnedStmt,
    ast.AlterOwnerStmt,
    ast.ClusterStmt,
    ast.CreateSubscriptionStmt,
    ast.AlterRoleStmt,
    ast.AlterDefaultPrivilegesStmt,
)
_NOT_IN_TRANSACTION: Final = (
    ast.CreatedbStmt,
    ast.DropdbStmt,
    ast.CreateTableSpaceStmt,
    ast.DropTableSpaceStmt,
    ast.CreateSubscriptionStmt,
)


def kinds(root: ast.Node) -> set[str]:
    """Return the statement types that a statement certainly is."""
    found = set(KINDS.get(type(root).__name__, {"ALTER"}))
    if isinstance(root, (ast.GrantStmt, ast.GrantRoleStmt)):
        found = {"GRANT" if root.is_grant else "REVOKE"}
    if isinstance(root, (ast.ViewStmt, ast.CreateFunctionStmt, ast.RuleStmt, ast.CreateTrigStmt)) and root.replace:
        found.add("ALTER")
    if any(isinstance(node, ast.AlterTableCmd) and node.subtype in _DROPPING for node in walk(root)):
        found.add("DROP")
    return found


def is_typed(root: ast.Node) -> bool:
    """Tell whether a statement certainly is of the tier "typed"."""
    commands = [node for node in walk(root) if isinstance(node, ast.AlterTableCmd)]
    return (
        isinstance(root, _ALWAYS_TYPED)
        or _cascades(root)
        or (isinstance(root, (ast.GrantStmt, ast.GrantRoleStmt)) and not root.is_grant)
        or any(command.subtype in _DROPPING | _REWRITING or _cascades(command) for command in commands)
    )


def needs_no_transaction(root: ast.Node) -> bool:
    """Tell whether PostgreSQL certainly refuses a statement inside a transaction block."""
    return (
        isinstance(root, _NOT_IN_TRANSACTION)
        or (isinstance(root, ast.IndexStmt) and bool(root.concurrent))
        or (isinstance(root, ast.DropStmt) and bool(root.concurrent))
        or (isinstance(root, ast.VacuumStmt) and bool(root.is_vacuumcmd))
        or (isinstance(root, ast.ClusterStmt) and root.relation is None)
    )


def calls(root: ast.Node) -> set[tuple[str, str]]:
    """Return schema and name of every call, but of those that syntax makes."""
    return {
        _pair([str(part.sval) for part in node.funcname or ()])
        for node in walk(root)
        if isinstance(node, ast.FuncCall) and node.funcformat != enums.CoercionForm.COERCE_SQL_SYNTAX
    }


def relations(root: ast.Node) -> set[tuple[str, str]]:
    """Return schema and name of every relation, but of CTEs and of composite types, which are no relations here."""
    if isinstance(root, ast.CompositeTypeStmt) or enums.ObjectType.OBJECT_TYPE in (
        getattr(root, "objtype", None),
        getattr(root, "relationType", None),
    ):
        return set()
    ctes = {str(node.ctename) for node in walk(root) if isinstance(node, ast.CommonTableExpr)}
    return {
        (str(node.schemaname or ""), str(node.relname))
        for node in walk(root)
        if isinstance(node, ast.RangeVar) and (node.schemaname or node.relname not in ctes)
    }


def walk(value: Any) -> Iterator[ast.Node]:
    """Yield every node."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, tuple):
            pending.extend(current)
        elif isinstance(current, ast.Node):
            yield current
            pending.extend(getattr(current, slot) for slot in current)


def _cascades(node: ast.Node) -> bool:
    return getattr(node, "behavior", None) == enums.DropBehavior.DROP_CASCADE


def _pair(parts: list[str]) -> tuple[str, str]:
    return (parts[-2] if len(parts) > 1 else "", parts[-1])
